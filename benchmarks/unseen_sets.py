"""Measure how far what is said of unseen sets can be believed.

How often the intervals of coverage and richness cover the truth: samples come from
populations of 2517 sets, as many as the paper's network has, uniform, and with
log-normal probabilities. And what is estimated while an explorer searches that network.
The tables go to ``doc/landscape.md``, in place of those that stand there.
"""

from copy import copy
from pathlib import Path

import numpy as np

from skcrit import (
    GaussianStarts,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import (
    chao1_richness,
    chao1_richness_interval,
    good_turing_coverage,
    good_turing_coverage_interval,
    probe_coverage,
    probe_coverage_interval,
)

PAGE = Path(__file__).resolve().parents[1] / "doc" / "landscape.md"
HEAD = "| sampler | searches | coverage | richness | mean richness |"
HEAD_OF_SEARCH = "| searches | known | Good-Turing | latest quarter | probe |"
N_SETS, N_SAMPLES, SPREAD = 2517, 200, 1.5


def measure(p, n_searches, rng):
    """Return how often both intervals cover, and the mean estimate of richness."""
    covered, reached, estimates = [], [], []
    for counts in rng.multinomial(n_searches, p, size=N_SAMPLES):
        low, high = good_turing_coverage_interval(counts)
        covered.append(low <= p[counts > 0].sum() <= high)
        low, high = chao1_richness_interval(counts)
        reached.append(low <= N_SETS <= high)
        estimates.append(chao1_richness(counts))
    return np.mean(covered), np.mean(reached), np.mean(estimates)


def measure_samples():
    """Return the table on samples."""
    rng = np.random.default_rng(0)
    weights = np.exp(SPREAD * rng.standard_normal(N_SETS))
    samplers = {"uniform": np.full(N_SETS, 1 / N_SETS), "biased": weights}
    lines = [HEAD, "|---|---|---|---|---|"]
    for name, p in samplers.items():
        for n_searches in (300, 1000, 3000, 10_000):
            covered, reached, mean = measure(p / p.sum(), n_searches, rng)
            cells = f"{covered:.3f} | {reached:.3f} | {mean:.0f}"
            lines.append(f"| {name} | {n_searches} | {cells} |")
    return lines


def measure_search(budgets=(500, 1000, 2000, 4000, 6000, 9000), n_probes=500):
    """Return the table on a search, cut off after several numbers of searches."""
    X = make_gaussian_spectrum(10_000, random_state=0)
    loss = LinearAutoencoderLoss((4,)).fit(X)
    options = {"n_jobs": 2, "tol": 1e-20}
    explorer = LandscapeExplorer(
        max_searches=budgets[-1], random_state=0, **options
    ).fit(loss)
    probe = SaddleDynamicsFinder(
        init=GaussianStarts(0.05), n_starts=n_probes, random_state=1, **options
    ).fit(loss)
    sets = explorer.results_["critical_set"]
    lines = [HEAD_OF_SEARCH, "|---|---|---|---|---|"]
    for n in budgets:
        part = copy(explorer)
        found = np.unique(sets[:n][sets[:n] >= 0])
        for name in ("critical_points_", "morse_indices_", "nullities_"):
            setattr(part, name, getattr(explorer, name)[found])
        counts = np.bincount(sets[:n][sets[:n] >= 0])
        before = np.unique(sets[: 3 * n // 4])
        latest = np.mean(np.isin(sets[3 * n // 4 : n], before))
        low, high = probe_coverage_interval(part, probe)
        by_probe = f"{probe_coverage(part, probe):.2f} [{low:.2f}, {high:.2f}]"
        known, hits = len(found) / N_SETS, good_turing_coverage(counts)
        lines.append(f"| {n} | {known:.2f} | {hits:.2f} | {latest:.2f} | {by_probe} |")
    return lines


def main():
    """Measure, and put the tables into the page."""
    tables = measure_samples(), measure_search()
    page = PAGE.read_text(encoding="utf-8").split("\n")
    for lines in tables:
        begin = page.index(lines[0])
        end = begin + page[begin:].index("")
        page[begin:end] = lines
        print("\n".join(lines))
    PAGE.write_text("\n".join(page), encoding="utf-8")


# Workers import this file again where processes are spawned.
if __name__ == "__main__":
    main()

"""Measure how often the intervals of coverage and richness cover the truth.

Samples come from populations of 2517 sets, as many as the paper's network has: uniform,
and with log-normal probabilities. The table goes to ``doc/landscape.md``, in place of
the one that stands there.
"""

from pathlib import Path

import numpy as np

from skcrit.metrics import (
    chao1_richness,
    chao1_richness_interval,
    good_turing_coverage_interval,
)

PAGE = Path(__file__).resolve().parents[1] / "doc" / "landscape.md"
HEAD = "| sampler | searches | coverage | richness | mean richness |"
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


def main():
    """Measure all samplers, and put the table into the page."""
    rng = np.random.default_rng(0)
    weights = np.exp(SPREAD * rng.standard_normal(N_SETS))
    samplers = {"uniform": np.full(N_SETS, 1 / N_SETS), "biased": weights}
    lines = [HEAD, "|---|---|---|---|---|"]
    for name, p in samplers.items():
        for n_searches in (300, 1000, 3000, 10_000):
            covered, reached, mean = measure(p / p.sum(), n_searches, rng)
            cells = f"{covered:.3f} | {reached:.3f} | {mean:.0f}"
            lines.append(f"| {name} | {n_searches} | {cells} |")
    page = PAGE.read_text(encoding="utf-8").split("\n")
    begin = page.index(HEAD)
    end = begin + page[begin:].index("")
    page[begin:end] = lines
    PAGE.write_text("\n".join(page), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()

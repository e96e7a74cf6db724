"""Run every finder on every proving ground, and write doc/proving_grounds.md.

A row of the tables is a ground, a column a finder; a finder or a ground more is a line
in ``FINDERS`` or ``GROUNDS``. Numbers are medians over five seeds.
"""

import argparse
import platform
import time
import warnings
from pathlib import Path

import numpy as np
from grounds_counts import counts, linear_network
from joblib import Parallel, delayed
from sklearn.base import clone

import skcrit
from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
    NewtonTRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import judge, recovery_coverage
from skcrit.proving_grounds import (
    make_brockett_cost,
    make_central_configurations,
    make_himmelblau,
    make_lennard_jones,
    make_mueller_brown,
    make_orthogonal_tensor,
    make_phase_retrieval,
    make_quadratic_network,
    make_separable_quartic,
    make_six_hump_camel,
    make_three_hump_camel,
)

PAGE = Path(__file__).resolve().parents[1] / "doc" / "proving_grounds.md"
MARK = "<!-- measured by make grounds -->"
SEEDS, N_STARTS, MAX_ITER = range(5), 60, 200
BODIES, ATOMS = range(3, 8), range(4, 9)


def autoencoder():
    """Return the linear autoencoder 5-2-5, whose 16 sets are known in closed form."""
    X = make_gaussian_spectrum(
        200, eigenvalues=[5, 4, 3, 2, 1], exact=True, random_state=0
    )
    return LinearAutoencoderLoss((2,)).fit(X)


GROUNDS = {
    "linear autoencoder 5-2-5": autoencoder,
    "linear network 4-2-4": linear_network,
    "quadratic network (4, 2)": make_quadratic_network,
    "phase retrieval, n = 5": make_phase_retrieval,
    "tensor, n = 4, d = 3": make_orthogonal_tensor,
    "tensor, n = 5, d = 4": lambda: make_orthogonal_tensor(np.arange(5) / 5 + 1, 4),
    "Brockett on St(4, 2)": make_brockett_cost,
    "separable quartic, n = 4": lambda: make_separable_quartic(
        4, tilt=[0.05, 0.1, 0.15, 0.2]
    ),
    "central configurations, n = 4": lambda: make_central_configurations(4),
    "central configurations, n = 5": lambda: make_central_configurations(5),
    "Lennard-Jones, 6 atoms (minima)": lambda: make_lennard_jones(6),
    "Lennard-Jones, 7 atoms (minima)": lambda: make_lennard_jones(7),
    "Lennard-Jones, 8 atoms (minima)": lambda: make_lennard_jones(8),
    "Mueller-Brown": make_mueller_brown,
    "Himmelblau": make_himmelblau,
    "six-hump camel": make_six_hump_camel,
    "three-hump camel": make_three_hump_camel,
}

_COMMON = {"n_starts": N_STARTS, "max_iter": MAX_ITER}
FINDERS = {
    "Newton-MR": NewtonMRFinder(**_COMMON),
    "Newton-TR": NewtonTRFinder(**_COMMON),
    "gradient norm, L-BFGS": GradNormFinder(minimizer="l-bfgs", **_COMMON),
    "gradient norm, LM": GradNormFinder(minimizer="lm", **_COMMON),
    "saddle dynamics": SaddleDynamicsFinder(**_COMMON),
    "trajectory, 1 point": NewtonTrajectoryFinder(**_COMMON),
    "trajectory, 3 points": NewtonTrajectoryFinder(n_points=3, **_COMMON),
    "explorer": LandscapeExplorer(max_searches=5 * N_STARTS),
}

# Title of a table, its digits, and what it says.
TABLES = {
    "Recovery accuracy": (
        "{:.2f}",
        "share of the starts that end at a known point; of clusters, where only minima "
        "are known, without the starts that end at saddles.",
    ),
    "Saddles of clusters": (
        "{:.2f}",
        "share of all starts that end at critical points of which the truth says "
        "nothing: the starts that are left out above.",
    ),
    "Coverage": ("{:.2f}", "share of the known sets that were found."),
    "Evenness": (
        "{:.2f}",
        "entropy of the sets that the starts end in, over that of a uniform sample.",
    ),
    "Products": ("{:.0f}", "Hessian-vector products of a start, median."),
    "Gradients": ("{:.0f}", "gradients of a start, median."),
    "Seconds": ("{:.2f}", "processor time of one fit."),
}


def evenness(finder, truth):
    """Return the entropy of the sets that searches ended in, relative to uniform."""
    ends = finder.final_params_[finder.converged_]
    if truth.n_sets == 1 or len(ends) == 0:
        return np.nan
    match = truth.match(ends)
    names = [name for name, ok in zip(match.set, match.identified, strict=True) if ok]
    counts = np.unique(np.array([str(name) for name in names]), return_counts=True)[1]
    share = counts / max(np.sum(counts), 1)
    return -np.sum(share * np.log(share)) / np.log(truth.n_sets)


def has_unlisted(loss):
    """Return whether the truth lists critical points of some Morse indices only."""
    return getattr(loss.ground_truth(), "listed_indices", None) is not None


def measure(ground, finder, seed):
    """Fit once, and return a number for each table."""
    loss = GROUNDS[ground]()
    finder = clone(FINDERS[finder]).set_params(random_state=seed)
    begin = time.process_time()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(loss)
    seconds = time.process_time() - begin
    results, judgement = finder.results_, judge(finder)
    return (
        judgement.accuracy,
        np.mean(~judgement.judged) if has_unlisted(loss) else np.nan,
        recovery_coverage(finder),
        evenness(finder, loss.ground_truth()),
        np.median(results["n_hvp"]),
        np.median(results["n_gradient"]),
        seconds,
    )


def tables(n_jobs):
    """Measure everything, and return the lines of all tables."""
    keys = [(g, f, seed) for g in GROUNDS for f in FINDERS for seed in SEEDS]
    numbers = Parallel(n_jobs=n_jobs)(delayed(measure)(*key) for key in keys)
    found = dict(zip(keys, numbers, strict=True))
    medians = np.array([
        [np.median([found[g, f, s] for s in SEEDS], axis=0) for f in FINDERS]
        for g in GROUNDS
    ])
    lines = []
    for number, (title, (form, text)) in enumerate(TABLES.items()):
        lines += [f"### {title}", "", text[0].upper() + text[1:], ""]
        lines += ["| ground | " + " | ".join(FINDERS) + " |"]
        lines += ["|---" * (len(FINDERS) + 1) + "|"]
        for ground, row in zip(GROUNDS, medians[:, :, number], strict=True):
            if not np.any(np.isfinite(row)):
                continue
            cells = [form.format(x) if np.isfinite(x) else "" for x in row]
            lines.append(f"| {ground} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def explored(n_bodies, seed):
    """Explore central configurations with defaults: searches, shapes, sum, end."""
    loss = make_central_configurations(n_bodies)
    explorer = LandscapeExplorer(random_state=seed).fit(loss)
    found = round(recovery_coverage(explorer) * loss.ground_truth().n_sets)
    assert found == explorer.n_critical_sets_, "a set is not of the list"
    n_searches = len(explorer.results_["status"])
    return n_searches, found, explorer.euler_sum_, explorer.stop_reason_


def complete(n_jobs):
    """Return the lines on what the explorer finds with defaults, a row per number."""
    keys = [(n, seed) for n in BODIES for seed in SEEDS]
    rows = Parallel(n_jobs=n_jobs)(delayed(explored)(*key) for key in keys)
    lines = ["### Central configurations, the explorer with defaults", ""]
    lines += ["A number for each of five seeds, or one if they are the same.", ""]
    lines += ["| bodies | shapes | found | searches | Euler sum | ended |"]
    lines += ["|---|---|---|---|---|---|"]
    for n in BODIES:
        loss = make_central_configurations(n)
        some = [row for key, row in zip(keys, rows, strict=True) if key[0] == n]
        searches, found, sums, ends = zip(*some, strict=True)
        cells = [n, loss.ground_truth().n_sets, *map(listed, (found, searches))]
        cells += [f"{listed(map(int, sums))} of {loss.euler_characteristic}"]
        lines.append(f"| {' | '.join(map(str, cells))} | {listed(ends)} |")
    return [*lines, ""]


def pathways(n_atoms, seed):
    """Explore a cluster up to index one: searches, known minima, index 0 and 1."""
    loss = make_lennard_jones(n_atoms)
    explorer = LandscapeExplorer(max_index=1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        explorer.fit(loss)
    known = round(recovery_coverage(explorer) * loss.ground_truth().n_sets)
    n_each = [int(np.sum(explorer.morse_indices_ == index)) for index in (0, 1)]
    return explorer.n_searches_, known, *n_each, explorer.stop_reason_


def clusters(n_jobs):
    """Return the lines on minima and transition states, a row per number of atoms."""
    keys = [(n, seed) for n in ATOMS for seed in SEEDS]
    rows = Parallel(n_jobs=n_jobs)(delayed(pathways)(*key) for key in keys)
    lines = ["### Lennard-Jones clusters, the explorer with `max_index=1`", ""]
    lines += ["A number for each of five seeds, or one if they are the same.", ""]
    lines += ["| atoms | minima | of them found | minima found | index 1 found |"]
    lines[-1] += " searches | ended |"
    lines += ["|---" * 7 + "|"]
    for n in ATOMS:
        some = [row for key, row in zip(keys, rows, strict=True) if key[0] == n]
        searches, *found, ends = zip(*some, strict=True)
        cells = [n, make_lennard_jones(n).ground_truth().n_sets]
        cells += map(listed, (*found, searches, ends))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def listed(values):
    """Write values one after the other, or one for all if they are the same."""
    texts = list(map(str, values))
    return texts[0] if len(set(texts)) == 1 else ", ".join(texts)


def main():
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    begin = time.perf_counter()
    workers = parser.parse_args().workers
    lines = counts() + tables(workers) + complete(workers) + clusters(workers)
    minutes = (time.perf_counter() - begin) / 60
    text = PAGE.read_text(encoding="utf-8").split(MARK)[0]
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, skcrit "
    versions += f"{skcrit.__version__}; {minutes:.1f} minutes"
    PAGE.write_text(
        f"{text}{MARK}\n\n{versions}.\n\n" + "\n".join(lines).rstrip() + "\n"
    )


if __name__ == "__main__":
    main()

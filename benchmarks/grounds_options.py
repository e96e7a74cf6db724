"""Measure options of saddle dynamics and of trajectories on the proving grounds.

Usage: ``python benchmarks/grounds_options.py``. It prints the tables of options of
``doc/proving_grounds.md``. All numbers are medians over three seeds.
"""

import argparse
import warnings

import numpy as np
from grounds import FINDERS, GROUNDS, MAX_ITER, measure

from skcrit import NewtonTrajectoryFinder, NotConvergedWarning, SaddleDynamicsFinder

SEEDS, N_STARTS, MANY = range(3), 60, 400
PLACES = (
    "linear autoencoder 5-2-5",
    "quadratic network (4, 2)",
    "phase retrieval, n = 5",
    "tensor, n = 4, d = 3",
    "Brockett on St(4, 2)",
    "separable quartic, n = 4",
    "central configurations, n = 4",
    "central configurations, n = 5",
)
OPTIONS = {
    "defaults": {},
    "skip_symmetries": {"skip_symmetries": True},
    "heavy ball 0.5": {"momentum": 0.5},
    "Nesterov 0.5": {"momentum": 0.5, "nesterovs_momentum": True},
    "precondition": {"precondition": True},
}


def applies(ground, option):
    """Return whether an option can be used; not every loss has a preconditioner."""
    loss = GROUNDS[ground]()
    origin = np.zeros((1, loss.n_params_))
    return "precondition" not in OPTIONS[option] or (
        loss.preconditioner(origin) is not None
    )


def options():
    """Print what options of saddle dynamics do."""
    print("| ground | " + " | ".join(OPTIONS) + " |")
    print("|---" * (len(OPTIONS) + 1) + "|")
    for name, given in OPTIONS.items():
        FINDERS[name] = SaddleDynamicsFinder(
            n_starts=N_STARTS, init="gaussian", max_iter=MAX_ITER, **given
        )
    for ground in PLACES:
        cells = []
        for name in OPTIONS:
            if not applies(ground, name):
                cells.append("")
                continue
            rows = [measure(ground, name, seed) for seed in SEEDS]
            accuracy, _, coverage, evenness, products = np.median(rows, axis=0)[:5]
            cells.append(
                f"{accuracy:.2f}, {coverage:.2f}, {evenness:.2f}, {products:.0f}"
            )
        print(f"| {ground} | " + " | ".join(cells) + " |", flush=True)


def covered(finder, rows):
    """Return the share of the known sets that some starts ended in."""
    ends = finder.final_params_[rows & finder.converged_]
    truth = finder.loss_.ground_truth()
    match = truth.match(ends)
    names = {str(n) for n, ok in zip(match.set, match.identified, strict=True) if ok}
    return len(names) / truth.n_sets


def deflation():
    """Print what trajectories find with and without deflation, for equal products."""
    print("\n| ground | with deflation | without, equal products | starts | products |")
    print("|---|---|---|---|---|")
    for ground in PLACES[1:-1]:
        rows = []
        for seed in SEEDS:
            loss = GROUNDS[ground]()
            common = {"init": "gaussian", "max_iter": MAX_ITER, "random_state": seed}
            with_it = NewtonTrajectoryFinder(n_starts=N_STARTS, deflate=True, **common)
            without = NewtonTrajectoryFinder(n_starts=MANY, **common)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore", NotConvergedWarning)
                with_it.fit(loss)
                without.fit(loss)
            cost = np.cumsum(with_it.results_["n_hvp"])
            # Starts that find nothing more are counted as well.
            spent = np.cumsum(without.results_["n_hvp"]) <= cost[-1]
            rows.append((
                covered(with_it, np.ones(N_STARTS, dtype=bool)),
                covered(without, spent),
                np.sum(spent),
                cost[-1],
            ))
        a, b, n, products = np.median(rows, axis=0)
        print(
            f"| {ground} | {a:.2f} | {b:.2f} | {n:.0f} | {products:.0f} |", flush=True
        )


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["options", "deflation"])
    only = parser.parse_args().only
    if only != "deflation":
        options()
    if only != "options":
        deflation()


if __name__ == "__main__":
    main()

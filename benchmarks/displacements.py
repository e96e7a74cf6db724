"""How much the length of displacements matters to an exploration.

A length that adapts to a loss can save what the best of several fixed ranges saves.

Usage: ``python benchmarks/displacements.py [--seeds 2] [--problems NAME ...]``.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skcrit import LandscapeExplorer, LinearAutoencoderLoss, NotConvergedWarning
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import MLPLoss
from skcrit.proving_grounds import make_lennard_jones

# Factors on the default range of lengths, (1.2, 2.2) length scales.
FACTORS = (0.4, 0.7, 1.0, 1.5, 2.5)

# An exploration is compared by when it had this part of what the best one found.
PART = 0.95


def linear(features, hidden, seed):
    """Make the loss of a linear autoencoder on Gaussian data."""
    X = make_gaussian_spectrum(
        10_000, eigenvalues=np.arange(features, 0, -1.0), random_state=seed
    )
    return LinearAutoencoderLoss((hidden,)).fit(X)


def cancer(seed):
    """Make the loss of a linear autoencoder on standardised data."""
    data = StandardScaler().fit_transform(load_breast_cancer().data)
    return LinearAutoencoderLoss((2,)).fit(data)


def network(seed):
    """Make the loss of a small network with a penalty."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 2))
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + 0.1 * rng.normal(size=20)
    return MLPLoss((3,), alpha=0.1, penalize_intercept=True).fit(X, y)


# Losses, and budgets of searches.
PROBLEMS = {
    "10-3-10": (lambda seed: linear(10, 3, seed), 500),
    "16-4-16": (lambda seed: linear(16, 4, seed), 3400),
    "breast cancer": (cancer, 2400),
    "2-3-1": (network, 600),
    "Lennard-Jones 7": (lambda seed: make_lennard_jones(7), 400),
}


def measure(name, seeds):
    """Explore with each range of lengths.

    Parameters
    ----------
    name : str
        Problem.
    seeds : int
        Draws of data and seeds.

    Returns
    -------
    rows : list of str
        A row of a table for each range.
    """
    make, budget = PROBLEMS[name]
    found = {}
    for factor in FACTORS:
        for seed in range(seeds):
            explorer = LandscapeExplorer(
                max_searches=budget,
                displacement=(1.2 * factor, 2.2 * factor),
                random_state=seed,
            ).fit(make(seed))
            results = explorer.results_
            sets_out = results["parent"] >= 0
            home = results["parent"] == results["critical_set"]
            failed = results["critical_set"] < 0
            found[factor, seed] = (
                explorer.discovery_,
                np.mean(home[sets_out]),
                np.mean(failed[sets_out]),
            )
    rows = []
    for factor in FACTORS:
        counts, ends, home, failed = [], [], [], []
        for seed in range(seeds):
            most = max(found[f, seed][0][-1, 1] for f in FACTORS)
            (searches, sets), *shares = (
                found[factor, seed][0].T,
                *found[factor, seed][1:],
            )
            reached = np.flatnonzero(sets >= PART * most)
            counts.append(str(searches[reached[0]]) if len(reached) else "-")
            ends.append(f"{sets[-1]} of {most}")
            home.append(shares[0])
            failed.append(shares[1])
        cells = [name, f"{factor:g}", ", ".join(counts), ", ".join(ends)]
        cells += [f"{np.mean(home):.2f}", f"{np.mean(failed):.2f}"]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    options = parser.parse_args()
    warnings.simplefilter("ignore", NotConvergedWarning)
    print(f"| loss | factor | searches until {PART:.0%} | sets | home | failed |")
    print("|---|---|---|---|---|---|")
    for name in options.problems:
        print("\n".join(measure(name, options.seeds)), flush=True)


if __name__ == "__main__":
    main()

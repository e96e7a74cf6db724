"""Measure how the methods do, with their defaults, on the data that everybody has.

A linear autoencoder on every data set, raw and standardised. A finder's accuracy is the
share of starts that ended at a critical set of the truth with its loss and Morse index;
the explorer must find all sets, none false. Inner accuracies of Newton-MR are compared
by ``--methods newton-mr adaptive long long-adaptive long-tight``.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    SaddleDynamicsFinder,
)
from skcrit.metrics import recovery_report

DATA = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "diabetes": datasets.load_diabetes,
    "breast cancer": datasets.load_breast_cancer,
    "linnerud": datasets.load_linnerud,
}
FINDERS = {
    "newton-mr": NewtonMRFinder,
    "saddle": SaddleDynamicsFinder,
    "grad-norm": GradNormFinder,
}
# Inner accuracies of Newton-MR, which --methods compares.
LONG = {"max_inner_iter": 500}
ACCURACIES = {
    "adaptive": partial(NewtonMRFinder, inner_tol="adaptive"),
    "long": partial(NewtonMRFinder, **LONG),
    "long-adaptive": partial(NewtonMRFinder, inner_tol="adaptive", **LONG),
    "long-tight": partial(NewtonMRFinder, inner_tol=1e-6, **LONG),
}


def problems(names):
    """Yield the name of each problem and its data."""
    for name, load in DATA.items():
        if name in names:
            X = load().data
            yield f"{name}, raw", X
            yield f"{name}, standardised", StandardScaler().fit_transform(X)
    if "digits" in names:
        yield "digits / 16", datasets.load_digits().data / 16


def finder_row(kind, X, n_components, n_starts):
    """Fit one finder; return accuracy, products and CPU seconds of a start."""
    loss = LinearAutoencoderLoss((n_components,))
    finder = (FINDERS | ACCURACIES)[kind](loss, n_starts=n_starts, random_state=0)
    begin = time.process_time()
    finder.fit(X)
    seconds = (time.process_time() - begin) / n_starts
    report = recovery_report(finder, output_dict=True)
    products = np.mean(finder.results_["n_hvp"] + finder.results_["n_gradient"])
    return report["accuracy"], products, seconds, _tally(finder.results_["status"])


def explorer_row(X, n_components):
    """Explore; return the share of sets, false ones, and searches."""
    loss = LinearAutoencoderLoss((n_components,)).fit(X)
    n_sets = loss.analytical_spectrum().n_sets
    explorer = LandscapeExplorer(max_searches=6 * n_sets, random_state=0)
    begin = time.process_time()
    explorer.fit(loss)
    seconds = time.process_time() - begin
    match = loss.analytical_spectrum().match(explorer.critical_points_)
    identified = match.status == "identified"
    found = len({match.set[i] for i in np.flatnonzero(identified)})
    return (
        n_sets,
        found,
        int(np.sum(~identified)),
        explorer.n_searches_,
        explorer.stop_reason_,
        seconds,
        _tally(explorer.results_["status"]),
    )


def _tally(status):
    """Count how searches ended."""
    names, counts = np.unique(status, return_counts=True)
    return " ".join(
        f"{count} {name}" for name, count in zip(names, counts, strict=True)
    )


def main():
    """Print a row for each method and problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=[*FINDERS, "explorer"])
    parser.add_argument("--data", nargs="+", default=[*DATA, "digits"])
    parser.add_argument("--components", nargs="+", type=int, default=[2])
    parser.add_argument("--starts", type=int, default=40)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, X in problems(args.data):
        for p in args.components:
            for method in args.methods:
                if method == "explorer":
                    row = explorer_row(X, p)
                else:
                    row = finder_row(method, X, p, args.starts)
                cells = (f"{c:.3g}" if isinstance(c, float) else str(c) for c in row)
                print(name, p, method, *cells, sep=" | ", flush=True)


if __name__ == "__main__":
    main()

"""Index fractions of networks whose Hessian is too large to be formed.

Usage: ``python examples/nonlinear/large.py [--output results] [--hidden 30 100]``. The
digits of scikit-learn are enlarged from 8x8 to 28x28 pixels, bordered with dead ones.
"""

import argparse
import resource
import time
from pathlib import Path

from tools import COARSE, bounds_at, enlarged_digits, saved

from skcrit import MLPLoss, NewtonMRFinder
from skcrit._backend import one_blas_thread
from skcrit.linalg import inertia_fractions


def examine(hidden, alpha, n_samples, n_starts, max_iter):
    """Search a few critical points, and bound the index where searches end.

    Parameters
    ----------
    hidden : int
        Hidden units.
    alpha : float
        Weight of the penalty.
    n_samples, n_starts, max_iter : int
        Numbers of images, of searches and of iterations of each.

    Yields
    ------
    row : dict
        What was measured, for each end.
    """
    X, y = enlarged_digits(n_samples)
    loss = MLPLoss((hidden,), "silu", loss="log_loss", alpha=alpha)
    finder = NewtonMRFinder(loss, n_starts=n_starts, max_iter=max_iter, random_state=0)
    begin = time.perf_counter()
    finder.set_params(tol=1e-4).fit(X, y)
    searched = time.perf_counter() - begin
    for row, theta in enumerate(finder.final_params_):
        begin = time.perf_counter()
        with one_blas_thread():
            found = bounds_at(finder.loss_, theta)
            seconds = time.perf_counter() - begin
            local = finder.loss_.at(theta)
            coarse = inertia_fractions(
                local.hvp, len(theta), level=COARSE, n_probes=4, random_state=0
            )
        yield {
            "network": f"784-{hidden}-10",
            "parameters": finder.n_params_,
            "alpha": alpha,
            "images": n_samples,
            "status": str(finder.results_["status"][row]),
            "loss": float(finder.results_["loss"][row]),
            "squared gradient norm": float(finder.results_["squared_grad_norm"][row]),
            "negative for certain": int(found.n_below[0]),
            "fraction": float(found.fraction[0]),
            "interval": [float(found.low[0]), float(found.high[0])],
            "seconds for the index": round(seconds, 1),
            "below -1e-3": coarse.negative,
            "interval below -1e-3": list(coarse.negative_interval),
            "seconds for all searches": round(searched, 1),
            "peak memory, MB": round(
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            ),
        }


def main():
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="results", type=Path)
    parser.add_argument("--hidden", nargs="+", default=[30, 100], type=int)
    parser.add_argument("--images", default=500, type=int)
    parser.add_argument("--starts", default=2, type=int)
    parser.add_argument("--max-iter", default=30, type=int)
    parser.add_argument("--alpha", nargs="+", default=[0.1, 0.0], type=float)
    options = parser.parse_args()
    rows = (
        row
        for hidden in options.hidden
        for alpha in options.alpha
        for row in examine(
            hidden, alpha, options.images, options.starts, options.max_iter
        )
    )
    saved(rows, options.output / "nonlinear_large.json")


if __name__ == "__main__":
    main()

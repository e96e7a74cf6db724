"""Speed on 4-5-3, the index fraction at 1210 parameters, and points at infinity."""

import time

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import scale
from tools import bounds_at, fitted

from skcrit import (
    GradNormFinder,
    MLPLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)


def ten_starts(small):
    """Search 4-5-3 with softplus units on iris from ten starts, by several finders.

    The published finder took 10.2 s per start, it is not known of which kind, and got 2
    of 10 other starts below 1e-20.
    """
    X, y = load_iris(return_X_y=True)
    # Penalty: 1e-3 times the squared norm of the weights.
    loss = MLPLoss((5,), "softplus", loss="log_loss", alpha=0.3).fit(scale(X), y)
    common = {"n_starts": 10, "init": "gaussian", "random_state": 0}
    finders = [
        NewtonMRFinder(**common),
        NewtonMRFinder(max_iter=100, **common),
        NewtonMRFinder(tol=1e-20, **common),
        NewtonMRFinder(tol=1e-20, max_iter=100, **common),
        GradNormFinder(minimizer="lm", **common),
        GradNormFinder(minimizer="lm", max_iter=500, **common),
        SaddleDynamicsFinder(**common),
        NewtonTRFinder(max_iter=200, fallback=False, **common),
        # Others, to see what the ten starts are worth.
        NewtonMRFinder(
            tol=1e-20, max_iter=100, n_starts=100, init="gaussian", random_state=1
        ),
    ]
    for finder in finders[1:2] if small else finders:
        finder, seconds = fitted(finder, loss)
        small_gradient = finder.results_["squared_grad_norm"] < 1e-20
        # The classes are of equal size: log 3 is the loss without any weights.
        constant = np.abs(finder.results_["loss"] - np.log(3)) < 1e-9
        yield {
            "what": "4-5-3 softplus on iris",
            "finder": type(finder).__name__,
            "starts": finder.n_starts,
            "max_iter, tol": [finder.max_iter, finder.tol],
            "below 1e-20": int(np.sum(small_gradient)),
            "of them constant predictors": int(np.sum(small_gradient & constant)),
            "confirmed": int(np.sum(finder.converged_)),
            "sets": finder.n_critical_sets_,
            "seconds per start: processor, wall": [
                round(seconds.processor / finder.n_starts, 3),
                round(seconds.wall / finder.n_starts, 3),
            ],
        }


def dense(small):
    """Compare intervals with dense Hessians at 1210 parameters."""
    X, y = load_digits(return_X_y=True)
    X, y = X[:200] / 16, y[:200]
    loss = MLPLoss((16,), loss="log_loss", alpha=1.0).fit(X, y)
    rng, hits, widths, seconds = np.random.default_rng(0), [], [], []
    n_points = 3 if small else 20
    points = rng.normal(size=(n_points, loss.n_params_)) * 0.5
    unknown = 0
    for theta in points:
        begin = time.perf_counter()
        found = bounds_at(loss, theta)
        middle = time.perf_counter()
        values = np.linalg.eigvalsh(loss.hessian(theta))
        seconds.append((middle - begin, time.perf_counter() - middle))
        part = np.mean(values < 0)
        hits.append(found.low[0] <= part <= found.high[0])
        widths.append(found.high[0] - found.low[0])
        unknown += bool(np.isnan(found.fraction[0]))
    return {
        "what": "index fraction at 1210 parameters against dense Hessians",
        "points": n_points,
        "covered": int(np.sum(hits)),
        "median width": float(np.median(widths)),
        "fraction unknown": unknown,
        "median seconds: products, dense": np.median(seconds, axis=0).tolist(),
    }


def infinity(small):
    """Search without a penalty, and continue what is called converged."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    targets = {"squared_error": X[:, 0] * X[:, 1], "log_loss": X[:, 0] > 0}
    for name, y in targets.items():
        loss = MLPLoss((3,), loss=name).fit(X, y)
        n = 20 if small else 200
        finder = NewtonTRFinder(
            n_starts=n, init="gaussian", random_state=0, fallback=False
        )
        finder, _ = fitted(finder, loss)
        ends = finder.final_params_[finder.converged_]
        status, counts = np.unique(finder.results_["status"], return_counts=True)
        # A few exact Newton steps more: who is at infinity goes on.
        moved = []
        for theta in ends:
            t = theta.copy()
            for _ in range(20):
                H, g = loss.hessian(t), loss.gradient(t)
                t = t - np.linalg.pinv(H, rcond=1e-12, hermitian=True) @ g
            moved.append(np.linalg.norm(t - theta) / np.linalg.norm(theta))
        yield {
            "what": f"unregularised tanh, {name}",
            "status": dict(zip(status.tolist(), counts.tolist(), strict=True)),
            "converged that 20 Newton steps move by more than 1 %": int(
                np.sum(np.array(moved) > 1e-2)
            ),
            "largest norm of a converged end": float(
                np.max(np.linalg.norm(ends, axis=1), initial=0)
            ),
        }


def main(small=False):
    """Run all checks.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    row : dict
        What was measured, for each check.
    """
    yield from ten_starts(small)
    yield dense(small)
    yield from infinity(small)

"""Index fractions against eigenvalues, and points at infinity."""

import time
from functools import partial

import numpy as np
from sklearn.datasets import load_digits
from tools import bounds_at, enlarged_digits, fitted

from skcrit import MLPLoss, NewtonTRFinder

# Relative to the largest eigenvalue, and of shares.
ROUNDING = 1e-12


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
        begin = time.process_time()
        found = bounds_at(loss, theta)
        middle = time.process_time()
        values = np.linalg.eigvalsh(loss.hessian(theta))
        seconds.append((middle - begin, time.process_time() - middle))
        # One eigenvalue is zero: intercepts of the softmax may all be shifted.
        part = np.mean(values < -ROUNDING * np.max(np.abs(values)))
        hits.append(found.low[0] - ROUNDING <= part <= found.high[0] + ROUNDING)
        widths.append(found.high[0] - found.low[0])
        unknown += bool(np.isnan(found.fraction[0]))
    return {
        "what": "index fraction at 1210 parameters against dense Hessians",
        "points": n_points,
        "covered": int(np.sum(hits)),
        "median width": float(np.median(widths)),
        "fraction unknown": unknown,
        "median processor seconds: bounds, Hessian with eigenvalues": np.median(
            seconds, axis=0
        ).tolist(),
    }


class _Unreduced(MLPLoss):
    """A network that does not declare which parameters act on the data."""

    def data_subspace(self):
        return None

    def count_tangents(self, theta):
        return 2**60  # too many to be formed


def levels(alpha, small):
    """Compare intervals at their levels with all eigenvalues, at 23 860 parameters.

    The data see 2020 parameters, whose Hessian is formed; on the others it is a known
    multiple of the identity. The intervals do not use that.
    """
    X, y = enlarged_digits(100 if small else 500)
    params = {"activation": "silu", "loss": "log_loss", "alpha": alpha}
    loss = _Unreduced((30,), **params).fit(X, y)
    known, rng = MLPLoss((30,), **params).fit(X, y), np.random.default_rng(0)
    points = rng.normal(size=(1 if small else 3, loss.n_params_))
    seen, rows = known.data_subspace(), []
    for theta, size in zip(points, (0.1, 0.2, 0.4), strict=False):
        theta = size * theta
        begin = time.process_time()
        found = bounds_at(loss, theta).inertia
        seconds = time.process_time() - begin
        local, identity = known.at(theta), np.eye(seen.n_coordinates)
        columns = [
            seen.reduce(local.hvp(seen.expand(identity[i : i + 16])))
            for i in range(0, len(identity), 16)
        ]
        values = np.linalg.eigvalsh(np.concatenate(columns))
        values = np.append(values, np.full(len(theta) - len(values), seen.decay))
        level = found.level[0] * np.max(np.abs(values))
        sides = values < -level, np.abs(values) <= level, values > level
        true = np.array([np.mean(side) for side in sides])
        rows.append({
            "level": float(found.level[0]),
            "negative, flat, positive": true.tolist(),
            "covered": ((found.low[0] <= true) & (true <= found.high[0])).tolist(),
            "widths": (found.high[0] - found.low[0]).tolist(),
            "processor seconds": round(seconds, 1),
        })
    return {
        "what": "shares to a level at 23 860 parameters against all eigenvalues",
        "alpha": alpha,
        "points": rows,
    }


def infinity(name, small):
    """Search without a penalty, and continue what is called converged."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    y = X[:, 0] * X[:, 1] if name == "squared_error" else X[:, 0] > 0
    loss = MLPLoss((3,), loss=name).fit(X, y)
    n = 20 if small else 200
    finder = NewtonTRFinder(n_starts=n, init="gaussian", random_state=0, fallback=False)
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
    return {
        "what": f"unregularised tanh, {name}",
        "status": dict(zip(status.tolist(), counts.tolist(), strict=True)),
        "converged that 20 Newton steps move by more than 1 %": int(
            np.sum(np.array(moved) > 1e-2)
        ),
        "largest norm of a converged end": float(
            np.max(np.linalg.norm(ends, axis=1), initial=0)
        ),
    }


def tasks(small=False):
    """List all checks.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    task : callable
        Returns what was measured, for each check.
    """
    yield partial(dense, small)
    for name in ("squared_error", "log_loss"):
        yield partial(infinity, name, small)
    for alpha in (0.0,) if small else (0.0, 0.1):
        yield partial(levels, alpha, small)

"""One product with the Hessian against its arithmetic, and inner solvers."""

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsmr, minres

from skcrit._backend import to_device
from skcrit.linalg import minres_qlp

from . import problems
from .machine import matrix_rate, seconds

__all__ = ["inner_solvers", "products"]

SIZES = ((16, 4, 100), (64, 8, 100), (256, 16, 100), (784, 32, 20))


def products(backend, sizes=SIZES):
    """Time products with the Hessian, against 12 d^2 p operations at the matrix rate.

    Parameters
    ----------
    backend : str
        Array library.
    sizes : sequence of tuple of (int, int, int)
        Widths d and p, and points per batch.

    Returns
    -------
    rows : list of dict
        A row per size.
    """
    rows = []
    for d, p, n_points in sizes:
        loss, _ = problems.network(d, p, backend, n_samples=2 * d)
        theta = to_device(problems.points(loss, n_points), backend)
        v = to_device(problems.points(loss, n_points, 1.0), backend)
        local = loss.at(theta)
        rate = matrix_rate(backend)
        took = seconds(lambda local=local, v=v: local.hvp(v), backend)
        floor = 12 * d**2 * p * n_points / rate
        rows.append({
            "network": f"{d}-{p}-{d}",
            "points": n_points,
            "microseconds": 1e6 * took,
            "matrix rate, Gflop/s": rate / 1e9,
            "over the arithmetic": took / floor,
        })
    return rows


def inner_solvers(n_points=20):
    """Solve Newton systems near a saddle with MINRES-QLP, and with minres and lsmr.

    Parameters
    ----------
    n_points : int
        Number of systems.

    Returns
    -------
    rows : list of dict
        A row per solver: seconds, products, and the norm of the solution over that of
        the shortest one.
    """
    loss, _ = problems.network(16, 4)
    spectrum = loss.analytical_spectrum()
    names = spectrum.sample_sets(n_points, random_state=0)
    theta = np.stack([spectrum.representative(name) for name in names])
    # The symmetries make the Hessian singular, and noise the system inconsistent.
    rng = np.random.default_rng(0)
    b = rng.standard_normal(theta.shape)
    local = loss.at(theta)
    shortest = np.stack([
        np.linalg.pinv(H, rcond=1e-10) @ rhs
        for H, rhs in zip(local.hessian(), b, strict=True)
    ])
    rows = []
    for name, solve in _INNER_SOLVERS.items():
        count = [0]
        x = solve(loss, theta, b, count)
        took = seconds(lambda solve=solve: solve(loss, theta, b, [0]), repeats=3)
        excess = np.linalg.norm(x, axis=1) / np.linalg.norm(shortest, axis=1)
        error = np.linalg.norm(x - shortest, axis=1) / np.linalg.norm(shortest, axis=1)
        rows.append({
            "inner solver": name,
            "milliseconds per system": 1e3 * took / n_points,
            "products per system": count[0] / n_points,
            "worst norm over the least norm": float(excess.max()),
            "worst relative error": float(error.max()),
        })
    return rows


def _solve_qlp(loss, theta, b, count):
    """Solve all systems in a batch."""
    result = minres_qlp(loss.at(theta).hvp, b, rtol=1e-12)
    count[0] += int(np.sum(result.n_matvec))
    return result.x


def _one_by_one(solve):
    """Make of a solver of SciPy one that does all systems, one after the other."""

    def solve_all(loss, theta, b, count):
        return np.stack([
            solve(_operator(loss.at(t), count), rhs)
            for t, rhs in zip(theta, b, strict=True)
        ])

    return solve_all


def _operator(local, count):
    """Wrap the products at one point, and count them."""

    def product(v):
        count[0] += 1
        return local.hvp(v)

    size = (len(local.theta),) * 2
    return LinearOperator(size, matvec=product, rmatvec=product, dtype=float)


_INNER_SOLVERS = {
    "skcrit minres_qlp": _solve_qlp,
    "scipy minres": _one_by_one(lambda A, b: minres(A, b, rtol=1e-12)[0]),
    "scipy lsmr": _one_by_one(
        lambda A, b: lsmr(A, b, atol=1e-12, btol=1e-12, maxiter=1000)[0]
    ),
}

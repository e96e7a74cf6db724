"""Measure where saddle dynamics is faster with products than with dense Hessians.

Usage: ``python benchmarks/saddle_dynamics_crossover.py``. Searches of one index from
the same starts, near critical sets, to 1e-20, with both eigensolvers.
"""

import time

import numpy as np

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.solvers import SaddleDynamics, Status

# Widths of the networks, and the indices of the searches.
SIZES = ((16, 4), (16, 6), (16, 8), (24, 8), (32, 8), (32, 16))
INDICES = (0, 2, 8, 16, 32, 64)
N_STARTS = 4


def search(loss, theta0, index, eigensolver):
    """Run searches, and say how long they took and how many ended."""
    solver = SaddleDynamics(
        tol=1e-20,
        max_iter=60,
        index=np.full(len(theta0), index),
        eigensolver=eigensolver,
    )
    begin = time.perf_counter()
    result = solver.solve(loss, theta0)
    seconds = time.perf_counter() - begin
    return seconds / len(theta0), np.mean(result.status == Status.CONVERGED), result


def main():
    """Print a row per size and index."""
    print(
        "| parameters | k | dense, s | products, s | ratio | converged | iterations |"
    )
    print("|---|---|---|---|---|---|---|")
    for d, p in SIZES:
        X = make_gaussian_spectrum(
            10 * d, eigenvalues=np.arange(d, 0, -1.0), random_state=0
        )
        loss = LinearAutoencoderLoss((p,)).fit(X)
        rng = np.random.default_rng(0)
        theta0 = 0.05 * rng.standard_normal((N_STARTS, loss.n_params_))
        for index in INDICES:
            if 3 * (index + 2) > loss.n_params_:
                continue
            rows = [search(loss, theta0, index, name) for name in ("dense", "lobpcg")]
            (dense, done, a), (free, free_done, b) = rows
            print(
                f"| {loss.n_params_} | {index} | {dense:.3f} | {free:.3f} | "
                f"{dense / free:.2f} | {done:.2f}, {free_done:.2f} | "
                f"{a.n_iter.mean():.0f}, {b.n_iter.mean():.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Measure what dense Hessians cost against products, for the sizes of linalg.dense.

Usage: ``python benchmarks/dense_or_products.py``. Seconds per point, on one core, for
networks d-p-d: a decomposition or a Krylov space of 50 products, with two damped
solutions (Levenberg-Marquardt) and with a ladder of ten (Newton-TR); and counting the
negative eigenvalues, by all eigenvalues or by a Krylov space of 100 products.
"""

import time

import numpy as np

from skcrit._backend import one_blas_thread
from skcrit.datasets import make_gaussian_spectrum
from skcrit.linalg import EigenSystem, KrylovSystem, eigh, lanczos
from skcrit.losses import LinearAutoencoderLoss

SIZES = ((8, 2), (8, 4), (16, 4), (16, 8), (32, 8), (32, 16), (64, 32))
N_NUMBERS = 2**26


def seconds(function, n_points, n_params):
    """Return the median time of a function per point."""
    times = []
    for _ in range(max(1, min(9, N_NUMBERS // (n_points * n_params**2)))):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return np.median(times) / n_points


def rows():
    """Measure size by size: parameters, and seconds per point."""
    for d, p in SIZES:
        n_points = max(2, min(20, 2**20 // (2 * d * p) ** 2))
        X = make_gaussian_spectrum(
            10 * d, eigenvalues=np.arange(d, 0, -1.0), random_state=0
        )
        loss = LinearAutoencoderLoss((p,)).fit(X)
        theta = 0.3 * np.random.default_rng(0).standard_normal((n_points, 2 * d * p))
        local = loss.at(theta)
        gradient, ones = local.gradient, np.ones(n_points)

        def solve(system, n_trials, n_shifts, ones=ones):
            for k in range(n_trials):
                system.regularized(ones * 10.0**-k)
            for k in range(n_shifts):
                system.shifted(ones * 10.0**-k)

        def dense(*n, local=local, gradient=gradient):
            solve(EigenSystem(local.hessian(), gradient), *n)

        def krylov(*n, local=local, gradient=gradient):
            solve(KrylovSystem(local.hvp, gradient, 50), *n)

        def count(local=local):
            np.sum(eigh(local.hessian())[0] < 0, axis=-1)

        def guess(local=local, gradient=gradient):
            eigh(lanczos(local.hvp, gradient, 100)[1][:, :-1, :])

        tasks = [lambda: dense(2, 0), lambda: krylov(2, 0)]
        tasks += [lambda: dense(0, 10), lambda: krylov(0, 10), count]
        tasks += [guess] if 2 * d * p > 100 else []
        yield 2 * d * p, [seconds(task, n_points, 2 * d * p) for task in tasks]


def main():
    """Print a row per size, in milliseconds."""
    print(
        "| parameters | two trials: dense | Krylov | ten shifts: dense | Krylov "
        "| count: dense | Krylov |"
    )
    print("|---|---|---|---|---|---|---|")
    with one_blas_thread():
        for n_params, times in rows():
            cells = " | ".join(f"{1e3 * t:.3g}" for t in times)
            print(f"| {n_params} | {cells} |", flush=True)


if __name__ == "__main__":
    main()

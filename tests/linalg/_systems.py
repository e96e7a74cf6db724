"""Symmetric systems with known solutions, and MINRES-QLP on any backend."""

import numpy as np

from skcrit._backend import to_device, to_host
from skcrit.linalg import LinearStatus, minres_qlp


def dense_matvec(A):
    """Product with a stack of matrices; it computes each row on its own."""
    return lambda v: (A @ v[..., None])[..., 0]


def solve(A, b, backend="numpy", dtype="float64", **options):
    """Solve on a backend; return the result with NumPy arrays."""
    matvec = dense_matvec(to_device(A, backend, dtype))
    for name in ("shift", "rtol"):
        if not np.isscalar(options.get(name, 0.0)):
            options[name] = to_device(options[name], backend, dtype)
    result = minres_qlp(matvec, to_device(b, backend, dtype), **options)
    fields = {name: to_host(value) for name, value in vars(result).items()}
    return type(result)(**fields)


def spectral(rng, eigenvalues, n_systems=1):
    """Random symmetric matrices with given eigenvalues."""
    d = np.asarray(eigenvalues, dtype=float)
    out = np.empty((n_systems, d.size, d.size))
    for i in range(n_systems):
        Q = np.linalg.qr(rng.normal(size=(d.size, d.size)))[0]
        A = (Q * d) @ Q.T
        out[i] = (A + A.T) / 2
    return out


def symmetric(rng, eigenvalues, n_systems=1):
    """Random symmetric matrices with given eigenvalues, all drawn at once."""
    d = np.asarray(eigenvalues, dtype=float)
    Q = np.linalg.qr(rng.standard_normal((n_systems, d.size, d.size)))[0]
    A = (Q * d) @ np.swapaxes(Q, 1, 2)
    return (A + np.swapaxes(A, 1, 2)) / 2


def singular_systems(rng, n, rank, condition, n_systems):
    """Indefinite singular matrices and their exact pseudoinverses."""
    A, P = np.empty((2, n_systems, n, n))
    for i in range(n_systems):
        Q = np.linalg.qr(rng.normal(size=(n, n)))[0][:, :rank]
        d = np.geomspace(1, 1 / condition, rank) * rng.choice([-1, 1], rank)
        A[i], P[i] = (Q * d) @ Q.T, (Q / d) @ Q.T
    return (A + A.transpose(0, 2, 1)) / 2, (P + P.transpose(0, 2, 1)) / 2


def relative_error(x, reference):
    """Relative error of each row, in the 2-norm."""
    return np.linalg.norm(x - reference, axis=-1) / np.linalg.norm(reference, axis=-1)


def apply(A, v):
    """Stacked matrices times stacked vectors."""
    return (A @ v[..., None])[..., 0]


def named_systems():
    """The table: name, matrix, right-hand side, shift, status, iterations or None."""
    rng = np.random.default_rng(0)
    n = 12
    definite = spectral(rng, np.linspace(1, 10, n))[0]
    indefinite = spectral(rng, np.r_[np.linspace(-5, -1, 6), np.linspace(1, 5, 6)])[0]
    singular = spectral(rng, np.r_[np.zeros(4), np.linspace(-5, -1, 4), 1, 2, 3, 4])[0]
    repeated = spectral(rng, np.r_[np.full(4, 2.0), np.full(4, -1.0), np.full(4, 3.0)])[
        0
    ]
    kernel = np.linalg.eigh(singular)[1][:, 4]
    swap = np.eye(n)[::-1]
    b = rng.normal(size=n)
    S = LinearStatus
    return [
        ("definite", definite, b, 0.0, S.SOLVED, None),
        ("indefinite", indefinite, b, 0.0, S.SOLVED, None),
        ("singular consistent", singular, singular @ b, 0.0, S.SOLVED, None),
        ("singular inconsistent", singular, b, 0.0, S.INCONSISTENT, None),
        ("b = 0", definite, 0 * b, 0.0, S.SOLVED, 0),
        ("b^T A b = 0", swap, np.eye(n)[0], 0.0, S.SOLVED, 2),
        ("shifted", definite, b, 0.5, S.SOLVED, None),
        ("shifted to indefinite", definite, b, 5.2, S.SOLVED, None),
        (
            "singular by the shift",
            2 * np.eye(n) - repeated,
            b,
            -1.0,
            S.INCONSISTENT,
            None,
        ),
        ("A = 0", 0 * definite, b, 0.0, S.INCONSISTENT, 0),
        ("A = identity", np.eye(n), b, 0.0, S.SOLVED, 1),
        ("A = -2 identity", -2 * np.eye(n), b, 0.0, S.SOLVED, 1),
        ("A = shift", 3 * np.eye(n), b, 3.0, S.INCONSISTENT, 0),
        ("repeated eigenvalues", repeated, b, 0.0, S.SOLVED, 3),
        (
            "b an eigenvector",
            np.diag(np.arange(n) - 3.5),
            np.eye(n)[2],
            0.0,
            S.SOLVED,
            1,
        ),
        (
            "b in the kernel",
            np.diag(np.arange(n)),
            np.eye(n)[0],
            0.0,
            S.INCONSISTENT,
            0,
        ),
        ("b nearly in the kernel", singular, kernel, 0.0, S.INCONSISTENT, 0),
    ]


def pinv_solution(A, b, shift):
    """Minimum-norm least-squares solution by dense linear algebra."""
    matrix = A - shift * np.eye(len(b))
    return np.linalg.pinv(matrix, rcond=1e-10, hermitian=True) @ b

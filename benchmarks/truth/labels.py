"""Morse index and nullity against closed forms."""

import warnings
from itertools import chain, combinations

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import ResolutionWarning
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from tests.search._surfaces import lennard_jones, ring, simplex

from .report import Row, judge, label

__all__ = ["rows"]

# Sets of an autoencoder that are tried, at most.
_MAX_SETS = 60

DATA = {
    "iris": load_iris,
    "wine": load_wine,
    "diabetes": load_diabetes,
    "breast cancer": load_breast_cancer,
}


def rows(quick=False):
    """Return the rows of the table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to try a small part only.

    Yields
    ------
    row : Row
        One for each kind of loss.
    """
    rng = np.random.default_rng(0)
    repeats = 1 if quick else 8
    yield from _spectra(rng, (1e8,) if quick else 10.0 ** np.arange(0, 13, 2), repeats)
    if not quick:
        yield from _real_data(rng)
        yield from _single(rng)
    yield from _rings(rng, 10 if quick else 100, quick)
    yield from _clusters(rng, 5 if quick else 60, quick)
    yield from _polynomials(rng, 20 if quick else 360)


def counts(eigenvalues, chosen, p):
    """Return index and nullity of the autoencoder that uses some eigenvectors.

    With the weights ``A = U_I'`` and ``B = U_I`` the second variation of half the
    squared error is, in the eigenbasis, a sum of forms in two variables: ``l_i b^2 +
    l_j a^2 - 2 l_j a b`` for each i used and j not, ``(a + b)^2 l_j`` for i and j used,
    and for each idle unit ``-2 l_j a b`` for j not used and nothing for j used.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n,)
        Distinct positive eigenvalues of the data.
    chosen : list of int
        Those that are used.
    p : int
        Number of hidden units.

    Returns
    -------
    index, nullity : int
        Counts.
    """
    used = np.isin(np.arange(len(eigenvalues)), chosen)
    q, idle = len(chosen), p - len(chosen)
    above = eigenvalues[~used][None, :] > eigenvalues[used][:, None]
    return int(np.sum(above)) + idle * int(np.sum(~used)), q * q + 2 * q * idle


def autoencoder_points(X, p, rng, repeats, dtype="float64"):
    """Return a loss, balanced critical points of it, and their true counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        loss = LinearAutoencoderLoss((p,), dtype=dtype).fit(X)
    _, size, right = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    eigenvalues, vectors = size**2, right.T
    names = list(
        chain.from_iterable(combinations(range(len(size)), q) for q in range(p + 1))
    )
    if len(names) > _MAX_SETS:
        names = [names[k] for k in rng.choice(len(names), _MAX_SETS, replace=False)]
    theta, truth = [], []
    for chosen in names * repeats:
        turn = np.linalg.qr(rng.standard_normal((p, p)))[0][:, : len(chosen)]
        first = turn @ vectors[:, list(chosen)].T
        theta.append(np.concatenate([first.ravel(), first.T.ravel()]))
        truth.append(counts(eigenvalues, list(chosen), p))
    theta = np.array(theta)
    return loss, theta, np.array(truth), eigenvalues


def _spectra(rng, ratios, repeats):
    for ratio in ratios:
        wrong = []
        for n, p in ((4, 1), (4, 2), (5, 3)):
            # All of similar size, and one that is weak.
            values = np.append(np.linspace(3, 2, n - 1), 1.0 / ratio)
            X = make_gaussian_spectrum(
                50, eigenvalues=values, exact=True, rotate=True, random_state=n
            )
            wrong.append(_autoencoder(f"{ratio:.0e}", X, p, rng, repeats))
        yield _joined(f"spectrum of ratio {ratio:.0e}", wrong)


def _autoencoder(what, X, p, rng, repeats=1, dtype="float64", distance=None):
    loss, theta, truth, values = autoencoder_points(X, p, rng, repeats, dtype)
    if distance is None:
        # Beside the weakest eigenvalue, and not below what rounding leaves.
        distance = max(1e-3 * values[-1] / values[0], 1e-15)
    ends = label(loss, theta + distance * rng.standard_normal(theta.shape))
    return judge(what, ends, *truth.T)


def _joined(what, parts):
    n = sum(part.n for part in parts)
    share = sum(part.known * part.n for part in parts) / n
    return Row(what, n, sum(part.wrong for part in parts), share)


def _real_data(rng):
    for name, load in DATA.items():
        raw = load().data
        for kind, X in (("raw", raw), ("scaled", StandardScaler().fit_transform(raw))):
            parts = [
                _autoencoder(name, X[:, :columns], p, rng)
                for columns in sorted({4, 6, X.shape[1]})
                if columns <= X.shape[1]
                for p in (1, 2, 3)
            ]
            yield _joined(f"{name}, {kind}", parts)


def _single(rng):
    for ratio in (1e1, 1e2, 1e3, 1e4):
        values = np.append(np.linspace(3, 2, 4), 2.5 / ratio)
        X = make_gaussian_spectrum(
            50, eigenvalues=values, exact=True, rotate=True, random_state=1
        )
        parts = [_autoencoder("", X, p, rng, 2, "float32", 1e-6) for p in (1, 2)]
        yield _joined(f"float32, spectrum of ratio {ratio:.0e}", parts)


def _rings(rng, n_points, quick):
    places = (1, 0), (100, 0), (1000, 0), (1, 1e2), (1, 1e4)
    places = places[::2] if quick else places
    for products in (True, False):
        parts = []
        for n in (2, 3, 5):
            for radius, center in places:
                u = rng.standard_normal((n_points, n))
                u *= radius / np.linalg.norm(u, axis=1, keepdims=True)
                u *= 1 + 1e-7 * rng.standard_normal((n_points, 1))
                ends = label(ring(n, radius, center, products), center + u)
                parts.append(judge("", ends, 0, n - 1))
        yield _joined(f"rings and spheres, {_given(products)}", parts)


def _clusters(rng, n_points, quick):
    # Three in a row, one apart from its neighbours by the root of the slope: two
    # directions of bending, doubled by the axis of rotation that is missing.
    chain_length = ((1 + 2.0**-13) / (1 + 2.0**-7)) ** (1 / 6)
    for products in (True, False):
        parts = []
        for center in (0.0, 1e4) if quick else (0.0, 1e2, 1e4):
            for n_atoms in (2, 3, 4):
                loss = lennard_jones(n_atoms, products, center)
                theta = np.array([simplex(n_atoms, rng) for _ in range(n_points)])
                theta = center + theta + 1e-6 * rng.standard_normal(theta.shape)
                zero = 5 if n_atoms == 2 else 6
                parts.append(judge("", label(loss, theta), 0, zero))
            loss = lennard_jones(3, products, center)
            axis = rng.standard_normal((n_points, 3))
            axis *= chain_length / np.linalg.norm(axis, axis=1, keepdims=True)
            theta = (axis[:, None, :] * np.array([-1.0, 0, 1])[:, None]).reshape(-1, 9)
            theta = center + theta + 1e-6 * rng.standard_normal(theta.shape)
            parts.append(judge("", label(loss, theta), 2, 5))
        yield _joined(f"clusters of atoms, {_given(products)}", parts)


def _given(products):
    return "with products" if products else "without products"


def _polynomials(rng, n_points):
    for products in (True, False):
        for weak in 10.0 ** -np.arange(4.0, 10.0):
            parts = [_polynomial(rng, n, weak, products, n_points) for n in (2, 4, 6)]
            what = f"polynomials, eigenvalues of {weak:.0e}, {_given(products)}"
            yield _joined(what, parts)


def _polynomial(rng, n, weak, products, n_points):
    """Put points beside the origin of a quartic with cubic terms, in a turned basis."""
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    values = rng.choice([-1, 1], n) * 10 ** rng.uniform(-1, 0, n)
    values[0] = np.sign(values[0])
    values[1:2] = weak * rng.choice([-1, 1])
    if n > 4:
        values[2] = 3 * weak * rng.choice([-1, 1])
    cubic = 0.02 * rng.standard_normal((n, n, n))
    cubic = sum(
        cubic.transpose(order)
        for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    )

    def value(t):
        u = t @ basis
        third = np.einsum("ijk,...i,...j,...k->...", cubic, u, u, u) / 6
        return np.sum(values * u * u, -1) / 2 + third + np.sum(u**4, -1) / 24

    def gradient(t):
        u = t @ basis
        third = np.einsum("ijk,...j,...k->...i", cubic, u, u) / 2
        return (values * u + third + u**3 / 6) @ basis.T

    def hvp(t, v):
        u, w = t @ basis, v @ basis
        third = np.einsum("ijk,...j,...k->...i", cubic, u, w)
        return (values * w + third + u**2 / 2 * w) @ basis.T

    loss = FunctionLoss(value, gradient, hvp if products else None, n_params=n).fit()
    # The next critical points are some weak / |cubic| away.
    theta = 0.1 * weak * rng.standard_normal((n_points, n))
    return judge("", label(loss, theta), int(np.sum(values < 0)), 0)

"""Losses that are constant along rays: a search must not run off along them."""

from itertools import permutations

import networkx as nx
import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.datasets import load_iris, load_wine
from sklearn.preprocessing import scale

from skcrit import NewtonMRFinder
from skcrit.losses import FunctionLoss
from skcrit.solvers._rays import Rays

from ._potentials import HIMMELBLAU


def rayleigh_quotient(A, B):
    """x'Ax / x'Bx: its critical points are the eigenvectors."""

    def parts(t):
        square = np.sum(t * (t @ B), axis=-1)[..., None]
        return square, np.sum(t * (t @ A), axis=-1)[..., None] / square

    def gradient(t):
        square, value = parts(t)
        return 2 * (t @ A - value * (t @ B)) / square

    def hvp(t, v):
        square, value = parts(t)
        slope = gradient(t)
        change = np.sum(slope * v, axis=-1, keepdims=True)
        growth = 2 * np.sum(t @ B * v, axis=-1, keepdims=True)
        bend = v @ A - value * (v @ B) - change * (t @ B)
        return (2 * bend - growth * slope) / square

    return FunctionLoss(
        lambda t: parts(t)[1][..., 0], gradient, hvp, n_params=len(A)
    ).fit()


def covariance(X):
    return np.cov(X.T), np.eye(X.shape[1])


def laplacian(graph, normalised):
    L = nx.laplacian_matrix(graph).toarray().astype(float)
    degrees = np.diag(np.diag(L))
    return L, degrees if normalised else np.eye(len(L))


MATRICES = {
    "wine, scaled": covariance(scale(load_wine().data)),
    "iris": covariance(load_iris().data),
    "iris in small units": covariance(1e-3 * load_iris().data),
    "karate club": laplacian(nx.karate_club_graph(), False),
    "karate club, normalised cut": laplacian(nx.karate_club_graph(), True),
    "petersen, eigenvalues of multiplicity": laplacian(nx.petersen_graph(), False),
}


@pytest.mark.parametrize("name", MATRICES)
def test_eigenvectors_are_found(name):
    A, B = MATRICES[name]
    values = eigh(A, B, eigvals_only=True)
    finder = NewtonMRFinder(n_starts=40, random_state=0)
    finder.fit(rayleigh_quotient(A, B))
    assert np.mean(finder.converged_) >= 0.95
    level = 1e-8 * np.max(np.abs(values))
    gaps = values - finder.critical_losses_[:, None]
    assert np.all(np.min(np.abs(gaps), axis=1) <= level)
    # The ray is a zero mode, beside those of the eigenspace.
    np.testing.assert_array_equal(finder.morse_indices_, np.sum(gaps < -level, axis=1))
    np.testing.assert_array_equal(
        finder.nullities_, np.sum(np.abs(gaps) <= level, axis=1)
    )
    distinct = 1 + np.sum(np.diff(values) > level)
    assert len(finder.critical_losses_) >= min(distinct, 8) / 2
    # Nothing has run off.
    far = np.linalg.norm(finder.final_params_, axis=1)
    begin = np.linalg.norm(finder.start_params_, axis=1)
    np.testing.assert_allclose(far[finder.converged_], begin[finder.converged_])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(2))
def test_eigenvectors_of_a_tensor(seed):
    # T x^4 / |x|^4 of a symmetric tensor: at a critical point T x^3 is parallel to x.
    draw = np.random.default_rng(seed).standard_normal((3,) * 4)
    T = sum(np.transpose(draw, order) for order in permutations(range(4))) / 24

    def cubic(t):
        return np.einsum("ijkl,...j,...k,...l->...i", T, t, t, t)

    def parts(t):
        square = np.sum(t * t, axis=-1)[..., None]
        return square, np.sum(cubic(t) * t, axis=-1)[..., None] / square**2

    def gradient(t):
        square, value = parts(t)
        return 4 * cubic(t) / square**2 - 4 * value * t / square

    loss = FunctionLoss(lambda t: parts(t)[1][..., 0], gradient, n_params=3).fit()
    finder = NewtonMRFinder(n_starts=20, random_state=0)
    finder.fit(loss)
    assert np.mean(finder.converged_) >= 0.9
    x = finder.final_params_[finder.converged_]
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    image = cubic(x)
    rest = image - np.sum(image * x, axis=1, keepdims=True) * x
    assert np.max(np.abs(rest)) < 1e-8


def test_other_losses_are_left_alone():
    loss = HIMMELBLAU
    theta = np.random.default_rng(0).standard_normal((20, loss.n_params_))
    local = loss.at(theta)
    rays, products = Rays(local), local.hvp
    assert not rays.is_flat.any()
    assert rays.across(products) is products
    assert rays.brought_back(theta) is theta


def test_points_on_which_the_gradient_is_across_by_chance():
    # x^2 - y^2 at (1, 1): a product shows that the ray is not flat.
    loss = FunctionLoss(
        lambda t: t[..., 0] ** 2 - t[..., 1] ** 2,
        lambda t: t * [2.0, -2.0],
        lambda t, v: v * [2.0, -2.0],
        n_params=2,
    ).fit()
    rays = Rays(loss.at(np.array([[1.0, 1.0], [1.0, 2.0], [0.0, 0.0]])))
    assert rays.n_hvp.tolist() == [1, 0, 0]
    assert not rays.is_flat.any()

"""Which set a point belongs to: exact, perturbed, ambiguous and diverged points."""

import time

import numpy as np
import pytest

from skcrit.exceptions import ResolutionWarning
from skcrit.ground_truth import AnalyticalSpectrum, Match
from tests.ground_truth import _reference as ref
from tests.ground_truth.test_quantities import CASES, make

PENALTIES = [(0.0, "sum"), (0.2, "sum"), (0.2, "product")]
LAM = np.array([4.0, 3.0, 2.0, 1.0])


def spectrum_of(lam, hidden, alpha=0.0, penalty="sum", seed=0):
    basis = ref.random_basis(len(lam), seed)
    return AnalyticalSpectrum.from_eigenvalues(
        lam, hidden, eigenvectors=basis, alpha=alpha, penalty=penalty
    )


def balanced(end, sizes):
    """Balanced factorisation of an end-to-end matrix over all layers."""
    depth = len(sizes) - 1
    a, s, bt = np.linalg.svd(end)
    p = min(sizes)
    root = np.diag(s[:p] ** (1 / depth))
    weights = [np.zeros((sizes[i + 1], sizes[i])) for i in range(depth)]
    for w in weights[1:-1]:
        w[:p, :p] = root
    weights[0][:p] = root @ bt[:p]
    weights[-1][:, :p] = a[:, :p] @ root
    return np.concatenate([w.ravel() for w in weights])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_every_representative_is_identified(name, noise):
    spectrum = make(name)
    names = spectrum.all_sets()
    points = [spectrum.representative(n) for n in names]
    points += [spectrum.representative(n, i) for i, n in enumerate(names)]
    points = np.stack(points)
    points += noise * np.random.default_rng(0).standard_normal(points.shape)
    match = spectrum.match(points)
    assert list(match.set) == names + names
    assert np.all(match.identified)
    assert np.all(match.distance < (1e-3 if noise else 1e-11))
    np.testing.assert_array_equal(match.loss, spectrum.losses(match.mask))
    if spectrum.depth == 2:
        np.testing.assert_array_equal(
            match.morse_index, spectrum.morse_indices(names + names)
        )


@pytest.mark.parametrize("alpha, penalty", PENALTIES)
@pytest.mark.parametrize("lam", [[4.0, 3.0, 2.0, 1.0], [5.0, 2.0, 1.0, 0.0]])
def test_nearest_set_is_the_exact_minimiser(alpha, penalty, lam):
    spectrum = spectrum_of(lam, 2, alpha, penalty)
    targets, names = [], spectrum.all_sets()
    for name in names:
        theta = spectrum.representative(name)
        targets.append(ref.chain(ref.split(theta, (4, 2, 4)), 4))
    theta = np.random.default_rng(1).standard_normal((300, spectrum.n_params))
    ends = ref.chain(ref.split(theta, (4, 2, 4)), 4)
    seen = spectrum.eigenvectors[:, : spectrum.rank]
    distances = np.stack(
        [np.linalg.norm((ends - t) @ seen, axis=(1, 2)) for t in targets], axis=1
    )
    match = spectrum.match(theta)
    assert list(match.set) == [names[i] for i in np.argmin(distances, axis=1)]
    np.testing.assert_allclose(match.distance, distances.min(axis=1), rtol=1e-12)


def test_nearest_set_with_ties_beats_random_projectors():
    spectrum = spectrum_of([3.0, 3.0, 3.0, 1.0], 2)
    theta = np.random.default_rng(1).standard_normal((50, spectrum.n_params))
    match = spectrum.match(theta)
    ends = ref.chain(ref.split(theta, (4, 2, 4)), 4)
    for name in spectrum.all_sets():
        for seed in range(30):
            point = spectrum.representative(name, seed)
            target = ref.chain(ref.split(point, (4, 2, 4)), 4)
            away = np.linalg.norm(ends - target, axis=(1, 2))
            assert np.all(match.distance <= away + 1e-12)


def test_halfway_between_two_sets_is_ambiguous():
    spectrum = spectrum_of(LAM, 1)
    u = spectrum.eigenvectors
    b = (u[:, 1] + u[:, 2]) / np.sqrt(2)
    match = spectrum.match(np.concatenate([b, b]))
    assert match.status == "ambiguous"
    assert match.distance == pytest.approx(1)
    # The gradient there is exactly the gap over d, ten times the resolution.
    assert np.sqrt(match.squared_balanced_grad_norm) == pytest.approx(1 / 4)
    assert spectrum.resolution == pytest.approx(0.1 / 4)


@pytest.mark.parametrize("mirror", [False, True])
def test_valley_of_vanishing_gradients_is_not_identified(mirror):
    # W stays away from every critical one while the gradient goes to zero.
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, 1)
    b, t = np.full(4, 0.5), 10.0 ** np.arange(0, 9)
    back = LAM * b / (b @ (LAM * b)) if mirror else b
    scale = 1 / t if mirror else t
    theta = np.concatenate([b / scale[:, None], scale[:, None] * back], axis=1)
    gradient = ref.gradient(theta, np.diag(LAM), (4, 1, 4))
    assert np.linalg.norm(gradient[-1]) < 1e-8
    match = spectrum.match(theta)
    assert np.all(match.status == "ambiguous")
    norms = np.sqrt(match.squared_balanced_grad_norm)
    np.testing.assert_allclose(norms, norms[0], rtol=1e-12)
    if not mirror:
        assert norms[0] == pytest.approx(0.559, abs=5e-4)


@pytest.mark.parametrize(
    "hidden, alpha", [((3,), 0.0), ((3,), 0.2), ((3, 2), 0.0), ((3, 2, 4), 0.0)]
)
def test_balanced_gradient(hidden, alpha):
    spectrum = spectrum_of(LAM, hidden, alpha, "product")
    c, sizes, keys = ref.reference(spectrum)
    theta = np.random.default_rng(0).standard_normal(spectrum.n_params)
    point = balanced(ref.chain(ref.split(theta, sizes), 4), sizes)
    expected = np.sum(ref.gradient(point, c, sizes, **keys) ** 2)
    for at in (theta, point):
        match = spectrum.match(at)
        assert match.squared_balanced_grad_norm == pytest.approx(expected, rel=1e-10)


def test_gradient_with_the_penalty_on_the_weights_is_the_plain_one():
    spectrum = spectrum_of(LAM, 2, 0.2)
    c, sizes, keys = ref.reference(spectrum)
    theta = np.random.default_rng(0).standard_normal(spectrum.n_params)
    expected = np.sum(ref.gradient(theta, c, sizes, **keys) ** 2)
    match = spectrum.match(theta)
    assert match.squared_balanced_grad_norm == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alpha, penalty", PENALTIES)
@pytest.mark.parametrize("lam", [LAM, [5.0, 2.0, 1.0, 0.0], [3.0, 3.0, 1.0, 1.0]])
def test_error_estimate_bounds_the_distance_to_first_order(alpha, penalty, lam):
    spectrum = spectrum_of(lam, 2, alpha, penalty)
    rng = np.random.default_rng(0)
    proved = alpha == 0 and lam is LAM
    for name in spectrum.all_sets():
        if len(name) != 2:
            continue
        theta = spectrum.representative(name)
        theta = theta + 1e-6 * rng.standard_normal((200, theta.size))
        match = spectrum.match(theta)
        assert np.all(match.distance <= 1.001 * match.error_estimate)
        assert np.all(match.distance <= match.certificate)
        assert np.all(np.isfinite(match.certificate)) == proved


def test_error_estimate_counts_what_is_written_to_unseen_features():
    # A used unit that writes to a feature without variance moves W by 1e-6.
    spectrum = AnalyticalSpectrum.from_eigenvalues([3.0, 1.0, 0.0], 2)
    theta = spectrum.representative((0, 1))
    theta[-1] = 1e-6
    match = spectrum.match(theta)
    assert match.distance == pytest.approx(1e-6)
    assert match.error_estimate == pytest.approx(1e-6, rel=1e-5)


@pytest.mark.parametrize("hidden", [(2,), (2, 2)])
def test_error_estimate_is_attained(hidden):
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, hidden)
    sizes = (4, *hidden, 4)
    name = (0, 2)
    h = ref.hessian(spectrum.representative(name), np.diag(LAM), sizes)
    values, vectors = np.linalg.eigh(h)
    ratios = []
    for value, v in zip(values, vectors.T, strict=True):
        if abs(value) > 1e-9:
            match = spectrum.match(spectrum.representative(name) + 1e-7 * v)
            ratios.append(match.distance / match.error_estimate)
    assert max(ratios) == pytest.approx(1, abs=1e-5)


def test_no_certificate_where_none_is_proved():
    for lam in ([3.0, 3.0, 1.0], [3.0, 1.0, 0.0]):
        spectrum = AnalyticalSpectrum.from_eigenvalues(lam, 1)
        assert spectrum.match(spectrum.representative((0,))).certificate == np.inf


def test_stray_rows_do_not_show_in_the_end_to_end_matrix():
    # Documented: W is on the set, the point is not critical.
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, 2)
    theta = spectrum.representative((0,))
    theta[6] = 1.0
    assert spectrum.match(theta).identified
    assert np.linalg.norm(ref.gradient(theta, np.diag(LAM), (4, 2, 4))) > 0.5


def test_shapes_and_types():
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, 2)
    theta = spectrum.representative((0, 2))
    one = spectrum.match(theta)
    assert isinstance(one, Match)
    assert one.set == (0, 2)
    assert one.identified is True
    assert type(one.distance) is float
    assert type(one.morse_index) is int
    assert type(one.status) is str
    assert one.mask.tolist() == [True, False, True, False]
    many = spectrum.match(np.broadcast_to(theta, (2, 3, theta.size)).astype("f4"))
    assert many.set.shape == many.distance.shape == many.status.shape == (2, 3)
    assert many.mask.shape == (2, 3, 4)
    assert many.set[1, 2] == (0, 2)
    none = spectrum.match(np.zeros((0, theta.size)))
    assert none.set.shape == none.status.shape == (0,)
    with pytest.raises(AttributeError):
        one.set = ()


@pytest.mark.parametrize("hidden", [(2,), (2, 3)])
def test_points_that_diverged(hidden):
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, hidden)
    good = spectrum.representative((1,))
    huge, weird, endless = good.copy(), good.copy(), good.copy()
    huge[:] = 1e200
    weird[3] = np.nan
    endless[0] = np.inf
    match = spectrum.match(np.stack([good, huge, weird, endless]))
    assert match.identified.tolist() == [True, False, False, False]
    assert np.all(np.isinf(match.distance[1:]))
    assert np.all(np.isnan(match.loss[1:]))
    assert match.morse_index[1:].tolist() == [-1, -1, -1]
    assert np.all(np.isinf(match.squared_balanced_grad_norm[1:]))


def test_chunks_do_not_change_the_answer(monkeypatch):
    spectrum = spectrum_of(LAM, 2)
    theta = np.random.default_rng(0).standard_normal((50, spectrum.n_params))
    whole = spectrum.match(theta)
    monkeypatch.setattr("skcrit.ground_truth._identification._CHUNK", 100)
    parts = spectrum.match(theta)
    assert list(whole.set) == list(parts.set)
    np.testing.assert_allclose(whole.distance, parts.distance, rtol=1e-13)


def test_crowded_choice_has_a_small_margin():
    # Three directions want to enter, two fit, and two of them are nearly equal.
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, 2)
    w1 = np.array([[1.0, 0, 0, 0], [0, 1, 1, 0]])
    w2 = np.array([[1.0, 0], [0, 0.8], [0, 0.79], [0, 0]])
    match = spectrum.match(np.concatenate([w1.ravel(), w2.ravel()]))
    assert match.set == (0, 1)
    assert match.margin == pytest.approx(0.02)


def test_theta_of_the_wrong_length():
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, 2)
    with pytest.raises(ValueError, match=r"n_params=16, got \(3, 15\)"):
        spectrum.match(np.zeros((3, 15)))


def test_matching_is_batched():
    spectrum = spectrum_of(np.arange(16, 0, -1.0), 4)
    theta = np.random.default_rng(0).standard_normal((1000, spectrum.n_params))
    spectrum.match(theta)
    start = time.perf_counter()
    spectrum.match(theta)
    # 15 ms on the machine of development; a loop over points takes half a second.
    assert time.perf_counter() - start < 0.3


@pytest.mark.parametrize("at", [0, 1, 2, 3])
@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_eigenvalue_at_the_threshold_of_the_penalty(at, hidden, rng):
    # Its free units are flat, yet every set is distinguished from every other.
    lam = np.array([4.0, 3.0, 1.5, 1.0])
    with pytest.warns(ResolutionWarning, match="equals tau"):
        spectrum = AnalyticalSpectrum.from_eigenvalues(lam, hidden, alpha=lam[at] / 4)
    assert 1e-3 < spectrum.resolution < np.inf
    c, sizes, keys = ref.reference(spectrum)
    names = spectrum.all_sets() * 200
    theta = np.stack([spectrum.representative(n, i) for i, n in enumerate(names)])
    theta += 10.0 ** rng.uniform(-8, -1, (len(theta), 1)) * rng.standard_normal(
        theta.shape
    )
    match = spectrum.match(theta)
    norm = np.linalg.norm(ref.gradient(theta, c, sizes, **keys), axis=1)
    np.testing.assert_allclose(norm**2, match.squared_balanced_grad_norm, rtol=1e-6)
    close = norm <= spectrum.resolution
    assert close.mean() > 0.5
    assert np.all(match.identified[close])
    right = np.array([a == b for a, b in zip(match.set, names, strict=True)])
    assert np.all(right[close])
    values = np.array([ref.value(t, c, sizes, **keys) for t in theta])
    error = np.abs(values - match.loss)
    assert np.all(error[close] <= match.loss_tolerance[close])

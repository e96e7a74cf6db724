"""Critical sets of linear networks with targets against dense Hessians.

The reference is the definition of the loss, sample by sample, and complex steps. It
knows no moments, no whitening and no eigenvectors.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcrit import LinearAutoencoderLoss, LinearNetworkLoss, NewtonMRFinder
from skcrit.exceptions import NoGroundTruthError
from skcrit.ground_truth import GroundTruth, LinearMatch, LinearNetworkSpectrum
from skcrit.metrics import participation_counts, recovery_precision, uniformity_test
from tests.ground_truth import _reference as ref

# Of constant inputs, which are one of the cases.
pytestmark = pytest.mark.filterwarnings("ignore:X has no variance")


def regression(n_inputs, n_outputs, seed=0, noise=1.0, spread=0.5):
    """Draw inputs of different variances and noisy targets, not centred."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((25, n_inputs)) * np.exp(-spread * np.arange(n_inputs))
    X = X @ ref.random_basis(n_inputs, seed) + 1.0
    Y = X @ rng.standard_normal((n_inputs, n_outputs))
    return X, Y + noise * rng.standard_normal(Y.shape) - 2.0


def dependent_inputs():
    """Five inputs of rank three."""
    X, Y = regression(3, 4)
    return np.hstack([X, X[:, :2] @ [[1.0, 2.0], [3.0, -1.0]]]), Y


def few_explained():
    """Targets of which the inputs explain two directions only, exactly."""
    X, Y = regression(4, 3, noise=0.0)
    return X, Y[:, :2] @ [[1.0, 0.5, -1.0], [0.0, 1.0, 2.0]]


def tied():
    """The whitened cross moment has the singular values 2, 1, 1, 0.5."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((30, 8))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(30)
    Y = white[:, :4] * [2.0, 1.0, 1.0, 0.5] @ ref.random_basis(4, 1)
    X = white[:, :5] @ rng.standard_normal((5, 5))
    return X, Y + white[:, 5:] @ rng.standard_normal((3, 4))


CASES = {
    "more-inputs": (*regression(4, 3), (2,)),
    "more-outputs": (*regression(2, 4), (2,)),
    "square": (*regression(3, 3), (2,)),
    "wide": (*regression(3, 2), (5,)),
    "one-output": (*regression(4, 1), (2,)),
    "one-input": (*regression(1, 3), (2,)),
    "dependent-inputs": (*dependent_inputs(), (2,)),
    "few-explained": (*few_explained(), (2,)),
    "tied": (*tied(), (2,)),
    "constant-inputs": (np.ones((9, 2)), regression(1, 3)[1][:9], (2,)),
    "deep": (*regression(3, 4), (2, 3)),
    "deep-narrow-inside": (*regression(3, 2), (3, 1, 2)),
    "deep-tied": (*tied(), (3, 2)),
    "deep-dependent": (*dependent_inputs(), (2, 2)),
}


def fit(name, **params):
    X, Y, hidden = CASES[name]
    return LinearNetworkLoss(hidden, **params).fit(X, Y)


def sizes_of(name):
    X, Y, hidden = CASES[name]
    return (X.shape[1], *hidden, Y.shape[1])


def value(theta, name):
    X, Y, _ = CASES[name]
    outputs = X - X.mean(axis=0)
    for W in ref.split(theta, sizes_of(name)):
        outputs = outputs @ np.swapaxes(W, -1, -2)
    return np.mean((Y - Y.mean(axis=0) - outputs) ** 2, axis=(-2, -1))


def gradient(theta, name):
    """Back-propagation of all samples, for real or complex points."""
    X, Y, _ = CASES[name]
    weights = ref.split(theta, sizes_of(name))
    layers = [X - X.mean(axis=0)]
    for W in weights:
        layers.append(layers[-1] @ np.swapaxes(W, -1, -2))
    delta = 2 * (layers[-1] - (Y - Y.mean(axis=0))) / Y.size
    parts = []
    for W, layer in zip(weights[::-1], layers[-2::-1], strict=True):
        parts.append(np.swapaxes(delta, -1, -2) @ layer)
        delta = delta @ W
    return np.concatenate([p.reshape(*theta.shape[:-1], -1) for p in parts[::-1]], -1)


def inertia(theta, name):
    step = 1e-30
    points = theta + 1j * step * np.eye(theta.size)
    hessian = np.imag(gradient(points, name)) / step
    values = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    # Some random points read much noise, so that the largest eigenvalue is in the
    # thousands; where the Hessian is zero, only rounding is left.
    noise = 1e-12 * (1 + np.max(np.abs(values)))
    return int(np.sum(values < -noise)), int(np.sum(np.abs(values) <= noise))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["balanced", "open"])
def test_every_set_against_dense_hessians(name, kind):
    spectrum = fit(name).analytical_spectrum()
    names = spectrum.all_sets()
    assert len(names) == spectrum.n_sets
    scale = value(np.zeros(spectrum.n_params), name)
    for seed, one in enumerate(names):
        expected = (spectrum.morse_indices(one, kind), spectrum.nullities(one, kind))
        for state in (None, seed):
            theta = spectrum.representative(one, state, kind)
            assert np.max(np.abs(gradient(theta, name))) < 1e-11 * scale
            assert value(theta, name) == pytest.approx(spectrum.losses(one), abs=1e-12)
            assert inertia(theta, name) == expected


def test_critical_values_by_the_definition():
    # Half of Sigma's eigenvalues by another way: projections of the best prediction.
    X, Y, _ = CASES["more-inputs"]
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    best = X @ np.linalg.lstsq(X, Y)[0]
    lam = np.linalg.svd(best, compute_uv=False) ** 2 / len(X)
    loss = fit("more-inputs")
    assert_allclose(loss.eigenvalues_, lam, rtol=1e-12)
    spectrum = loss.analytical_spectrum()
    power = np.sum(Y**2) / len(X)
    for one in spectrum.all_sets():
        expected = (power - lam[list(one)].sum()) / 3
        assert spectrum.losses(one) == pytest.approx(expected, rel=1e-12)
    assert loss.residual_ == pytest.approx(np.mean((Y - best) ** 2))


def test_numbers_of_sets():
    assert fit("more-inputs").analytical_spectrum().n_sets == 1 + 3 + 3
    assert fit("more-outputs").analytical_spectrum().n_sets == 1 + 2 + 1
    assert fit("tied").analytical_spectrum().n_sets == 1 + 3 + 4
    assert fit("few-explained").analytical_spectrum().n_sets == 4
    assert fit("constant-inputs").analytical_spectrum().all_sets() == [()]
    assert_array_equal(fit("tied").analytical_spectrum().multiplicities, [1, 2, 1])


@pytest.mark.parametrize("hidden", [(2,), (6,), (2, 3)])
@pytest.mark.parametrize("case", ["generic", "ties", "zeros"])
def test_the_autoencoder_is_the_case_of_equal_targets(hidden, case, rng):
    lam = {"generic": [4, 3, 2, 1], "ties": [4, 2, 2, 1], "zeros": [4, 2, 1, 0]}[case]
    white = rng.standard_normal((20, 4))
    white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(20)
    X = white * np.sqrt(lam) @ ref.random_basis(4)
    one = LinearNetworkLoss(hidden).fit(X).analytical_spectrum()
    other = LinearAutoencoderLoss(hidden).fit(X).analytical_spectrum()
    assert_allclose(one.eigenvalues, other.eigenvalues, atol=1e-13)
    ours, theirs = one.to_dict(), other.to_dict()
    assert ours["set"] == theirs["set"]
    for column in ours.keys() - {"set"}:
        assert_allclose(ours[column], theirs[column], atol=1e-13)
    points = np.stack([other.representative(s, i) for i, s in enumerate(ours["set"])])
    points += 1e-9 * rng.standard_normal(points.shape)
    mine, known = one.match(points), other.match(points)
    assert list(mine.set) == list(known.set)
    assert np.all(mine.identified)
    assert_array_equal(mine.morse_index, known.morse_index)
    assert repr(one).startswith("LinearNetworkSpectrum(4-")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_every_representative_is_identified(name, noise):
    spectrum = fit(name).analytical_spectrum()
    names = spectrum.all_sets()
    theta = [spectrum.representative(n) for n in names]
    theta += [spectrum.representative(n, i) for i, n in enumerate(names)]
    theta = np.stack(theta)
    theta += noise * np.random.default_rng(0).standard_normal(theta.shape)
    match = spectrum.match(theta)
    assert isinstance(match, LinearMatch)
    assert list(match.set) == names + names
    assert np.all(match.identified)
    error = np.abs(value(theta, name) - match.loss)
    assert np.all(error <= match.loss_tolerance)
    assert np.all(match.loss_tolerance < 1e-6 * value(0 * theta[0], name))
    if spectrum.depth == 2:
        assert_array_equal(match.morse_index, spectrum.morse_indices(names + names))
    if noise == 0:
        assert np.all(match.distance < 1e-11)


def whitened(theta, name):
    """End-to-end matrix times a root of the inputs' moment, over the scale of Sigma."""
    X, Y, _ = CASES[name]
    X = X - X.mean(axis=0)
    root = np.linalg.svd(X, full_matrices=False)
    root = root[2].T * root[1] / np.sqrt(len(X))
    W = ref.chain(ref.split(theta, sizes_of(name)), X.shape[1])
    cross = (Y - Y.mean(axis=0)).T @ X / len(X) @ np.linalg.pinv(root).T
    return W @ root / np.linalg.norm(cross, 2)


@pytest.mark.parametrize("name", ["more-inputs", "more-outputs", "wide"])
def test_nearest_set_is_the_exact_minimiser(name, rng):
    spectrum = fit(name).analytical_spectrum()
    names = spectrum.all_sets()
    theta = 0.7 * rng.standard_normal((200, spectrum.n_params))
    ends = whitened(theta, name)
    targets = [whitened(spectrum.representative(n), name) for n in names]
    distances = np.stack([np.linalg.norm(ends - t, axis=(1, 2)) for t in targets], 1)
    match = spectrum.match(theta)
    assert list(match.set) == [names[i] for i in np.argmin(distances, axis=1)]
    assert_allclose(match.distance, distances.min(axis=1), rtol=1e-10)


@pytest.mark.parametrize("name", ["more-inputs", "more-outputs", "deep"])
def test_error_estimate_bounds_the_distance_to_first_order(name, rng):
    spectrum = fit(name).analytical_spectrum()
    for one in spectrum.all_sets():
        if len(one) == spectrum.max_rank:
            theta = spectrum.representative(one)
            theta = theta + 1e-6 * rng.standard_normal((200, theta.size))
            match = spectrum.match(theta)
            assert np.all(match.distance <= 1.001 * match.error_estimate)
            assert np.max(match.distance / match.error_estimate) > 0.1


@pytest.mark.parametrize("name", ["more-inputs", "more-outputs", "tied", "deep"])
def test_points_within_the_resolution_are_identified(name, rng):
    loss = fit(name)
    spectrum = loss.analytical_spectrum()
    names = [n for n in spectrum.all_sets() if len(n) == spectrum.max_rank] * 100
    theta = np.stack([spectrum.representative(n, i) for i, n in enumerate(names)])
    size = 10.0 ** rng.uniform(-7, 0, (len(theta), 1))
    theta = loss.rescale(theta + size * rng.standard_normal(theta.shape))
    norm = np.linalg.norm(gradient(theta, name), axis=1)
    fine = norm <= spectrum.resolution
    match = spectrum.match(theta)
    assert 0.2 < fine.mean() < 1
    assert np.all(match.identified[fine])
    error = np.abs(value(theta, name) - match.loss)
    assert np.all((error <= match.loss_tolerance)[match.identified])


def test_halfway_between_two_sets_is_ambiguous():
    loss = fit("square")
    spectrum = loss.analytical_spectrum()
    ends = []
    for one in ((0, 1), (0, 2)):
        W1, W2 = loss.weights(spectrum.representative(one))
        ends.append(W2 @ W1)
    # A balanced factorisation of the mean, cut to rank two.
    A, S, Bt = np.linalg.svd(sum(ends) / 2)
    root = np.sqrt(S[:2])
    theta = loss.pack([root[:, None] * Bt[:2], A[:, :2] * root])
    assert spectrum.match(theta).status == "ambiguous"


@pytest.mark.parametrize("x, y", [(1e-4, 1.0), (1.0, 1e5), (1e3, 1e-3)])
def test_units_change_nothing(x, y, rng):
    X, Y, hidden = CASES["more-inputs"]
    one = LinearNetworkLoss(hidden).fit(X, Y).analytical_spectrum()
    other = LinearNetworkLoss(hidden).fit(x * X, y * Y).analytical_spectrum()
    assert_allclose(other.eigenvalues, y**2 * one.eigenvalues, rtol=1e-10)
    theta = 0.5 * rng.standard_normal((100, one.n_params))
    # W = W2 W1 has the unit y / x, shared by the layers.
    scaled = np.sqrt(y / x) * theta
    a, b = one.match(theta), other.match(scaled)
    assert list(a.set) == list(b.set)
    assert_array_equal(a.status, b.status)
    assert_allclose(b.distance, a.distance, rtol=1e-8)
    # The balanced gradient has the unit of the loss over that of a layer.
    unit = y**2 / np.sqrt(y / x)
    assert other.resolution == pytest.approx(unit * one.resolution, rel=1e-8)


def test_finders_and_metrics():
    loss = fit("more-inputs")
    finder = NewtonMRFinder(n_starts=40, init="gaussian", tol=1e-18, random_state=0)
    finder.fit(loss)
    assert recovery_precision(finder) == 1.0
    counts = participation_counts(finder)
    assert counts.shape == (4,)
    result = uniformity_test(finder, over="eigenvectors", random_state=0)
    assert_array_equal(result.observed, counts)


def test_open_pivots_are_strict_saddles():
    spectrum = fit("deep").analytical_spectrum()
    theta = spectrum.representative((0,), kind="open")
    match = spectrum.match(theta)
    assert (match.set, match.morse_index, match.least_index) == ((0,), -1, 1)
    assert inertia(theta, "deep")[0] == spectrum.morse_indices((0,), "open") > 0
    vague = spectrum.match(theta, grad_norm=1e3)
    assert vague.least_index == 0


def test_a_penalty_has_no_closed_form():
    loss = fit("square", alpha=0.1)
    with pytest.raises(NoGroundTruthError, match="expected alpha=0, got alpha=0.1"):
        loss.analytical_spectrum()
    with pytest.raises(NoGroundTruthError):
        loss.ground_truth()


def test_is_a_ground_truth():
    spectrum = fit("square").ground_truth()
    assert isinstance(spectrum, LinearNetworkSpectrum)
    assert isinstance(spectrum, GroundTruth)
    assert (spectrum.n_inputs, spectrum.n_outputs) == (3, 3)

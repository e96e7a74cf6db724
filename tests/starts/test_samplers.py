"""Distributions of starts, and where on a descent they lie."""

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import ResolutionWarning
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.starts import (
    GaussianStarts,
    SpreadStarts,
    TrajectoryStarts,
    random_streams,
)


def autoencoder(eigenvalues, hidden=(2,), unit=1.0, **params):
    X = make_gaussian_spectrum(200, eigenvalues=eigenvalues, exact=True, random_state=0)
    return LinearAutoencoderLoss(hidden, **params).fit(unit * X)


def bowl(theta):
    return np.sum(theta**2, axis=-1) / 2


def identity(theta):
    return 1.0 * theta


@pytest.fixture(scope="module")
def loss():
    return autoencoder([4.0, 3.0, 2.0, 1.0])


def descent(loss, first, rate, n_steps):
    """All iterates of gradient descent, and their losses."""
    points = [first]
    for _ in range(n_steps):
        points.append(points[-1] - rate * loss.gradient(points[-1]))
    points = np.stack(points)
    return points, loss.value(points)


# Random streams


def test_streams_do_not_depend_on_their_number():
    few, many = random_streams(3, 2), random_streams(3, 7)
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a.random(5), b.random(5))


def test_streams_are_independent():
    draws = np.stack([s.standard_normal(4000) for s in random_streams(0, 6)])
    kinds = np.stack([s.standard_normal(4000) for s in random_streams(0, 6, kind=1)])
    correlation = np.corrcoef(np.concatenate([draws, kinds])) - np.eye(12)
    assert np.max(np.abs(correlation)) < 5 / np.sqrt(4000)


def test_a_random_state_object_moves_on():
    source = np.random.RandomState(0)
    first, second = (random_streams(source, 1)[0].random() for _ in range(2))
    assert first != second


# Gaussian starts


@pytest.mark.parametrize("hidden", [(2,), (3,), (3, 2, 3)], ids=str)
def test_automatic_scale_is_root_two_over_n(hidden):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], hidden)
    theta = GaussianStarts().sample(loss, 300, random_state=0)
    scale = np.sqrt(2 / loss.n_params_)
    assert theta.shape == (300, loss.n_params_)
    assert stats.kstest(theta.ravel() / scale, "norm").pvalue > 0.01


def test_automatic_scale_is_that_of_the_paper():
    # N(0, 1 / (16 * 4)) for the network 16-4-16.
    loss = autoencoder(np.arange(1.0, 17.0), (4,))
    theta = GaussianStarts().sample(loss, 100, random_state=1)
    assert np.var(theta) == pytest.approx(1 / 64, rel=0.05)


@pytest.mark.parametrize("scale", [0, 0.3, 5])
def test_given_scale(loss, scale):
    theta = GaussianStarts(scale=scale).sample(loss, 300, random_state=0)
    unit = GaussianStarts(scale=1.0).sample(loss, 300, random_state=0)
    np.testing.assert_allclose(theta, scale * unit, rtol=1e-15)
    assert stats.kstest(unit.ravel(), "norm").pvalue > 0.01


SAMPLERS = [
    GaussianStarts(),
    TrajectoryStarts(n_steps=50),
    TrajectoryStarts(n_steps=50, n_trajectories=3, noise_variance=0.1),
    TrajectoryStarts(by="iteration", n_steps=50, noise_variance=0.1),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_reproducible_and_the_same_for_every_number_of_starts(loss, sampler):
    many = sampler.sample(loss, 9, random_state=5)
    np.testing.assert_array_equal(sampler.sample(loss, 9, random_state=5), many)
    for n_starts in (3, 4, 8):
        few = sampler.sample(loss, n_starts, random_state=5)
        # The same descents, in a batch of the same size, so the same numbers.
        np.testing.assert_array_equal(few, many[:n_starts])
    other = sampler.sample(loss, 9, random_state=6)
    assert not np.any(np.all(other == many, axis=1))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_fewer_starts_than_descents(loss, sampler):
    many = sampler.sample(loss, 9, random_state=5)
    few = sampler.sample(loss, 1, random_state=5)
    np.testing.assert_allclose(few, many[:1], rtol=1e-12)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_random_state_none_differs(loss, sampler):
    draws = [sampler.sample(loss, 2) for _ in range(2)]
    assert not np.array_equal(*draws)


# Starts along a descent


def test_starts_by_height_are_uniform_in_loss(loss):
    sampler = TrajectoryStarts(by="height", n_steps=3000, learning_rate=0.02)
    theta0 = sampler.sample(loss, 400, random_state=0)
    first = GaussianStarts().sample(loss, 1, np.random.RandomState(0))
    _, values = descent(loss, first[0], 0.02, 3000)
    heights = (loss.value(theta0) - values[-1]) / (values[0] - values[-1])
    assert stats.kstest(heights, "uniform").pvalue > 0.01
    # By iteration nearly all lie at the end of the descent.
    flat = TrajectoryStarts(by="iteration", n_steps=3000, learning_rate=0.02)
    low = loss.value(flat.sample(loss, 400, random_state=0)) - values[-1]
    assert np.median(low) < 0.05 * (values[0] - values[-1])


@pytest.mark.parametrize("by", ["height", "iteration"])
@pytest.mark.parametrize("n_trajectories", [1, 3])
def test_each_start_is_an_iterate_of_its_descent(loss, by, n_trajectories):
    sampler = TrajectoryStarts(
        by=by, n_steps=200, learning_rate=0.05, n_trajectories=n_trajectories
    )
    theta0 = sampler.sample(loss, 12, random_state=2)
    first = GaussianStarts().sample(loss, n_trajectories, np.random.RandomState(2))
    points, values = descent(loss, first, 0.05, 200)
    assert np.all(np.diff(values, axis=0) < 0)
    for i, theta in enumerate(theta0):
        gaps = np.max(np.abs(points[:, i % n_trajectories] - theta), axis=1)
        assert np.min(gaps) == 0
    assert len(np.unique(theta0, axis=0)) > 6


def test_starts_by_iteration_are_uniform_in_time(loss):
    sampler = TrajectoryStarts(by="iteration", n_steps=999, learning_rate=0.05)
    theta0 = sampler.sample(loss, 500, random_state=0)
    first = GaussianStarts().sample(loss, 1, np.random.RandomState(0))
    points, _ = descent(loss, first[0], 0.05, 999)
    gaps = np.max(np.abs(points[None] - theta0[:, None]), axis=-1)
    iteration = np.argmin(gaps, axis=1)
    assert np.all(np.min(gaps, axis=1) == 0)
    assert stats.kstest(iteration / 999, "uniform").pvalue > 0.01


@pytest.mark.parametrize("variance", [1e-4, 1e-2, 1e-1])
def test_noise_is_a_variance(loss, variance):
    quiet = TrajectoryStarts(n_steps=50)
    noisy = clone(quiet).set_params(noise_variance=variance)
    noise = noisy.sample(loss, 200, 0) - quiet.sample(loss, 200, 0)
    assert stats.kstest(noise.ravel() / np.sqrt(variance), "norm").pvalue > 0.01


# Step length


def test_automatic_step_is_that_of_the_paper():
    loss = autoencoder(np.arange(1.0, 17.0), (4,))
    given, auto = (
        TrajectoryStarts(n_steps=100, learning_rate=rate).sample(loss, 20, 0)
        for rate in (0.01, "auto")
    )
    np.testing.assert_allclose(auto, given, rtol=1e-10)


@pytest.mark.parametrize("unit", [1e3, 1e-3])
def test_automatic_step_follows_the_unit_of_the_data(loss, unit):
    scaled = autoencoder([4.0, 3.0, 2.0, 1.0], unit=unit)
    sampler = TrajectoryStarts(n_steps=300)
    np.testing.assert_allclose(
        sampler.sample(scaled, 20, 0), sampler.sample(loss, 20, 0), rtol=1e-9
    )


@pytest.mark.parametrize("hidden, alpha", [((2, 2), 0.0), ((3,), 0.2), ((2, 3, 2), 0)])
def test_automatic_step_descends(hidden, alpha):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], hidden, alpha=alpha)
    sampler = TrajectoryStarts(n_steps=2000)
    first = GaussianStarts().sample(loss, 1, np.random.RandomState(0))
    theta0 = sampler.sample(loss, 30, 0)
    assert np.all(loss.value(theta0) <= loss.value(first[0]))
    assert np.ptp(loss.value(theta0)) > 0.1 * loss.value(first[0])


def test_automatic_step_of_a_loss_without_data():
    loss = FunctionLoss(bowl, identity, n_params=3).fit()
    theta0 = TrajectoryStarts(by="iteration", n_steps=1000).sample(loss, 50, 0)
    # The curvature is one: the step is 0.02, and 1000 of them reach the bottom.
    ratio = np.linalg.norm(theta0, axis=1) / np.max(np.linalg.norm(theta0, axis=1))
    steps = np.log(ratio) / np.log(0.98)
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert np.min(loss.value(theta0)) < 1e-10


def test_constant_data_stays_where_it_is():
    with pytest.warns(ResolutionWarning, match="X has no variance"):
        loss = LinearAutoencoderLoss().fit(np.ones((5, 3)))
    theta0 = TrajectoryStarts(n_steps=10).sample(loss, 4, 0)
    first = GaussianStarts().sample(loss, 1, np.random.RandomState(0))
    np.testing.assert_array_equal(theta0, np.repeat(first, 4, axis=0))


def test_strict_device_gives_the_same_starts(loss):
    device = autoencoder([4.0, 3.0, 2.0, 1.0], backend="array_api_strict")
    sampler = TrajectoryStarts(n_steps=30, n_trajectories=2)
    theta0 = sampler.sample(device, 6, 0)
    assert isinstance(theta0, np.ndarray)
    np.testing.assert_allclose(theta0, sampler.sample(loss, 6, 0), rtol=1e-10)


@pytest.mark.parametrize("rate", [100, 1e300])
def test_too_large_a_step(loss, rate):
    sampler = TrajectoryStarts(learning_rate=rate, n_steps=1000)
    with pytest.raises(ValueError, match="learning_rate must be small.*got 1"):
        sampler.sample(loss, 3, random_state=0)


# Parameters


@pytest.mark.parametrize(
    "sampler, name",
    [
        (GaussianStarts(scale=-1), "scale"),
        (GaussianStarts(scale="small"), "scale"),
        (GaussianStarts(scale=None), "scale"),
        (GaussianStarts(scale=np.nan), "scale"),
        (GaussianStarts(scale=np.inf), "scale"),
        (TrajectoryStarts(by="loss"), "by"),
        (TrajectoryStarts(n_trajectories=0), "n_trajectories"),
        (TrajectoryStarts(n_trajectories=1.5), "n_trajectories"),
        (TrajectoryStarts(n_steps=0), "n_steps"),
        (TrajectoryStarts(learning_rate=0), "learning_rate"),
        (TrajectoryStarts(learning_rate="fast"), "learning_rate"),
        (TrajectoryStarts(learning_rate=np.nan), "learning_rate"),
        (TrajectoryStarts(noise_variance=-1e-3), "noise_variance"),
        (TrajectoryStarts(noise_variance=np.inf), "noise_variance"),
    ],
    ids=str,
)
def test_bad_parameters(loss, sampler, name):
    owner = type(sampler).__name__
    with pytest.raises(ValueError, match=f"'{name}' parameter of {owner} must be"):
        sampler.sample(loss, 3)


def test_parameters_are_kept_and_cloned():
    params = {
        "by": "iteration",
        "n_trajectories": 5,
        "n_steps": 7,
        "learning_rate": 0.1,
        "noise_variance": 0.2,
    }
    sampler = TrajectoryStarts(**params)
    assert sampler.get_params() == params
    assert clone(sampler).get_params() == params
    assert clone(GaussianStarts(scale=0.2)).get_params() == {"scale": 0.2}
    assert GaussianStarts().set_params(scale=3).scale == 3


KINDS = [GaussianStarts(), SpreadStarts(), TrajectoryStarts(n_steps=20)]
SOURCES = [np.random.RandomState, np.random.default_rng]
FINDERS = [
    GradNormFinder(n_starts=3),
    LandscapeExplorer(n_starts=3, max_searches=3),
    NewtonMRFinder(n_starts=3),
    NewtonTRFinder(n_starts=3),
    NewtonTrajectoryFinder(n_starts=3),
    SaddleDynamicsFinder(n_starts=3),
]


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("sampler", KINDS, ids=lambda thing: type(thing).__name__)
def test_a_source_is_used_up_as_in_scikit_learn(loss, sampler, kind):
    rng, again = kind(3), kind(3)
    drawn = [sampler.sample(loss, 4, random_state=rng) for _ in range(2)]
    assert not np.array_equal(*drawn)
    for points in drawn:
        repeated = sampler.sample(loss, 4, random_state=again)
        np.testing.assert_array_equal(repeated, points)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("finder", FINDERS, ids=lambda thing: type(thing).__name__)
@pytest.mark.filterwarnings("ignore::skcrit.exceptions.NotConvergedWarning")
def test_finders_use_up_their_source(loss, finder, kind):
    finder = clone(finder).set_params(max_iter=1, init=KINDS[2])
    finder.set_params(random_state=kind(3))
    starts = [finder.fit(loss).start_params_ for _ in range(2)]
    assert not np.array_equal(*starts)
    finder.set_params(random_state=kind(3))
    for points in starts:
        np.testing.assert_array_equal(finder.fit(loss).start_params_, points)

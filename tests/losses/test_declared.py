"""What users declare of FunctionLoss and TorchLoss: parameters, checks, defaults."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skcrit import KnownPoints, NewtonMRFinder
from skcrit.losses import FunctionLoss
from skcrit.losses.scale import estimate_length

N_PARAMS = 3


def value(theta):
    return np.sum(theta**4 / 4 - theta**2 / 2, axis=-1)


def gradient(theta):
    return theta**3 - theta


def hvp(theta, v):
    return (3 * theta**2 - 1) * v


def first_axis(theta):
    return np.broadcast_to(np.eye(1, theta.shape[-1]), (*theta.shape[:-1], 1, 3))


def squares(theta):
    return theta**2


def positive(theta):
    return np.abs(theta)


def function_loss(**declared):
    return FunctionLoss(value, gradient, hvp, N_PARAMS, **declared)


def torch_loss(**declared):
    """Wrap a module of three parameters: a linear map from three inputs to one."""
    torch = pytest.importorskip("torch")
    from skcrit import TorchLoss

    module = torch.nn.Linear(3, 1, bias=False)
    return TorchLoss(module, torch.nn.MSELoss(), **declared)


def fit(loss):
    X = np.array([[1.0, 2, 0], [0, 1, -1], [2, 0, 1], [1, 1, 1]])
    return loss.fit(X, X[:, :1] - 1)


MAKE = [
    pytest.param(function_loss, id="FunctionLoss"),
    pytest.param(torch_loss, id="TorchLoss"),
]
TRUTH = KnownPoints(np.eye(3), losses=[0.0, 1.0, 2.0])
DECLARED = {
    "bounds": (-1.0, [1.0, 2.0, 3.0]),
    "length": [0.1, 0.2, 0.3],
    "symmetries": 1,
    "invariants": squares,
    "representative": positive,
    "ground_truth": TRUTH,
}


@pytest.mark.parametrize("make", MAKE)
def test_parameters_are_those_that_were_given(make):
    loss = make(**DECLARED)
    params = loss.get_params()
    assert {name: params[name] for name in DECLARED} == DECLARED
    nothing = make().get_params()
    assert all(nothing[name] is None for name in DECLARED)
    assert set(params) == set(loss._get_param_names())
    for name, given in DECLARED.items():
        assert make().set_params(**{name: given}).get_params()[name] is given
    nested = NewtonMRFinder(make()).set_params(loss__length=7.0)
    assert nested.loss.get_params()["length"] == 7.0


@pytest.mark.parametrize("make", MAKE)
def test_unknown_parameters_change_nothing(make):
    loss = make(length=2.0)
    name = type(loss).__name__
    with pytest.raises(ValueError, match=f"Invalid parameter 'size' for {name}"):
        loss.set_params(length=3.0, size=3)
    assert loss.get_params()["length"] == 2.0


@pytest.mark.parametrize("make", MAKE)
def test_a_clone_declares_the_same_and_is_not_fitted(make):
    loss = fit(make(**DECLARED))
    copy = clone(loss)
    params = copy.get_params()
    assert {name: params[name] for name in ("bounds", "length", "symmetries")} == {
        name: DECLARED[name] for name in ("bounds", "length", "symmetries")
    }
    assert params["invariants"] is squares
    assert params["representative"] is positive
    assert_array_equal(params["ground_truth"].points, TRUTH.points)
    with pytest.raises(NotFittedError):
        copy.length_scale()
    # What is set on one is not set on the other.
    copy.set_params(length=5.0)
    assert loss.get_params()["length"] == DECLARED["length"]
    assert_array_equal(fit(copy).length_scale(), np.full(3, 5.0))
    assert_array_equal(loss.length_scale(), DECLARED["length"])


@pytest.mark.parametrize("make", MAKE)
def test_what_is_declared_is_used(make):
    loss = fit(make(**DECLARED))
    theta = np.random.default_rng(0).uniform(-2, 4, (5, 3))
    theta[:2] = [0.5, -0.5, 2.5], [1.0, 2.0, 3.0]
    assert_array_equal(loss.invariants(theta), theta**2)
    assert_array_equal(loss.representative(theta), np.abs(theta))
    inside = np.all((theta >= -1) & (theta <= [1, 2, 3]), axis=1)
    assert_array_equal(loss.inside(theta), inside)
    assert 0 < inside.sum() < 5
    assert loss.ground_truth() is loss.get_params()["ground_truth"]
    assert loss.n_zero_modes == 1
    assert loss.orbit_tangents(theta).shape == (5, 0, 3)
    loss = fit(make(symmetries=first_axis))
    assert loss.n_zero_modes == 0
    assert_array_equal(loss.orbit_tangents(theta), first_axis(theta))


WRONG = [
    ("invariants", "invariants", (3,), r"\(2, n_invariants\).*got shape \(3,\)"),
    ("invariants", "invariants", (3, 3), r"\(2, n_invariants\).*got shape \(3, 3\)"),
    ("representative", "representative", (2, 2), r"\(2, 3\).*got shape \(2, 2\)"),
    ("representative", "representative", (3,), r"\(2, 3\).*got shape \(3,\)"),
    ("symmetries", "orbit_tangents", (2, 3), r"\(2, n_tangents, 3\).*shape \(2, 3\)"),
    ("symmetries", "orbit_tangents", (2, 1, 2), r"\(2, n_tangents, 3\).*\(2, 1, 2\)"),
]


@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("name, method, shape, message", WRONG)
def test_functions_of_the_wrong_shape(make, name, method, shape, message):
    loss = fit(make(**{name: lambda theta: np.ones(shape)}))
    with pytest.raises(ValueError, match=f"{name} must return an array .*{message}"):
        getattr(loss, method)(np.ones((2, 3)))


@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("name, method", [case[:2] for case in WRONG[::2]])
def test_functions_that_return_no_numbers(make, name, method):
    for nothing in (None, "words", [[1.0], [1.0, 2.0]]):
        loss = fit(make(**{name: lambda theta, nothing=nothing: nothing}))
        with pytest.raises(ValueError, match=f"what {name} returns must be an array"):
            getattr(loss, method)(np.ones((2, 3)))


@pytest.mark.parametrize("make", MAKE)
def test_functions_get_points_of_their_own(make):
    def spoil(theta):
        theta[:] = 0.0
        return theta

    loss = fit(make(representative=spoil))
    theta = np.ones((2, 3))
    assert_array_equal(loss.representative(theta), np.zeros((2, 3)))
    assert_array_equal(theta, np.ones((2, 3)))


IMPOSSIBLE = [
    ("bounds", (0.0, 1.0, 2.0), "bounds must be a pair"),
    ("bounds", ([0.0, 0.0], 1.0), r"bounds must be a pair .*shape \(2,\)"),
    ("bounds", (1.0, 1.0), "bounds must have low < high everywhere"),
    ("bounds", (0.0, [1.0, np.nan, 1.0]), "bounds must have low < high everywhere"),
    ("bounds", (0.0, "high"), "bounds must be a pair"),
    (
        "bounds",
        [(-1, 1), (0, 2), (-3, 3)],
        r"all upper bounds: list\(zip\(\*bounds\)\)",
    ),
    ("length", 0.0, "'length' parameter .* must be a float in"),
    ("length", [1.0, -1.0, 1.0], "length must be positive and finite"),
    ("length", [1.0, np.nan, 1.0], "length must be positive and finite"),
    ("length", [1.0, np.inf, 1.0], "length must be positive and finite"),
    ("length", [1.0, 1.0], r"length must be a number or have shape \(3,\)"),
    ("symmetries", -1, "'symmetries' parameter"),
    ("symmetries", 1.5, "'symmetries' parameter"),
    ("invariants", np.ones(3), "'invariants' parameter"),
    ("representative", 3, "'representative' parameter"),
    ("ground_truth", {"a": 1}, "'ground_truth' parameter"),
    (
        "ground_truth",
        KnownPoints(np.eye(2), losses=[1.0, 2.0]),
        "as many parameters as the loss.*got 2",
    ),
]


@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("name, given, message", IMPOSSIBLE)
def test_impossible_declarations(make, name, given, message):
    with pytest.raises(ValueError, match=message):
        fit(make(**{name: given}))


@pytest.mark.parametrize("make", MAKE)
def test_length_by_default(make):
    # A quarter of the width of finite bounds.
    bounds = ([-1.0, 0.0, 2.0], [1.0, 4.0, 3.0])
    assert_allclose(fit(make(bounds=bounds)).length_scale(), [0.5, 1.0, 0.25])
    # A given length goes before the bounds.
    assert_array_equal(fit(make(bounds=bounds, length=3)).length_scale(), [3, 3, 3])
    # Bounds that are open say nothing: there it is as without any.
    free = fit(make()).length_scale()
    half = fit(make(bounds=([-1.0, -np.inf, 0.0], [1.0, np.inf, np.inf])))
    assert free.shape == (3,)
    assert np.all((free > 0) & np.isfinite(free))
    assert half.length_scale()[0] == 0.5
    if make is torch_loss:  # usual initial weights: the root of three inputs
        assert_allclose(free, 3**-0.5)
        assert_allclose(half.length_scale()[1:], 3**-0.5)
    else:
        loss = fit(make())
        assert_array_equal(free, np.full(3, estimate_length(loss, np.zeros(3))))


@pytest.mark.parametrize("make", MAKE)
def test_units_that_follow_the_length(make):
    loss = fit(make(length=[0.1, 0.2, 0.3]))
    assert_array_equal(loss.parameter_unit(), loss.length_scale())
    assert_array_equal(loss.invariants_scale(), loss.length_scale())
    # Of invariants it is their spread over random starts, and one for a constant.
    mixed = fit(make(length=[0.1, 0.2, 0.3], invariants=lambda t: t * [1, 10, 0]))
    first, second, constant = mixed.invariants_scale()
    # Median distance from the median of a normal distribution: 0.67 of its deviation.
    assert 0.03 < first < 0.12
    assert 0.6 < second < 2.4
    assert constant == 1.0


@pytest.mark.parametrize("make", MAKE)
def test_starts_lie_within_the_bounds(make):
    low, high = np.array([-1.0, 0.0, 5.0]), np.array([1.0, np.inf, np.inf])
    loss = fit(make(bounds=(low, high), length=2.0))

    def draw(seeds):
        return loss.draw_starts([np.random.default_rng(i) for i in seeds])

    starts = draw(range(200))
    assert starts.shape == (200, 3)
    assert np.all((starts >= low) & (starts <= high))
    assert np.all(loss.inside(starts))
    # Uniform where both bounds are finite; a start is a function of its stream alone.
    np.testing.assert_allclose(np.mean(starts[:, 0]), 0.0, atol=0.15)
    np.testing.assert_allclose(np.var(starts[:, 0]), 1 / 3, rtol=0.2)
    assert_array_equal(draw([7]), starts[7:8])


@pytest.mark.parametrize("make", MAKE)
def test_parameters_take_effect_at_the_next_fit(make):
    loss = fit(make(length=1.0, bounds=(-1.0, 1.0)))
    loss.set_params(length=2.0, bounds=None)
    assert_array_equal(loss.length_scale(), np.ones(3))
    fit(loss)
    assert_array_equal(loss.length_scale(), np.full(3, 2.0))
    assert np.all(loss.inside(np.full((2, 3), 9.0)))

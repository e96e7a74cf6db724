"""Methods before ``fit``, and data of another shape than in ``fit``."""

import inspect

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import skcrit
from skcrit import (
    AnalyticalSpectrum,
    GradientNormLoss,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    MLPLoss,
    inspection,
    metrics,
)
from skcrit.losses import FunctionLoss

from .. import _tally
from ..finders._finders import PseudoInverseFinder
from ._objects import FINDERS, THETA, X, fitted, loss

CLASSES = {
    name: PseudoInverseFinder if name == "BaseFinder" else getattr(skcrit, name)
    for name in FINDERS
}
LOSS_METHODS = [
    name
    for name, _ in inspect.getmembers(LinearAutoencoderLoss, inspect.isfunction)
    if not name.startswith("_")
    # Parameters and metadata are there before fit, as in every estimator; asarray and
    # default_init depend on parameters alone.
    and not name.startswith(("get_", "set_", "fit", "asarray", "default_init"))
]


@pytest.fixture(autouse=True)
def counted():
    """Count what was tried."""
    _tally.count("input", "order of calls")


@pytest.mark.parametrize("name", FINDERS)
@pytest.mark.parametrize("method", ["transform", "score", "get_feature_names_out"])
def test_finders_before_fit(name, method):
    arguments = () if method == "get_feature_names_out" else (X,)
    with pytest.raises(NotFittedError, match=f"{CLASSES[name].__name__}.*not fitted"):
        getattr(CLASSES[name](), method)(*arguments)


@pytest.mark.parametrize("method", LOSS_METHODS)
def test_losses_before_fit(method):
    arguments = {
        "theta": THETA,
        "radius": 0.1,
        "u": THETA,
        "v": THETA,
        "weights": [THETA],
        "X": X,
        "streams": [np.random.default_rng(0)],
    }
    names = inspect.signature(getattr(LinearAutoencoderLoss, method)).parameters
    arguments = {k: v for k, v in arguments.items() if k in names}
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(LinearAutoencoderLoss(), method)(**arguments)


def _twice(theta):
    return theta


OTHERS = {
    "FunctionLoss": FunctionLoss(_twice, _twice, n_params=2),
    "GradientNormLoss": GradientNormLoss(),
    "LinearNetworkLoss": LinearNetworkLoss(),
    "MLPLoss": MLPLoss(),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "method",
    ["value", "gradient", "hessian", "rescale", "inside", "invariants", "orbit_size"],
)
def test_other_losses_before_fit(name, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(OTHERS[name], method)(THETA)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "method", ["length_scale", "parameter_unit", "invariants_scale", "coordinates"]
)
def test_scales_of_other_losses_before_fit(name, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(OTHERS[name], method)()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        OTHERS[name].draw_starts([np.random.default_rng(0)])


def test_an_unfitted_loss_is_no_data():
    for name in FINDERS:
        with pytest.raises(NotFittedError, match="X must be a fitted loss"):
            CLASSES[name]().fit(LinearAutoencoderLoss())


def takes_a_finder(name):
    """Return whether a metric is a function of a fitted finder."""
    function = getattr(metrics, name)
    parameters = set(inspect.signature(function).parameters)
    return not isinstance(function, type) and parameters & {"finder", "estimator"}


@pytest.mark.parametrize(
    "name", sorted(filter(takes_a_finder, set(metrics.__all__) - {"judge"}))
)
def test_metrics_before_fit(name):
    function = getattr(metrics, name)
    finders = [skcrit.NewtonMRFinder()] * len(
        {"finder", "estimator", "probe"}
        & set(inspect.signature(getattr(metrics, name)).parameters)
    )
    with pytest.raises(NotFittedError, match="not fitted yet"):
        function(*finders)


# ToleranceDisplay fits the finder itself.
@pytest.mark.parametrize("name", sorted(set(inspection.__all__) - {"ToleranceDisplay"}))
def test_figures_before_fit(name):
    finder = "LandscapeExplorer" if "Graph" in name else "NewtonMRFinder"
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(inspection, name).from_estimator(getattr(skcrit, finder)())


@pytest.mark.parametrize("n_features", [1, 2, 4, 30])
@pytest.mark.parametrize("method", ["transform", "score"])
def test_another_number_of_features(method, n_features):
    other = np.ones((4, n_features))
    match = f"X has {n_features} features, but NewtonMRFinder is expecting 3"
    with pytest.raises(ValueError, match=match):
        getattr(fitted(), method)(other)
    match = f"X has {n_features} features, but LinearAutoencoderLoss is expecting 3"
    with pytest.raises(ValueError, match=match):
        loss().transform(other)


@pytest.mark.parametrize("n_params", [0, 1, 11, 13, 24])
def test_another_number_of_parameters(n_params):
    point = np.ones(n_params)
    for method in ("value", "gradient", "hessian", "rescale", "invariants"):
        with pytest.raises(ValueError, match=r"theta must have shape \(\.\.\., 12\)"):
            getattr(loss(), method)(point)
    spectrum = AnalyticalSpectrum.from_eigenvalues([4, 2, 1], (2,))
    with pytest.raises(ValueError, match="theta must have shape"):
        spectrum.match(point)


def test_a_fit_that_fails_leaves_no_half_fitted_finder():
    finder = skcrit.NewtonMRFinder(n_starts=3, init="gaussian", random_state=0).fit(X)
    before, tol = finder.results_["loss"].copy(), finder.tol
    with pytest.raises(ValueError, match="tol"):
        finder.set_params(tol=-1.0).fit(X)
    # What was found before is still that of the first fit.
    np.testing.assert_array_equal(finder.results_["loss"], before)
    again = finder.set_params(tol=tol).fit(X)
    np.testing.assert_array_equal(again.results_["loss"], before)

"""What the messages say about a newcomer's mistakes: parameter, expected, got."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skcrit import (
    FunctionLoss,
    GaussianStarts,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    Loss,
    MLPLoss,
    NewtonMRFinder,
    certify,
)
from skcrit.metrics import euler_sum
from skcrit.utils.testing import check_loss

X = np.arange(24.0).reshape(8, 3) % 5


def value(theta):
    return np.sum((theta**2 - 1) ** 2, axis=-1)


def gradient(theta):
    return 4 * theta * (theta**2 - 1)


def hvp(theta, v):
    return (12 * theta**2 - 4) * v


LOSS = FunctionLoss(value, gradient, hvp, n_params=2).fit()


def fit(*data, loss=LOSS, **params):
    return NewtonMRFinder(loss, **{"n_starts": 2, "random_state": 0} | params).fit(
        *data
    )


def autoencoder(*data, **params):
    return fit(*data, loss=LinearAutoencoderLoss(2), **params)


def functions(value=value, gradient=gradient, hvp=hvp, n_params=2):
    return FunctionLoss(value, gradient, hvp, n_params=n_params)


class Valued:
    """A loss of a user without a gradient."""

    def fit(self, X=None, y=None):
        self.n_params_ = 2
        return self

    def value(self, theta):
        return value(theta)


class Quadratic(Loss):
    """A loss of a user that takes the number of parameters from its data."""

    def fit(self, X, y=None):
        self.n_params_ = X.shape[1]
        return self

    def value(self, theta):
        return np.sum(theta**2, axis=-1) / 2

    def gradient(self, theta):
        return theta

    def hvp(self, theta, v):
        return np.broadcast_to(v, np.broadcast_shapes(theta.shape, v.shape))


NO_LOSS = "loss must be a loss with the methods value, gradient, hvp, fit; "
ROWS = (
    "Expected 2D array, got 1D array instead: X must have shape (n_samples, "
    "n_features), got (8,). Reshape your data either using"
)
AXES = "Functions take points along leading axes: theta[..., i] is parameter i"
NAN = "Input X contains NaN. Fill or leave out missing values before fit."
NO_DATA = (
    "X must be an array of real numbers of shape (n_samples, n_features), got None: "
    "LinearAutoencoderLoss needs data."
)
NAN_ROW = np.where(X == 4, np.nan, X)

MISTAKES = {
    "no data": (autoencoder, NO_DATA),
    "None as data": (lambda: autoencoder(None), NO_DATA),
    "no data for a loss": (lambda: LinearAutoencoderLoss(2).fit(), NO_DATA),
    "no data for a network": (
        lambda: MLPLoss((2,)).fit(),
        "got None: MLPLoss needs data.",
    ),
    "no data for a linear network": (
        lambda: LinearNetworkLoss((2,)).fit(),
        "got None: LinearNetworkLoss needs data.",
    ),
    "no data for a loss of a user": (
        lambda: fit(loss=Quadratic()),
        "Quadratic cannot be fitted without data: 'NoneType' object has no attribute "
        "'shape'. If it needs data, pass them to fit: fit(X).",
    ),
    "NaN": (lambda: autoencoder(NAN_ROW), NAN),
    "NaN in a frame": (lambda: autoencoder(pd.DataFrame(NAN_ROW)), NAN),
    "infinity": (
        lambda: autoencoder(X / 0.0),
        "Input X contains",
    ),
    "one column": (lambda: autoencoder(X[:, 0]), ROWS),
    "three axes": (
        lambda: autoencoder(X[None]),
        "X cannot be used: Found array with dim 3, while dim <= 2 is required",
    ),
    "complex": (
        lambda: autoencoder(X * 1j),
        "X must be real numbers, got complex ones. Complex data not supported.",
    ),
    "texts in a frame": (
        lambda: autoencoder(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})),
        "X cannot be used: could not convert string to float: 'x'",
    ),
    "sparse": (lambda: autoencoder(sparse.csr_matrix(X)), "Sparse data was passed for"),
    "data in place of a loss": (
        lambda: fit(X, loss=X),
        f"{NO_LOSS}ndarray lacks value, gradient, hvp, fit. Pass data to fit: fit(X).",
    ),
    "list in place of a loss": (
        lambda: fit(X, loss=X.tolist()),
        f"{NO_LOSS}list lacks value, gradient, hvp, fit. Pass data to fit: fit(X).",
    ),
    "function in place of a loss": (
        lambda: fit(loss=value),
        f"{NO_LOSS}function lacks value, gradient, hvp, fit. Functions are wrapped: "
        "FunctionLoss(value, gradient, n_params=...).",
    ),
    "class in place of a loss": (
        lambda: fit(X, loss=LinearAutoencoderLoss),
        "loss must be an instance of a loss, got the class LinearAutoencoderLoss: write"
        " LinearAutoencoderLoss(...).",
    ),
    "loss without a gradient": (
        lambda: fit(loss=Valued()),
        f"{NO_LOSS}Valued lacks gradient, hvp.",
    ),
    "fitted loss without a gradient": (
        lambda: fit(Valued().fit()),
        "X must be a loss with the methods value, gradient, hvp, or data; Valued lacks "
        "gradient, hvp.",
    ),
    "finder in place of data": (
        lambda: fit(fit()),
        "X must be a loss with the methods value, gradient, hvp, or data; "
        "NewtonMRFinder lacks value, gradient, hvp.",
    ),
    "class of finders": (
        lambda: LandscapeExplorer(LOSS, finder=NewtonMRFinder).fit(),
        "The 'finder' parameter of LandscapeExplorer must be an instance, got the class"
        " NewtonMRFinder: write NewtonMRFinder().",
    ),
    "parameter of no loss": (
        lambda: NewtonMRFinder().set_params(loss__alpha=0.1),
        "loss__alpha cannot be set: loss is None. Set the loss first, such as "
        "loss=LinearAutoencoderLoss().",
    ),
    "targets of wrong length": (
        lambda: fit(X, X[:5], loss=LinearNetworkLoss((2,))),
        "y must be finite numbers with a row for each of the 8 samples of X, got shape "
        "(5, 3).",
    ),
    "missing target": (
        lambda: fit(X, NAN_ROW, loss=LinearNetworkLoss((2,))),
        "y must be finite numbers with a row for each of the 8 samples of X, got NaN or"
        " infinity.",
    ),
    "numbers in place of labels": (
        lambda: fit(X, X[:, 0] / 3, loss=MLPLoss((2,), loss="log_loss")),
        "y must be labels for loss='log_loss', got array([0. ",
    ),
    "labels in place of numbers": (
        lambda: fit(X, list("abababab"), loss=MLPLoss((2,), loss="squared_error")),
        "y must be an array of real numbers of shape (n_samples,) or (n_samples, "
        "n_outputs), got list: <U1 numbers in ['a', 'b', 'a', 'b', 'a', 'b', 'a', "
        "'b']. For labels take loss='log_loss'.",
    ),
    "value not batched": (
        lambda: fit(loss=functions(value=lambda t: np.sum((t**2 - 1) ** 2))),
        "value must return an array of shape (2,) for theta of shape (2, 2), got "
        f"shape (). {AXES}",
    ),
    "gradient not batched": (
        lambda: fit(loss=functions(gradient=lambda t: np.stack([t[0], t[1]]))),
        AXES,
    ),
    "table in place of a function": (
        lambda: functions(value=np.zeros((50, 4))).fit(),
        "The 'value' parameter of FunctionLoss must be a callable. Got array([[0., 0., "
        "0., 0.], [0., 0.",
    ),
    "number of parameters left out": (
        lambda: functions(n_params=None).fit(),
        "The 'n_params' parameter of FunctionLoss must be an int in the range [1, inf)"
        ". Got None instead.",
    ),
    "text as tolerance": (
        lambda: fit(tol="1e-8"),
        "The 'tol' parameter of NewtonMRFinder must be a float in the range [0.0, inf] "
        "or a str among {'auto'}. Got '1e-8' instead.",
    ),
    "negative number of starts": (
        lambda: fit(n_starts=-1),
        "The 'n_starts' parameter of NewtonMRFinder must be an int in the range [1, "
        "inf). Got -1 instead.",
    ),
    "no jobs": (
        lambda: fit(n_jobs=0),
        "The 'n_jobs' parameter of NewtonMRFinder must be an int in the range (-inf, "
        "-1], an int in the range [1, inf) or None. Got 0 instead.",
    ),
    "starts of wrong width": (
        lambda: fit(init=np.zeros((2, 3))),
        "init must have shape (n_starts, n_params) = (2, 2), got (2, 3).",
    ),
    "class of starts": (
        lambda: fit(init=GaussianStarts),
        "init must be a name, an array of shape (2, 2) or a sampler, got the class "
        "GaussianStarts: write GaussianStarts().",
    ),
    "point of wrong width": (
        lambda: certify(LOSS, np.zeros(3)),
        "theta must have shape (n_points, 2) or (2,), got (3,).",
    ),
    "text as a point": (
        lambda: certify(LOSS, "x"),
        "theta must be an array of real numbers of shape (n_points, 2), got str: <U1 "
        "numbers in 'x'.",
    ),
    "sum over an unfitted finder": (
        lambda: euler_sum(NewtonMRFinder(LOSS)),
        "This NewtonMRFinder instance is not fitted yet. Call 'fit' with",
    ),
    "sum over a loss": (
        lambda: euler_sum(functions().fit()),
        "finder must be fitted and have the attributes loss_, critical_points_, ",
    ),
    "sum over a class": (
        lambda: euler_sum(NewtonMRFinder),
        "got the class NewtonMRFinder without any of these.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_message(mistake):
    call, expected = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError), match=re.escape(expected)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_advice_for_a_torch_module():
    class Module:
        def state_dict(self):
            return {}

    with pytest.raises(ValueError, match=r"wrapped: TorchLoss\(module, criterion\)\.$"):
        fit(loss=Module())


@pytest.mark.parametrize(
    "mistake, error, name, shapes",
    [
        ({"value": lambda t: t[..., 2]}, IndexError, "value", r"1 .* \(2, 2\)"),
        ({"hvp": gradient}, TypeError, "hvp", r"2 .* \(8, 2\) and \(8, 2\)"),
    ],
    ids=["n_params too small", "product without direction"],
)
def test_errors_of_a_function_keep_their_kind_and_have_a_note(
    mistake, error, name, shapes
):
    with pytest.raises(error) as caught:
        fit(loss=functions(**mistake))
    (note,) = caught.value.__notes__
    assert re.match(rf"This was raised by the function {name} of F.*{shapes}\.", note)
    assert AXES in note


def test_functions_that_are_not_defined_everywhere_are_told_what_to_return():
    def value(theta):
        raise np.linalg.LinAlgError("Matrix is not positive definite")

    with pytest.raises(np.linalg.LinAlgError) as caught:
        fit(loss=functions(value=value))
    (note,) = caught.value.__notes__
    assert "let it return nan for them" in note and AXES not in note


def test_functions_that_are_not_batched_are_told_once():
    loss = functions(
        value=lambda t: t[0] ** 2 + t[1] ** 2,
        gradient=lambda t: np.stack([2 * t[0], 2 * t[1]]),
        hvp=lambda t, v: np.stack([2 * v[0], 2 * v[1]]),
    ).fit()
    with pytest.raises(AssertionError) as caught:
        check_loss(loss)
    text = str(caught.value)
    assert text.startswith("FunctionLoss has 1 problem:\n- value raised ValueError for")
    assert text.count(AXES) == 1
    assert text.endswith("The same is wrong with gradient, hvp, hessian.")


def test_a_loss_without_data_needs_none():
    assert fit().n_critical_sets_ == fit(None).n_critical_sets_


def test_errors_of_fit_without_targets_have_a_note():
    class Supervised(Quadratic):
        def fit(self, X, y=None):
            self.targets_ = y + 1
            return super().fit(X)

    with pytest.raises(TypeError, match="NoneType") as caught:
        fit(X, loss=Supervised())
    (note,) = caught.value.__notes__
    assert note == "Supervised.fit got y=None. If it needs targets: fit(X, y)."


def test_check_loss_of_a_class():
    with pytest.raises(AssertionError) as caught:
        check_loss(Quadratic)
    assert str(caught.value).endswith(
        "- it is a class: give an instance, such as Quadratic(...)."
    )


def test_memory_needs_functions_that_have_a_name(tmp_path):
    loss = FunctionLoss(lambda t: value(t), gradient, n_params=2)
    with pytest.raises(ValueError, match="with memory the loss must be picklable") as e:
        fit(loss=loss, memory=tmp_path)
    assert "define its functions in a module, not as lambdas" in str(e.value)

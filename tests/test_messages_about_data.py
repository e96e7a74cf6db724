"""What the messages say about data, starts and functions that cannot be used."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV

from skcrit import (
    AnalyticalSpectrum,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    MLPLoss,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
)
from skcrit.model_selection import tolerance_curve
from tests.test_messages import AXES, LOSS, X, autoencoder, fit, functions, value

NUMBERS = "X must be an array of real numbers of shape (n_samples, n_features), got "
DATES = pd.to_datetime(["2019-01-01", "2019-01-02"])
INIT = "init must be a name, an array of shape (2, 2) or a sampler, got "
SAMPLER = "a sampler has the method sample(loss, n_starts, random_state)."
DEPENDENT = "finder must search from every start independently of the others, which "
Y = "y must be an array of real numbers"


def frame(**columns):
    return pd.DataFrame({"a": [1.0, 2.0]} | columns)


def grid(**values):
    finder = NewtonMRFinder(LinearAutoencoderLoss(2), n_starts=2)
    return GridSearchCV(finder, values, cv=2).fit(X)


MISTAKES = {
    "column of texts": (lambda: autoencoder(frame(b=["x", "y"])), "numbers: ['b']."),
    "column of categories": (
        lambda: autoencoder(frame(kind=pd.Categorical(["x", "y"]))),
        "X cannot be used: could not convert string to float: 'x'; not numbers: "
        "['kind'].",
    ),
    "column of dates": (
        lambda: autoencoder(frame(day=DATES)),
        f"{NUMBERS}DataFrame; not numbers: ['day'].",
    ),
    "column of durations": (
        lambda: autoencoder(frame(lag=DATES - DATES[0])),
        f"{NUMBERS}DataFrame; not numbers: ['lag'].",
    ),
    "rows of unequal length": (
        lambda: autoencoder([[1, 2], [3]]),
        "X must have shape (n_samples, n_features), got rows of unequal length.",
    ),
    "dict": (
        lambda: autoencoder({"a": [1, 2]}),
        f"{NUMBERS}dict (float() argument must",
    ),
    "generator": (
        lambda: autoencoder(x for x in range(3)),
        f"{NUMBERS}generator (float() argument must be a string or a real number, not "
        "'generator').",
    ),
    "name of a file": (
        lambda: autoencoder("data.csv"),
        "X cannot be used: could not convert string to float: 'data.csv'.",
    ),
    "other columns": (
        lambda: autoencoder(frame(b=[1.0, 3.0])).transform(frame(c=[1.0, 3.0])),
        "The feature names should match those that were passed during fit. Feature "
        "names unseen at fit time: - c",
    ),
    "fewer columns": (
        lambda: autoencoder(X).transform(X[:, :2]),
        "X has 2 features, but NewtonMRFinder is expecting 3 features as input.",
    ),
    "sparse targets": (
        lambda: fit(X, sparse.csr_matrix(X), loss=LinearNetworkLoss((1,))),
        f"{Y}, got csr_matrix: sparse data, which toarray() makes dense, in ",
    ),
    "no labels": (
        lambda: fit(X, loss=MLPLoss((2,), loss="log_loss")),
        "y must be the labels for loss='log_loss', got None",
    ),
    "name of another loss": (
        lambda: fit(X, X[:, 0], loss=MLPLoss((2,), loss="mse")),
        "The 'loss' parameter of MLPLoss must be a str among {",
    ),
    "negative tolerance": (
        lambda: fit(tol=-1e-3),
        "The 'tol' parameter of NewtonMRFinder must be a float in the range [0.0, inf] "
        "or a str among {'auto'}. Got -0.001 instead.",
    ),
    "misspelled parameter": (
        lambda: grid(tolerance=[1e-3]),
        "Invalid parameter 'tolerance' for estimator NewtonMRFinder(",
    ),
    "misspelled parameter of the loss": (
        lambda: grid(loss__alhpa=[0.1]),
        "Invalid parameter 'alhpa' for estimator LinearAutoencoderLoss(",
    ),
    "starts of another name": (
        lambda: fit(init="normal"),
        "init must be one of ['auto', 'gaussian', 'height', 'iteration', 'spread'], an "
        "array of shape (2, 2) or a sampler, got 'normal'.",
    ),
    "starts of unequal length": (
        lambda: fit(init=[[1, 2], [3]]),
        "got list: rows of unequal length, an inhomogeneous shape, in [[1, 2], [3]].",
    ),
    "function in place of starts": (lambda: fit(init=value), SAMPLER),
    "no starts": (lambda: fit(init=None), f"{INIT}None: {SAMPLER}"),
    "starts of texts": (
        lambda: fit(init=pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})),
        "init must be an array of real numbers, got DataFrame: object numbers in",
    ),
    "starts that are missing": (
        lambda: fit(init=np.full((2, 2), np.nan)),
        "init contains NaN; starts must be finite.",
    ),
    "function that returns a column": (
        lambda: fit(loss=functions(value=lambda t: value(t)[..., None])),
        "value must return an array of shape (2,) for theta of shape (2, 2), got shape "
        f"(2, 1). {AXES}",
    ),
    "function that returns nothing": (
        lambda: fit(loss=functions(value=lambda t: None)),
        "value must return an array of real numbers, got NoneType: nothing, is a return"
        " statement missing?",
    ),
    "function that returns complex numbers": (
        lambda: fit(loss=functions(value=lambda t: value(t) + 0j)),
        "value must return an array of real numbers, got ndarray: complex numbers",
    ),
    "spectrum of eigenvalues": (
        lambda: AnalyticalSpectrum([4, 2, 1]),
        "problem must be the description of a network, got [4, 2, 1]. Write "
        "AnalyticalSpectrum.from_eigenvalues(eigenvalues, hidden_layer_sizes)",
    ),
    "graph of an explorer that is not fitted": (
        lambda: LandscapeExplorer(LOSS).to_networkx(),
        "This LandscapeExplorer instance is not fitted yet.",
    ),
    "curve of an explorer": (
        lambda: tolerance_curve(LandscapeExplorer(LOSS), tols=[1e-3]),
        f"{DEPENDENT}LandscapeExplorer does not: ",
    ),
    "curve of a finder that deflates": (
        lambda: tolerance_curve(NewtonTrajectoryFinder(LOSS, deflate=True)),
        f"{DEPENDENT}NewtonTrajectoryFinder does not: ",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_message(mistake):
    call, expected = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError), match=re.escape(expected)) as caught:
        call()
    # What NumPy said first is not shown above it.
    assert caught.value.__cause__ is None
    assert not caught.value.__context__ or caught.value.__suppress_context__


WRONG_PARAMETERS = {
    "of a loss of data": (
        lambda: fit(X, loss=LinearAutoencoderLoss(2, alpha=-1)),
        "The 'alpha' parameter of LinearAutoencoderLoss must be a float in the range "
        "[0.0, inf). Got -1 instead.",
    ),
    "of a loss without data": (
        lambda: fit(loss=functions(value=3)),
        "The 'value' parameter of FunctionLoss must be a callable. Got 3 instead.",
    ),
}


@pytest.mark.parametrize("which", WRONG_PARAMETERS)
def test_wrong_parameters_are_not_blamed_on_the_data(which):
    call, expected = WRONG_PARAMETERS[which]
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        call()
    assert str(caught.value) == expected
    assert not hasattr(caught.value, "__notes__")


def test_starts_in_a_frame_are_points():
    points = np.array([[0.9, 1.2], [0.1, -0.1]])
    finder = fit(init=pd.DataFrame(points))
    assert np.array_equal(finder.start_params_, points)


@pytest.mark.parametrize(
    "rows", [X.tolist(), X.astype(int), X.astype(object), pd.DataFrame(X)]
)
def test_numbers_of_other_types_are_data(rows):
    same = autoencoder(X).final_params_
    assert np.array_equal(autoencoder(rows).final_params_, same)

"""Data that finders take, and data that they refuse."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from skcrit import ResolutionWarning

from ._finders import assert_same_fit, data, ignore_failures, small

# Data


@pytest.mark.parametrize(
    "X, message",
    [
        (np.full((5, 3), np.nan), "Input X contains NaN"),
        (np.full((5, 3), np.inf), "Input X contains infinity"),
        (np.full((5, 3), "a"), "convert|numeric"),
        (np.ones(5), "Expected 2D array"),
        (np.ones((2, 3, 4)), "dim 3|3D|expected <= 2"),
        (np.empty((0, 3)), "0 sample"),
        (np.empty((3, 0)), "0 feature"),
        (np.ones((3, 2), dtype=complex), "Complex data not supported"),
        (None, "X|array|None"),
    ],
)
def test_bad_data(X, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X)


def test_sparse_data(X):
    with pytest.raises(TypeError, match="[Ss]parse"):
        small().fit(sparse.csr_array(X))


def test_what_can_be_fitted_can_be_scored(fitted):
    assert fitted.score(fitted.loss_) == fitted.score()


def test_transform_and_score_check_their_data(fitted, X):
    for method in (fitted.transform, fitted.score):
        with pytest.raises(ValueError, match="X has 3 features.*expecting 4"):
            method(X[:, :3])
        with pytest.raises(ValueError, match="NaN"):
            method(np.full((2, 4), np.nan))
    with pytest.raises(NotFittedError):
        small().transform(X)
    with pytest.raises(NotFittedError):
        small().score(X)


def test_transform_is_the_error_of_each_sample(fitted, X):
    errors = fitted.transform(X)
    assert errors.shape == (60, fitted.n_critical_sets_)
    np.testing.assert_allclose(errors.mean(axis=0), fitted.critical_losses_, rtol=1e-8)
    np.testing.assert_array_equal(fitted.transform(X[:3]), errors[:3])
    labels = fitted.get_feature_names_out()
    assert labels.tolist() == [f"newtonmrfinder{k}" for k in range(errors.shape[1])]


@pytest.mark.parametrize("shape", [(5, 3), (1, 3)])
def test_constant_data_have_one_critical_set(shape):
    with pytest.warns(ResolutionWarning, match="X has no variance"):
        finder = small().fit(np.ones(shape))
    assert finder.n_critical_sets_ == 1
    assert np.all(finder.converged_)
    assert finder.critical_losses_.tolist() == [0.0]
    assert finder.morse_indices_.tolist() == [0]
    assert finder.nullities_.tolist() == [12]
    assert finder.score() == 1


@ignore_failures
def test_one_feature():
    finder = small(n_starts=20).fit([[1.0], [2.0], [4.0]])
    assert finder.n_params_ == 4
    variance = np.var([1.0, 2.0, 4.0])
    assert set(np.round(finder.critical_losses_, 8)) <= {0.0, np.round(variance, 8)}
    assert finder.score() >= 0.9


@ignore_failures
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
def test_other_types_of_numbers(dtype):
    X = (data([40.0, 20.0, 10.0]) > 2) * 3
    X = X.astype(dtype)
    finder = small(n_starts=4, max_iter=30).fit(X)
    reference = small(n_starts=4, max_iter=30).fit(X.astype(float))
    assert_same_fit(finder, reference)
    assert finder.transform(X).dtype == np.float64


def test_data_frames(X):
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(60) + 100)
    finder = small().fit(frame)
    assert finder.feature_names_in_.tolist() == list("abcd")
    reference = small().fit(X)
    np.testing.assert_allclose(
        finder.critical_losses_, reference.critical_losses_, rtol=1e-8
    )
    output = finder.set_output(transform="pandas").transform(frame)
    assert isinstance(output, pd.DataFrame)
    assert output.columns.tolist() == finder.get_feature_names_out().tolist()
    assert output.index.equals(frame.index)
    with pytest.raises(ValueError, match="feature names should match"):
        finder.transform(frame[list("dcba")])

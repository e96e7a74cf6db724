"""What a fit leaves behind: attributes, histories, warnings."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from skcrit import (
    GaussianStarts,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.solvers import Status

from ._finders import COLUMNS, FINDERS, data, ignore_failures, small

# Attributes


def test_attributes_have_their_shapes_and_types(fitted):
    n_sets = fitted.n_critical_sets_
    assert n_sets > 3
    assert (fitted.n_params_, fitted.n_features_in_) == (16, 4)
    for name, shape, kind in (
        ("start_params_", (60, 16), "f"),
        ("final_params_", (60, 16), "f"),
        ("converged_", (60,), "b"),
        ("critical_points_", (n_sets, 16), "f"),
        ("critical_losses_", (n_sets,), "f"),
        ("morse_indices_", (n_sets,), "i"),
        ("index_fractions_", (n_sets,), "f"),
        ("inertia_shares_", (n_sets, 3), "f"),
        ("inertia_intervals_", (n_sets, 3, 2), "f"),
        ("inertia_levels_", (n_sets,), "f"),
        ("nullities_", (n_sets,), "i"),
        ("counts_", (n_sets,), "i"),
    ):
        array = getattr(fitted, name)
        assert type(array) is np.ndarray, name
        assert array.shape == shape, name
        assert array.dtype.kind == kind, name
    assert type(fitted.n_iter_) is int
    assert type(n_sets) is int
    assert fitted.n_iter_ == fitted.results_["n_iter"].max()


def test_results_have_a_row_per_start(fitted):
    assert set(fitted.results_) == set(COLUMNS) | {"inner_status", "n_fallback"}
    for name, kind in COLUMNS.items():
        assert type(fitted.results_[name]) is np.ndarray, name
        assert fitted.results_[name].shape == (60,), name
        assert fitted.results_[name].dtype.kind == kind, name
    frame = pd.DataFrame(fitted.results_)
    assert frame.shape == (60, len(COLUMNS) + 2)
    assert set(frame["status"]) <= {s.name for s in Status}
    assert ((frame["status"] == "CONVERGED") == frame["converged"]).all()


@ignore_failures
@pytest.mark.parametrize(
    "backend, dtype", [("array_api_strict", "float64"), ("numpy", "float32")]
)
def test_attributes_are_numpy_on_every_backend(backend, dtype, X):
    loss = LinearAutoencoderLoss(backend=backend, dtype=dtype)
    finder = small(loss=loss, n_starts=4, max_iter=15, tol=1e-8, store_history=True)
    finder.fit(X)
    arrays = [v for v in vars(finder).values() if hasattr(v, "shape")]
    arrays += [*finder.results_.values(), *finder.history_.values()]
    assert len(arrays) > 20
    assert all(type(a) is np.ndarray for a in arrays)
    assert finder.final_params_.dtype == np.float64
    assert finder.critical_points_.dtype == np.float64
    assert type(finder.transform(X)) is np.ndarray
    reference = small(n_starts=4, max_iter=0).fit(X)
    np.testing.assert_allclose(finder.start_params_, reference.start_params_)
    # Rounding decides which critical point is found, not whether it is one.
    assert np.mean(finder.converged_) >= 0.5
    spectrum = reference.loss_.analytical_spectrum()
    match = spectrum.match(finder.final_params_[finder.converged_])
    losses = finder.results_["loss"][finder.converged_]
    np.testing.assert_allclose(losses, match.loss, atol=1e-5)


def test_labels_agree_with_the_table_of_sets(fitted):
    label = fitted.results_["critical_set"]
    converged = fitted.converged_
    assert np.all((label >= 0) == converged)
    np.testing.assert_array_equal(
        np.bincount(label[converged], minlength=fitted.n_critical_sets_), fitted.counts_
    )
    assert np.all(fitted.counts_ > 0)
    assert np.sum(fitted.counts_) == np.sum(converged)
    assert np.all(np.diff(fitted.critical_losses_) >= -1e-9)
    rows = label[converged]
    for column, values in (
        ("morse_index", fitted.morse_indices_),
        ("nullity", fitted.nullities_),
    ):
        found = fitted.results_[column][converged]
        np.testing.assert_array_equal(found, values[rows])
    losses = fitted.results_["loss"][converged]
    np.testing.assert_allclose(losses, fitted.critical_losses_[rows], atol=1e-8)
    np.testing.assert_array_equal(
        fitted.index_fractions_, fitted.morse_indices_ / fitted.n_params_
    )
    np.testing.assert_array_equal(fitted.inertia_shares_[:, 0], fitted.index_fractions_)
    np.testing.assert_array_equal(
        fitted.inertia_shares_[:, 1], fitted.nullities_ / fitted.n_params_
    )


def test_critical_points_are_representatives(fitted):
    loss = fitted.loss_
    values = loss.value(fitted.critical_points_)
    np.testing.assert_allclose(values, fitted.critical_losses_, rtol=1e-12)
    assert np.max(np.abs(loss.gradient(fitted.critical_points_))) < 1e-5
    spectrum = loss.analytical_spectrum()
    match = spectrum.match(fitted.critical_points_)
    assert np.all(match.status == "identified")
    assert len(set(match.set)) == fitted.n_critical_sets_
    np.testing.assert_array_equal(match.morse_index, fitted.morse_indices_)
    ends = spectrum.match(fitted.final_params_[fitted.converged_]).set
    label = fitted.results_["critical_set"][fitted.converged_]
    assert [match.set[i] for i in label] == ends.tolist()


def test_results_are_those_of_the_final_points(fitted):
    loss, theta, results = fitted.loss_, fitted.final_params_, fitted.results_
    np.testing.assert_allclose(results["loss"], loss.value(theta), rtol=1e-12)
    squared = np.sum(loss.gradient(theta) ** 2, axis=-1)
    # The search has other coordinates, and rounding errors of its own.
    floor = {"rtol": 1e-9, "atol": 1e-24}
    np.testing.assert_allclose(results["squared_grad_norm"], squared, **floor)
    for name in ("squared_grad_norm", "squared_balanced_grad_norm"):
        assert np.all(results[name][fitted.converged_] <= 1e-24)


def test_unconverged_rows_claim_nothing(X):
    with pytest.warns(NotConvergedWarning):
        finder = small(n_starts=20, max_iter=8).fit(X)
    failed = ~finder.converged_
    assert 0 < np.sum(failed) < 20
    for name in ("critical_set", "morse_index", "nullity"):
        assert np.all(finder.results_[name][failed] == -1)
        assert np.all(finder.results_[name][~failed] >= 0)
    assert np.all(np.isfinite(finder.final_params_[failed]))


def test_history(fitted):
    length = fitted.n_iter_ + 1
    for name in ("loss", "squared_grad_norm"):
        history = fitted.history_[name]
        assert history.shape == (60, length)
        last = history[np.arange(60), fitted.results_["n_iter"]]
        np.testing.assert_array_equal(last, fitted.results_[name])
        n_known = np.sum(np.isfinite(history), axis=1)
        np.testing.assert_array_equal(n_known, fitted.results_["n_iter"] + 1)
        ends = np.arange(length) > fitted.results_["n_iter"][:, None]
        np.testing.assert_array_equal(np.isnan(history), ends)


def test_history_is_kept_only_when_asked_for(X):
    assert not hasattr(small().fit(X), "history_")


def test_refitting_forgets(X, fitted):
    finder = clone(fitted).set_params(store_history=True, max_iter=100).fit(X)
    finder.set_params(store_history=False, n_starts=5, init="gaussian").fit(
        data([2, 1])
    )
    assert finder.final_params_.shape == (5, 8)
    assert not hasattr(finder, "history_")


# Nothing found


@pytest.mark.parametrize("cls", FINDERS)
def test_nothing_found(cls, X):
    finder = small(cls, max_iter=0, tol=0.0)
    with pytest.warns(NotConvergedWarning, match="12 of 12.*12 MAX_ITER.*max_iter"):
        finder.fit(X)
    assert not np.any(finder.converged_)
    assert finder.n_critical_sets_ == 0
    assert finder.critical_points_.shape == (0, 16)
    for name in ("critical_losses_", "index_fractions_"):
        assert getattr(finder, name).shape == (0,)
    for name in ("morse_indices_", "nullities_", "counts_"):
        assert getattr(finder, name).shape == (0,)
        assert getattr(finder, name).dtype.kind == "i"
    assert np.all(finder.results_["critical_set"] == -1)
    assert finder.transform(X).shape == (60, 0)
    assert finder.get_feature_names_out().shape == (0,)
    assert finder.score(X) == 0


@pytest.mark.parametrize(
    "params, message",
    [
        ({"max_iter": 1}, "NewtonMRFinder: .* of 12 starts .*tol=auto.*max_iter"),
        (
            {"max_backtracks": 0, "max_iter": 50, "fallback": False},
            "STALLED.*max_backtracks",
        ),
    ],
)
def test_the_warning_names_the_parameter(params, message, X):
    with pytest.warns(NotConvergedWarning, match=message) as record:
        small(**params).fit(X)
    assert len(record) == 1
    assert record[0].filename == __file__


def test_the_warning_is_that_of_the_caller_whatever_the_method(X):
    finders = (NewtonMRFinder(), SaddleDynamicsFinder(), LandscapeExplorer())
    for finder in finders:
        finder.set_params(n_starts=4, max_iter=1, random_state=0)
        with pytest.warns(NotConvergedWarning, match="did not end") as record:
            finder.fit(X)
        assert {warning.filename for warning in record} == {__file__}, finder


def test_lost_starts_are_reported(X):
    theta0 = GaussianStarts().sample(LinearAutoencoderLoss().fit(X), 4, 0)
    theta0[1] *= 1e150
    with pytest.warns(NotConvergedWarning, match="1 of 4 .* 1 DIVERGED"):
        finder = small(init=theta0, n_starts=4).fit(X)
    assert finder.results_["status"][1] == "DIVERGED"
    assert np.sum(finder.converged_) == 3


# What is kept of every iterate


@ignore_failures
@pytest.mark.parametrize("Finder", FINDERS)
def test_history_keeps_what_is_named(Finder, X):
    finder = Finder(n_starts=4, random_state=0)
    names = ["theta", "loss"]
    named = clone(finder).set_params(store_history=names).fit(X)
    whole = clone(finder).set_params(store_history=True).fit(X)
    assert sorted(named.history_) == sorted(names)
    assert sorted(whole.history_) == ["loss", "squared_grad_norm"]
    np.testing.assert_array_equal(named.history_["loss"], whole.history_["loss"])
    path = named.history_["theta"]
    assert path.shape == (*named.history_["loss"].shape, named.n_params_)
    for row in np.flatnonzero(named.converged_):
        last = path[row][np.isfinite(path[row, :, 0])][-1]
        np.testing.assert_array_equal(last, named.final_params_[row])


@pytest.mark.parametrize("names", ["loss", ["loss", "gradient"], [1]])
def test_history_of_unknown_names_is_refused(names, X):
    with pytest.raises(ValueError, match="store_history"):
        NewtonMRFinder(store_history=names).fit(X)

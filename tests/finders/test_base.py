"""The estimator around a solver, whatever the solver."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcrit import (
    BaseFinder,
    FunctionLoss,
    GaussianStarts,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    ResolutionWarning,
    SaddleDynamicsFinder,
    TrajectoryStarts,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LocalModel
from skcrit.solvers import Status

from ._finders import LoggingFinder, PseudoInverseFinder

FINDERS = [NewtonMRFinder, PseudoInverseFinder]
# Searches that fail are the subject, or do not matter, where this is used.
ignore_failures = pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")

COLUMNS = {
    "loss": "f",
    "squared_grad_norm": "f",
    "squared_balanced_grad_norm": "f",
    "n_iter": "i",
    "n_gradient": "i",
    "n_hvp": "i",
    "status": "U",
    "residual_ratio": "f",
    "kernel_ratio": "f",
    "converged": "b",
    "distance": "f",
    "morse_index": "i",
    "morse_index_low": "i",
    "morse_index_high": "i",
    "nullity": "i",
    "critical_set": "i",
}


def data(eigenvalues=(4.0, 3.0, 2.0, 1.0), n_samples=60, **options):
    return make_gaussian_spectrum(
        n_samples, eigenvalues=eigenvalues, exact=True, random_state=0, **options
    )


def small(cls=NewtonMRFinder, loss=None, **params):
    params = {"n_starts": 12, "init": "gaussian", "random_state": 0, **params}
    return cls(loss, **params)


def assert_same_fit(a, b):
    """Bitwise."""
    for name in ("start_params_", "final_params_", "converged_", "critical_points_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("critical_losses_", "morse_indices_", "nullities_", "counts_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.results_.keys() == b.results_.keys()
    for name, column in a.results_.items():
        np.testing.assert_array_equal(b.results_[name], column, err_msg=name)


@pytest.fixture(scope="module")
def X():
    return data()


@pytest.fixture(scope="module")
def fitted(X):
    init = TrajectoryStarts(n_steps=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return small(n_starts=60, init=init, store_history=True, max_iter=40).fit(X)


# A user's method


@ignore_failures
def test_a_method_of_ones_own(X):
    finder = small(PseudoInverseFinder, n_starts=30).fit(X)
    assert np.mean(finder.converged_) > 0.3
    assert finder.score(X) == pytest.approx(np.mean(finder.converged_))
    assert finder.transform(X).shape == (60, finder.n_critical_sets_)
    assert clone(finder).get_params() == finder.get_params()
    assert set(finder.results_) == set(COLUMNS)
    again = pickle.loads(pickle.dumps(finder))
    assert_same_fit(again, finder)


@ignore_failures
def test_a_method_of_ones_own_in_a_grid_search(X):
    search = GridSearchCV(
        small(PseudoInverseFinder), {"max_iter": [0, 60]}, cv=2, refit=False
    )
    scores = search.fit(X).cv_results_["mean_test_score"]
    assert scores[0] == 0
    assert scores[1] > 0.3


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="_make_solver"):
        BaseFinder()


# Data or a loss


@ignore_failures
@pytest.mark.parametrize("cls", FINDERS)
def test_a_fitted_loss_in_place_of_data(cls, X):
    loss = LinearAutoencoderLoss((3,))
    on_data = small(cls, loss).fit(X)
    on_loss = small(cls).fit(clone(loss).fit(X))
    assert_same_fit(on_loss, on_data)
    assert on_loss.n_features_in_ == 4
    np.testing.assert_array_equal(on_loss.transform(X), on_data.transform(X))


def test_the_loss_is_cloned(X):
    loss = LinearAutoencoderLoss()
    finder = small(loss=loss).fit(X)
    assert finder.loss_ is not loss
    assert not hasattr(loss, "n_params_")
    given = clone(loss).fit(X)
    assert small().fit(given).loss_ is given


def saddle_value(theta):
    return theta[..., 0] ** 2 - theta[..., 1] ** 2


def saddle_gradient(theta):
    return theta * [2.0, -2.0]


def bowl_value(theta):
    return np.sum(theta**2, axis=-1) / 2


def bowl_gradient(theta):
    return 1.0 * theta


def test_a_loss_without_data():
    loss = FunctionLoss(saddle_value, saddle_gradient, n_params=2).fit()
    finder = small().fit(loss)
    assert finder.n_critical_sets_ == 1
    assert finder.morse_indices_.tolist() == [1]
    assert finder.counts_.tolist() == [12]
    np.testing.assert_allclose(finder.critical_points_, 0, atol=1e-6)
    assert not hasattr(finder, "n_features_in_")
    assert not hasattr(finder, "transform")
    # Without a ground truth: the share that ended at a point of known index.
    assert finder.score() == 1.0


def test_trajectory_starts_of_a_loss_without_data():
    loss = FunctionLoss(saddle_value, saddle_gradient, n_params=2).fit()
    finder = small(init=TrajectoryStarts(n_steps=50, n_trajectories=2)).fit(loss)
    assert finder.morse_indices_.tolist() == [1]


def test_a_function_loss_as_parameter(X):
    loss = FunctionLoss(saddle_value, saddle_gradient, n_params=2)
    finder = small(loss=loss).fit(X)
    assert finder.n_critical_sets_ == 1
    assert finder.n_features_in_ == 4


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


# Workers, batches, cache


@ignore_failures
@pytest.mark.parametrize("cls", FINDERS)
def test_batches_and_workers_do_not_change_the_result(cls, X):
    X = X[:, :3]
    params = {"n_starts": 9, "init": TrajectoryStarts(n_steps=50), "max_iter": 8}
    reference = small(cls, **params).fit(X)
    for changes in (
        {"batch_size": 1},
        {"batch_size": 7},
        {"batch_size": 75},
        {"n_jobs": 2},
        {"n_jobs": 2, "batch_size": 4},
    ):
        assert_same_fit(small(cls, **params, **changes).fit(X), reference)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert_same_fit(small(cls, **params).fit(X), reference)


def test_fits_are_reproducible(X):
    assert_same_fit(small().fit(X), small().fit(X))
    other = small(random_state=1).fit(X)
    assert not np.array_equal(other.start_params_, small().fit(X).start_params_)
    few = small(n_starts=5).fit(X)
    np.testing.assert_array_equal(few.final_params_, small().fit(X).final_params_[:5])


@ignore_failures
@pytest.mark.parametrize("make", [str, lambda p: p, joblib.Memory])
def test_finished_batches_are_kept(make, X, tmp_path):
    log = tmp_path / "log"
    memory = make(tmp_path / "cache")
    if isinstance(memory, joblib.Memory):
        memory.verbose = 0
    params = {"batch_size": 4, "log": str(log), "max_iter": 30}
    plain = small(LoggingFinder, **params).fit(X)
    assert log.read_text().count("\n") == 3
    first = small(LoggingFinder, memory=memory, **params).fit(X)
    assert log.read_text().count("\n") == 6
    second = small(LoggingFinder, memory=memory, **params).fit(X)
    assert log.read_text().count("\n") == 6  # the solver was not called at all
    for finder in (first, second):
        assert_same_fit(finder, plain)
    # More starts: the batches in common are not repeated.
    small(LoggingFinder, memory=memory, **{**params, "n_starts": 16}).fit(X)
    assert log.read_text().count("\n") == 7
    # Other data or another tolerance is another search.
    small(LoggingFinder, memory=memory, **params, tol=1e-6).fit(X)
    assert log.read_text().count("\n") == 10


@ignore_failures
def test_an_interrupted_fit_goes_on_where_it_stopped(X, tmp_path):
    log, armed = tmp_path / "log", tmp_path / "log.armed"
    params = {"batch_size": 3, "log": str(log), "memory": tmp_path / "cache"}
    armed.touch()
    with pytest.raises(KeyboardInterrupt):
        small(LoggingFinder, **params).fit(X)
    assert log.read_text().count("\n") == 2
    armed.unlink()
    finder = small(LoggingFinder, **params).fit(X)
    assert log.read_text().count("\n") == 4  # two more, not four
    log.unlink()
    assert_same_fit(finder, small(LoggingFinder, batch_size=3, log=str(log)).fit(X))


def test_progress_is_shown_on_standard_error(X, capsys):
    small(verbose=1, batch_size=4).fit(X)
    shown = capsys.readouterr()
    assert "12/12" in shown.err
    assert "converged=" in shown.err
    assert shown.out == ""
    small(verbose=0).fit(X)
    assert capsys.readouterr().err == ""


# Starts


class Ones:
    """A sampler that is no estimator."""

    def sample(self, loss, n_starts, random_state=None):
        draw = random_state.standard_normal((n_starts, loss.n_params_))
        return 1 + 0.1 * draw


def test_kinds_of_starts(X):
    loss = LinearAutoencoderLoss().fit(X)
    seed = 0
    expected = GaussianStarts().sample(loss, 12, seed)
    for init in ("gaussian", GaussianStarts(), expected, expected.tolist()):
        finder = small(init=init).fit(X)
        np.testing.assert_array_equal(finder.start_params_, expected)
    bowl = FunctionLoss(bowl_value, bowl_gradient, n_params=2).fit()
    for init in ("height", "iteration"):
        expected = TrajectoryStarts(by=init).sample(bowl, 3, seed)
        with pytest.warns(NotConvergedWarning, match="3 starts lie on one gradient"):
            finder = small(init=init, n_starts=3).fit(bowl)
        np.testing.assert_array_equal(finder.start_params_, expected)
    own = small(init=Ones(), n_starts=5).fit(X)
    assert np.all(np.abs(own.start_params_ - 1) < 0.6)


def test_given_starts_are_copied(X):
    theta0 = GaussianStarts().sample(LinearAutoencoderLoss().fit(X), 12, 0)
    finder = small(init=theta0).fit(X)
    before = finder.start_params_.copy()
    theta0[:] = 0
    np.testing.assert_array_equal(finder.start_params_, before)


def test_sampler_parameters_can_be_set(X):
    finder = small(init=GaussianStarts()).set_params(init__scale=0.0).fit(X)
    assert np.all(finder.start_params_ == 0)
    assert finder.counts_.tolist() == [12]
    assert finder.morse_indices_.tolist() == [8]


@pytest.mark.parametrize(
    "init, message",
    [
        (np.zeros((12, 15)), r"init must have shape .*\(12, 16\), got \(12, 15\)"),
        (np.zeros((11, 16)), r"init must have shape .*\(12, 16\), got \(11, 16\)"),
        (np.zeros(16), r"init must have shape .*got \(16,\)"),
        ("uniform", "init must be one of .*'gaussian'.*got 'uniform'"),
        (np.full((12, 16), np.nan), "init contains NaN"),
        (np.full((12, 16), np.inf), "init contains infinity"),
        (object(), "init must be a name, an array .* or a sampler, got <object"),
        (None, "init must be a name, an array .* or a sampler, got None"),
        (3, "init must be a name, an array .* or a sampler, got 3"),
        (np.full((12, 16), "a"), "init|convert"),
        (np.zeros((12, 16), dtype=complex), "[Cc]omplex"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_wrong_starts(init, message, X):
    with pytest.raises(ValueError, match=message):
        small(init=init).fit(X)


# Parameters


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_starts", 0),
        ("n_starts", 1.5),
        ("tol", -1),
        ("tol", "small"),
        ("tol", np.nan),
        ("max_iter", -1),
        ("max_iter", 1.5),
        ("batch_size", 0),
        ("n_jobs", "a"),
        ("n_jobs", 1.5),
        ("store_history", "yes"),
        ("random_state", "a"),
        ("verbose", -1),
        ("inner_tol", 1),
        ("inner_tol", -0.1),
        ("inner_tol", "auto"),
        ("max_inner_iter", 0),
        ("max_step", 0),
        ("regularization", -1e-3),
        ("balance", "yes"),
        ("window", 0),
        ("step_size", 0),
        ("sufficient_decrease", 1),
        ("backtrack", 1),
        ("backtrack", 0),
        ("max_backtracks", -1),
    ],
)
def test_bad_parameters(name, value, X):
    finder = small().set_params(**{name: value})
    with pytest.raises(
        ValueError, match=f"'{name}' parameter of NewtonMRFinder must be"
    ):
        finder.fit(X)


def test_bad_memory(X):
    with pytest.raises(ValueError, match="'memory' parameter of NewtonMRFinder must"):
        small(memory=3).fit(X)


def test_bad_parameter_of_a_method_of_ones_own(X):
    with pytest.raises(ValueError, match="'log' parameter of LoggingFinder must be"):
        small(LoggingFinder, log=3).fit(X)


class NoProducts:
    """A loss that lacks methods."""

    def fit(self, X, y=None):
        return self

    def value(self, theta):
        return theta

    def gradient(self, theta):
        return theta


@pytest.mark.parametrize(
    "loss, lacks",
    [
        (object(), "a loss with .*object lacks value, gradient, hvp, fit"),
        (NoProducts(), "a loss with .*NoProducts lacks hvp"),
        ("mse", "a loss with .*str lacks value"),
        (LinearAutoencoderLoss, "an instance of a loss, got the class Linear"),
    ],
    ids=["object", "partial", "string", "class"],
)
def test_things_that_are_no_loss(loss, lacks, X):
    with pytest.raises(ValueError, match=f"loss must be {lacks}"):
        small(loss=loss).fit(X)


def test_a_loss_that_lacks_methods_in_place_of_data():
    with pytest.raises(ValueError, match="X must be a loss .* NoProducts lacks hvp"):
        small().fit(NoProducts())


def test_an_unfitted_loss_in_place_of_data():
    with pytest.raises(NotFittedError, match="LinearAutoencoderLoss.* not fitted"):
        small().fit(LinearAutoencoderLoss())


def test_bad_parameters_of_the_loss(X):
    with pytest.raises(ValueError, match="'alpha' parameter of LinearAutoencoderLoss"):
        small(loss=LinearAutoencoderLoss(alpha=-1)).fit(X)


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


# Composition


def test_parameters_of_the_loss_can_be_set(X):
    finder = small(loss=LinearAutoencoderLoss())
    finder.set_params(loss__alpha=0.1, loss__hidden_layer_sizes=(3,)).fit(X)
    assert finder.loss_.alpha == 0.1
    assert finder.n_params_ == 24
    best = finder.loss_.analytical_spectrum().losses([(0, 1, 2)])[0]
    assert np.all(finder.critical_losses_ >= best - 1e-9)


def test_pipeline(X):
    pipeline = make_pipeline(StandardScaler(), small())
    errors = pipeline.fit_transform(X * [1.0, 10.0, 100.0, 1000.0])
    finder = pipeline[-1]
    assert errors.shape == (60, finder.n_critical_sets_)
    np.testing.assert_allclose(np.trace(finder.loss_.second_moment_), 4)
    assert 0 <= pipeline.score(X) <= 1


def test_pickling(fitted, X):
    again = pickle.loads(pickle.dumps(fitted))
    assert_same_fit(again, fitted)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert again.score(X) == fitted.score(X)
    assert again.get_params()["max_iter"] == 40


def test_clone_forgets_the_fit(fitted):
    copy = clone(fitted)
    assert not hasattr(copy, "loss_")
    assert copy.get_params()["init"].get_params() == fitted.init.get_params()


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_the_data_does_not_matter(unit, X):
    # tol is in the unit of the squared gradient: the fourth power of that of the data.
    init = TrajectoryStarts(n_steps=300)
    base = small(init=init, tol=1e-12).fit(X)
    scaled = small(init=init, tol=1e-12 * unit**4).fit(unit * X)
    assert np.all(base.converged_)
    assert np.all(scaled.converged_)
    np.testing.assert_array_equal(scaled.morse_indices_, base.morse_indices_)
    np.testing.assert_array_equal(scaled.counts_, base.counts_)
    np.testing.assert_allclose(
        scaled.critical_losses_, unit**2 * base.critical_losses_, rtol=1e-8
    )


class Contract:
    """The methods of the contract and nothing else, on a double well."""

    n_params_ = 2

    def fit(self, X, y=None):
        return self

    def value(self, theta):
        return (theta[..., 0] ** 2 - 1) ** 2 + theta[..., 1] ** 2

    def gradient(self, theta):
        x, y = theta[..., 0], theta[..., 1]
        return np.stack([4 * x * (x**2 - 1), 2 * y], axis=-1)

    def hvp(self, theta, v):
        curvature = np.stack(
            [12 * theta[..., 0] ** 2 - 4, np.full(theta.shape[:-1], 2.0)], axis=-1
        )
        return curvature * v

    def hessian(self, theta):
        return self.hvp(theta[..., None, :], np.eye(2))

    def at(self, theta):
        return LocalModel(self, theta)

    def rescale(self, theta):
        return theta

    def invariants(self, theta):
        return theta


@pytest.mark.parametrize("init", ["auto", TrajectoryStarts(n_trajectories=3)])
def test_a_loss_needs_the_contract_and_no_base_class(init):
    finder = NewtonMRFinder(n_starts=30, init=init, random_state=0).fit(Contract())
    assert finder.converged_.all()
    assert set(finder.morse_indices_) <= {0, 1}
    assert set(finder.critical_losses_.round(8)) <= {0.0, 1.0}
    assert not hasattr(finder, "n_features_in_")


def test_a_data_frame_with_columns_named_like_methods_is_data(X):
    frame = pd.DataFrame(X[:, :2], columns=["value", "gradient"])
    finder = small().fit(frame)
    assert finder.n_features_in_ == 2


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


@ignore_failures
def test_workers_are_ignored_on_a_device(X):
    loss = LinearAutoencoderLoss((2,), backend="array_api_strict")
    params = {"init": "gaussian", "tol": np.inf, "random_state": 0}
    finder = NewtonMRFinder(loss, n_starts=4, **params)
    alone = clone(finder).fit(X)
    with pytest.warns(UserWarning, match="n_jobs=2 is ignored: the loss computes on a"):
        together = finder.set_params(n_jobs=2).fit(X)
    np.testing.assert_array_equal(together.final_params_, alone.final_params_)

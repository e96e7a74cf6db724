"""The saddle dynamics finder: what its parameters do, and what it recovers."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.stats import randint
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcrit import FunctionLoss, LinearAutoencoderLoss, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning
from skcrit.metrics import judge, participation_entropy, recovery_accuracy_scorer
from skcrit.proving_grounds import make_lennard_jones
from skcrit.solvers import SaddleDynamics
from skcrit.starts import GaussianStarts

# Symmetries, which have no curvature, count among the directions that lead upwards.
other_index = pytest.mark.filterwarnings("ignore:.*of another Morse index")


@pytest.fixture
def X():
    return make_gaussian_spectrum(
        100, eigenvalues=[5, 4, 3, 2, 1], exact=True, random_state=0
    )


def make(**params):
    params = {"n_starts": 60, "init": GaussianStarts(0.05), "tol": 1e-20, **params}
    return SaddleDynamicsFinder(LinearAutoencoderLoss((2,)), random_state=0, **params)


def test_uniform_indices_recover_and_sample_evenly(X):
    finder = make(n_starts=200).fit(X)
    judgement = judge(finder)
    assert finder.converged_.mean() > 0.98
    assert judgement.hit[finder.converged_].all()
    # At most log2(6) = 2.58; a uniform sample of all sets has 2.52.
    assert participation_entropy(finder) > 2.4
    assert finder.n_critical_sets_ >= 14


@other_index
@pytest.mark.parametrize("index", [0, 3, 10])
def test_one_index_for_all(X, index):
    finder = make(index=index).fit(X)
    assert finder.converged_.all()
    top = finder.morse_indices_ + finder.nullities_
    assert np.all((finder.morse_indices_ <= index) & (index <= top))


@other_index
def test_array_and_distribution(X):
    index = np.arange(60) % 11
    by_array = make(index=index).fit(X)
    found = by_array.results_["morse_index"]
    assert np.all(found <= index)
    drawn = make(index=randint(0, 3)).fit(X)
    assert drawn.results_["morse_index"].max() <= 2
    assert len(set(drawn.results_["morse_index"])) > 1


def test_natural_signs(X):
    finder = make(index="natural", init="gaussian").fit(X)
    assert finder.converged_.mean() > 0.9
    assert judge(finder).hit[finder.converged_].all()


@other_index
@pytest.mark.parametrize("index", ["uniform", randint(0, 11), np.arange(20) % 11])
def test_same_fit_for_all_batches_and_workers(X, index):
    expected = make(index=index, n_starts=20).fit(X)
    for params in ({"batch_size": 1}, {"batch_size": 7}, {"n_jobs": 2}):
        finder = make(index=index, n_starts=20, **params).fit(X)
        np.testing.assert_array_equal(finder.final_params_, expected.final_params_)


@pytest.mark.parametrize(
    "index", ["x", -1, 1.5, [0, 1], [0.5] * 60, [-1] * 60, ["a"] * 60, None]
)
def test_bad_index(X, index):
    with pytest.raises(ValueError, match="index"):
        make(index=index).fit(X)


@pytest.mark.parametrize(
    "params",
    [{"floor": 0}, {"max_step": 0}, {"eigensolver": "qr"}, {"max_inner_iter": 0}],
    ids=lambda params: next(iter(params)),
)
def test_bad_parameters(X, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        make(**params).fit(X)


def test_clone_pickle_and_search(X):
    finder = pickle.loads(pickle.dumps(clone(make(n_starts=20)).fit(X)))
    assert finder.score(X) == 1.0
    grid = {"index": ["uniform", 0]}
    search = GridSearchCV(
        make(n_starts=10), grid, scoring=recovery_accuracy_scorer, cv=2
    )
    assert search.fit(X).best_score_ == 1.0


PARAMS = {
    "tol": 1e-7,
    "max_iter": 7,
    "store_history": True,
    "floor": 0.1,
    "max_step": 0.7,
    "balance": False,
    "skip_symmetries": True,
    "eigensolver": "lobpcg",
    "max_inner_iter": 11,
    "momentum": 0.25,
    "nesterovs_momentum": True,
    "precondition": True,
}


def test_parameters_reach_the_solver():
    given = vars(SaddleDynamicsFinder(**PARAMS, index="natural")._make_solver().solver)
    assert given == {**PARAMS, "index": "natural", "quantile": None}


def test_defaults_are_those_of_the_solver():
    finder = SaddleDynamicsFinder(index="natural")
    assert vars(finder._make_solver().solver) == vars(SaddleDynamics())


INDEX = 'index must be "uniform", "natural", a non-negative int, an array of them'


@pytest.mark.parametrize(
    "index, message",
    [
        ("x", "'index' parameter of SaddleDynamicsFinder must be"),
        (-1, "'index' parameter of SaddleDynamicsFinder must be"),
        (1.5, "'index' parameter of SaddleDynamicsFinder must be"),
        ([0, 1], INDEX + r" of shape \(n_starts,\) = \(60,\), .* got \[0, 1\]"),
        (np.zeros((60, 1)), INDEX),
        ([0.5] * 60, INDEX),
        ([-1] * 60, INDEX),
        ([np.nan] * 60, INDEX),
        ([np.inf] * 60, INDEX),
        ([1e300] * 60, INDEX),
        (10**400, INDEX),
        (randint(-3, 0), INDEX),
    ],
    ids=range(12),
)
def test_messages_about_the_index(X, index, message):
    with pytest.raises(ValueError, match=message):
        make(index=index).fit(X)


def test_draws_are_of_the_start_and_not_of_their_number():
    for index in ("uniform", randint(0, 9)):
        name = "quantile" if index == "uniform" else "index"
        few, many = (
            getattr(make(index=index, n_starts=n)._make_solver().solver, name)
            for n in (5, 60)
        )
        np.testing.assert_array_equal(few, many[:5])
        assert len(set(many)) > 5


def test_ends_are_what_the_spectrum_says(X):
    finder = make().fit(X)
    assert finder.converged_.all()
    match = finder.loss_.analytical_spectrum().match(finder.final_params_)
    assert match.identified.all()
    np.testing.assert_array_equal(finder.results_["morse_index"], match.morse_index)
    assert judge(finder).hit.all()
    assert finder.counts_.sum() == 60


def test_grid_search_over_indices(X):
    grid = {"index": ["uniform", "natural", 0, 4, randint(0, 3)]}
    search = GridSearchCV(make(n_starts=8), grid, cv=2, n_jobs=2).fit(X)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], 1.0)


def test_clone_keeps_the_index(X):
    index = np.arange(8)
    finder = make(n_starts=8, index=index).fit(X)
    assert finder.index is index
    again = clone(finder)
    assert not hasattr(again, "results_")
    for other in (again.fit(X), pickle.loads(pickle.dumps(finder))):
        np.testing.assert_array_equal(other.final_params_, finder.final_params_)
        for name, column in finder.results_.items():
            np.testing.assert_array_equal(other.results_[name], column, err_msg=name)


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_a_function(eigensolver):
    # x^4 / 4 - x^2 / 2 - y^2: a maximum at the origin, saddles at x = 1 and -1.
    loss = FunctionLoss(
        lambda t: t[..., 0] ** 4 / 4 - t[..., 0] ** 2 / 2 - t[..., 1] ** 2,
        lambda t: np.stack([t[..., 0] ** 3 - t[..., 0], -2 * t[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    starts = np.array([[0.2, 0.1], [1.3, -0.2], [-0.9, 0.3]])
    finder = SaddleDynamicsFinder(
        n_starts=3, init=starts, index="natural", eigensolver=eigensolver
    ).fit(loss)
    assert finder.converged_.all()
    expected = [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    np.testing.assert_allclose(finder.final_params_, expected, atol=1e-4)
    assert finder.results_["morse_index"].tolist() == [2, 1, 1]
    # From the maximum's side the index 1 leads to the saddles all the same.
    finder.set_params(index=1).fit(loss)
    assert finder.converged_.all()
    assert finder.results_["morse_index"].tolist() == [1, 1, 1]


def test_an_index_above_the_number_of_parameters_is_refused(X):
    with pytest.raises(ValueError, match="at most the number of parameters"):
        make(n_starts=2, index=99).fit(X)


def double_well(theta):
    return np.sum((theta**2 - 1) ** 2, axis=-1)


def test_an_index_that_was_not_found_is_said(rng):
    loss = FunctionLoss(double_well, lambda t: 4 * t * (t**2 - 1), n_params=2).fit()
    minima = rng.choice([-1.0, 1.0], (5, 2))
    # Between a minimum and a saddle, where the dynamics can climb.
    minima[3:, 0] = [0.3, -0.3]
    finder = SaddleDynamicsFinder(n_starts=5, init=minima, index=1)
    with pytest.warns(NotConvergedWarning, match="3 of 5 .* another Morse index"):
        finder.fit(loss)
    assert finder.results_["index_asked"].tolist() == [1] * 5
    assert finder.results_["morse_index"].tolist() == [0, 0, 0, 1, 1]
    finder.set_params(index=[0, 0, 0, 1, 1]).fit(loss)  # says nothing
    assert finder.results_["index_asked"].tolist() == [0, 0, 0, 1, 1]
    finder.set_params(index="natural").fit(loss)
    assert finder.results_["index_asked"].tolist() == [-1] * 5


def test_column_of_drawn_indices(X):
    finder = make(n_starts=8, max_iter=0, tol=np.inf).fit(X)
    largest = finder.results_["index_asked"].max()
    assert 0 < largest <= finder.n_params_


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_climbing_out_of_the_minimum_of_a_molecule(eigensolver, rng):
    loss = make_lennard_jones(4)
    minimum = min(loss.ground_truth().points, key=loss.value)
    starts = minimum + 0.05 * rng.standard_normal((12, 12))
    finder = SaddleDynamicsFinder(n_starts=12, init=starts, index=1, max_iter=300)
    finder.set_params(eigensolver=eigensolver)
    with pytest.warns(NotConvergedWarning, match="another Morse index"):
        finder.fit(loss)
    found = finder.results_["morse_index"]
    assert np.mean(found == 0) > 0.7
    # Six zero modes took the place of the direction that leads upwards.
    finder.set_params(skip_symmetries=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(loss)
    assert finder.converged_.mean() > 0.7
    assert np.all(finder.results_["morse_index"][finder.converged_] == 1)


def test_steps_of_linear_autoencoders_are_half_a_unit(X):
    expected = make(n_starts=8, max_step=0.5).fit(X).final_params_
    np.testing.assert_array_equal(make(n_starts=8).fit(X).final_params_, expected)


@pytest.mark.parametrize("unit", [1e-6, 1e3])
def test_steps_have_the_length_of_the_loss(unit, rng):
    starts = rng.uniform(-1.5, 1.5, (12, 2))
    ends = []
    for scale in (1.0, unit):
        loss = FunctionLoss(
            lambda t, scale=scale: double_well(t / scale),
            lambda t, scale=scale: 4 * t / scale**2 * ((t / scale) ** 2 - 1),
            n_params=2,
        ).fit()
        finder = SaddleDynamicsFinder(
            n_starts=12, init=scale * starts, random_state=0, max_iter=60
        ).fit(loss)
        assert finder.converged_.all()
        ends.append(finder.final_params_ / scale)
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-6)

"""The saddle dynamics finder: what its parameters do, and what it recovers."""

import pickle

import numpy as np
import pytest
from scipy.stats import randint
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcrit import LinearAutoencoderLoss, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import judge, participation_entropy, recovery_accuracy_scorer
from skcrit.starts import GaussianStarts


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


@pytest.mark.parametrize("index", [0, 3, 10])
def test_one_index_for_all(X, index):
    finder = make(index=index).fit(X)
    assert finder.converged_.all()
    top = finder.morse_indices_ + finder.nullities_
    assert np.all((finder.morse_indices_ <= index) & (index <= top))


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


@pytest.mark.parametrize("index", ["uniform", randint(0, 11), np.arange(60) % 11])
def test_same_fit_for_all_batches_and_workers(X, index):
    expected = make(index=index).fit(X)
    for params in ({"batch_size": 1}, {"batch_size": 7}, {"n_jobs": 2}):
        finder = make(index=index, **params).fit(X)
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

"""The table of critical sets: what it says of every finder and every loss."""

import builtins
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit import FunctionLoss, LandscapeExplorer, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.metrics import Summary, recovery_report
from skcrit.metrics._summary import summarize
from tests.losses._tanh import CLASSES, finder_at, make_points, make_tanh_loss
from tests.metrics._fits import corrupt, fit_at, make_loss

COLUMNS = [
    "loss",
    "morse_index",
    "nullity",
    "morse_index_low",
    "morse_index_high",
    "count",
    "orbit_size",
    "confirmed",
]


@pytest.fixture(scope="module")
def finder():
    loss = make_tanh_loss()
    points = make_points(loss)
    return finder_at(loss, np.concatenate([points, points]))


@pytest.fixture(scope="module")
def explored():
    """Exploration of two wells that has tried every direction."""
    loss = FunctionLoss(
        lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
        lambda t: 4 * t * (t**2 - 1),
        n_params=1,
    )
    return LandscapeExplorer(loss, random_state=0).fit()


def bumps():
    """A surface with an undeclared symmetry: every period is a copy of the others."""
    return FunctionLoss(
        lambda t: -np.cos(t[..., 0]),
        lambda t: np.sin(t),
        lambda t, v: np.cos(t) * v,
        n_params=1,
    ).fit()


def test_columns_are_those_of_the_table(finder):
    summary = finder.summary()
    values, indices, sizes = (np.array(c) for c in zip(*CLASSES, strict=True))
    order = np.argsort(values)
    np.testing.assert_allclose(2 * summary.loss, values[order], atol=6e-7)
    np.testing.assert_array_equal(summary.morse_index, indices[order])
    np.testing.assert_array_equal(summary.orbit_size, sizes[order])
    assert summary.orbit_size.sum() == 579
    assert not summary.nullity.any()
    assert summary.confirmed.all()
    np.testing.assert_array_equal(summary.count, 2)
    np.testing.assert_array_equal(summary.morse_index_low, summary.morse_index)
    np.testing.assert_array_equal(summary.morse_index_high, summary.morse_index)
    assert len(summary) == 21
    assert isinstance(summary, Summary)


def test_text(finder):
    lines = repr(finder.summary()).splitlines()
    assert lines[0] == (
        "NewtonMRFinder on MLPLoss: 21 critical sets, 42 of 42 searches converged"
    )
    head = ["set", "loss", "index", "nullity", "count", "orbit", "size", "confirmed"]
    assert lines[1].split() == head
    assert lines[2].split() == ["0", "0.0420503", "0", "0", "2", "48", "yes"]
    assert len(lines) == 23
    assert len({len(line) for line in lines[1:]}) == 1  # aligned
    assert max(map(len, lines)) <= 88


def test_html(finder):
    html = finder.summary()._repr_html_()
    assert html.startswith("<table><caption>NewtonMRFinder on MLPLoss")
    assert html.count("<tr>") == 22
    assert "<th>orbit size</th>" in html


def test_frame_and_dict(finder):
    pandas = pytest.importorskip("pandas")
    summary = finder.summary()
    columns = summary.to_dict()
    assert list(columns) == ["set", *COLUMNS]
    frame = summary.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.index.name == "set"
    assert list(frame.columns) == COLUMNS
    for name in COLUMNS:
        np.testing.assert_array_equal(frame[name], columns[name])


def test_frame_without_pandas(finder, monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    summary = finder.summary()
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"to_frame needs pandas: install skcrit"):
        summary.to_frame()


def test_unknown_numbers():
    # The index of one set is unknown, with bounds that its two starts share.
    finder = fit_at(make_loss(), [(0, 1), (3,), (3,)])
    finder.morse_indices_[1] = finder.nullities_[1] = -1
    low, high = np.array([0, 5, 4]), np.array([0, 9, 8])
    finder.results_ |= {"morse_index_low": low, "morse_index_high": high}
    summary = finder.summary()
    assert summary.morse_index_low.tolist() == [0, 5]
    assert summary.morse_index_high.tolist() == [0, 8]
    assert repr(summary).splitlines()[3].split()[2:4] == ["5-8", "?"]
    finder.results_["morse_index_low"] = np.zeros(3, dtype=int)
    finder.results_["morse_index_high"] = np.full(3, finder.n_params_)
    assert repr(finder.summary()).splitlines()[3].split()[2:4] == ["?", "?"]


def test_what_no_step_confirmed():
    # As beyond the largest dense Hessian: a small gradient, and nothing else known.
    finder = fit_at(make_loss(), [(0, 1), (3,)])
    finder = corrupt(finder, slice(None), distance=np.nan, morse_index=-1)
    finder = corrupt(finder, slice(None), morse_index_low=0, morse_index_high=16)
    finder.morse_indices_[:] = finder.nullities_[:] = -1
    assert finder.n_params_ == 16
    assert not finder.summary().confirmed.any()
    assert repr(finder.summary()).splitlines()[2].split()[-1] == "no"


def test_an_exploration():
    explorer = LandscapeExplorer(max_searches=40, random_state=0, n_starts=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explorer.fit(make_loss())
        summary = explorer.summary()
    np.testing.assert_array_equal(summary.count, explorer.counts_)
    np.testing.assert_array_equal(summary.morse_index, explorer.morse_indices_)
    assert summary.confirmed.all()
    assert summary.title.startswith("LandscapeExplorer on LinearAutoencoderLoss: ")
    assert "of 40 searches converged" in summary.title
    # Who reads the table must know that there may be more.
    assert summary.title.endswith(", ended early: max_searches")


def test_an_exploration_that_tried_everything_did_not_end_early(explored):
    assert explored.stop_reason_ == "exhausted"
    assert explored.summary().title.endswith("searches converged")


def test_notebooks_show_the_alarm(explored):
    summary = replace(explored.summary(), alarm="sets are < missing")
    assert repr(summary).endswith("\nsets are < missing")
    assert "converged. sets are &lt; missing</caption>" in summary._repr_html_()


def test_nothing_found():
    finder = NewtonMRFinder(n_starts=3, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_tanh_loss())
    summary = finder.summary()
    assert len(summary) == 0
    assert len(repr(summary).splitlines()) == 2
    assert all(len(column) == 0 for column in summary.to_dict().values())
    assert summary._repr_html_().count("<tr>") == 1


def test_one_set_is_not_many():
    finder = NewtonMRFinder(n_starts=2, init=np.array([[0.1], [0.2]])).fit(bumps())
    assert finder.summary().title.startswith(
        "NewtonMRFinder on FunctionLoss: 1 critical set, 2 of 2 searches"
    )


def finder_of(n_once, n_twice):
    """Fit the cosine so that many of its periods are reached once, others twice."""
    places = np.arange(n_once + n_twice)
    init = 2 * np.pi * np.append(places, places[:n_twice])[:, None]
    return NewtonMRFinder(n_starts=len(init), init=init, random_state=0).fit(bumps())


def test_nearly_every_set_reached_once():
    finder = finder_of(19, 1)
    with pytest.warns(UserWarning, match="19 of 20 critical sets were reached by one"):
        summary = finder.summary()
    assert summary.count.max() == 2


@pytest.mark.parametrize(("n_once", "n_twice"), [(9, 0), (9, 1), (18, 2)])
def test_few_sets_or_some_reached_twice(n_once, n_twice):
    finder = finder_of(n_once, n_twice)
    assert len(finder.summary()) == n_once + n_twice


def test_only_the_first_sets_are_printed():
    summary = finder_of(0, 50).summary()
    lines = repr(summary).splitlines()
    assert lines[-1] == "and 10 more sets"
    assert len(lines) == 43
    assert len(summary.to_dict()["loss"]) == 50
    assert "the first 40" in summary._repr_html_()


def test_pickle(finder):
    summary = finder.summary()
    assert repr(pickle.loads(pickle.dumps(summary))) == repr(summary)


def test_refused():
    with pytest.raises(NotFittedError):
        NewtonMRFinder().summary()
    with pytest.raises(TypeError, match="finder must be fitted"):
        summarize(3)


def test_beyond_the_largest_dense_hessian():
    n_params = MAX_DENSE_FORMED + 1
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1),
        lambda t: 2 * t,
        lambda t, v: 2 * v,
        n_params=n_params,
    ).fit()
    finder = NewtonMRFinder(n_starts=2, init="gaussian", random_state=0).fit(loss)
    summary = finder.summary()
    assert summary.count.sum() == 2
    assert not summary.confirmed.any()
    row = repr(summary).splitlines()[2].split()
    assert (row[2], row[3], row[-1]) == ("?", "?", "no")
    report = recovery_report(finder, output_dict=True)
    assert (report["n_converged"], report["confirmed"]) == (2, 0.0)
    assert "is unknown" in report["euler_sum_reason"]
    assert "not defined: the Morse index" in recovery_report(finder)


def test_bounds_of_the_index_confirm_nothing():
    signs = np.ones(MAX_DENSE_FORMED + 1)
    signs[:3] = -1
    loss = FunctionLoss(
        lambda t: np.sum(signs * t**2, axis=-1) / 2,
        lambda t: signs * t,
        lambda t, v: signs * v,
        n_params=len(signs),
    ).fit()
    finder = NewtonMRFinder(n_starts=1, init="gaussian", random_state=0).fit(loss)
    assert finder.index_interval_.tolist() == [[3 / len(signs)] * 2]
    assert finder.inertia_shares_[0, 0] == pytest.approx(3 / len(signs))
    assert not finder.summary().confirmed.any()

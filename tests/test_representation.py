"""What is printed, shown in a notebook, and put into pandas."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context, set_config

from skcrit import (
    AnalyticalSpectrum,
    FunctionLoss,
    LinearAutoencoderLoss,
    NewtonMRFinder,
)
from skcrit._tables import html_table, text_table
from skcrit.model_selection import tolerance_curve
from skcrit.solvers import NewtonMR


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 4)) * [2, 1.4, 1, 0.7]


@pytest.fixture
def finder(X):
    return NewtonMRFinder(n_starts=8, random_state=0).fit(X)


@pytest.fixture
def spectrum():
    return AnalyticalSpectrum.from_eigenvalues([4, 2.25, 1], (2,))


def test_results_into_pandas(finder):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(finder.results_)
    assert table.shape == (8, len(finder.results_))
    for name, column in finder.results_.items():
        assert_array_equal(table[name].to_numpy(), column)
    counts = table[table["converged"]].groupby("critical_set").size()
    assert_array_equal(counts, finder.counts_)


def test_spectrum_into_pandas(spectrum):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(spectrum.to_dict()).set_index("set")
    assert len(table) == spectrum.n_sets
    assert table.loc[[(0, 1)], "morse_index"].item() == 0
    assert table["loss"].idxmin() == (0, 1)


def test_curve_into_pandas(X):
    pd = pytest.importorskip("pandas")
    curve = tolerance_curve(NewtonMRFinder(n_starts=4, random_state=0), X, [1e-2, 1e-8])
    table = pd.DataFrame(curve.to_dict())
    assert_array_equal(table["accuracy"], curve.accuracy)
    assert len(table) == 2


def test_estimators_print_what_was_changed():
    finder = NewtonMRFinder(LinearAutoencoderLoss((3,)), tol=1e-12)
    assert repr(finder) == (
        "NewtonMRFinder(loss=LinearAutoencoderLoss(hidden_layer_sizes=(3,)), tol=1e-12)"
    )
    assert repr(LinearAutoencoderLoss()) == "LinearAutoencoderLoss()"


@pytest.mark.parametrize("estimator", [NewtonMRFinder(), LinearAutoencoderLoss()])
def test_estimators_in_a_notebook(estimator):
    html = estimator._repr_mimebundle_()["text/html"]
    assert type(estimator).__name__ in html
    assert "sk-container" in html
    set_config(display="text")
    try:
        assert list(estimator._repr_mimebundle_()) == ["text/plain"]
    finally:
        set_config(display="diagram")


def test_spectrum(spectrum):
    assert repr(spectrum) == "AnalyticalSpectrum(3-2-3, rank=3, n_sets=7)"
    html = spectrum._repr_html_()
    assert html.count("<tr>") == 1 + 7
    assert html.index("(0, 1)") < html.index("(1, 2)")


def test_large_spectrum_is_not_tabulated():
    spectrum = AnalyticalSpectrum.from_eigenvalues(np.arange(60, 0, -1), (30,))
    html = spectrum._repr_html_()
    assert "<table>" not in html
    assert str(spectrum.n_sets) in html


def test_solver_result(X):
    loss = LinearAutoencoderLoss((2,)).fit(X)
    theta0 = np.random.default_rng(0).standard_normal((20, loss.n_params_))
    result = NewtonMR(max_iter=8, tol=1e-10).solve(loss, theta0)
    title, head, *rows = repr(result).splitlines()
    assert title == "SolverResult: 20 starts, 16 parameters"
    assert head.split()[:3] == ["status", "starts", "iterations"]
    assert sum(int(row.split()[1]) for row in rows) == 20
    assert {row.split()[0] for row in rows} == {"CONVERGED", "MAX_ITER"}
    html = result._repr_html_()
    assert title in html
    assert html.count("<tr>") == 1 + len(rows)


def test_tolerance_curve(X):
    finder = NewtonMRFinder(n_starts=4, random_state=0)
    curve = tolerance_curve(finder, X, [np.inf, 1e-8])
    title, head, *rows = repr(curve).splitlines()
    assert title == "ToleranceCurve: NewtonMRFinder, 4 starts"
    assert head.split() == list(curve.to_dict())
    assert [row.split()[0] for row in rows] == ["inf", "1e-08"]
    assert curve._repr_html_().count("<tr>") == 3


def test_function_loss_prints():
    loss = FunctionLoss(np.sum, np.ones_like, n_params=2)
    assert repr(loss).startswith("FunctionLoss(gradient=")


def test_tables():
    columns = {"name": ["a<b", "c"], "x": [1.23456, np.int64(7)]}
    assert text_table(columns) == "name      x\n a<b  1.235\n   c      7"
    html = html_table("A & B", columns)
    assert "<caption>A &amp; B</caption>" in html
    assert "<td>a&lt;b</td>" in html
    assert html_table("none", {"x": []}).count("<tr>") == 1


def test_notebooks_show_the_table_under_the_diagram(finder):
    table = finder.summary()._repr_html_()
    for html in (finder._repr_html_(), finder._repr_mimebundle_()["text/html"]):
        assert "NewtonMRFinder" in html
        assert html.endswith(f"{table}</div>")
    new = NewtonMRFinder()
    for html in (new._repr_html_(), new._repr_mimebundle_()["text/html"]):
        assert "NewtonMRFinder" in html
        assert "<caption>" not in html


def test_text_display_has_no_table(finder):
    with config_context(display="text"):
        assert "text/html" not in finder._repr_mimebundle_()

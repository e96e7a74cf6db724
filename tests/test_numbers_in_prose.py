"""Numbers that pages state are those of the committed results, or of a computation."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skcrit import (
    AnalyticalSpectrum,
    LinearAutoencoderLoss,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum

ROOT = Path(__file__).resolve().parents[1]
INTERVAL = re.compile(r" \[[^]]*\]")


def read(name):
    """Return the text of a page with every run of white space as one space."""
    return " ".join((ROOT / name).read_text(encoding="utf-8").split())


def tables(name, heading):
    """Collect the rows of the tables below a heading, by their first cell."""
    text = (ROOT / name).read_text(encoding="utf-8")
    part = re.split(rf"^#+ {re.escape(heading)}.*\n", text, flags=re.MULTILINE)[1]
    part = re.split(r"^#", part, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| (.*) \|$", part, flags=re.MULTILINE)
    rows = [row.split(" | ") for row in rows]
    return {row[0].strip(): row[1:] for row in rows if "---" not in row[0]}


REPORT = "doc/paper/report.md"


@pytest.fixture(scope="module")
def intended():
    """The columns of the methods as intended: a dict of rows by method."""
    table = tables(REPORT, "As intended")
    names = table.pop("")
    return {
        name: {title: cells[place] for title, cells in table.items()}
        for place, name in enumerate(names)
    }


def test_equal_costs_are_those_of_the_report():
    report = tables(REPORT, "3. Equal oracle counts")
    rows = {
        name: [INTERVAL.sub("", cell) for cell in cells]
        for name, cells in report.items()
    }
    page = tables("doc/paper.md", "What the methods do")
    assert {name: page[name] for name in rows} == rows
    short = tables("doc/choosing.md", "Success and cost")
    named = {
        "`NewtonMRFinder`": "Newton-MR",
        '`GradNormFinder`, `"l-bfgs"`': "GNM, l-bfgs",
        '`GradNormFinder`, `"lm"`': "GNM, lm",
        '`GradNormFinder`, `"btls"`': "GNM, btls",
        "`NewtonTRFinder`": "Newton-TR",
    }
    for finder, method in named.items():
        assert short[finder] == rows[f"{method}, as intended"]


def test_success_is_that_of_the_report(intended):
    page = tables("doc/paper.md", "What the methods do")
    title = "final squared gradient norm < 1e-10"
    published = tables(REPORT, "1. Performance (figure 1)")
    names = published.pop("")
    below = dict(zip(names, published[title], strict=True))
    for method in ("Newton-MR", "Newton-TR", "GNM"):
        authors, as_published, as_intended = page[method]
        assert authors == below[f"{method}, authors"]
        assert as_published == below[f"{method}, as published"]
        name = "GNM, l-bfgs" if method == "GNM" else method
        assert as_intended.removeprefix("L-BFGS ") == intended[name][title]
    other = {
        "Newton-MR, monotone, unbalanced": "Newton-MR, unbalanced",
        "GNM, Levenberg-Marquardt": "GNM, lm",
        "GNM, steepest descent (5000 iterations)": "GNM, btls",
        "GNM, L-BFGS, unbalanced": "GNM, l-bfgs, unbalanced",
        "GNM, Levenberg-Marquardt, unbalanced": "GNM, lm, unbalanced",
    }
    for row, name in other.items():
        assert page[row][-1] == intended[name][title]
    repaired = page["Newton-MR, their repaired program"][1]
    assert repaired == below["Newton-MR, repaired, as published"]


def test_medians_in_prose_are_those_of_the_report(intended):
    def median(method, unit):
        return intended[method][f"{unit} to 1e-10"].split(", ")[1]

    products = (median("GNM, l-bfgs", "products"), median("Newton-MR", "products"))
    gradients = (median("GNM, l-bfgs", "gradients"), median("Newton-MR", "gradients"))
    for page in ("doc/paper.md", "doc/choosing.md"):
        text = read(page)
        assert f"(a median of {products[0]} against {products[1]} until 1e-10)" in text
        assert f"more gradients ({gradients[0]} against {gradients[1]}" in text
    share = intended["GNM, l-bfgs, unbalanced"]["final squared gradient norm < 1e-10"]
    assert f"ends below 1e-10 in {share} of the runs" in read("doc/paper.md")
    assert f"reaches 1e-10 in {INTERVAL.sub('', share)} of" in read("doc/choosing.md")


def test_failures_are_those_of_the_report():
    text = (ROOT / REPORT).read_text(encoding="utf-8")
    failed = re.findall(r"at a minimum of the gradient norm \| 0 of (\d+)", text)
    for page in ("doc/believing.md", "doc/paper.md"):
        assert f"Of {sum(map(int, failed))} failed" in read(page)
    stops = re.search(r"acceptable step exists \| (\d+) of (\d+)", text)
    assert f"at {stops[1]} of the {stops[2]} early stops" in read("doc/paper.md")
    median = re.search(r"per iteration \| median (\S+)", text)[1]
    assert f"measured {median} in the median" in read("doc/paper.md")


def test_bias_is_that_of_the_report():
    pattern = r"^\| by (?:height|iteration) \|.*$"
    find = re.compile(pattern, flags=re.MULTILINE).findall
    report = find((ROOT / REPORT).read_text(encoding="utf-8"))
    assert find((ROOT / "doc/paper.md").read_text(encoding="utf-8")) == report
    for by, row in zip(("height", "iteration"), report[::4], strict=True):
        entropies = re.findall(r"; (\d\.\d\d) \[", row)[1:]
        row = f"| by {by}, no noise | {' | '.join(entropies)} |"
        assert row in read("doc/choosing.md")


def test_tolerances_are_those_of_the_report():
    text = (ROOT / REPORT).read_text(encoding="utf-8")
    rows = [
        row.split(" | ")[2:]
        for column in ("published", "intended")
        for row in re.findall(rf"^\| as {column} \| .*(?= \|$)", text, re.MULTILINE)
    ]
    page = read("doc/paper.md")
    shares = [row[1] for row in rows[:3]]
    assert f"{shares[0]} of the points cut at 1e-10" in page
    assert f"{shares[1]} at 1e-8, {shares[2]} at 1e-6" in page
    errors = [row[2] for row in rows[:4]]
    assert f"grows from {errors[0]} to {errors[1]} and {errors[2]} of the" in page
    assert f"at the starts, it is {errors[3]}" in page
    unknown = [row[5] for row in rows[4:7]]
    assert (
        f"({unknown[0]} of 150 at 1e-10, {unknown[1]} at 1e-8, {unknown[2]} a" in page
    )
    # "None is wrong": no index that was reported at a tolerance has an error.
    assert {row[4] for row in rows if row[4] != "-"} == {"0.0000"}


def test_landscape_is_the_same_on_all_pages():
    table = tables("doc/landscape.md", "The whole landscape")
    runs = [table[str(seed)] for seed in range(5)]
    assert {tuple(row[:4]) for row in runs} == {("2517", "2517", "0", "2517")}
    complete = sorted(int(row[5]) for row in runs)
    text = f"after {complete[0]} to {complete[-1]} local searches"
    assert text in read("doc/choosing.md")
    certified = tables("doc/certificates.md", "Measured")
    row = certified["16-4-16, as the explorer found them"]
    assert row[:4] == ["2517", "2517", "2517", "0"]
    assert "`certify` proves 2517 of 2517" in read("README.md")


@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
def test_minimum_is_found_as_the_page_on_choosing_says():
    X = make_gaussian_spectrum(500, eigenvalues=[5, 4, 3, 2, 1], random_state=0)
    loss = LinearAutoencoderLoss((2,)).fit(X)
    lowest = loss.analytical_spectrum().losses([(0, 1)])[0]
    table = tables("doc/choosing.md", "Success and cost")
    for init in ("gaussian", "height", "spread"):
        options = {"n_starts": 40, "init": init, "random_state": 0}
        newton = NewtonTRFinder(**options).fit(loss)
        stalled = np.sum(newton.results_["status"] == "STALLED")
        saddle = SaddleDynamicsFinder(index=0, **options).fit(loss)
        minima = [
            np.sum(f.converged_ & (abs(f.results_["loss"] - lowest) < 1e-9))
            for f in (newton, saddle)
        ]
        row = table[f'`"{init}"`']
        assert row[:2] == [f"{minima[0]} ({stalled} stalled)", str(minima[1])]


def test_resolutions_are_computed():
    paper = AnalyticalSpectrum.from_eigenvalues(range(16, 0, -1), (4,))
    digits = LinearAutoencoderLoss((3,)).fit(load_digits().data / 16)
    text = read("doc/believing.md")
    assert f"(eigenvalues 1 to 16) it is {paper.resolution:.0e}" in text.replace(
        "e-3,", "e-03,"
    )
    resolution = f"{digits.analytical_spectrum().resolution:.1e}".replace("e-09", "e-9")
    assert f"divided by 16, it is {resolution}" in text

"""Numbers that pages state are those of the committed results, or of a computation."""

import re
import runpy
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


def test_numbers_of_the_study_are_those_of_its_report():
    """If not, ``python doc/paper_numbers.py results`` takes over what was measured."""
    numbers = runpy.run_path(str(ROOT / "doc" / "paper_numbers.py"))
    names = ("paper.md", "choosing.md", "believing.md")
    texts = {name: (ROOT / "doc" / name).read_text("utf-8") for name in names}
    report = (ROOT / "doc" / "paper" / "report.md").read_text("utf-8")
    assert numbers["wrong_numbers"](report, texts) == []
    assert numbers["rewrite"](report, texts) == texts
    # "None is wrong": no index that was reported at a tolerance has an error.
    errors = re.findall(
        r"^\| as (?:published|intended) \|.* (\S+) \| \d+ \|$", report, re.M
    )
    assert set(errors) == {"0.0000", "-"}
    # With other numbers in the report, the pages follow.
    other = report.replace("0.65 [0.57, 0.72]", "0.99 [0.98, 1.00]")
    followed = numbers["rewrite"](other, texts)
    assert "0.99 [0.98, 1.00] of the runs end in the global" in followed["paper.md"]
    assert numbers["wrong_numbers"](other, texts)
    assert numbers["wrong_numbers"](other, followed) == []


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


# The columns of the table that takes no other library, and how their finders are made.
DESCENTS = {
    "`NewtonTRFinder`": lambda **options: NewtonTRFinder(**options),
    "the same, `fallback=False`": lambda **options: NewtonTRFinder(
        fallback=False, **options
    ),
    "`SaddleDynamicsFinder(index=0)`": lambda **options: SaddleDynamicsFinder(
        index=0, **options
    ),
}


@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
def test_minimum_is_found_as_the_page_on_choosing_says():
    X = make_gaussian_spectrum(500, eigenvalues=[5, 4, 3, 2, 1], random_state=0)
    loss = LinearAutoencoderLoss((2,)).fit(X)
    lowest = loss.analytical_spectrum().losses([(0, 1)])[0]
    table = tables("doc/choosing.md", "Success and cost")
    columns = table["starts"]
    assert "`NewtonTRFinder`" in columns
    gradients = {}
    indices, squares = [], []
    for init in ("auto", "gaussian", "height", "spread"):
        row = dict(zip(columns, table[f'`"{init}"`'], strict=True))
        for column in DESCENTS.keys() & set(columns):
            finder = DESCENTS[column](n_starts=40, init=init, random_state=0).fit(loss)
            found = finder.converged_ & (abs(finder.results_["loss"] - lowest) < 1e-9)
            stalled = finder.results_["status"] == "STALLED"
            shown = f"{found.sum()}"
            shown += f" ({stalled.sum()} stalled)" if stalled.any() else ""
            assert row[column] == shown
            if init != "auto":
                for point in finder.final_params_[stalled]:
                    values = np.linalg.eigvalsh(loss.hessian(point))
                    indices.append(np.sum(values < -1e-9 * np.max(np.abs(values))))
                    squares.append(np.sum(loss.gradient(point) ** 2))
            if init == "gaussian":
                gradients[column] = np.median(finder.results_["n_gradient"])
    text = read("doc/choosing.md")
    assert f"At each of the {len(indices)} points" in text
    assert f"has {min(indices)} to {max(indices)} negative eigenvalues" in text
    assert f"gradients are up to {max(squares):.2f}" in text
    medians = [
        gradients[f"`{name}`"]
        for name in ("NewtonTRFinder", "SaddleDynamicsFinder(index=0)")
    ]
    assert "are {:.0f} for `NewtonTRFinder`, {:.0f} for".format(*medians) in text


INCLUDE = re.compile(
    r"```\{include\} (\S+)\n:start-after: \"(.*)\"\n(?::end-before: \"(.*)\"\n)?```"
)


@pytest.mark.parametrize(
    "page", ["believing.md", "choosing.md", "newton_mr_defaults.md"]
)
def test_parts_of_measured_pages_are_there(page):
    found = INCLUDE.findall((ROOT / "doc" / page).read_text(encoding="utf-8"))
    assert found
    for name, begin, end in found:
        text = (ROOT / "doc" / name).read_text(encoding="utf-8")
        assert text.count(begin) == 1
        part = text.partition(begin)[2]
        assert not end or part.count(end) == 1
        assert "| " in part.partition(end)[0] if end else "| " in part


def measured_starts(part):
    """Return the rows of a table of the page that benchmarks/starts.py writes."""
    text = (ROOT / "doc" / "starts_measured.md").read_text(encoding="utf-8")
    block = text.partition(f"<!-- {part} -->")[2].partition(f"<!-- end of {part} -->")
    rows = re.findall(r"^\| (.*) \|$", block[0], flags=re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


def test_text_on_starts_is_that_of_its_tables():
    text = read("doc/choosing.md")
    head, *rows = measured_starts("thorough")
    names = {row[0] for row in rows}
    assert names - {row[0] for row in measured_starts("functions")} == {"3 atoms"}
    assert {cell for row in rows for cell in row[1:]} == {"1.00"}
    assert set(head[1:]) == {
        "Newton-MR",
        "Newton-TR",
        "saddle dynamics",
        "gradient norm",
    }
    assert "find all known points of these functions and of three atoms" in text
    head, *rows = measured_starts("networks")
    bits = [[float(cell.split(", ")[1]) for cell in row[2:]] for row in rows]
    place = {name.strip('`"'): i for i, name in enumerate(head[2:])}
    assert 'more even from `"gaussian"` starts than along 25 descents' in text
    assert rows[0][0].startswith("5-2-5")
    assert bits[1][place["gaussian"]] > bits[1][place["auto"]]
    for row, found in enumerate(rows):
        if found[1] == "saddle dynamics":
            assert all(a > b for a, b in zip(bits[row], bits[row - 1], strict=True))
        if found[0].startswith("10-4-3-10"):
            assert found[2 + place["gaussian"]].startswith("1, ")
    digits = {row[0]: row[1:] for row in measured_starts("digits")[1:]}
    alone, helped = digits["default"]
    assert int(alone.split()[0]) == 0
    assert int(helped.split()[0]) >= 15


def test_programs_find_the_tables_that_they_replace():
    path = ROOT / "benchmarks" / "unseen_sets.py"
    if not path.exists():
        pytest.skip("the sdist has no benchmarks")
    program = runpy.run_path(str(path))
    lines = (ROOT / "doc" / "landscape.md").read_text(encoding="utf-8").splitlines()
    for head in (program["HEAD"], program["HEAD_OF_SEARCH"]):
        assert lines.count(head) == 1


def test_resolutions_are_computed():
    paper = AnalyticalSpectrum.from_eigenvalues(range(16, 0, -1), (4,))
    digits = LinearAutoencoderLoss((3,)).fit(load_digits().data / 16)
    text = read("doc/believing.md")
    assert f"(eigenvalues 1 to 16) it is {paper.resolution:.0e}" in text.replace(
        "e-3,", "e-03,"
    )
    resolution = f"{digits.analytical_spectrum().resolution:.1e}".replace("e-09", "e-9")
    assert f"divided by 16, it is {resolution}" in text


def test_totals_on_the_page_on_truth_are_those_of_its_rows():
    text = (ROOT / "doc/truth.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(parts) == 6
    for part in parts:
        # Two networks may have one name, so that rows are no dict.
        lines = re.findall(r"^\| (.*) \|$", part, flags=re.MULTILINE)[1:]
        *rows, total = [line.split(" | ") for line in lines]
        assert total[0] == "all"
        for column in (1, 2):
            assert sum(int(row[column]) for row in rows) == int(
                total[column].strip(" |")
            )
    turned = tables("doc/truth.md", "False critical points")
    wrong = sum(int(row[1]) for name, row in turned.items() if "turned" in name)
    text = read("doc/truth.md")
    assert f"rows of turned functions below count {wrong} starts" in text


def test_totals_on_the_page_on_robustness_are_those_of_its_rows():
    lines = re.findall(
        r"^\| (.*) \| ([\d,]+) \|$",
        (ROOT / "doc/robustness.md").read_text("utf-8"),
        re.M,
    )
    numbers = [(name, int(number.replace(",", ""))) for name, number in lines]
    sums, total = {}, ""
    for name, number in numbers:
        if name.startswith("of these:"):
            sums[total] += number
        elif name.startswith("**"):
            total = name.strip("*")
            sums[total] = 0
    totals = {name.strip("*"): number for name, number in numbers}
    for name in ("Inputs tried", "Hostile values refused"):
        assert sums[name] == totals[name]
    hostile = totals["of these: hostile parameter"]
    taken = totals["Hostile values taken, as they may be"]
    assert totals["Hostile values refused"] + taken == hostile
    assert totals["of these survived"] == totals["Faults injected"]


def test_text_on_nonlinear_networks_is_that_of_its_tables():
    ours = tables("doc/nonlinear.md", "The four networks")
    text = read("doc/nonlinear.md")
    names = ("autoencoder", "classifier", "memorisation")
    measured = [ours[f"{n}, Newton-MR, the study's settings"][6] for n in names]
    shown = [f"{float(m.split(', ')[1]):.2f}" for m in measured]
    published = [f"{float(ours[n][3].split(', ')[1]):.2f}" for n in names]
    assert (
        "published method are {}, {} and {} for the first three networks, beside the "
        "published {}, {} and {}.".format(*shown, *published)
    ) in text

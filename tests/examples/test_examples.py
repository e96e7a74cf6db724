"""The examples run, and what they assert and write is there."""

import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
GALLERY = sorted(EXAMPLES.glob("*/plot_*.py"))
# Run by "make test-torch", see tests/torch/test_example.py.
WITH_TORCH = EXAMPLES / "your_own" / "plot_torch_network.py"
MARKS = {
    # Its grid contains a tolerance that is too loose, and workers warn of it.
    "plot_dask_cluster.py": pytest.mark.filterwarnings(
        "ignore::skcrit.NotConvergedWarning"
    )
}
# An old Matplotlib calls what pyparsing renamed, and the warning is not ours.
FOREIGN = (
    "matplotlib._fontconfig_pattern",
    "matplotlib._mathtext",
    "pyparsing.util",
)
STRICT = ["-Werror", *(f"-Wignore::DeprecationWarning:{name}" for name in FOREIGN)]
FIGURES = ("figure1", "figure2", "figure3", "figure4", "figure_costs")
# What a page leaves out of an example.
HIDDEN = re.compile(
    r"^ *# sphinx_gallery_start_ignore\n.*?^ *# sphinx_gallery_end_ignore\n",
    re.DOTALL | re.MULTILINE,
)
SHARE = re.compile(r"[01]\.\d\d \[[01]\.\d\d, [01]\.\d\d\]")


def run_script(path, *arguments, cwd, options=()):
    """Run an example in a process of its own, without a screen."""
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, *options, str(path), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def run_study(folder):
    """Run the small study, and keep its progress display in a file."""
    script, display, ended = EXAMPLES / "paper" / "run.py", "no study", "failed"
    try:
        done = run_script(script, "--scale", "small", "--output", "out", cwd=folder)
        display, ended = done.stderr, "progress"
    finally:
        (folder / "part").write_text(display, encoding="utf-8")
        (folder / "part").rename(folder / ended)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder of the results of the small study, and its progress display."""
    base = tmp_path_factory.getbasetemp()
    # Workers of pytest-xdist have folders side by side. The first that gets here runs
    # the study, and the others wait.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "study"
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 600
        while not any((folder / name).exists() for name in ("progress", "failed")):
            assert time.monotonic() < deadline, "the study does not end"
            time.sleep(0.2)
    else:
        run_study(folder)
    return folder / "out", (folder / "progress").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sections(results):
    """Tables of the report by section: a dict of rows of cells by their first cell."""
    text = (results[0] / "report.md").read_text(encoding="utf-8")
    sections = {}
    for part in text.split("\n## ")[1:]:
        title, body = part.split("\n", 1)
        lines = [line for line in body.splitlines() if line.startswith("| ")]
        cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
        sections[title] = {"head": cells[0], "body": cells[2:]}
    return sections


def row(table, title):
    """Return the cells of a row."""
    (cells,) = [cells for cells in table["body"] if cells[0] == title]
    return cells[1:]


def test_study_files(results):
    folder, progress = results
    names = {path.name for path in folder.iterdir()}
    figures = {f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")}
    assert names == figures | {"report.md", "runs.csv"}
    assert all(path.stat().st_size > 0 for path in folder.iterdir())
    for title in ("figures 1 and 2", "bias by height", "bias by iteration"):
        assert f"{title}: 100%" in progress
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "run.py --scale small --output out" in text
    assert "2517 critical sets" in text
    for name in FIGURES:
        assert f"![]({name}.png)" in text


def test_study_stands_in_three_columns(sections):
    published = sections["1. Performance (figure 1)"]
    intended = sections["As intended"]
    assert {
        "Newton-MR, authors",
        "Newton-MR, as published",
        "Newton-TR, authors",
        "Newton-TR, as published",
        "GNM, authors",
        "GNM, as published",
    } <= set(published["head"])
    assert {"Newton-MR", "Newton-TR", "GNM, l-bfgs", "GNM, lm"} <= set(intended["head"])
    title = "final squared gradient norm < 1e-10"
    for table in (published, intended):
        cells = row(table, title)
        assert len(cells) == len(table["head"]) - 1
        assert all(SHARE.fullmatch(cell) for cell in cells)
    assert row(published, title)[0] == "0.92 [0.84, 0.96]"
    assert "0.37 [0.27, 0.49]" in row(published, title)


def test_study_numbers_come_from_the_runs(results, sections):
    runs = pd.read_csv(results[0] / "runs.csv")
    first = runs[(runs["by"] == "height") & (runs["noise"] == 0)]
    intended = sections["As intended"]
    for place, method in enumerate(intended["head"][1:]):
        own = first[(first["column"] == "as intended") & (first["method"] == method)]
        # The samplers run again in the bias experiment, after the first.
        own = own.iloc[:6]
        for title, name in (
            ("final squared gradient norm < 1e-10", "success"),
            ("final squared gradient norm < 1e-20", "below_tol"),
            (
                "squared gradient norm <= 1e-10, at the balanced point too",
                "reached",
            ),
            ("and a critical point nearby: converged at 1e-10", "critical"),
        ):
            value = float(row(intended, title)[place].split()[0])
            assert value == pytest.approx(own[name].mean(), abs=0.005)
    critical = runs[runs["critical"]]
    assert len(critical) >= 60
    assert critical["reached"].all()
    assert critical["identified"].all()
    assert critical["hit"].all()
    assert (critical["n_hvp_to_success"] <= critical["n_hvp"]).all()
    assert (critical["n_iter_to_success"] <= critical["n_iter"]).all()


def test_study_has_all_of_its_tables(sections):
    rerun = sections["2. The programs, re-run"]["body"]
    assert len(rerun) == 14
    assert {cells[4] for cells in rerun[1::2]} <= {"yes", "**no**"}
    tolerance = sections["4. Tolerance (figure 2)"]["body"]
    levels = ["1e-10", "1e-08", "1e-06", "none (starts)"]
    assert [cells[1] for cells in tolerance] == 2 * levels
    # All starting points count, and are not critical points.
    assert all(cells[2].startswith("1.00") for cells in tolerance[3::4])
    assert all(cells[3].startswith("0.00") for cells in tolerance[3::4])
    # With less accuracy the study's index is wrong sooner than ours.
    for column in (3, 5):
        assert all(cells[column].startswith("1.00") for cells in tolerance[::4])
    assert float(tolerance[6][3].split()[0]) < float(tolerance[6][5].split()[0])
    bias = sections["5. Bias (figures 3 and 4)"]["body"]
    assert [cells[2] for cells in bias] == [
        *("3.05", "-", "3.33", "2.95"),
        *("2.22", "-", "2.50", "-"),
    ]
    checks = {cells[0]: cells[1] for cells in sections["6. Checks"]["body"]}
    stops = checks["GNM, as published: early stops where an acceptable step exists"]
    exist, all_stops = re.match(r"(\d+) of (\d+)", stops).groups()
    assert exist == all_stops


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=MARKS.get(path.name, ()))
        for path in GALLERY
        if path != WITH_TORCH
    ],
)
def test_gallery(path, tmp_path, monkeypatch, request):
    """An example runs, and what it asserts holds; no warning is left to the reader."""
    if "dask" in path.stem:
        request.getfixturevalue("quick_workers")
    # In this process, where warnings are errors, and imports have been paid for.
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    try:
        runpy.run_path(str(path), run_name="__main__")
        assert plt.get_fignums()
    finally:
        plt.close("all")


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_gallery_asserts_before_it_draws(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) >= 60
    assert len(HIDDEN.sub("", text).splitlines()) <= 150
    assert text.count("\n# %%\n") >= 3
    before = text[: text.index("plt.subplot")]  # "subplots" or "subplot_mosaic"
    assert "\nassert " in before or "\n    assert " in before
    assert "random_state=" in text or '"random_state": ' in text


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_no_block_of_a_page_is_empty(path):
    text = path.read_text(encoding="utf-8")
    hidden = "# sphinx_gallery_start_ignore"
    for block in text.split("\n# %%\n")[1:]:
        # Words, up to the first line that is no comment or begins what is hidden.
        code = re.sub(rf"\A(?:(?!{hidden})#.*\n)*", "", block + "\n")
        assert not code.strip() or HIDDEN.sub("", code).strip()


def test_gallery_names_all_examples(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES.parent / "doc")
    from gallery import ORDER, SECTIONS, ReadingOrder

    named = [f"{part}/{name}.py" for part, names in SECTIONS.items() for name in names]
    assert sorted(named) == [path.relative_to(EXAMPLES).as_posix() for path in GALLERY]
    assert len(SECTIONS) == 4
    assert all((EXAMPLES / part / "README.rst").exists() for part in SECTIONS)
    assert all(len(names) <= 8 for names in SECTIONS.values())
    names = [path.name for path in GALLERY]
    assert sorted(names, key=ReadingOrder("examples")) == ORDER


def test_notebooks_install_skcrit_from_the_repository(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES.parent / "doc")
    import gallery

    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    declared = gallery.repository()
    if declared is None:
        assert "pyproject.toml" in gallery.first_cell()
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://host")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    # What pyproject.toml declares comes first.
    address = declared or "https://host/owner/name"
    assert f"git+{address}" in gallery.first_cell()
    monkeypatch.setattr(gallery, "repository", lambda: None)
    assert "pyproject.toml" in gallery.first_cell()


def test_links_to_binder_name_the_notebooks_that_it_makes(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES.parent / "doc")
    import gallery

    script = EXAMPLES.parent / ".binder" / "postBuild"
    places = {"https://host/owner/name": {}, None: {}}
    for address, expected in places.items():
        monkeypatch.setattr(gallery, "repository", lambda address=address: address)
        assert gallery.binder() == expected
    monkeypatch.setattr(gallery, "repository", lambda: "https://github.com/o/n.git")
    settings = gallery.binder()
    assert (settings["org"], settings["repo"]) == ("o", "n")
    assert (EXAMPLES.parent / "doc" / settings["dependencies"]).exists()
    # sphinx-gallery links to the folder, and below it to the gallery's own.
    assert f"{settings['notebooks_dir']}/auto_examples" in script.read_text("utf-8")

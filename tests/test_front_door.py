"""What a stranger wants to do is two clicks and ten lines away from the front page."""

import contextlib
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOC = Path(__file__).resolve().parents[1] / "doc"
TASKS = (
    "install",
    "search my own function",
    "search the loss of my data",
    "examine a trained network",
    "choose a tolerance",
    "save what was found",
    "use many cores",
    "understand a status",
    "compare finders",
    "cite skcrit",
)
CODE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", flags=re.DOTALL)


def read(name):
    return (DOC / f"{name}.md").read_text(encoding="utf-8")


def links(name):
    """Collect the pages that a page leads to: by its cards, contents and text."""
    text = read(name)
    found = re.findall(r"^:link: (\w+)$", text, flags=re.MULTILINE)
    for block in re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL):
        found += re.findall(r"^(?:.*<)?(\w[\w/]*)>?$", block, flags=re.MULTILINE)
    found += re.findall(r"\]\((\w+)\.md[^)]*\)", text)
    return {page for page in found if (DOC / f"{page}.md").exists()}


def rows():
    """Read the table of tasks: what to do, and the page and section that show it."""
    table = dict(
        re.findall(r"^\| (.+?) +\| (.+?) +\|$", read("getting_started"), re.MULTILINE)
    )
    return {task: table[task] for task in TASKS}


def target(task):
    """Return the page and the section that show a task."""
    return re.fullmatch(r"\[.*\]\((\w+)\.md#([\w-]+)\)", rows()[task]).groups()


def section(name, slug):
    """Return the text below a heading, up to the next one."""
    parts = re.split(r"^## (.+)\n", read(name), flags=re.MULTILINE)
    titles = [title.lower().replace(" ", "-") for title in parts[1::2]]
    return parts[2::2][titles.index(slug)]


def test_ten_tasks_are_listed():
    assert len(rows()) == len(TASKS) == 10


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run blocks of code one after the other, and compare what they print."""
    monkeypatch.chdir(tmp_path)
    # A module of its own: functions defined there can be sent to another process.
    module = ModuleType("stranger")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def run(blocks):
        for code, shown in blocks:
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, "page", "exec"), module.__dict__)
            assert not shown or output.getvalue() == shown

    return run


def blocks_of(page, slug):
    """Return the code of a section, after the lines that it continues."""
    shared = CODE.match(read(page).partition("continue these:\n\n")[2])
    return [
        *([shared.groups("")] if shared else []),
        *CODE.findall(section(page, slug)),
    ]


@pytest.mark.parametrize("task", TASKS[1:-1])
def test_task_is_two_clicks_and_ten_lines_away(task, run):
    page, slug = target(task)
    # One click leads to the table of tasks, the second to the section.
    assert "getting_started" in links("index")
    assert page in links("getting_started")
    blocks = blocks_of(page, slug)
    lines = [line for code, _ in blocks for line in code.splitlines() if line]
    assert 0 < len(lines) <= 10
    run(blocks)


def test_results_are_shown(run):
    run(blocks_of("cheat_sheet", "results"))


@pytest.mark.parametrize("page", ["first_search", "cheat_sheet"])
def test_all_code_of_these_pages_is_run_here(page):
    shown = [
        slug for task in TASKS[1:] for name, slug in [target(task)] if name == page
    ]
    shown += ["results"] if page == "cheat_sheet" else []
    blocks = {block for slug in shown for block in blocks_of(page, slug)}
    assert blocks == set(CODE.findall(read(page)))


def test_installing_is_one_click_away():
    assert rows()["install"] == "the lines above"
    before = read("getting_started").partition("| install")[0]
    assert "pip install ." in before


def test_citation_is_two_clicks_away():
    text = section(*target("cite skcrit"))
    assert "CITATION.cff" in text
    assert "arXiv:1901.10603" in text

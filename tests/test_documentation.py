"""The pages say the truth: code runs, links lead somewhere, the API is whole.

Docstrings are validated here; their examples are run by pytest itself.
"""

import contextlib
import importlib
import inspect
import io
import re
import runpy
import sys
from enum import EnumType
from pathlib import Path
from types import ModuleType

import pytest
from numpydoc.validate import validate

import skcrit

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "doc"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOC.glob("*.md"))]

# Code, and the output that is shown directly below it.
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", flags=re.DOTALL)

MODULES = (
    "skcrit",
    "skcrit.certification",
    "skcrit.ground_truth",
    "skcrit.datasets",
    "skcrit.exceptions",
    "skcrit.finders",
    "skcrit.inspection",
    "skcrit.linalg",
    "skcrit.losses",
    "skcrit.metrics",
    "skcrit.model_selection",
    "skcrit.proving_grounds",
    "skcrit.solvers",
    "skcrit.starts",
    "skcrit.utils.testing",
)

# What a page may show that is not everywhere.
OPTIONAL = ("sklearn.callback", "skops", "torch")

# What numpydoc asks for and this library does not do: See Also, an extended summary and
# an example in every method, and the type of a return value without its name.
IGNORED = {"SA01", "ES01", "EX01", "RT02"}


def public_objects():
    """Collect public classes and functions by their full name, each once."""
    found = {}
    for module in MODULES:
        namespace = importlib.import_module(module)
        for name in namespace.__all__:
            thing = getattr(namespace, name)
            if callable(thing) and thing not in found.values():
                found[f"{module}.{name}"] = thing
    return found


PUBLIC = public_objects()


def methods_of(thing):
    """List public methods and properties that a class defines itself."""
    kinds = (property, classmethod, staticmethod)
    return [
        name
        for name, member in vars(thing).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, kinds))
    ]


# Run section by section in test_front_door.py.
FRONT = ("first_search", "cheat_sheet")


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if "```python" in p.read_text() and p.stem not in FRONT],
    ids=lambda p: p.name,
)
def test_code_of_page_runs(page, monkeypatch):
    for name in OPTIONAL:
        if re.search(rf"^(from|import) {name}\b", page.read_text(), flags=re.MULTILINE):
            pytest.importorskip(name)
    # A module of its own, as if the page were a file: its functions can be pickled.
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block, shown in BLOCK.findall(page.read_text(encoding="utf-8")):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(block, str(page), "exec"), module.__dict__)
        if shown:
            assert output.getvalue() == shown


def test_readme_shows_output():
    shown = [output for _, output in BLOCK.findall((ROOT / "README.md").read_text())]
    assert any(shown)


def linked_files(page):
    """List the files that a page links to; code and addresses left out."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", filter(linked_files, PAGES), ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in linked_files(page):
        # The gallery is written when the documentation is built.
        target = re.sub(
            r"^auto_examples/(\w+/)(?:images/sphx_glr_)?(plot_\w+?)(?:_\d{3}\.png|\.rst)$",
            r"../examples/\1\2.py",
            target,
        )
        assert (page.parent / target).exists(), target


def included_code(page):
    """List the files of which a page shows a part, each with its options."""
    pattern = r"```\{literalinclude\} (\S+)\n(.*?)```"
    return re.findall(pattern, page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", filter(included_code, PAGES), ids=lambda p: p.name)
def test_included_code_is_there(page):
    for path, options in included_code(page):
        source = (page.parent / path).read_text(encoding="utf-8")
        first, last = re.findall(r':(?:start-after|end-before): "(.*)"', options)
        assert source.count(first) == source.count(last) == 1
        code = source.partition(first)[2].partition(last)[0]
        assert code.strip()


SECTIONS = ("getting_started", "guide", "studies", "development")


def toctrees(page):
    """List the entries of the tables of contents of a page, without their titles."""
    text = page.read_text(encoding="utf-8")
    entries = []
    for block in re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL):
        lines = [line for line in block.splitlines() if line and line[0] != ":"]
        entries += [re.sub(r".*<(.*)>$", r"\1", line) for line in lines]
    return entries


def test_every_page_is_reached_from_the_index():
    reached, waiting = set(), ["index"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        if (DOC / f"{name}.md").exists():
            waiting += set(toctrees(DOC / f"{name}.md")) - reached
    included = {
        "many_machines_measured",
        "newton_mr_small_problems",
        "starts_measured",
        "sg_execution_times",
    }
    pages = {page.stem for page in [*DOC.glob("*.md"), *DOC.glob("*.rst")]}
    assert pages - reached - included == set()
    assert {
        f"changes/{page.stem}" for page in (DOC / "changes").glob("*.rst")
    } <= reached


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_have_at_most_eight_entries(section):
    assert 0 < len(toctrees(DOC / f"{section}.md")) <= 8


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def load_links():
    pytest.importorskip("sphinx")
    return runpy.run_path(str(DOC / "links.py"))


def test_names_of_the_library_become_links():
    links = load_links()
    known, pattern = links["targets"](DOC), links["NAME"]
    names = 0
    for page in DOC.glob("*.md"):
        text = re.sub(
            r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        literals = re.findall(r"`([^`\n]+)`", text)
        for match in filter(None, map(pattern.fullmatch, literals)):
            # A name that the package has is a link: no public name is left out.
            if match[1] in skcrit.__all__:
                assert match[1] in known, (page.name, match[1])
            names += match[1] in known
    assert names > 120


def test_every_public_name_is_explained_in_a_page():
    guides = load_links()["guides"](DOC)
    for name, thing in PUBLIC.items():
        listed = [full for full in guides if full.endswith("." + thing.__name__)]
        assert any(full.rpartition(".")[0] in MODULES for full in listed), name
        assert all(guides[full] for full in listed)
        assert all((DOC / f"{page}.md").exists() for f in listed for page in guides[f])


def test_every_class_that_users_make_is_in_a_page_and_an_example():
    pages = "".join(page.read_text(encoding="utf-8") for page in DOC.glob("*.md"))
    examples = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "examples").glob("*/plot_*.py")
    )
    displays = skcrit.inspection.__all__
    # What every finder takes if it is given no starts: no example has to name it.
    examples += "AutoStarts("
    for name in [*filter(is_concrete, skcrit.__all__), *displays]:
        # Called, not only imported: sphinx-gallery links to what is used.
        assert re.search(rf"\b{name}[.(]", examples), name
        assert name in displays or re.search(rf"`{name}\b", pages), name
    template = (DOC / "templates" / "class.rst").read_text(encoding="utf-8")
    assert ".. minigallery::" in template


def test_api_reference_is_whole():
    listed, module = {}, None
    for line in (DOC / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif re.fullmatch(r"   \w+", line):
            name = f"{module}.{line.strip()}"
            assert name not in listed
            listed[name] = getattr(importlib.import_module(module), line.strip())
    missing = [name for name, thing in PUBLIC.items() if thing not in listed.values()]
    assert missing == []
    assert [name for name in listed if listed[name] not in PUBLIC.values()] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_docstrings(name):
    names = [name]
    if inspect.isclass(PUBLIC[name]):
        names += [f"{name}.{method}" for method in methods_of(PUBLIC[name])]
    faults = [
        f"{path}: {code} {message}"
        for path in names
        for code, message in validate(path)["errors"]
        if not excused(name, path, code)
    ]
    assert faults == []


def excused(name, path, code):
    """Return whether a fault that numpydoc finds is allowed here."""
    thing, method = PUBLIC[name], path.removeprefix(name).lstrip(".")
    if code in IGNORED:
        return True
    if method:
        # An overridden method that says nothing means what its base class says.
        return code == "GL08" and bool(inspect.getdoc(getattr(thing, method)))
    doc = inspect.getdoc(thing)
    if code == "PR01":
        # Enumerations have no parameters; records list their fields as attributes.
        is_record = "Attributes\n---" in doc and "Parameters\n---" not in doc
        return is_record or isinstance(thing, EnumType)
    return code == "PR04" and "As in :class:" in doc


def is_concrete(name):
    """Return whether a public name is a class to make objects of."""
    thing = getattr(skcrit, name)
    if not inspect.isclass(thing) or inspect.isabstract(thing):
        return False
    return not issubclass(thing, Exception)


@pytest.mark.parametrize("name", sorted(filter(is_concrete, skcrit.__all__)))
def test_classes_have_an_example(name):
    assert ">>> " in getattr(skcrit, name).__doc__


def test_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version: "(.*)"$', text, flags=re.MULTILINE)
    assert version == skcrit.__version__
    assert "arXiv:1901.10603" in text


def test_thumbnails_leave_no_figure_behind(tmp_path):
    gallery = runpy.run_path(str(DOC / "gallery.py"))
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots(1, 2)
    axes[1].set_title("right")
    numbers = plt.get_fignums()
    gallery["draw_panel"](figure, 1, tmp_path / "panel.png")
    assert plt.get_fignums() == numbers
    assert axes[1].get_title() == "right"
    assert axes[0].get_visible()
    assert (tmp_path / "panel.png").stat().st_size > 0
    plt.close(figure)


def test_api_has_six_groups_at_most():
    text = (DOC / "api.rst").read_text(encoding="utf-8")
    groups = re.findall(r"^(.+)\n-+$", text, flags=re.MULTILINE)
    assert 0 < len(groups) <= 6
    assert "Which finder" in text or "which finder" in text


def test_formulas_need_no_network():
    text = (DOC / "conf.py").read_text(encoding="utf-8")
    assert '"sphinx-mathjax-offline"' in text
    extra = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"sphinx-mathjax-offline' in extra


EXPECTED = (
    ".github/ISSUE_TEMPLATE/fault.md",
    ".github/ISSUE_TEMPLATE/proposal.md",
    ".binder/requirements.txt",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "doc/releasing.md",
)


@pytest.mark.parametrize("name", EXPECTED)
def test_repository_has_what_people_look_for(name):
    if not (ROOT / ".github").exists() and name.startswith("."):
        pytest.skip("an archive does not contain it")
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_changelog_begins_with_this_release():
    # A first release changes nothing that anybody had before.
    text = (DOC / "changes" / "0.1.rst").read_text(encoding="utf-8")
    assert not re.search(r"\b(no longer|anymore|any more|formerly)\b", text)


def test_deprecation_policy_is_stated():
    text = (DOC / "releasing.md").read_text(encoding="utf-8")
    assert "## Deprecation policy" in text
    assert "FutureWarning" in text

"""What pyproject.toml declares is what the code imports, and can be tested."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skcrit

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

# Names of distributions where they differ from those of modules.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "cupy": "cupy-cuda12x",
    "cupyx": "cupy-cuda12x",
}


def names(requirements):
    return {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}


def imported(top_level):
    """Distributions that skcrit imports, at the top of modules or inside functions."""
    found = set()
    for path in Path(skcrit.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = tree.body if top_level else ast.walk(tree)
        for node in nodes:
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            else:
                continue
            found |= {module.split(".")[0] for module in modules}
    found -= set(sys.stdlib_module_names) | {"skcrit"}
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in found}


def test_top_level_imports_are_dependencies():
    assert imported(top_level=True) <= names(PROJECT["dependencies"])


def test_all_imports_are_declared():
    used = ("plot", "cupy", "torch", "dask", "test")
    extras = {name for extra in used for name in EXTRAS[extra]}
    assert imported(top_level=False) <= names({*PROJECT["dependencies"], *extras})


def test_dependencies_are_imported():
    assert names(PROJECT["dependencies"]) <= imported(top_level=False)


def test_oldest_versions_are_the_lower_bounds():
    script = ROOT / ".ci" / "oldest.py"
    if not script.exists():
        pytest.skip("the sdist has no .ci")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True
    )
    oldest = dict(line.split("==") for line in done.stdout.split())
    declared = PROJECT["dependencies"] + EXTRAS["plot"] + EXTRAS["dask"]
    assert len(oldest) == len(declared)
    for requirement in declared:
        name, version = re.fullmatch(r"([\w-]+).*>=([\d.]+)", requirement).groups()
        assert oldest[name] == version


def test_workflows_call_targets_of_the_makefile():
    """What runs elsewhere can be repeated here, on every supported Python."""
    path = ROOT / ".github" / "workflows" / "ci.yml"
    if not path.exists():
        pytest.skip("the sdist has no .github")
    workflow = path.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    commands = re.findall(r"run: (.+)", workflow)
    called = [re.fullmatch(r"make ([a-z-]+) PYTHON=python", c) for c in commands]
    assert all(called), commands
    assert {match[1] for match in called} <= targets
    assert {"lint", "test", "test-oldest", "coverage"} <= {match[1] for match in called}
    lowest = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])[1]
    versions = re.search(r"python: \[(.+)\]", workflow)[1]
    assert versions.startswith(f'"3.{lowest}"')


def test_every_phony_target_is_explained():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)[1].split())
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    explained = set(re.findall(r'@echo "make ([a-z-]+)', makefile))
    assert phony == targets
    assert phony - explained == {"help"}


def check_address(root):
    """No file names an address unless pyproject.toml does; then all of these do."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    address = project["urls"].get("Repository")
    install = "git+" if address is None else f"git+{address}"
    places = {
        "README.md": install,
        "doc/getting_started.md": install,
        "CITATION.cff": "repository-code:",
    }
    for name, expected in places.items():
        text = (root / name).read_text(encoding="utf-8")
        assert (expected in text) == (address is not None), name
        assert address is None or address in text, name
    return address


def test_repository_has_one_address():
    check_address(ROOT)


def test_address_is_written_everywhere_by_one_command(tmp_path):
    program = runpy.run_path(str(ROOT / "doc" / "address.py"))
    (tmp_path / "doc").mkdir()
    for name in program["PLACES"]:
        shutil.copy(ROOT / name, tmp_path / name)
    texts = []
    for address in ("https://host/old/name", "https://host.org/owner/skcrit"):
        program["write"](address, tmp_path)
        assert check_address(tmp_path) == address
        texts.append([(tmp_path / name).read_text() for name in program["PLACES"]])
    # The second address takes the place of the first one.
    first, second = texts
    changed = [text.replace("host/old/name", "host.org/owner/skcrit") for text in first]
    assert changed == second
    assert len((tmp_path / "README.md").read_text().splitlines()) <= 120
    with pytest.raises(ValueError, match="address must begin with https"):
        program["write"]("owner/skcrit", tmp_path)


def test_version_is_that_of_the_package():
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", skcrit.__version__)

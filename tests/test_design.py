"""The page on the design describes the package as it is."""

import re
import tomllib
from pathlib import Path

import pytest

import skcrit

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(skcrit.__file__).parent
TEXT = (ROOT / "doc" / "design.md").read_text(encoding="utf-8")


def literals(text):
    return re.findall(r"`([^`\n]+)`", text)


def layers_of_page():
    """Read the first table: the names in each row, from the bottom to the top."""
    table = TEXT.partition("| layer | contains |")[2].partition("\n\n")[0]
    return [literals(row.split("|")[1]) for row in table.splitlines()[2:]]


def layers_of_contract():
    """Read the contract of the imports, from the bottom to the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return [
        [name.strip().replace(".", "/") for name in layer.split("|")]
        for layer in reversed(layers)
    ]


def modules_of(package):
    """List the modules of a package, and packages inside of it, by name."""
    found = {path.stem for path in (PACKAGE / package).glob("*.py")}
    found |= {path.parent.name for path in (PACKAGE / package).glob("*/__init__.py")}
    return found - {"__init__"}


def test_every_layer_is_on_the_page_in_its_place():
    place = {name: i for i, names in enumerate(layers_of_contract()) for name in names}
    rows = layers_of_page()
    # What the checks of users' losses are made of stands under utils/testing.
    hidden = {"_version", "utils/_loss_checks", "utils/_derivative_checks"}
    named = {name for row in rows for name in row}
    assert named == set(place) - hidden - {"utils/_probe"}
    for below, above in zip(rows[:-1], rows[1:], strict=True):
        assert max(place[name] for name in below) <= min(place[name] for name in above)


@pytest.mark.parametrize("package", ["search", "solvers", "losses"])
def test_every_public_module_of_the_large_packages_is_on_the_page(package):
    table = TEXT.partition("| question | files |")[2].partition("\n\n")[0]
    _, _, part = table.partition(f"**`{package}`**")
    part = part.partition("**`")[0]
    public = {name for name in modules_of(package) if not name.startswith("_")}
    named = set(re.findall(r"`(\w+)`", part))
    assert named == public


def test_files_that_the_page_names_exist():
    paths = [name for name in literals(TEXT) if re.fullmatch(r"[\w/]+/[\w/.]*", name)]
    assert len(paths) > 15
    for name in paths:
        file, _, attribute = name.removesuffix(".py").partition(".")
        places = [ROOT / name, PACKAGE / name, PACKAGE / f"{file}.py"]
        place = next((place for place in places if place.exists()), None)
        assert place is not None, name
        if attribute:
            assert f"def {attribute}(" in place.read_text(encoding="utf-8")

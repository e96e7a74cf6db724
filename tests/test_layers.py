"""Imports inside the package run downwards, and never in a circle."""

import ast
from pathlib import Path

import pytest

import skcrit

ROOT = Path(skcrit.__file__).parent

# A module may import from its own layer and from those before it.
LAYERS = [
    {"_version", "exceptions", "_typing", "_tables"},
    {"utils._arguments"},
    {"_saving", "_backend", "utils._validation"},
    {"linalg", "datasets"},
    {"ground_truth"},
    {"losses"},
    {"proving_grounds"},
    {"starts", "solvers"},
    {"finders"},
    {"metrics", "model_selection"},
    {"inspection", "utils"},
]

# Against the stream: an estimator's score is a metric, and so is an estimated coverage.
UPWARD = {("finders.base", "metrics"), ("finders.landscape", "metrics")}


def layer(name):
    """Find the layer of a module by the longest prefix that is listed."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for level, names in enumerate(LAYERS):
            if prefix in names:
                return level
    raise AssertionError(f"skcrit.{name} stands in no layer")


def imports(path):
    """List the skcrit modules that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module
            if module == "skcrit":
                yield from (alias.name for alias in node.names)
            elif module.startswith("skcrit."):
                yield module.removeprefix("skcrit.")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                assert not alias.name.startswith("skcrit"), f"{path}: use from-imports"


MODULES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_downwards(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    name = name.removesuffix(".__init__")
    for target in imports(path):
        package = target.split(".")[0]
        if (name, package) not in UPWARD:
            assert layer(target) <= layer(name), f"{name} imports {target} above it"

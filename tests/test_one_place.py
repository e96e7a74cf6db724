"""What the package does in one place only."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "skcrit"
MODULES = {p.relative_to(PACKAGE).as_posix(): p for p in PACKAGE.rglob("*.py")}

# Calls of LAPACK that can fail on one matrix of a stack.
LAPACK = re.compile(r"linalg\.(eigh|eigvalsh|pinv)\(|svd\([^()]*full_matrices=False")

# Attributes of scikit-learn's estimators that it does not document.
PRIVATE = re.compile(r"\._(label_binarizer|skl_\w+)|[\"']_(label_binarizer|skl_\w+)")


def private_imports(text):
    """List what a module imports of scikit-learn's private modules, or of new ones."""
    nodes = [node for node in ast.walk(ast.parse(text))]
    names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    words = (name.split(".") for name in names if name.startswith("sklearn."))
    return [w for w in words if "callback" in w or any(p[0] == "_" for p in w)]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_lapack_and_private_parts_of_scikit_learn_have_one_door_each(name):
    text = MODULES[name].read_text(encoding="utf-8")
    uses = bool(private_imports(text) or PRIVATE.search(text))
    assert uses == (name == "utils/_validation.py")
    assert bool(LAPACK.search(text)) == (name == "linalg/_decompositions.py")

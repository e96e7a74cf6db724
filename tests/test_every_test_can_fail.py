"""A test that asserts nothing, or only that something exists, shows nothing."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent

# Functions that raise unless something holds.
CHECKS = {"raises", "warns", "close", "check_loss", "check_gradient", "check_hvp"}

# Functions that say little of a result.
VAGUE = {"isinstance", "issubclass", "hasattr", "callable", "isfinite", "len", "bool"}


def all_functions():
    """Read all functions of the tests, by name."""
    functions = []
    for path in sorted(TESTS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        functions += [(f"{path.relative_to(TESTS)}::{n.name}", n) for n in found]
    return functions


def calls(function):
    """Return the names of what a function calls."""
    called = [n.func for n in ast.walk(function) if isinstance(n, ast.Call)]
    return {getattr(f, "attr", getattr(f, "id", "")) for f in called}


def exists(test):
    """Say whether a condition is only that something is there, of some type, finite."""
    if isinstance(test, ast.BoolOp):
        return all(map(exists, test.values))
    if isinstance(test, ast.Call):
        name = getattr(test.func, "attr", getattr(test.func, "id", ""))
        inner = name in ("all", "any") and len(test.args) == 1
        return exists(test.args[0]) if inner else name in VAGUE
    if isinstance(test, ast.GeneratorExp):
        return exists(test.elt)
    text = ast.unparse(test)
    not_empty = re.fullmatch(r"(len\(.*\)|.*\.size) (> 0|>= 1|!= 0)", text)
    return isinstance(test, ast.Constant) or bool(
        not_empty or text.endswith(" is not None")
    )


def test_every_test_can_fail():
    functions, helpers, before = all_functions(), set(CHECKS), set()
    calls_of, sound = {}, set()
    for name, function in functions:
        calls_of[name] = calls(function)
        statements = [n for n in ast.walk(function) if isinstance(n, ast.Assert)]
        demands = any(not exists(statement.test) for statement in statements)
        if demands or any(c.startswith("assert_") for c in calls_of[name]):
            sound.add(name)
    while helpers != before:
        before = set(helpers)
        sound |= {name for name in calls_of if calls_of[name] & helpers}
        helpers |= {name.split("::")[1] for name in sound}
    tests = [name for name in calls_of if "::test_" in name]
    assert len(tests) > 1500
    assert [name for name in tests if name not in sound] == []

"""Public signatures have types, and they say so to type checkers."""

import importlib
import inspect
from importlib.resources import files

import pytest

MODULES = [
    "skcrit",
    "skcrit.ground_truth",
    "skcrit.datasets",
    "skcrit.exceptions",
    "skcrit.finders",
    "skcrit.inspection",
    "skcrit.linalg",
    "skcrit.losses",
    "skcrit.metrics",
    "skcrit.model_selection",
    "skcrit.solvers",
    "skcrit.starts",
    "skcrit.utils.testing",
]


def functions_of(cls):
    """Public methods and properties that skcrit defines."""
    for base in cls.__mro__:
        if not base.__module__.startswith("skcrit."):
            continue
        for name, member in vars(base).items():
            if name.startswith("_") and name != "__init__":
                continue
            member = getattr(member, "fget", None) or getattr(member, "func", member)
            member = inspect.unwrap(getattr(member, "__func__", member))
            # A dataclass writes its own __init__ from fields that have types.
            if inspect.isfunction(member) and member.__module__.startswith("skcrit."):
                yield f"{base.__name__}.{name}", member


def public_functions():
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isclass(member):
                found |= functions_of(member)
            elif inspect.isfunction(member):
                found[f"{module.__name__}.{name}"] = member
    return found


FUNCTIONS = public_functions()


def test_functions_are_found():
    assert {"BaseFinder.fit", "Loss.value", "ToleranceDisplay.plot"} <= set(FUNCTIONS)
    assert "skcrit.metrics.recovery_accuracy" in FUNCTIONS


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_signature_has_types(name):
    signature = inspect.signature(FUNCTIONS[name])
    untyped = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty
        and parameter.name not in {"self", "cls"}
    ]
    assert not untyped
    assert signature.return_annotation is not signature.empty


def test_package_says_that_it_has_types():
    assert files("skcrit").joinpath("py.typed").is_file()

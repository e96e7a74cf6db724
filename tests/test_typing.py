"""Public signatures have types, and they say so to type checkers."""

import importlib
import inspect
from importlib.resources import files

import pytest

MODULES = [
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


def public_functions(module):
    """Public functions and methods of a module by name."""
    module, found = importlib.import_module(module), {}
    for name in module.__all__:
        member = getattr(module, name)
        if inspect.isclass(member):
            found |= functions_of(member)
        elif inspect.isfunction(member):
            found[name] = member
    return found


def test_functions_are_found():
    assert {"BaseFinder.fit", "Loss.value"} <= set(public_functions("skcrit"))
    assert "ToleranceDisplay.plot" in public_functions("skcrit.inspection")
    assert "recovery_accuracy" in public_functions("skcrit.metrics")


def is_typed(function):
    """Return whether all parameters and what is returned have types."""
    signature = inspect.signature(function)
    types = [
        parameter.annotation
        for parameter in signature.parameters.values()
        if parameter.name not in {"self", "cls"}
    ]
    return signature.empty not in [*types, signature.return_annotation]


@pytest.mark.parametrize("module", MODULES)
def test_signatures_have_types(module):
    functions = public_functions(module)
    assert [name for name in functions if not is_typed(functions[name])] == []


def test_package_says_that_it_has_types():
    assert files("skcrit").joinpath("py.typed").is_file()

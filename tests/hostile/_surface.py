"""The public surface of the library, read off the library itself."""

import importlib
import inspect

__all__ = ["ELSEWHERE", "MODULES", "UNCHECKED", "public_callables", "public_parameters"]

# Modules whose __all__ is public.
MODULES = (
    "skcrit",
    "skcrit.losses",
    "skcrit.finders",
    "skcrit.starts",
    "skcrit.ground_truth",
    "skcrit.metrics",
    "skcrit.inspection",
    "skcrit.datasets",
    "skcrit.model_selection",
    "skcrit.exceptions",
    "skcrit.utils.testing",
)

# Modules that check nothing, on purpose, and why.
UNCHECKED = {
    "skcrit.solvers": "the finders check every parameter before they make a solver",
    "skcrit.linalg": "kernels of solvers, called thousands of times in a fit",
}

# Classes and functions that the suite does not call, and why.
ELSEWHERE = {
    "TorchLoss": "needs PyTorch: tests/torch/test_inputs.py",
    "GroundTruth": "a Protocol: AnalyticalSpectrum and KnownPoints are called",
    "LocalModel.concatenate": "batches that solvers join",
    "LocalModel.take": "rows of a batch, chosen by solvers",
    "LocalModel.hessian": "takes no argument",
    "LocalModel.hessian_error": "takes no argument",
    "ToleranceCurve.to_dict": "takes no argument",
    "Loss": "an abstract class",
    "show_versions": "takes no argument",
}

# Of these no method is called either; an abstract class has methods of subclasses.
_WHOLE = ("TorchLoss", "GroundTruth")


def public_callables():
    """List everything public that can be called.

    Returns
    -------
    callables : dict of str to callable
        Classes, functions, and methods by "Class.method"; each object once.
    """
    found, seen = {}, set()
    for name in MODULES:
        module = importlib.import_module(name)
        for public in module.__all__:
            thing = getattr(module, public)
            if id(thing) in seen or not callable(thing) or public in _WHOLE:
                continue
            seen.add(id(thing))
            found[public] = thing
            if inspect.isclass(thing):
                found |= _methods(public, thing)
    return found


def _methods(name, cls):
    """List the public methods of a class that this library defines."""
    found = {}
    for public, method in inspect.getmembers(cls):
        is_method = inspect.isfunction(method) or inspect.ismethod(method)
        if public.startswith("_") or not is_method:
            continue
        if f"{name}.{public}" in ELSEWHERE:
            continue
        if method.__module__.startswith("skcrit"):
            found[f"{name}.{public}"] = method
    return found


def public_parameters():
    """List every public parameter.

    Returns
    -------
    parameters : list of tuple of (str, str)
        Name of the callable, name of the parameter.
    """
    pairs = []
    for name, thing in public_callables().items():
        try:
            signature = inspect.signature(thing)
        except ValueError:  # exceptions that take whatever Exception takes
            continue
        pairs += [(name, p) for p in signature.parameters if p not in ("self", "cls")]
    return pairs

"""What can be given to a loss of a PyTorch module, and what is wrong with the rest."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from skcrit.losses._torch_state import as_array, import_torch
from skcrit.utils._arguments import as_numbers, shown


def check_module(module: Any) -> None:
    """Refuse what is not a module with a fixed function and parameters."""
    torch = import_torch()
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"module must be a torch.nn.Module, got {shown(module)}.")
    parameters = dict(module.named_parameters())
    for name, parameter in parameters.items():
        if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
            raise ValueError(
                f"module must have parameters of known shape, {name!r} has none yet: "
                "evaluate the module once, as lazy layers need it."
            )
        if parameter.is_complex():
            raise ValueError(
                f"module must have real parameters, {name!r} has dtype "
                f"{parameter.dtype}."
            )
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ValueError(
            "module must have a parameter with requires_grad=True, got "
            f"{len(parameters)} parameters without."
        )
    moving = [
        f"{name or 'module'} ({type(layer).__name__})"
        for name, layer in module.named_modules()
        if layer.training and _moves_in_training(torch, layer)
    ]
    if moving:
        raise ValueError(
            "module must be in evaluation mode, because in training mode these layers "
            f"are random or change when they are evaluated: {', '.join(moving)}. Call "
            "module.eval() first."
        )


def _moves_in_training(torch: Any, layer: Any) -> Any:
    """Return layers that are not functions of their input during training."""
    nn = torch.nn
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        is_batch_norm = isinstance(layer, nn.modules.batchnorm._BatchNorm)
        return is_batch_norm or layer.track_running_stats
    if isinstance(layer, nn.modules.dropout._DropoutNd):
        return layer.p > 0
    if isinstance(layer, nn.RNNBase | nn.MultiheadAttention):
        return layer.dropout > 0
    return isinstance(layer, nn.RReLU)


def check_data(data: Any, name: Any) -> Any:
    """Return data as an array of finite floats, or of the integers of a tensor."""
    torch = import_torch()
    if isinstance(data, torch.Tensor):
        if data.is_complex():
            raise ValueError(f"{name} must be real numbers, got {data.dtype}.")
        array = as_array(data)
        if array.dtype.kind != "f":
            array = array.astype(np.int64)
    else:
        array = as_numbers(data, name)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(
            f"{name} must have samples along its first axis, got shape {array.shape}."
        )
    if not np.all(np.isfinite(array)):
        what = "NaN" if np.any(np.isnan(array)) else "infinity"
        raise ValueError(f"{name} must be finite, it contains {what}.")
    return array


def target_candidates(y: Any, n_samples: Any) -> Any:
    """Return the targets as what a criterion may want: numbers first, then labels."""
    y = check_data(y, "y")
    if len(y) != n_samples:
        raise ValueError(
            f"y must have as many samples as X, {n_samples}, got {len(y)}."
        )
    numbers = y.astype(np.float64, copy=False)
    whole = np.all(numbers == np.round(numbers)) and np.all(np.abs(numbers) < 2**53)
    return [numbers, y.astype(np.int64)] if whole else [numbers]


def has_reduction(loss: Any) -> bool:
    """Return whether a criterion gives the loss of each sample if asked."""
    if hasattr(loss.criterion, "reduction"):
        return True
    try:
        return "reduction" in inspect.signature(loss.criterion).parameters
    except (TypeError, ValueError):
        return False

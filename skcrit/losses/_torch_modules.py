"""From parameters to a trained module, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._typing import Array, FloatArray
from skcrit.losses._points import TakesPoints
from skcrit.losses._torch_state import as_array, import_torch
from skcrit.utils._arguments import shown

if TYPE_CHECKING:
    import torch


class ConvertsModules(TakesPoints):
    """Exchange points with modules of PyTorch."""

    names_: list[str]
    shapes_: list[tuple[int, ...]]
    dtype: str
    _network: Any

    def parameters(self, theta: Array) -> dict[str, torch.Tensor]:
        """Make a state dict from parameters, for ``module.load_state_dict``.

        Parameters
        ----------
        theta : array of shape (n_params,)
            One point.

        Returns
        -------
        state : dict of str to torch.Tensor
            All parameters and persistent buffers by their names, on the CPU and in the
            dtypes of the module. Constant parameters and the second names of shared
            ones are included.

        Raises
        ------
        ValueError
            If ``theta`` is a batch.
        """
        torch = import_torch()
        theta = self._as_points(theta)
        if theta.ndim != 1:
            raise ValueError(
                f"theta must be one vector of shape ({self.n_params_},), got an array "
                f"of shape {theta.shape}."
            )
        network = self._network
        parts = network.blocks(torch.tensor(theta))
        tensors = {name: parts[place] for name, place in network.places.items()}
        tensors |= network.constants
        state = network.module.state_dict()
        for name, empty in state.items():
            if name in tensors:
                state[name] = tensors[name].to("cpu", empty.dtype, copy=True)
        return state

    def theta_of(self, module: torch.nn.Module | Mapping[str, Any]) -> FloatArray:
        """Read the parameters of a trained module.

        Parameters
        ----------
        module : torch.nn.Module or dict of str to torch.Tensor
            Module with the same parameters as the one that was fitted, or its state
            dict.

        Returns
        -------
        theta : ndarray of shape (n_params,)
            Its point.

        Raises
        ------
        ValueError
            If it lacks a parameter, or one has another shape.
        """
        check_is_fitted(self, "n_params_")
        return self._weights(module)

    def _weights(self, module: Any) -> Any:
        # What theta_of returns, also before the loss is fitted.
        torch = import_torch()
        if isinstance(module, torch.nn.Module):
            tensors = dict(module.named_parameters(remove_duplicate=False))
        elif isinstance(module, Mapping):
            tensors = dict(module)
        else:
            raise ValueError(
                "module must be a torch.nn.Module or its state dict, got "
                f"{shown(module)}."
            )
        theta = []
        for name, shape in zip(self.names_, self.shapes_, strict=True):
            if name not in tensors or tuple(tensors[name].shape) != shape:
                found = name in tensors and tuple(tensors[name].shape)
                came = f"one of shape {found}" if name in tensors else "none"
                raise ValueError(
                    f"module must have a parameter {name!r} of shape {shape}, got "
                    f"{came}."
                )
            theta.append(as_array(tensors[name]).ravel())
        return np.concatenate(theta).astype(self.dtype)

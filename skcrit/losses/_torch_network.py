"""The objective of a PyTorch module for batches of parameter vectors."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np

from skcrit.losses._torch_state import (
    as_array,
    evaluation,
    freeze,
    import_torch,
    skeleton,
    thaw,
)

# Numbers, one of each row, fill multiples of so many bytes. The vectorised loops of
# PyTorch take two registers at a time, of 64 bytes with AVX-512, and treat what is left
# behind in another way, which rounds differently: with full ones a row gives the same
# bits at every place and in every batch (measured, see tests/torch/test_batches.py).
_REGISTERS = 128

# Rows of a chunk come in multiples of this, which fill them in each floating type.
UNIT = 32

# While a module is evaluated its parameters are exchanged, and kernels are chosen for
# the whole process: one thread at a time.
_FORWARD = threading.RLock()


@contextmanager
def _forward(plain_attention: Any) -> Generator[None, None, None]:
    """Evaluate modules alone in the process, and without kernels for inference."""
    torch = import_torch()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kernels = sdpa_kernel(SDPBackend.MATH) if plain_attention else nullcontext()
    with _FORWARD, kernels:
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(before)


class TorchNetwork:
    """Evaluate module, criterion and penalty for rows of parameters.

    Parameters
    ----------
    module : torch.nn.Module
        Network; it is copied without its numbers.
    criterion : callable
        ``criterion(output, target)``; a module is copied.
    X, y : ndarray
        Data and targets; ``y=None`` is ``X``.
    alpha : float
        Weight of the squared norm of the parameters.
    device : str
        Where to compute.
    dtype : {"float64", "float32"}
        Floating type of parameters, constants and data.
    """

    def __init__(
        self,
        module: Any,
        criterion: Any,
        X: Any,
        y: Any,
        *,
        alpha: Any,
        device: Any,
        dtype: Any,
    ) -> None:
        torch = import_torch()
        self.alpha, self.device, self.dtype = alpha, device, dtype
        self.module = skeleton(module)
        everything = list(module.named_parameters(remove_duplicate=False))
        trained = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in trained]
        self.shapes = [tuple(parameter.shape) for _, parameter in trained]
        self.sizes = [parameter.numel() for _, parameter in trained]
        self.n_params = sum(self.sizes)
        # A shared parameter has several names, and one place in the vector.
        number = {id(parameter): i for i, (_, parameter) in enumerate(trained)}
        self.places = {n: number[id(p)] for n, p in everything if p.requires_grad}
        constants = [(n, p) for n, p in everything if not p.requires_grad]
        constants += module.named_buffers(remove_duplicate=False)
        self.constants = {name: self.tensor(t) for name, t in constants}
        self.criterion = thaw(freeze(criterion))
        if isinstance(self.criterion, torch.nn.Module):
            self.criterion.to(device=device, dtype=getattr(torch, dtype))
            self.criterion.requires_grad_(False)
        self.X = self.tensor(X)
        self.y = self.X if y is None else self.tensor(y)
        self.chunk_size = 1
        self.row_bytes = 0
        self.plain_attention = False

    def __getstate__(self) -> Any:
        state = {**vars(self), "criterion": freeze(self.criterion)}
        state["X"] = as_array(self.X)
        state["y"] = None if self.y is self.X else as_array(self.y)
        state["constants"] = {n: as_array(t) for n, t in self.constants.items()}
        return state

    def __setstate__(self, state: Any) -> None:
        vars(self).update(state)
        self.criterion = thaw(self.criterion)
        self.X = self.tensor(self.X)
        self.y = self.X if self.y is None else self.tensor(self.y)
        self.constants = {n: self.tensor(a) for n, a in self.constants.items()}

    def typical_sizes(self) -> Any:
        """Compute typical initial weights of all parameters, as one vector."""
        lengths, length = [], 1.0
        for shape in self.shapes:  # blocks without inputs, such as biases, follow suit
            length = np.prod(shape[1:]) ** -0.5 if len(shape) > 1 else length
            lengths.append(np.full(int(np.prod(shape)), length))
        return np.concatenate(lengths)

    def tensor(self, numbers: Any) -> Any:
        """Copy numbers to the device; floats become those of the dtype."""
        torch = import_torch()
        tensor = torch.as_tensor(numbers)
        floating = getattr(torch, self.dtype) if tensor.is_floating_point() else None
        return tensor.detach().to(self.device, floating, copy=True).contiguous()

    @property
    def is_batched(self) -> Any:
        """Whether several rows are evaluated together."""
        return self.chunk_size > 1

    def blocks(self, theta: Any) -> Any:
        """Divide parameters (..., n_params) into those of the module, by their name."""
        lead = theta.shape[:-1]
        parts = [
            part.reshape(*lead, *shape)
            for part, shape in zip(
                theta.split(self.sizes, -1), self.shapes, strict=True
            )
        ]
        return parts

    def output(self, parts: Any, X: Any = None) -> Any:
        """Evaluate the module at the blocks of one row of parameters."""
        torch = import_torch()
        tensors = {name: parts[number] for name, number in self.places.items()}
        tensors.update(self.constants)
        arguments = (self.X if X is None else X,)
        with _forward(self.plain_attention):
            return torch.func.functional_call(
                self.module, tensors, arguments, tie_weights=False
            )

    def objective(self, theta: Any) -> Any:
        """Evaluate the objective at one row (n_params,) or at several (n, n_params)."""
        torch = import_torch()

        def fit(*parts: Any) -> Any:
            return self.criterion(self.output(parts), self.y)

        if theta.ndim > 1:
            fit = torch.func.vmap(fit)
        value = fit(*self.blocks(theta))
        return value + self.alpha * theta.square().sum(-1) if self.alpha else value

    def leaf(self, rows: Any) -> Any:
        """Copy rows (n, n_params) to the device, as a leaf of a new graph."""
        return self.padded(rows, rows[:1]).requires_grad_()

    def padded(self, rows: Any, filling: Any) -> Any:
        """Copy rows to the device; a batch is filled up to a multiple of the unit."""
        torch = import_torch()
        if self.is_batched:
            # In C order, which PyTorch keeps: sums round differently in another one.
            unit = _REGISTERS // np.dtype(self.dtype).itemsize
            n = len(rows) + -len(rows) % unit
            full = np.empty((n, self.n_params), dtype=self.dtype)
            full[: len(rows)], full[len(rows) :] = rows, filling
        else:
            (full,) = rows
        floating = getattr(torch, self.dtype)
        return torch.tensor(full, dtype=floating, device=self.device)

    def graphs(self, rows: Any) -> Iterator[Any]:
        """Yield graphs of the objective for rows (n, n_params), chunk by chunk."""
        for start in range(0, len(rows), self.chunk_size):
            yield Graph(self, rows[start : start + self.chunk_size])


class Graph:
    """The objective at a chunk of rows, ready to be differentiated.

    Value, gradient and products share the evaluation of the module; products share the
    gradient as well, each of them is one sweep back through both.
    """

    def __init__(self, network: Any, rows: Any) -> None:
        self.network = network
        self.n_rows = len(rows)
        with evaluation():
            self.theta = network.leaf(rows)
            self.objective = network.objective(self.theta)

    @cached_property
    def slope(self) -> Any:
        """The gradient, which can be differentiated again."""
        torch = import_torch()
        # Always: some formulas round differently if they cannot be differentiated.
        with evaluation():
            (slope,) = torch.autograd.grad(
                self.objective.sum(), self.theta, create_graph=True
            )
        return slope

    def value(self) -> Any:
        """Return the values, ndarray of shape (n,)."""
        return self._host(self.objective, (-1,))

    def gradient(self) -> Any:
        """Return the gradients, ndarray of shape (n, n_params)."""
        return self._host(self.slope, (-1, self.network.n_params))

    def product(self, v: Any) -> Any:
        """Multiply the Hessians by directions, both ndarrays of shape (n, n_params)."""
        torch = import_torch()
        if not self.slope.requires_grad:  # an objective that is linear
            return np.zeros_like(v)
        with evaluation():
            direction = self.network.padded(v, np.zeros_like(v[:1]))
            (product,) = torch.autograd.grad(
                self.slope,
                self.theta,
                direction,
                retain_graph=True,
                allow_unused=True,
                materialize_grads=True,
            )
        return self._host(product, (-1, self.network.n_params))

    def _host(self, tensor: Any, shape: Any) -> Any:
        """Copy what belongs to real rows to the host."""
        return as_array(tensor.reshape(shape)[: self.n_rows])

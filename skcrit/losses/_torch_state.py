"""PyTorch where it is needed: its import, its threads, modules as data."""

from __future__ import annotations

import copy
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


def import_torch() -> Any:
    """Import PyTorch, or say how to install it."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("TorchLoss needs PyTorch: install skcrit[torch].") from error
    return torch


class _Threads:
    """How many evaluations run at once, and the number of threads before them."""

    lock = threading.Lock()
    running = 0
    before = 1


@contextmanager
def evaluation() -> Generator[None]:
    """Compute with gradients, in one thread, and leave the process as it was."""
    # A product that is divided among threads rounds by their number, and cores are for
    # joblib's workers. PyTorch keeps the number for each thread and a default for the
    # whole process: the last evaluation to end puts both back.
    torch = import_torch()
    with _Threads.lock:
        if _Threads.running == 0:
            _Threads.before = torch.get_num_threads()
        _Threads.running += 1
        torch.set_num_threads(1)
    try:
        with torch.enable_grad():
            yield
    finally:
        with _Threads.lock:
            _Threads.running -= 1
            torch.set_num_threads(_Threads.before)


def skeleton(module: Any) -> Any:
    """Copy a module without the numbers in its parameters and buffers."""
    torch = import_torch()
    memo: dict[int, Any] = {}
    for tensor in module.parameters():
        empty = tensor.detach().to("meta")
        memo[id(tensor)] = torch.nn.Parameter(empty, requires_grad=tensor.requires_grad)
    for tensor in module.buffers():
        memo[id(tensor)] = tensor.detach().to("meta")
    return copy.deepcopy(module, memo)


def as_array(tensor: Any) -> Any:
    """Copy a tensor to a NumPy array that holds the same numbers."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == import_torch().bfloat16:  # NumPy has no such type
        tensor = tensor.float()
    return tensor.numpy().copy()


class Frozen:
    """A module as a skeleton and arrays.

    PyTorch pickles a tensor by its address in memory, so that the same module has
    another hash in every process: arrays have not.
    """

    def __init__(self, module: Any) -> None:
        tensors = [*module.parameters(), *module.buffers()]
        self.skeleton = skeleton(module)
        self.arrays = [as_array(tensor) for tensor in tensors]
        self.devices = [str(tensor.device) for tensor in tensors]

    def thaw(self) -> Any:
        """Return a module with the same numbers."""
        torch = import_torch()
        filled = {}
        tensors = [*self.skeleton.parameters(), *self.skeleton.buffers()]
        numbers = zip(tensors, self.arrays, self.devices, strict=True)
        for tensor, array, on in numbers:
            full = torch.tensor(array, dtype=tensor.dtype, device=on)
            if isinstance(tensor, torch.nn.Parameter):
                full = torch.nn.Parameter(full, requires_grad=tensor.requires_grad)
            filled[id(tensor)] = full
        return copy.deepcopy(self.skeleton, filled)


def freeze(thing: Any) -> Any:
    """Freeze what is a module; leave what is not, such as a function."""
    torch = import_torch()
    return Frozen(thing) if isinstance(thing, torch.nn.Module) else thing


def thaw(thing: Any) -> Any:
    """Undo :func:`freeze`."""
    return thing.thaw() if isinstance(thing, Frozen) else thing

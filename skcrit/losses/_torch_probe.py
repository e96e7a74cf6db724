"""One evaluation before all others: does it work, is it pure, how large is it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from skcrit.losses._torch_network import UNIT, Graph
from skcrit.losses._torch_state import evaluation, import_torch
from skcrit.utils._arguments import shown

# Bytes that the graph of one row may keep if rows are evaluated together. Beyond it a
# row takes much longer than what the interpreter adds to it, and a batch of one row
# would pay for all that it is filled up with.
_TOGETHER = {"cpu": 2**18, "device": 2**26}

# Bytes that the graphs of a chunk may keep, and the largest number of its rows.
_CHUNK = {"cpu": 2**22, "device": 2**30}
_LARGEST = {"cpu": 1024, "device": 8192}

# Rows on which is tried whether they depend on each other.
_N_TRIED = 4 * UNIT


def probe(network: Any, theta: Any, targets: Any, chunk_size: Any) -> None:
    """Evaluate once; settle the type of the targets and the number of rows."""
    # Sets y, row_bytes and chunk_size of the network. targets has the targets in each
    # type that the criterion may want; empty keeps y.
    torch = import_torch()
    devices = [] if network.device == "cpu" else [network.device]
    # Random numbers that are drawn here are not missed anywhere else.
    with torch.random.fork_rng(devices), evaluation():
        output = _check_output(network, theta)
        _choose_targets(network, output, targets)
        _check_purity(network, theta)
        network.row_bytes = _check_derivatives(network, theta)
        network.chunk_size = _choose_rows(network, theta, chunk_size)


def _check_output(network: Any, theta: Any) -> Any:
    """Evaluate the module on the data."""
    parts = network.blocks(network.leaf(theta[None]))
    try:
        return network.output(parts)
    except Exception as error:  # whatever the user's layers raise
        raise ValueError(
            f"module cannot be evaluated on X of shape {tuple(network.X.shape)}: "
            f"{_text(error)}"
        ) from error


def _choose_targets(network: Any, output: Any, targets: Any) -> Any:
    """Take the first type of the targets that the criterion accepts."""
    faults = []
    for y in targets or [None]:
        if y is not None:
            network.y = network.tensor(y)
        try:
            with warnings.catch_warnings():
                # Else targets (n,) and outputs (n, 1) would be compared pair by pair.
                warnings.filterwarnings("error", "Using a target size")
                value = network.criterion(output, network.y)
        except Exception as error:  # whatever the user's criterion raises
            faults.append(f"as {network.y.dtype}, {_text(error)}")
            reason = error
            continue
        return _check_value(value)
    raise ValueError(
        f"criterion cannot compare the output of module, {_kind(output)}, with y of "
        f"shape {tuple(network.y.shape)}: {'; '.join(faults)}"
    ) from reason


def _check_value(value: Any) -> None:
    """Refuse what is not a number that depends on the parameters."""
    torch = import_torch()
    if not isinstance(value, torch.Tensor) or value.shape != ():
        came = _kind(value) if isinstance(value, torch.Tensor) else shown(value)
        raise ValueError(
            "criterion must return one number for all samples, as a tensor of shape "
            f"(), got {came}; criteria of PyTorch do with reduction='mean' or 'sum'."
        )
    if not value.requires_grad:
        raise ValueError(
            "criterion must return a number that depends on the parameters of module; "
            "this one cannot be differentiated."
        )


def _check_purity(network: Any, theta: Any) -> None:
    """Refuse what gives another value the second time."""
    torch = import_torch()
    before = {name: t.clone() for name, t in network.constants.items()}
    state = torch.random.get_rng_state()
    first, second = (Graph(network, theta[None]).value() for _ in range(2))
    needed = "module and criterion must be functions of parameters and data alone, but "
    for name, tensor in network.constants.items():
        if not torch.equal(tensor, before[name]):
            raise ValueError(
                f"{needed}the buffer {name!r} changes when the module is evaluated."
            )
    if not torch.equal(state, torch.random.get_rng_state()):
        raise ValueError(
            f"{needed}{_random_layer(network, theta)} draws random numbers."
        )
    if not np.array_equal(first, second, equal_nan=True):
        raise ValueError(
            f"{needed}the same parameters give {first[0]:.17g} and then "
            f"{second[0]:.17g}."
        )


def _random_layer(network: Any, theta: Any) -> Any:
    """Name the innermost layer that draws random numbers."""
    torch = import_torch()
    states, found = {}, []

    def enter(layer: Any, *_: Any) -> None:
        states[layer] = torch.random.get_rng_state()

    def leave(layer: Any, *_: Any) -> None:
        if not torch.equal(states[layer], torch.random.get_rng_state()):
            found.append(layer)

    layers = {layer: name for name, layer in network.module.named_modules()}
    hooks = [layer.register_forward_pre_hook(enter) for layer in layers]
    hooks += [layer.register_forward_hook(leave) for layer in layers]
    Graph(network, theta[None])
    for hook in hooks:
        hook.remove()
    if not found:
        return "the criterion"
    # Inner layers are left first.
    kind = type(found[0]).__name__
    return f"layer {layers[found[0]]!r} ({kind})" if layers[found[0]] else kind


def _measure(network: Any, theta: Any) -> Any:
    """Count the bytes that the graph of a row keeps for all derivatives."""
    torch = import_torch()
    kept, given = {}, {network.X.data_ptr(), network.y.data_ptr()}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in given:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        graph = Graph(network, theta[None])
        _refuse_dead_ends(graph.slope)
    graph.product(np.ones_like(theta)[None])
    return sum(storage.nbytes() for storage in kept.values())


def _refuse_dead_ends(slope: Any) -> None:
    """Look for functions that are marked as differentiable once."""
    # Nothing would be raised: their part of a product would be missing.
    seen, waiting = set(), [slope.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        if node.name().endswith("Error"):
            raise RuntimeError("a function of theirs is marked @once_differentiable.")
        seen.add(node)
        waiting += [follower for follower, _ in node.next_functions]


def _check_derivatives(network: Any, theta: Any) -> Any:
    """Differentiate twice; return the bytes that the graph of a row keeps."""
    error = None
    # The fast kernels of attention have no second derivatives.
    for network.plain_attention in (False, True):
        try:
            return _measure(network, theta)
        except Exception as reason:  # NotImplementedError, RuntimeError
            error = reason
    raise ValueError(
        "module and criterion must have second derivatives, for products with the "
        f"Hessian: {_text(error)}"
    ) from error


def _choose_rows(network: Any, theta: Any, chunk_size: Any) -> Any:
    """Choose how many rows are evaluated together; 1 if that is impossible."""
    where = "cpu" if network.device == "cpu" else "device"
    if chunk_size is None:
        if network.row_bytes > _TOGETHER[where]:
            return 1
        rows = _CHUNK[where] // max(network.row_bytes, 1)
        rows = min(max(rows, UNIT), _LARGEST[where])
    else:
        rows = chunk_size
    rows = rows // UNIT * UNIT
    if rows < UNIT:
        return 1
    reason = _reason_against_vmap(network, theta)
    if reason is None and _depends_on_batch(network, theta):
        reason = "on this machine the rounding of a row depends on the others"
    if reason is None:
        return rows
    if chunk_size is not None:
        warnings.warn(
            f"chunk_size={chunk_size} has no effect: torch.func.vmap cannot evaluate "
            f"this module for several parameters at once ({reason}), and rows are "
            "evaluated one after another.",
            UserWarning,
            stacklevel=4,
        )
    return 1


def _reason_against_vmap(network: Any, theta: Any) -> Any:
    """Try rows together; return what is against it, or None."""
    network.chunk_size = UNIT
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            graph = Graph(network, theta[None])
            graph.product(np.ones_like(theta)[None])
    except Exception as error:  # a rule is missing, or the module looks at numbers
        return _text(error)
    texts = [str(warning.message) for warning in caught]
    # Then it would be a loop all the same, and a slow one.
    return next((text for text in texts if "performance drop" in text), None)


def _depends_on_batch(network: Any, theta: Any) -> Any:
    """Try whether a row gives other bits among many rows than among few."""
    # Kernels of small matrices can divide a batch among the lanes of a processor, and
    # which formula a row meets then depends on its place.
    rng = np.random.default_rng(0)
    rows = theta + rng.standard_normal((_N_TRIED, len(theta)))
    rows, v = rows.astype(theta.dtype), rows[::-1].astype(theta.dtype)
    together = _derivatives(Graph(network, rows), v)
    for part in (slice(0, 7), slice(7, 7 + UNIT), slice(7 + UNIT, None)):
        alone = _derivatives(Graph(network, rows[part]), v[part])
        for one, other in zip(alone, together, strict=True):
            if not np.array_equal(one, other[part], equal_nan=True):
                return True
    return False


def _derivatives(graph: Any, v: Any) -> Any:
    """Evaluate value, gradient and products."""
    return graph.value(), graph.gradient(), graph.product(v)


def _kind(tensor: Any) -> Any:
    """Write the shape and type of a tensor, or the type of anything else."""
    if not hasattr(tensor, "shape"):
        return f"of type {type(tensor).__name__}"
    return f"of shape {tuple(tensor.shape)} and type {tensor.dtype}"


def _text(error: Any) -> Any:
    """Write an error in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"

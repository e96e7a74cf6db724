"""TorchLoss beside the bare calls of torch.func: the table of doc/torch.md.

Run it in an environment with PyTorch, as "make test-torch" leaves it in .venv:
``OMP_NUM_THREADS=1 .venv/bin/python benchmarks/torch_products.py``.
"""

import time
from functools import partial

import numpy as np
import torch
from torch.func import functional_call, grad, jvp, vmap
from torch.nn import functional

from skcrit import TorchLoss

SECONDS = 3.0
CHUNK = 64  # of the bare call, where all rows at once take more than a gigabyte


def dense(*widths, activation):
    """Make a fully connected network in double precision."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [torch.nn.Linear(inputs, outputs), activation()]
    return torch.nn.Sequential(*layers[:-1]).double()


def squared_error(output, target):
    """Return the mean; torch.nn.MSELoss has no forward-over-reverse products."""
    return (output - target).square().mean()


def cases():
    """Yield name, module, data, targets and criterion."""
    rng = np.random.default_rng(0)
    tanh, softplus = torch.nn.Tanh, torch.nn.Softplus
    X, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 1))
    yield "2-3-1, 20 samples", dense(2, 3, 1, activation=tanh), X, y, squared_error
    X, y = rng.normal(size=(150, 4)), rng.integers(0, 3, size=150)
    network = dense(4, 5, 3, activation=softplus)
    yield "4-5-3, 150 samples", network, X, y, functional.cross_entropy
    X, y = rng.normal(size=(1797, 64)), rng.integers(0, 10, size=1797)
    network = dense(64, 16, 10, activation=tanh)
    yield "64-16-10, 1797 samples", network, X, y, functional.cross_entropy


def best(calls):
    """Time calls in turn, and return the shortest time of each in seconds."""
    shortest, begin = [np.inf] * len(calls), time.perf_counter()
    for round_ in range(200):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            spent = time.perf_counter() - start
            shortest[number] = min(shortest[number], spent)
        if round_ > 2 and time.perf_counter() - begin > SECONDS:
            break
    return shortest


def bare_calls(module, X, y, criterion, n_rows, theta, v):
    """Return gradient and product of all rows by torch.func alone."""
    names = [name for name, _ in module.named_parameters()]
    shapes = [parameter.shape for parameter in module.parameters()]
    sizes = [parameter.numel() for parameter in module.parameters()]
    X, y, theta, v = map(torch.as_tensor, (X, y, theta, v))

    def value(point):
        parts = zip(point.split(sizes), shapes, strict=True)
        state = dict(zip(names, (p.view(s) for p, s in parts), strict=True))
        return criterion(functional_call(module, state, (X,)), y)

    def product(point, direction):
        return jvp(grad(value), (point,), (direction,))[1]

    size = CHUNK if len(X) > 1000 and n_rows > CHUNK else None
    slopes = vmap(grad(value), chunk_size=size)
    products = vmap(product, chunk_size=size)
    return [lambda: slopes(theta), lambda: products(theta, v)]


def main():
    """Print the table, in microseconds for each row."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| network | batch | gradient, bare | ours | product, bare | ours | at |")
    print("|---|---|---|---|---|---|---|")
    for name, module, X, y, criterion in cases():
        loss = TorchLoss(module, criterion).fit(X, y)
        for n_rows in (1, 8, 64, 512):
            theta, v = np.random.default_rng(1).normal(size=(2, n_rows, loss.n_params_))
            local = loss.at(theta)
            slope, product = bare_calls(module, X, y, criterion, n_rows, theta, v)
            ours = partial(loss.gradient, theta), partial(loss.hvp, theta, v)
            shared = partial(local.hvp, v)
            times = best([slope, ours[0], product, ours[1], shared])
            cells = (f"{1e6 * t / n_rows:.3g}" for t in times)
            print(f"| {name} | {n_rows} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""Time Hessian-vector products of MLPLoss against torch.func, side by side.

Three networks, batches of 1, 64 and 512 starts, one product per start. The same
network is written for ``torch.func`` as a user would wrap it: the forward derivative
(``jvp``) of ``grad``, mapped over the batch by ``vmap``. Runs of all columns alternate
in one process, each with one thread, in an order that changes: what runs after PyTorch
finds another's data in the cache. Medians are printed, in microseconds of processor
time per start. Without PyTorch its columns stay empty.

Columns: "product" is ``loss.hvp(theta, v)``; "shared" is ``local.hvp(v)`` of a local
model ``local = loss.at(theta)`` that has been used before, which is what an inner
solver calls; "gradient" is ``loss.gradient(theta)``.

The last lines compare a dense Hessian with the products that it is made of, one by one
and as a batch, and give its time over that of the faster of the two.
"""

import argparse
import random
import statistics
import time

import numpy as np
from sklearn.datasets import load_digits, load_iris
from sklearn.preprocessing import scale

from skcrit import MLPLoss
from skcrit._backend import one_blas_thread

try:
    import torch
except ImportError:
    torch = None


def problems():
    """Yield name, data, targets and parameters of the three networks."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 - 0.5 + 0.1 * rng.normal(size=20)
    yield "2-3-1, 20 samples", X, y, MLPLoss((3,), alpha=0.1)
    X, y = load_iris(return_X_y=True)
    loss = MLPLoss((5,), "softplus", loss="log_loss", alpha=0.1)
    yield "4-5-3 softplus, 150 samples", scale(X), y, loss
    X, y = load_digits(return_X_y=True)
    loss = MLPLoss((16,), loss="log_loss", alpha=0.1)
    yield "64-16-10, 1797 samples", X / 16, y, loss


def torch_product(loss, X, y):
    """Write the same loss for torch and return a function of NumPy arrays."""
    X = torch.from_numpy(np.ascontiguousarray(X, dtype=float))
    y = torch.from_numpy(np.asarray(y))
    shapes = loss._shapes
    sizes = [n_out * n_in for n_out, n_in in shapes]
    activation = {"tanh": torch.tanh, "softplus": torch.nn.functional.softplus}
    activation = activation[loss.activation]

    def value(theta):
        layers = [
            part.reshape(shape)
            for part, shape in zip(torch.split(theta, sizes), shapes, strict=True)
        ]
        a = X
        for number, W in enumerate(layers):
            z = torch.nn.functional.linear(a, W[:, :-1], W[:, -1])
            a = activation(z) if number + 1 < len(layers) else z
        if loss.loss == "log_loss":
            total = torch.nn.functional.cross_entropy(a, y)
        else:
            total = 0.5 * torch.mean((a[:, 0] - y) ** 2)
        square = sum((W[:, :-1] ** 2).sum() for W in layers)
        return total + 0.5 * loss.alpha / len(X) * square

    gradient = torch.func.grad(value)

    def one(theta, v):
        return torch.func.jvp(gradient, (theta,), (v,))[1]

    batched = torch.func.vmap(one, chunk_size=64)

    def product(theta, v):
        return batched(torch.from_numpy(theta), torch.from_numpy(v)).numpy()

    return product


def alternate(functions, budget):
    """Time functions in turns for a number of seconds; return the medians."""
    shuffled = random.Random(0)
    for function in functions.values():
        function()  # outside the clock
    times = {name: [] for name in functions}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(times[next(iter(times))]) < 3:
        for name in shuffled.sample(list(functions), len(functions)):
            begin = time.process_time()
            functions[name]()
            times[name].append(time.process_time() - begin)
    return {name: statistics.median(runs) for name, runs in times.items()}


def measure(name, X, y, loss, batches, budget):
    """Print a row per batch, and return the fitted loss."""
    loss = loss.fit(X, y)
    rng = np.random.default_rng(0)
    for batch in batches:
        theta, v = rng.normal(size=(2, batch, loss.n_params_)) / 2
        local = loss.at(theta)
        functions = {
            "product": lambda: loss.hvp(theta, v),  # noqa: B023
            "shared": lambda: local.hvp(v),  # noqa: B023
            "gradient": lambda: loss.gradient(theta),  # noqa: B023
        }
        if torch is not None:
            product = torch_product(loss, X, y)
            error = np.max(np.abs(product(theta, v) - loss.hvp(theta, v)))
            assert error < 1e-12 * np.max(np.abs(loss.hvp(theta, v))), error
            functions["torch"] = lambda: product(theta, v)  # noqa: B023
        took = {key: 1e6 * t / batch for key, t in alternate(functions, budget).items()}
        row = "".join(f"{took[key]:>10.1f}" for key in took)
        if torch is not None:
            ratios = [took["torch"] / took[key] for key in ("product", "shared")]
            row += "".join(f"{ratio:>9.1f}" for ratio in ratios)
        print(f"{name:<28}{loss.n_params_:>6}{batch:>6}{row}", flush=True)
    return loss


def main():
    """Run the benchmark and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=5.0, help="seconds a row")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    arguments = parser.parse_args()
    heads = ["product", "shared", "gradient"]
    if torch is not None:
        torch.set_num_threads(arguments.threads)
        heads += ["torch", "ratio", "shared"]
    columns = "".join(f"{h:>{10 if i < 4 else 9}}" for i, h in enumerate(heads))
    print(f"{'network':<28}{'params':>6}{'batch':>6}{columns}")
    fitted = []
    with one_blas_thread():
        for name, X, y, loss in problems():
            fitted.append(measure(name, X, y, loss, (1, 64, 512), arguments.budget))
        for loss in fitted:
            theta = np.random.default_rng(1).normal(size=loss.n_params_) / 2
            local, identity = loss.at(theta), np.eye(loss.n_params_)
            took = alternate(
                {
                    "hessian": lambda: local.hessian(),  # noqa: B023
                    "products": lambda: [local.hvp(e) for e in identity],  # noqa: B023
                    "batch": lambda: loss.at(theta[None]).hvp(identity),  # noqa: B023
                },
                arguments.budget,
            )
            ratio = took["hessian"] / min(took["products"], took["batch"])
            times = ", ".join(f"{key} {1e3 * t:.1f} ms" for key, t in took.items())
            print(f"{loss.n_params_} parameters: {times}, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()

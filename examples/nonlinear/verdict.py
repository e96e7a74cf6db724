"""Is a trained PyTorch network of 100 000 parameters at a minimum, or at a saddle?

Usage: ``python examples/nonlinear/verdict.py [--output results]``; needs PyTorch.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from tools import COARSE, enlarged_digits, saved

from skcrit import TorchLoss
from skcrit.linalg import inertia_fractions, lowest_eigenpairs
from skcrit.solvers.flatness import flatness

# The interval of a share is given at the lowest level that leaves less undecided.
UNDECIDED = 0.005


def trained(X, y, n_steps):
    """Train a network by Adam.

    Parameters
    ----------
    X, y : ndarray
        Data.
    n_steps : int
        Full-batch steps.

    Returns
    -------
    network : torch.nn.Module
        Trained, with 101 770 parameters.
    """
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(784, 128), torch.nn.Tanh(), torch.nn.Linear(128, 10)
    ).double()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    entropy = torch.nn.CrossEntropyLoss()
    inputs, labels = torch.as_tensor(X), torch.as_tensor(y)
    for _ in range(n_steps):
        optimizer.zero_grad()
        entropy(network(inputs), labels).backward()
        optimizer.step()
    return network


def verdict(loss, theta):
    """Describe what products show about a point.

    Parameters
    ----------
    loss : TorchLoss
        Fitted loss.
    theta : ndarray of shape (n_params,)
        Point.

    Returns
    -------
    row : dict
        Gradient, lowest eigenpairs, index interval, flatness and seconds.
    """
    begin, n = time.process_time(), len(theta)
    local = loss.at(theta[None])
    gradient = float(np.linalg.norm(local.gradient))
    r, image, _ = flatness(local)
    flat = time.process_time()
    start = np.random.default_rng(0).standard_normal((1, 4, n))
    values, _, residual, _ = lowest_eigenpairs(local.hvp, start, rtol=1e-6, max_iter=30)
    lowest = time.process_time()
    levels = [COARSE * factor for factor in (1, 3, 10, 30, 100)]
    parts = inertia_fractions(
        loss.at(theta).hvp, n, level=levels, n_probes=2, n_vectors=150, random_state=0
    )
    # The lowest level at which hardly anything is undecided.
    smearing = [max(part.smearing) for part in parts]
    best = next((i for i, s in enumerate(smearing) if s < UNDECIDED), len(parts) - 1)
    resolved = parts[best]
    return {
        "parameters": n,
        "loss": float(loss.value(theta)),
        "gradient norm": gradient,
        "residual ratio": float(r[0]),
        "kernel ratio": float(image[0]),
        "lowest Ritz values": values[0].tolist(),
        "their residual norms": residual[0].tolist(),
        "index fraction below -1e-3": parts[0].negative,
        "interval": list(parts[0].negative_interval),
        "resolved to": levels[best],
        "negative, flat, positive": [
            resolved.negative,
            resolved.zero,
            resolved.positive,
        ],
        "their intervals": [
            list(resolved.negative_interval),
            list(resolved.zero_interval),
            list(resolved.positive_interval),
        ],
        "processor seconds: flatness, lowest, index": [
            round(flat - begin, 1),
            round(lowest - flat, 1),
            round(time.process_time() - lowest, 1),
        ],
    }


def main():
    """Train, examine and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="results", type=Path)
    parser.add_argument("--images", default=500, type=int)
    options = parser.parse_args()
    X, y = enlarged_digits(options.images)

    def row(n_steps):
        network = trained(X, y, n_steps)
        loss = TorchLoss(network, torch.nn.CrossEntropyLoss()).fit(X, y)
        return {"steps of Adam": n_steps, **verdict(loss, loss.theta_of(network))}

    tasks = (partial(row, n_steps) for n_steps in (10, 300))
    saved(tasks, options.output / "nonlinear_verdict.json")


if __name__ == "__main__":
    main()

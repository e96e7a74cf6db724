"""Measure what options of saddle dynamics cost and save where only products are formed.

Usage: ``python benchmarks/saddle_dynamics_products.py``. Searches of one index from the
same starts, with Krylov spaces of several dimensions, momentum and preconditioning. A
cell is the median of the products of a search to its end, and in parentheses the share
of the searches that ended at a critical point, where it is not all of them.
"""

import numpy as np

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.losses.base import Loss
from skcrit.solvers import SaddleDynamics, Status

N_STARTS, MAX_PRODUCTS = 4, 4_000
DIMENSIONS = (1, 3, 10, 30, 100)
MOMENTA = {
    "none": {},
    "heavy ball 0.5": {"momentum": 0.5},
    "heavy ball 0.9": {"momentum": 0.9},
    "Nesterov 0.5": {"momentum": 0.5, "nesterovs_momentum": True},
}


class Chain(Loss):
    """Double wells in a row, each with a unit of its own, coupled to the next."""

    backend, dtype = "numpy", "float64"

    def __init__(self, n=300, spread=10.0, coupling=0.2):
        self.n, self.spread, self.coupling = n, spread, coupling

    def fit(self, X=None, y=None):
        """Choose the units."""
        self.n_params_ = self.n
        self.unit_ = self.spread ** np.linspace(-0.5, 0.5, self.n)
        np.random.default_rng(0).shuffle(self.unit_)
        return self

    def value(self, theta):
        """Add up the wells and the squares of differences."""
        x = theta / self.unit_
        pairs = np.sum(np.diff(x, axis=-1) ** 2, axis=-1)
        return np.sum(x**4 / 4 - x**2 / 2, axis=-1) + self.coupling / 2 * pairs

    def gradient(self, theta):
        """Differentiate."""
        x = theta / self.unit_
        return (x**3 - x + self._coupled(x)) / self.unit_

    def hvp(self, theta, v):
        """Differentiate again."""
        x, v = theta / self.unit_, v / self.unit_
        return ((3 * x**2 - 1) * v + self._coupled(v)) / self.unit_

    def _coupled(self, x):
        """Multiply by the matrix of the couplings."""
        gaps = np.diff(x, axis=-1, prepend=x[..., :1], append=x[..., -1:])
        return -self.coupling * np.diff(gaps, axis=-1)

    def preconditioner(self, theta):
        """Return the squares of the units."""
        return np.broadcast_to(self.unit_**2, theta.shape)


def network(eigenvalues, width):
    """Return a linear autoencoder in the eigenbasis of its data."""
    X = make_gaussian_spectrum(400, eigenvalues=eigenvalues, exact=True, random_state=0)
    return LinearAutoencoderLoss((width,)).fit(X).coordinates().loss


PROBLEMS = {
    "autoencoder 16-9-16": lambda: network(np.arange(16, 0, -1.0), 9),
    "autoencoder 16-9-16, condition 1e4": lambda: network(np.geomspace(1e4, 1, 16), 9),
    "chain of 300 wells": lambda: Chain(spread=1.0).fit(),
    "chain of 300 wells, units 1 to 10": lambda: Chain().fit(),
}


def searched(loss, theta0, index, dimension, options):
    """Run searches, and return their products and which ended."""
    cost = dimension + (index + 2) * 3 * (index > 0)
    solver = SaddleDynamics(
        max_iter=min(MAX_PRODUCTS // cost, 300),
        index=np.full(len(theta0), index),
        eigensolver="lobpcg",
        max_inner_iter=dimension,
        **options,
    )
    with np.errstate(all="ignore"):
        result = solver.solve(loss, theta0)
    ended = result.status == Status.CONVERGED
    share = "" if ended.all() else f" ({np.mean(ended):.2f})"
    if not ended.any():
        return "-"
    return f"{np.median(result.n_hvp[ended]):.0f}{share}"


def table(name, index, precondition):
    """Print a table of one problem."""
    loss = PROBLEMS[name]()
    rng = np.random.default_rng(0)
    theta0 = 0.05 * rng.standard_normal((N_STARTS, loss.n_params_))
    title = ", preconditioned" if precondition else ""
    print(f"\n{name}, index {index}{title}\n")
    print("| dimension | " + " | ".join(MOMENTA) + " |")
    print("|---" * (len(MOMENTA) + 1) + "|")
    for dimension in DIMENSIONS:
        cells = [
            searched(
                loss,
                theta0,
                index,
                dimension,
                {"precondition": precondition, **options},
            )
            for options in MOMENTA.values()
        ]
        print(f"| {dimension} | " + " | ".join(cells) + " |", flush=True)


def main():
    """Print a table per problem, index and preconditioner."""
    for name in PROBLEMS:
        for index in (0, 3):
            table(name, index, False)
            if "condition" in name or "units" in name:
                table(name, index, True)


if __name__ == "__main__":
    main()

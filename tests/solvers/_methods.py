"""The solvers as their tests call them, and points that several have to reach."""

import numpy as np
import pytest

from skcrit.solvers import (
    GradNormDescent,
    GradNormLBFGS,
    GradNormLM,
    GradNormWolfe,
    NewtonMR,
    NewtonTR,
    SaddleDynamics,
)

from ._potentials import BOWL, CIRCLE, HIMMELBLAU, HIMMELBLAU_POINTS, ROSENBROCK, SADDLE

# Name, loss, start, critical point and its index.
TABLE = [
    ("saddle", SADDLE, (3.0, 4.0), (-12 / 13, -2 / 13), 1),
    ("bowl", BOWL, (3.0, 4.0), (0.0, 0.0), 0),
    ("rosenbrock", ROSENBROCK, (0.5, 0.5), (1.0, 1.0), 0),
    ("hill of the circle", CIRCLE, (0.1, 0.0), (0.0, 0.0), 2),
] + [
    (f"himmelblau {k}", HIMMELBLAU, np.add(point, (0.1, -0.08)), point, morse)
    for k, (point, morse) in enumerate(HIMMELBLAU_POINTS)
]

# Name: class and parameters.
METHODS = {
    "gd": (GradNormDescent, {}),
    "momentum": (GradNormDescent, {"momentum": 0.5}),
    "btls": (GradNormWolfe, {}),
    "l-bfgs": (GradNormLBFGS, {}),
    "lm": (GradNormLM, {}),
    "lm krylov": (GradNormLM, {"linear_solver": "krylov"}),
}
SEARCHES = ("btls", "l-bfgs", "lm", "lm krylov")
every_method = pytest.mark.parametrize("method", METHODS)
every_search = pytest.mark.parametrize("method", SEARCHES)


def make(method, **params):
    solver, own = METHODS[method]
    return solver(**{**own, **params})


def gentle(method):
    """Steps of fixed length that are short enough wherever the tests start."""
    return {"learning_rate": 0.05} if method in {"gd", "momentum"} else {}


def slow(method):
    return {
        "gd": {"learning_rate": 1e-3},
        "momentum": {"learning_rate": 1e-3},
        "lm": {"damping": 1.0},
        "lm krylov": {"damping": 1.0},
    }.get(method, {})


SOLVERS = ("dense", "krylov")


def as_batch(theta0):
    return np.atleast_2d(np.asarray(theta0, float))


def grad_norm(method, loss, theta0, **params):
    return make(method, **params).solve(loss, as_batch(theta0))


def newton_mr(loss, theta0, inner_tol=0.01, **params):
    # The default of inner_tol is a matter of speed, tests want accurate steps.
    return NewtonMR(inner_tol=inner_tol, **params).solve(loss, as_batch(theta0))


def newton_tr(loss, theta0, **params):
    return NewtonTR(**params).solve(loss, as_batch(theta0))


def saddle_dynamics(loss, theta0, **params):
    theta0 = as_batch(theta0)
    if isinstance(params.get("index"), int):
        params["index"] = np.full(len(theta0), params["index"])
    return SaddleDynamics(**params).solve(loss, theta0)

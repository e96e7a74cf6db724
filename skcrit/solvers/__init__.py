"""Solvers: one algorithm a file, batched over starts."""

from skcrit.solvers.base import Solver
from skcrit.solvers.descent import Descent
from skcrit.solvers.fallback import Fallback
from skcrit.solvers.grad_norm import (
    GradNormDescent,
    GradNormLBFGS,
    GradNormLM,
    GradNormSolver,
    GradNormWolfe,
)
from skcrit.solvers.newton_mr import NewtonMR
from skcrit.solvers.newton_tr import NewtonTR
from skcrit.solvers.newton_trajectory import NewtonTrajectory
from skcrit.solvers.saddle_dynamics import SaddleDynamics
from skcrit.solvers.state import SolverResult, State
from skcrit.solvers.status import Status

__all__ = [
    "Descent",
    "Fallback",
    "GradNormDescent",
    "GradNormLBFGS",
    "GradNormLM",
    "GradNormSolver",
    "GradNormWolfe",
    "NewtonMR",
    "NewtonTR",
    "NewtonTrajectory",
    "SaddleDynamics",
    "Solver",
    "SolverResult",
    "State",
    "Status",
]

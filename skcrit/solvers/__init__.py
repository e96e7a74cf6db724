"""Solvers: one algorithm a file, batched over starts."""

from skcrit.solvers.base import Solver, SolverResult, State
from skcrit.solvers.newton_mr import NewtonMR
from skcrit.solvers.status import Status

__all__ = ["NewtonMR", "Solver", "SolverResult", "State", "Status"]

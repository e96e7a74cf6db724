"""Minimisers of half the squared gradient norm, one algorithm a file."""

from skcrit.solvers.grad_norm.base import GradNormSolver
from skcrit.solvers.grad_norm.descent import GradNormDescent
from skcrit.solvers.grad_norm.lbfgs import GradNormLBFGS
from skcrit.solvers.grad_norm.levenberg_marquardt import GradNormLM
from skcrit.solvers.grad_norm.wolfe import GradNormWolfe

__all__ = [
    "GradNormDescent",
    "GradNormLBFGS",
    "GradNormLM",
    "GradNormSolver",
    "GradNormWolfe",
]

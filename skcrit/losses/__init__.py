"""Losses: the functions whose critical points are sought."""

from skcrit.losses.base import LocalModel, Loss
from skcrit.losses.function import FunctionLoss
from skcrit.losses.grad_norm import GradientNormLoss
from skcrit.losses.linear_autoencoder import LinearAutoencoderLoss

__all__ = [
    "FunctionLoss",
    "GradientNormLoss",
    "LinearAutoencoderLoss",
    "LocalModel",
    "Loss",
]

"""Losses: the functions whose critical points are sought."""

from skcrit.losses._unit_degeneracies import UnitDegeneracies
from skcrit.losses.adapt import as_loss, fitted_loss
from skcrit.losses.base import Loss
from skcrit.losses.function import FunctionLoss
from skcrit.losses.grad_norm import GradientNormLoss
from skcrit.losses.linear_autoencoder import LinearAutoencoderLoss
from skcrit.losses.linear_network import LinearNetworkLoss
from skcrit.losses.local_model import LocalModel
from skcrit.losses.mlp import MLPLoss
from skcrit.losses.torch_module import TorchLoss

__all__ = [
    "FunctionLoss",
    "GradientNormLoss",
    "LinearAutoencoderLoss",
    "LinearNetworkLoss",
    "LocalModel",
    "Loss",
    "MLPLoss",
    "TorchLoss",
    "UnitDegeneracies",
    "as_loss",
    "fitted_loss",
]

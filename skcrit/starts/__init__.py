"""Where searches begin."""

from skcrit.starts.base import random_streams
from skcrit.starts.gaussian import GaussianStarts, SpreadStarts
from skcrit.starts.make import AutoStarts, make_starts
from skcrit.starts.trajectory import TrajectoryStarts

__all__ = [
    "AutoStarts",
    "GaussianStarts",
    "SpreadStarts",
    "TrajectoryStarts",
    "make_starts",
    "random_streams",
]

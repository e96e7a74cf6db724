"""Where searches begin."""

from skcrit.starts.auto import AutoStarts
from skcrit.starts.gaussian import GaussianStarts
from skcrit.starts.make import make_starts
from skcrit.starts.spread import SpreadStarts
from skcrit.starts.streams import random_streams
from skcrit.starts.trajectory import TrajectoryStarts

__all__ = [
    "AutoStarts",
    "GaussianStarts",
    "SpreadStarts",
    "TrajectoryStarts",
    "make_starts",
    "random_streams",
]

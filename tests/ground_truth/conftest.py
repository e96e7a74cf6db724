"""Fixtures of the ground truth's tests."""

from tests.losses.conftest import backend

__all__ = ["backend"]

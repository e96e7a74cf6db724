"""Fixtures shared by the whole suite."""

import os

import numpy as np
import pytest


@pytest.fixture
def global_random_seed():
    """Seed of a test: 42, or SKCRIT_TESTS_GLOBAL_RANDOM_SEED before a release."""
    return int(os.environ.get("SKCRIT_TESTS_GLOBAL_RANDOM_SEED", "42"))


@pytest.fixture
def rng(global_random_seed):
    """Random generator of a test."""
    return np.random.default_rng(global_random_seed)

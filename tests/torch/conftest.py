"""Tests of losses of PyTorch modules; without PyTorch there are none."""

from importlib.util import find_spec

import pytest

if find_spec("torch") is None:
    collect_ignore_glob = ["*.py"]


@pytest.fixture(autouse=True)
def torch_seed(global_random_seed):
    """Seed the initial parameters of modules, and leave PyTorch as it was."""
    import torch

    with torch.random.fork_rng([]):
        torch.manual_seed(global_random_seed)
        yield

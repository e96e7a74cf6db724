"""Random generators, one for every start."""

from __future__ import annotations

import numpy as np

from skcrit._typing import RandomState
from skcrit.utils._arguments import check_int, check_seed


def random_streams(
    random_state: RandomState, n_streams: int, kind: int = 0
) -> list[np.random.Generator]:
    """Make independent random generators, the i-th the same for every number of them.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        Source of the seed.
    n_streams : int
        Number of generators.
    kind : int, default=0
        Streams of different kinds are independent of each other.

    Returns
    -------
    streams : list of numpy.random.Generator
        One generator per start.

    Raises
    ------
    ValueError
        If an argument has the wrong type, or a number is negative.
    """
    n_streams, kind = check_int(n_streams, "n_streams"), check_int(kind, "kind")
    entropy = int(check_seed(random_state).randint(np.iinfo(np.int32).max))
    return [
        np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(kind, i)))
        for i in range(n_streams)
    ]

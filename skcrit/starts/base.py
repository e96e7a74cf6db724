"""What all samplers of starts have in common: the class, a stream for each start."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from skcrit._backend import to_host
from skcrit._typing import FloatArray, RandomState
from skcrit.losses.adapt import as_loss
from skcrit.utils._arguments import check_int, check_seed
from skcrit.utils._validation import check_params

if TYPE_CHECKING:
    from skcrit.losses.base import Loss


class StartSampler(BaseEstimator):
    """Draw starts; a subclass defines how, by ``_draw``."""

    _parameter_constraints: dict[str, Any] = {}

    def sample(
        self, loss: Loss, n_starts: int, random_state: RandomState = None
    ) -> FloatArray:
        """Draw starting points.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        n_starts : int
            Number of points.
        random_state : int, RandomState, Generator or None, default=None
            Source of randomness; every start has a stream of its own.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Starting points.

        Raises
        ------
        ValueError
            If a parameter is out of range, ``n_starts`` is not positive, a gradient
            descent leaves the finite numbers because its ``learning_rate`` is too
            large, or ``loss.default_init()`` is not a name.
        TypeError
            If ``loss`` lacks the methods of a loss.
        """
        check_params(self)
        loss = as_loss(loss)
        n_starts = check_int(n_starts, "n_starts", 1)
        coordinates = loss.coordinates()
        # Where lengths do not change, the starts are those of the user's coordinates.
        if coordinates.is_isometry or self._has_units:
            return self._draw(loss, n_starts, check_seed(random_state))
        inner = coordinates.loss
        starts = self._draw(inner, n_starts, check_seed(random_state))
        return np.asarray(to_host(coordinates.back(inner.asarray(starts))), dtype=float)

    @property
    def _has_units(self) -> bool:
        """Whether a parameter is a number in the unit of ``theta``."""
        return False

    @abstractmethod
    def _draw(
        self, loss: Loss, n_starts: int, random_state: np.random.RandomState
    ) -> FloatArray:
        """Draw starting points, with arguments that were checked."""


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

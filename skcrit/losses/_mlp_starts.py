"""Where searches on the loss of a network begin."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._typing import FloatArray
from skcrit.utils._arguments import check_streams


class GlorotStarts:
    """Draw starting points as scikit-learn initialises its networks."""

    activation: str
    _widths: tuple[int, ...]
    _shapes: list[tuple[int, int]]

    def length_scale(self) -> float:
        r"""Return the root mean square norm of random starts over :math:`\sqrt 2`.

        Returns
        -------
        length : float
            Positive.
        """
        variances = [b**2 / 3 * prod(s) for b, s in self._start_bounds()]
        return float(np.sqrt(sum(variances) / 2))

    def _start_bounds(self) -> list[tuple[float, tuple[Any, ...]]]:
        # Bound of the initial weights of each layer, and the shape of its matrix.
        check_is_fitted(self, "n_params_")
        factor = 2.0 if self.activation == "logistic" else 6.0
        pairs = zip(self._widths[:-1], self._widths[1:], self._shapes, strict=True)
        return [(np.sqrt(factor / (a + b)), shape) for a, b, shape in pairs]

    def default_init(self) -> str:  # noqa: D102 (documented in Loss)
        return "height"

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw starting points as scikit-learn initialises its networks.

        Weights and intercepts of a layer are uniform between plus and minus
        ``sqrt(6 / (n_in + n_out))``, with 2 in place of 6 for the logistic activation.

        Parameters
        ----------
        streams : sequence of numpy.random.Generator
            A generator per start.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Starting points, on the host.

        Raises
        ------
        ValueError
            If ``streams`` is not a sequence of generators, or empty.

        References
        ----------
        .. [1] X. Glorot and Y. Bengio. "Understanding the difficulty of training deep
           feedforward neural networks". AISTATS 2010. Equation 16.
        """
        check_is_fitted(self, "n_params_")
        return np.stack([
            np.concatenate([
                stream.uniform(-bound, bound, prod(shape))
                for bound, shape in self._start_bounds()
            ])
            for stream in check_streams(streams)
        ])

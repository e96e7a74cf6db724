"""An alarm for critical sets that are missing."""

from __future__ import annotations

from typing import Any

from skcrit.certification.completeness import alternating_sum
from skcrit.losses.adapt import as_loss
from skcrit.utils._validation import check_fitted

__all__ = ["euler_sum"]


def euler_sum(finder: Any) -> int:
    r"""Sum (-1)^index times the Euler characteristic over the critical sets found.

    For a coercive loss, all of whose critical sets are manifolds with a Hessian that is
    nonsingular across them, the sum over all sets is 1. Any other number means that
    sets are missing (or that an index is wrong, or a set is not such a manifold); 1
    proves nothing.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    total : int
        The sum over ``critical_points_``, with ``morse_indices_``.

    Raises
    ------
    ValueError
        If the loss is known not to be coercive, or an index or the Euler characteristic
        of an orbit is not known.
    NotFittedError
        If the finder is not fitted.

    Notes
    -----
    It can be used for ``LinearAutoencoderLoss(penalty="sum")`` and
    ``LinearNetworkLoss`` with ``alpha > 0``, whose critical sets are products of
    Stiefel manifolds, and for ``MLPLoss`` with a penalty on all parameters, whose sets
    are the points of a discrete orbit; for other losses where the user knows that they
    are coercive. Without a penalty on all parameters it cannot: minima lie at infinity.

    References
    ----------
    .. [1] R. Bott. "Nondegenerate critical manifolds". Annals of Mathematics 60(2),
       1954, doi:10.2307/1969631.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit import LandscapeExplorer, LinearAutoencoderLoss
    >>> from skcrit.metrics import euler_sum
    >>> X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])
    >>> loss = LinearAutoencoderLoss((2,), alpha=0.1).fit(X)
    >>> explorer = LandscapeExplorer(max_searches=200, random_state=0).fit(loss)
    >>> euler_sum(explorer)
    1
    """
    check_fitted(finder, "finder", ("loss_", "critical_points_", "morse_indices_"))
    loss = as_loss(finder.loss_)
    euler = loss.orbit_euler(loss.asarray(finder.critical_points_))
    return alternating_sum(finder.morse_indices_, euler, loss.is_coercive)

"""How accurately Newton steps are computed: less far away, more near the end."""

from __future__ import annotations

import numpy as np

from skcrit._typing import FloatArray

__all__ = ["FIRST_FORCING", "forcing_terms"]

# The constants of the paper: those of its formula, the value above which the safeguard
# takes effect, the largest of all terms, and the first one.
GAMMA, ALPHA = 0.9, 2.0
SAFEGUARD, LARGEST, FIRST_FORCING = 0.1, 0.9, 0.5


def forcing_terms(
    squared: FloatArray, last_squared: FloatArray, last: FloatArray
) -> FloatArray:
    r"""Choose relative residuals by the last decrease of the gradient.

    It is choice 2 of Eisenstat and Walker, their equation (2.6),

    .. math::

        \eta_k = \gamma (|g_k| / |g_{k-1}|)^\alpha,

    with the safeguard that it is at least :math:`\gamma \eta_{k-1}^\alpha` if that
    exceeds 0.1, and at most 0.9; :math:`\gamma = 0.9, \alpha = 2`.

    Parameters
    ----------
    squared, last_squared : ndarray of shape (n,)
        Squared gradient norms here and one step before; NaN if there was none.
    last : ndarray of shape (n,)
        Terms of the last step.

    Returns
    -------
    terms : ndarray of shape (n,)
        Bounds on ``|H p + g| / |g|`` for the next step.

    References
    ----------
    .. [1] S. C. Eisenstat and H. F. Walker. "Choosing the forcing terms in an inexact
       Newton method". SIAM J. Sci. Comput. 17(1), 1996, doi:10.1137/0917003.
    """
    with np.errstate(divide="ignore", over="ignore"):
        terms = GAMMA * (squared / last_squared) ** (ALPHA / 2)
    guard = GAMMA * last**ALPHA
    terms = np.where(guard > SAFEGUARD, np.maximum(terms, guard), terms)
    return np.where(np.isnan(last_squared), FIRST_FORCING, np.minimum(terms, LARGEST))

"""How accurately Newton steps are computed: less far away, more near the end."""

from __future__ import annotations

import numpy as np

from skcrit._typing import FloatArray

# The constants of the paper: those of its formula, the value above which the safeguard
# takes effect, the largest of all terms, and the first one.
GAMMA, ALPHA = 0.9, 2.0
SAFEGUARD, LARGEST, FIRST_FORCING = 0.1, 0.9, 0.5


def forcing_terms(
    squared: FloatArray, last_squared: FloatArray, last: FloatArray
) -> FloatArray:
    """Choose bounds on ``|H p + g| / |g|`` by the last decrease of the gradient."""
    # Choice 2 of S. C. Eisenstat and H. F. Walker ("Choosing the forcing terms in an
    # inexact Newton method", SIAM J. Sci. Comput. 17(1), 1996, doi:10.1137/0917003),
    # their equation (2.6): gamma (|g_k| / |g_(k-1)|)^alpha, with the safeguard that it
    # is at least gamma eta_(k-1)^alpha if that exceeds 0.1, and at most 0.9; gamma =
    # 0.9, alpha = 2. ``last_squared`` is NaN before the first step.
    with np.errstate(divide="ignore", over="ignore"):
        terms = GAMMA * (squared / last_squared) ** (ALPHA / 2)
    guard = GAMMA * last**ALPHA
    terms = np.where(guard > SAFEGUARD, np.maximum(terms, guard), terms)
    return np.where(np.isnan(last_squared), FIRST_FORCING, np.minimum(terms, LARGEST))

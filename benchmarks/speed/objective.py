"""The objective: what a method's end points are worth, whoever made them."""

import numpy as np

__all__ = ["TOL", "judge"]

# Absolute, on the squared gradient norm at the rescaled point.
TOL = 1e-10


def judge(loss, theta):
    """Judge end points by the analytical critical sets.

    Parameters
    ----------
    loss : LinearAutoencoderLoss
        Fitted loss.
    theta : ndarray of shape (n_starts, n_params)
        End points, all of them, failed runs too.

    Returns
    -------
    scores : dict
        Shares of the starts that end below ``TOL`` and that are identified as well,
        and the number of distinct sets among these.
    """
    finite = np.all(np.isfinite(theta), axis=1)
    scaled = loss.rescale(np.where(finite[:, None], theta, 1.0))
    squared = np.sum(loss.gradient(scaled) ** 2, axis=1)
    below = finite & (squared <= TOL)
    match = loss.analytical_spectrum().match(scaled)
    good = below & match.identified
    return {
        "below 1e-10": float(below.mean()),
        "identified": float(good.mean()),
        "distinct sets": len({match.set[row] for row in np.flatnonzero(good)}),
    }

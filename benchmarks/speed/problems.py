"""The data: networks whose critical points are known."""

import numpy as np

from skcrit import LinearAutoencoderLoss
from skcrit.datasets import make_gaussian_spectrum

__all__ = ["network", "points"]


def network(d, p, backend="numpy", n_samples=10_000):
    """Fit the loss of a network d-p-d to data with the eigenvalues d, ..., 1.

    Parameters
    ----------
    d, p : int
        Widths of the network.
    backend : str
        Array library.
    n_samples : int
        Number of samples.

    Returns
    -------
    loss : LinearAutoencoderLoss
        Fitted loss.
    X : ndarray of shape (n_samples, d)
        Its data.
    """
    X = make_gaussian_spectrum(
        n_samples, eigenvalues=np.arange(d, 0, -1.0), random_state=0
    )
    return LinearAutoencoderLoss((p,), backend=backend).fit(X), X


def points(loss, n_points, scale=0.3):
    """Draw Gaussian points.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    n_points : int
        Number of points.
    scale : float
        Standard deviation.

    Returns
    -------
    theta : ndarray of shape (n_points, n_params)
        Points.
    """
    rng = np.random.default_rng(1)
    return scale * rng.standard_normal((n_points, loss.n_params_))

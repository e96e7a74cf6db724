"""The critical points of linear networks with targets in closed form."""

from __future__ import annotations

from skcrit.ground_truth._problem import Problem
from skcrit.ground_truth.linear import LinearSpectrum


class LinearNetworkSpectrum(LinearSpectrum):
    r"""All critical sets of a linear network with targets, in closed form.

    The loss is the mean over samples and outputs of the squared error of W = W_L ...
    W_1. With the moments :math:`S_{xx}` of the inputs and :math:`S_{yx}` of the targets
    with them, its critical points satisfy :math:`W S_{xx} = P S_{yx}`, with P the
    projector on eigenvectors of

    .. math::
        \Sigma = S_{yx} S_{xx}^+ S_{xy}

    of positive eigenvalue, at most as many as the smallest hidden layer has units [1]_.
    Whitening changes the first layer by a linear map, which keeps the inertia of the
    Hessian; after it only :math:`\Sigma` is left of the data. Values, indices and
    nullities are therefore those of an autoencoder with the eigenvalues of
    :math:`\Sigma`, apart from the loss that no network can avoid and from the numbers
    of inputs and outputs.

    ``loss.analytical_spectrum()`` makes one. The names of sets, and ``kind``, are those
    of :class:`~skcrit.AnalyticalSpectrum`. ``match`` measures distances and gradients
    in the coordinates of whitened inputs, in which the largest singular value of a
    critical end-to-end matrix is 1. A point is "identified" if its distance is below
    half the smallest singular value. The field ``certificate`` is infinite.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum, validated.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_outputs,)
        Cleaned eigenvalues of :math:`\Sigma`, descending.
    eigenvectors : ndarray of shape (n_outputs, n_outputs)
        Its eigenvectors, as columns.
    n_inputs, n_outputs, n_params, depth : int
        Numbers of inputs, outputs, weights and weight matrices.
    hidden_layer_sizes : tuple of int
        Widths of the hidden layers.
    rank : int
        Number of positive eigenvalues.
    smallest_positive, min_gap : float
        Smallest positive eigenvalue, and smallest gap between distinct ones.
    resolution : float
        Lower bound of the balanced gradient norms above which points cannot be
        distinguished: 0.1 s^(1-1/L) times the smallest gap between the roots of the
        eigenvalues and zero, for the smallest singular value s, times the largest
        possible effect of whitening. It is far too strict if the variances of the
        inputs differ by orders of magnitude.

    References
    ----------
    .. [1] P. Baldi, K. Hornik, "Neural networks and principal component analysis:
       learning from examples without local minima", Neural Networks 2 (1989), 53-58.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit import LinearNetworkLoss
    >>> X = np.array([[1.0, 2], [1, -2], [-1, 2], [-1, -2]])
    >>> Y = X @ [[2.0, 0, 1], [0, 1, 0]]
    >>> spectrum = LinearNetworkLoss((1,)).fit(X, Y).analytical_spectrum()
    >>> spectrum.eigenvalues.round(9)
    array([5., 4., 0.])
    >>> spectrum.morse_indices([(), (0,), (1,)]).tolist()
    [2, 0, 1]
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.n_inputs, self.n_outputs = problem.layer_sizes[0], problem.n_outputs

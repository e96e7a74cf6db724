"""What the saddles that a fitted finder found connect."""

from __future__ import annotations

from skcrit._backend import one_blas_thread
from skcrit._typing import FittedFinder
from skcrit.losses.adapt import as_loss
from skcrit.search.batches import Batches
from skcrit.search.connect import connect
from skcrit.search.connections import Connections
from skcrit.utils._arguments import check_int, check_workers
from skcrit.utils._validation import check_fitted


def connections(
    finder: FittedFinder,
    *,
    max_directions: int | None = None,
    max_iter: int = 500,
    n_jobs: int | None = None,
) -> Connections:
    r"""Find what saddles connect: go down from each, to the critical sets below.

    From each set of known Morse index k > 0 the gradient flow is followed along each of
    its k unstable eigenvectors, forward and backward. Except in special cases, such as
    symmetry, it ends in a minimum. If k > 1, index-lowering dynamics are followed as
    well: they go down along one direction and seek a stationary point along all others,
    and so lead to sets of smaller index.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder, a :class:`~skcrit.LandscapeExplorer` too.
    max_directions : int or None, default=None
        Largest number of unstable eigenvectors of a saddle, the weakest first; None is
        all.
    max_iter : int, default=500
        Largest number of steps of a path.
    n_jobs : int or None, default=None
        Workers, through joblib.

    Returns
    -------
    connections : Connections
        A row per path, with the saddle, the set at which it ends, and its course.

    Raises
    ------
    ValueError
        If the loss has more than 4096 parameters, or a parameter is out of range.
    NotFittedError
        If the finder is not fitted.
    TypeError
        If ``finder`` is not a finder.

    See Also
    --------
    skcrit.inspection.DisconnectivityDisplay : Which minima are connected, and how high.

    Notes
    -----
    There are two or four paths per unstable eigenvector, each of about ten steps with a
    dense Hessian. The paths begin 1e-3 length scales from the saddle. The flow is that
    of the gradient in the given parameters; in other units of single parameters the
    paths are different. No path begins at a set without unstable directions, such as a
    degenerate saddle of index zero.

    If the list holds all saddles of index one, ``barriers()`` of the record are the
    lowest ones [1]_; otherwise they are upper bounds.

    References
    ----------
    .. [1] D. J. Wales. "Energy Landscapes". Cambridge University Press 2003.

    Examples
    --------
    >>> from skcrit import NewtonMRFinder, connections
    >>> from skcrit.proving_grounds import make_himmelblau
    >>> finder = NewtonMRFinder(n_starts=60, init="gaussian", random_state=0)
    >>> finder = finder.fit(make_himmelblau())
    >>> connections(finder).barriers().shape
    (4, 4)
    """
    check_fitted(finder, "finder", ("loss_", "critical_points_", "morse_indices_"))
    if max_directions is not None:
        max_directions = check_int(max_directions, "max_directions")
    check_workers(n_jobs)
    loss = as_loss(finder.loss_, "loss_")
    batches = Batches(n_jobs=n_jobs, on_device=loss.backend != "numpy")
    with one_blas_thread():
        return connect(
            finder.loss_,
            finder.critical_points_,
            finder.morse_indices_,
            max_directions=max_directions,
            max_iter=check_int(max_iter, "max_iter"),
            batches=batches,
        )

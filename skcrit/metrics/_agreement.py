"""Which critical sets two finders have both found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._typing import FittedFinder, IntArray
from skcrit.metrics._probe import match_finders


@dataclass(frozen=True, eq=False)
class Agreement:
    """The critical sets that two finders share, and those that only one has found.

    Attributes
    ----------
    shared : ndarray of int of shape (n_shared, 2)
        Sets that both have found: the row of the one and the row of the other.
    only_finder, only_probe : ndarray of int of shape (n,)
        Sets that only one of them has found.
    """

    shared: IntArray
    only_finder: IntArray
    only_probe: IntArray

    @property
    def jaccard(self) -> float:
        """Shared sets over all; NaN if there are none."""
        n = len(self.shared) + len(self.only_finder) + len(self.only_probe)
        return len(self.shared) / n if n else float("nan")

    @property
    def richness(self) -> float:
        r"""Number of sets, by Chapman's estimate from two samples.

        :math:`(a + 1) (b + 1) / (m + 1) - 1` if one finder has found a sets, the other
        b, and m of them are shared. It is right on average if the finders find sets
        independently of each other and every set is equally likely to be found. If some
        sets are hard to find for both, as is usual, the true number is larger.
        """
        m = len(self.shared)
        a, b = m + len(self.only_finder), m + len(self.only_probe)
        return (a + 1) * (b + 1) / (m + 1) - 1


def finder_agreement(finder: FittedFinder, probe: FittedFinder) -> Agreement:
    """Compare the critical sets of two finders on the same loss.

    Parameters
    ----------
    finder, probe : BaseFinder
        Fitted finders of any kind, :class:`~skcrit.LandscapeExplorer` included.

    Returns
    -------
    agreement : Agreement
        Sets that both have found and that only one has.

    Raises
    ------
    ValueError
        If the losses of ``probe`` at its points are not those of the loss of
        ``finder``.
    NotFittedError
        If one of them is not fitted.
    TypeError
        If one of them is not a finder.

    See Also
    --------
    probe_coverage : Weighs the sets by how often the probe ended there.

    Notes
    -----
    Two sets are the same if their invariants and their inertia agree, as within one
    finder. If two finders of different kinds agree, both lists are more credible. Sets
    that neither has found remain unseen, because finders share weaknesses.

    References
    ----------
    .. [1] D. G. Chapman. "Some properties of the hypergeometric distribution with
       applications to zoological sample censuses". University of California
       Publications in Statistics 1(7), 1951.

    Examples
    --------
    >>> from skcrit import LinearAutoencoderLoss, NewtonMRFinder, NewtonTRFinder
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> from skcrit.metrics import finder_agreement
    >>> X = make_gaussian_spectrum(500, eigenvalues=[3, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss((1,)).fit(X)
    >>> one = NewtonMRFinder(n_starts=40, random_state=0).fit(loss)
    >>> other = NewtonMRFinder(n_starts=40, random_state=1).fit(loss)
    >>> finder_agreement(one, other).jaccard
    1.0
    """
    rows = match_finders(probe, finder)
    found = np.flatnonzero(rows >= 0)
    return Agreement(
        shared=np.stack([rows[found], found], axis=-1),
        only_finder=np.setdiff1d(np.arange(len(finder.counts_)), rows),
        only_probe=np.flatnonzero(rows < 0),
    )

"""Which eigenvectors of the data take part in the critical points that were found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._typing import FittedFinder, FloatArray, IntArray
from skcrit.ground_truth.linear import LinearSpectrum
from skcrit.metrics._judgement import judge
from skcrit.utils._arguments import shown


def participation_counts(finder: FittedFinder) -> IntArray:
    """Count how often each eigenvector takes part in the critical sets that were found.

    A start counts if it converged and its final point is identified with a critical
    set. It adds one to the bin of each eigenvector of the set; if the set is empty, the
    critical point at the origin, it adds one to the last bin.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    counts : ndarray of int of shape (n_bins,)
        A bin per eigenvector of the second moment matrix that a critical set can use,
        in the order of descending eigenvalues, and a last one for the origin. Without a
        penalty these are the eigenvectors with positive eigenvalue, and n_bins is
        ``rank + 1``. All zero if no start counts.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known.
    ValueError
        If the loss is not that of a linear network.

    See Also
    --------
    participation_entropy : How even the counts are.
    judge : What was found, start by start.

    Notes
    -----
    The eigenvectors of a repeated eigenvalue are not determined: only the number of
    them that a critical point uses has a meaning. Each distinct eigenvalue therefore
    has one bin, to which a set adds the number of dimensions of the eigenspace that it
    uses. With the penalty "sum", eigenvalues up to the threshold ``tau`` have no bin,
    because no critical set can use them.

    The published study [1]_ counted differently: it used the coordinate axes as
    eigenvectors, detected them by entries above 0.9, and counted every point that it
    did not recognise as the origin, whether it had converged or not.

    Judging costs O(n_starts d^2 p).

    References
    ----------
    .. [1] C. G. Frye, N. S. Wadia, M. R. DeWeese, K. E. Bouchard, "Numerically
       recovering the critical points of a deep linear autoencoder", 2019,
       arXiv:1901.10603, figures 3 and 4.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.metrics import participation_counts
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=10, random_state=0).fit(X)
    >>> len(participation_counts(finder))
    4
    """
    return participation(finder).counts


@dataclass(frozen=True, eq=False)
class Participation:
    """What each start adds to the participation counts."""

    rows: np.ndarray  # of int, (n_starts, n_bins); zero if the start does not count
    # zero-based indices of eigenvectors, "i-j" for those of a repeated eigenvalue, and
    # "at 0"
    labels: list

    @property
    def counts(self) -> IntArray:
        """Sum over the starts, an ndarray of int of shape (n_bins,)."""
        return self.rows.sum(axis=0)

    def units(self, groups: Any = None) -> IntArray:
        """Return the rows that count, of starts or summed over groups."""
        rows = self.rows
        if groups is not None:
            groups = _labels(groups)
            if groups.shape != (len(rows),):
                raise ValueError(
                    "groups must have one label per start: expected shape "
                    f"({len(rows)},), got {groups.shape}."
                )
            names, group_of = np.unique(groups, return_inverse=True)
            rows = np.zeros((len(names), rows.shape[1]), dtype=rows.dtype)
            np.add.at(rows, group_of, self.rows)
        return rows[rows.any(axis=1)]


def _labels(groups: Any) -> FloatArray:
    """Return labels as an array that can be sorted."""
    if isinstance(groups, np.ma.MaskedArray) and np.any(np.ma.getmaskarray(groups)):
        raise ValueError("groups must not have masked entries, got a masked array.")
    try:
        labels = np.asarray(groups)
        np.unique(labels)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"groups must be labels that can be compared, got {shown(groups)}: {error}."
        ) from error
    return labels


def participation(finder: Any) -> Participation:
    """Find what each start of a finder of a linear network adds to the counts."""
    judgement = judge(finder)
    starts = np.flatnonzero(judgement.converged & judgement.identified)
    bins, labels = bins_of(judgement.truth, judgement.sets[starts])
    rows = np.zeros((len(judgement.sets), bins.shape[1]), dtype=np.int64)
    rows[starts] = bins
    return Participation(rows, labels)


def bins_of(truth: Any, sets: Any) -> tuple[IntArray, list[str]]:
    """Return what critical sets add to the counts, and the names of the bins."""
    if not isinstance(truth, LinearSpectrum):
        raise ValueError(
            "finder must have searched a loss whose critical sets are named by "
            "eigenvectors of its data, such as LinearAutoencoderLoss, to count how "
            f"often each takes part; its ground truth is {shown(truth)}."
        )
    sizes = truth.multiplicities
    last = np.cumsum(sizes) - 1
    pairs = zip((last - sizes + 1).tolist(), last.tolist(), strict=True)
    labels = [str(i) if i == j else f"{i}-{j}" for i, j in pairs]
    used = truth.multiplicity_vectors(list(sets))
    at_origin = used.sum(axis=1, keepdims=True) == 0
    return np.hstack([used, at_origin]), [*labels, "at 0"]

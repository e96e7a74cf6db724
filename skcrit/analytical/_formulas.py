"""Values, Morse indices and nullities of the critical sets, vectorised over sets.

Every function takes multiplicity vectors (k_e) as an integer array of shape (n_sets,
n_distinct). k is their sum, m_e the multiplicities, p the bottleneck, r the number of
admissible eigenvalues, d the number of features.
"""

import numpy as np

from skcrit.utils._arguments import shown

__all__ = ["inversions", "losses", "morse_indices", "n_passed", "nullities"]


def losses(problem, counts):
    """Compute the critical values.

    (1/d) times the sum of the eigenvalues that a set leaves out (Baldi & Hornik 1989),
    plus what the penalty leaves of those it uses (Kunin et al. 2019). Summing what
    remains, rather than subtracting from the trace, keeps small values accurate.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    counts : ndarray of shape (n_sets, n_distinct)
        Multiplicity vectors.

    Returns
    -------
    losses : ndarray of shape (n_sets,)
        Loss of each set, penalty included.
    """
    lam = problem.distinct
    # lambda - (lambda - tau)^2 / lambda, and lambda - lambda^2 / (lambda + tau).
    kept = problem.tau_sum * (2 - problem.tau_sum / lam)
    kept = kept + lam * problem.tau_product / (lam + problem.tau_product)
    never = np.sum(problem.eigenvalues[problem.n_admissible :])
    total = (problem.multiplicities - counts) @ lam + counts @ kept + never
    return total / problem.n_features


def inversions(problem, counts):
    """Count the pairs of a used eigenvalue and an unused strictly larger one.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    counts : ndarray of shape (n_sets, n_distinct)
        Multiplicity vectors.

    Returns
    -------
    inversions : ndarray of shape (n_sets,), dtype int64
        The sum over lambda_e' > lambda_e of k_e (m_e' - k_e').
    """
    unused = problem.multiplicities - counts
    larger = np.cumsum(unused, axis=1) - unused
    return np.sum(counts * larger, axis=1)


def n_passed(problem, rank, kind):
    """Tell how many hidden units the middle layers pass on at a representative.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    rank : ndarray of shape (n_sets,), dtype int64
        Rank of each set.
    kind : {"balanced", "open"}
        Kind of representative.

    Returns
    -------
    q : ndarray of shape (n_sets,), dtype int64
        The bottleneck for "open", and with one hidden layer, where nothing lies
        between the two matrices; the rank for "balanced".

    Raises
    ------
    ValueError
        If ``kind`` is unknown.
    """
    if not isinstance(kind, str) or kind not in {"balanced", "open"}:
        raise ValueError(f"kind must be 'balanced' or 'open', got {shown(kind)}.")
    if problem.depth == 2 or kind == "open":
        return np.full_like(rank, problem.bottleneck)
    return rank


def morse_indices(problem, counts, q):
    """Count the negative eigenvalues of the Hessian: inv + (q - k)(r - k).

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    counts : ndarray of shape (n_sets, n_distinct)
        Multiplicity vectors.
    q : ndarray of shape (n_sets,)
        Hidden units that the middle layers pass on.

    Returns
    -------
    indices : ndarray of shape (n_sets,), dtype int64
        Morse index of each set.
    """
    rank = counts.sum(axis=1)
    free = (q - rank) * (problem.n_admissible - rank)
    return inversions(problem, counts) + free


def nullities(problem, counts, q):
    """Count the zero eigenvalues of the Hessian.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    counts : ndarray of shape (n_sets, n_distinct)
        Multiplicity vectors.
    q : ndarray of shape (n_sets,)
        Hidden units that the middle layers pass on.

    Returns
    -------
    nullities : ndarray of shape (n_sets,), dtype int64
        Nullity of each set. Without a penalty and with one hidden layer it is the
        dimension of the set: f is Morse-Bott.
    """
    k = counts.sum(axis=1)
    p, d, r = problem.bottleneck, problem.n_features, problem.n_admissible
    # Dimension of the product of Grassmannians Gr(k_e, m_e).
    turns = np.sum(counts * (problem.multiplicities - counts), axis=1)
    if problem.tau_sum > 0:
        # The Stiefel manifold V_k(R^p); an eigenvalue at the threshold makes the
        # free hidden units flat in one more direction each.
        stiefel = p * k - k * (k + 1) // 2
        return stiefel + turns + (p - k) * problem.n_at_threshold
    if problem.tau_product > 0:
        # A zero eigenvalue is flat for the free hidden units only.
        return k * (2 * p - k) + turns + 2 * (p - k) * (d - r)
    # All parameters, less the non-zero eigenvalues: k d from the used directions and
    # their large pairs, the small pairs that are neither tied nor blind, and two for
    # each passed free unit and unused eigenvalue.
    moving = k * d + k * (r - k) - turns + 2 * (q - k) * (r - k)
    return problem.n_params - moving

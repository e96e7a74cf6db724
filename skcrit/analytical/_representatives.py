"""Points on the critical sets: balanced ones and random ones of the same orbit."""

import numpy as np

__all__ = ["representative"]

# Bounds of the singular values of a random change of basis: condition at most 100.
_LOG_STRETCH = np.log(10.0)


def representative(problem, counts, q, rng=None):
    """Build weights on a critical set.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    counts : ndarray of shape (n_distinct,), dtype int64
        Multiplicity vector.
    q : int
        Hidden units that the middle layers pass on.
    rng : numpy.random.RandomState or numpy.random.Generator, default=None
        None for the balanced point, else the source of a random point of its orbit.

    Returns
    -------
    theta : ndarray of shape (n_params,)
        Concatenation of the row-major weight matrices, first layer first.
    """
    weights = _balanced_weights(problem, counts, q, rng)
    if rng is not None:
        if problem.tau == 0:
            _add_blind_parts(problem, weights, int(counts.sum()), rng)
        weights = _change_basis(problem, weights, rng)
    return np.concatenate([w.ravel() for w in weights])


def _balanced_weights(problem, counts, q, rng):
    k = int(counts.sum())
    mask = problem.masks(counts[None, :])[0]
    basis = problem.eigenvectors[:, mask]
    if rng is not None:
        basis = _turn_in_eigenspaces(problem, counts, rng)
    root = np.sqrt(problem.singular_values[mask[: problem.n_admissible]])
    sizes = problem.layer_sizes
    weights = [np.zeros((sizes[i + 1], sizes[i])) for i in range(problem.depth)]
    for middle in weights[1:-1]:
        np.fill_diagonal(middle[:q, :q], 1.0)
    # Only networks of two layers carry a penalty, so the root is 1 in deeper ones.
    weights[0][:k] = root[:, None] * basis.T
    weights[-1][:, :k] = basis * root
    return weights


def _turn_in_eigenspaces(problem, counts, rng):
    # Any k_e orthonormal directions of a tied eigenspace serve as well as the first.
    parts = [np.zeros((problem.n_features, 0))]
    for start, m, k in zip(
        problem.cluster_starts, problem.multiplicities, counts, strict=True
    ):
        space = problem.eigenvectors[:, start : start + m]
        parts.append(space @ _orthogonal(m, rng)[:, :k] if m > 1 else space[:, :k])
    return np.concatenate(parts, axis=1)


def _add_blind_parts(problem, weights, k, rng):
    # The data do not see their null space: the first layer may read anything from it,
    # and in a network of one hidden layer the free units may write anything into it.
    # (In deeper networks that second freedom can change the nullity.)
    null = problem.eigenvectors[:, problem.rank :]
    if null.shape[1] == 0:
        return
    h = weights[0].shape[0]
    weights[0] += rng.standard_normal(size=(h, null.shape[1])) @ null.T
    if problem.depth == 2:
        weights[1][:, k:] += null @ rng.standard_normal(size=(null.shape[1], h - k))


def _change_basis(problem, weights, rng):
    weights = list(weights)
    for i, h in enumerate(problem.hidden_layer_sizes):
        left, right = _orthogonal(h, rng), _orthogonal(h, rng)
        # The penalty on the weights is invariant under rotations only.
        bound = _LOG_STRETCH if problem.tau_sum == 0 else 0.0
        stretch = np.exp(rng.uniform(-bound, bound, size=h))
        weights[i] = (left * stretch) @ (right @ weights[i])
        weights[i + 1] = ((weights[i + 1] @ right.T) / stretch) @ left.T
    return weights


def _orthogonal(n, rng):
    # Haar distributed: the signs of R are fixed.
    q, r = np.linalg.qr(rng.standard_normal(size=(n, n)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)

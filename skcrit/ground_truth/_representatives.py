"""Points on the critical sets: balanced ones and random ones of the same orbit."""

import numpy as np
from scipy.stats import ortho_group

from skcrit.ground_truth._factors import join_weights
from skcrit.utils._arguments import check_seed

__all__ = ["random_source", "representative"]

# Bounds of the singular values of a random change of basis: condition at most 100.
_LOG_STRETCH = np.log(10.0)


def random_source(random_state):
    """Turn a seed into a source of random numbers; Generators are passed through."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    return check_seed(random_state)


def representative(problem, counts, q, rng=None):
    """Build weights on the critical set of a multiplicity vector."""
    # The middle layers pass q hidden units on. Without ``rng`` it is the balanced
    # point, with one a random point of its orbit.
    weights = _balanced_weights(problem, counts, q, rng)
    if rng is not None:
        if problem.tau_sum == problem.tau_product == 0:
            _add_blind_parts(problem, weights, int(counts.sum()), rng)
        weights = _change_basis(problem, weights, rng)
    return join_weights(weights)


def _balanced_weights(problem, counts, q, rng):
    """Build layers that share the singular values of the end-to-end matrix."""
    k = int(counts.sum())
    mask = problem.masks(counts[None, :])[0]
    basis = problem.outputs[:, mask]
    if rng is not None:
        basis = _turn_in_eigenspaces(problem, counts, rng)
    root = np.sqrt(problem.singular_values[mask[: problem.n_admissible]])
    weights = [np.zeros(shape) for shape in problem.shapes]
    for middle in weights[1:-1]:
        np.fill_diagonal(middle[:q, :q], 1.0)
    # Only networks of two layers carry a penalty, so the root is 1 in deeper ones.
    weights[0][:k] = root[:, None] * basis.T
    weights[-1][:, :k] = basis * root
    return weights


def _turn_in_eigenspaces(problem, counts, rng):
    """Choose random orthonormal directions in tied eigenspaces, in the given number."""
    parts = [np.zeros((problem.n_outputs, 0))]
    for start, m, k in zip(
        problem.cluster_starts, problem.multiplicities, counts, strict=True
    ):
        space = problem.outputs[:, start : start + m]
        parts.append(space @ _orthogonal(m, rng)[:, :k] if m > 1 else space[:, :k])
    return np.concatenate(parts, axis=1)


def _add_blind_parts(problem, weights, k, rng):
    """Add what changes nothing because the data have no variance there."""
    # The data do not see their null space: the first layer may read anything from it,
    # and in a network of one hidden layer the free units may write anything into it.
    # (In deeper networks that second freedom can change the nullity.)
    null = problem.outputs[:, problem.rank :]
    if null.shape[1] == 0:
        return
    h = weights[0].shape[0]
    weights[0] += rng.standard_normal(size=(h, null.shape[1])) @ null.T
    if problem.depth == 2:
        weights[1][:, k:] += null @ rng.standard_normal(size=(null.shape[1], h - k))


def _change_basis(problem, weights, rng):
    """Change the bases of the hidden layers."""
    weights = list(weights)
    for i, h in enumerate(problem.layer_sizes[1:-1]):
        left, right = _orthogonal(h, rng), _orthogonal(h, rng)
        # The penalty on the weights is invariant under rotations only.
        bound = _LOG_STRETCH if problem.tau_sum == 0 else 0.0
        stretch = np.exp(rng.uniform(-bound, bound, size=h))
        weights[i] = (left * stretch) @ (right @ weights[i])
        weights[i + 1] = ((weights[i + 1] @ right.T) / stretch) @ left.T
    return weights


def _orthogonal(n, rng):
    """Draw an orthogonal matrix from the Haar distribution."""
    return ortho_group.rvs(n, random_state=rng)

"""Points on the critical sets: balanced ones and random ones of the same orbit."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import ortho_group

from skcrit._typing import FloatArray, IntArray
from skcrit.ground_truth._factors import join_weights, thin_svd
from skcrit.utils._arguments import check_seed

# Bounds of the singular values of a random change of basis: condition at most 100.
_LOG_STRETCH = np.log(10.0)


def random_source(random_state: Any) -> Any:
    """Turn a seed into a source of random numbers; Generators are passed through."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    return check_seed(random_state)


def representative(
    problem: Any, counts: IntArray, q: int, rng: np.random.RandomState | None = None
) -> FloatArray:
    """Build weights on the critical set of a multiplicity vector."""
    # The middle layers pass q hidden units on. Without ``rng`` it is the balanced
    # point, with one a random point of its orbit.
    weights = _balanced_weights(problem, counts, q, rng)
    if rng is not None:
        if problem.tau_sum == problem.tau_product == 0:
            _add_blind_parts(problem, weights, int(counts.sum()), rng)
        weights = _change_basis(problem, weights, rng)
    return join_weights(weights)


def _balanced_weights(
    problem: Any, counts: IntArray, q: int, rng: np.random.RandomState | None
) -> list[FloatArray]:
    """Build layers that share the singular values of the end-to-end matrix."""
    k = int(counts.sum())
    mask = problem.masks(counts[None, :])[0]
    coordinates = np.eye(problem.n_outputs)[:, mask]
    if rng is not None:
        coordinates = _turn_in_eigenspaces(problem, counts, rng)
    left = problem.outputs @ coordinates
    r, s = problem.n_admissible, problem.singular_values[mask[: problem.n_admissible]]
    right = coordinates[:r].T @ problem.directions[:r]
    if problem.scale is not None:
        # Whitening is not an isometry: the singular values are other ones.
        left, s, right = thin_svd([s[:, None] * right, left])
    root = s ** (1 / problem.depth)
    weights = [np.zeros(shape) for shape in problem.shapes]
    for middle in weights[1:-1]:
        np.fill_diagonal(middle[:q, :q], 1.0)
        np.fill_diagonal(middle[:k, :k], root)
    weights[0][:k] = root[:, None] * right
    weights[-1][:, :k] = left * root
    return weights


def _turn_in_eigenspaces(
    problem: Any, counts: IntArray, rng: np.random.RandomState
) -> FloatArray:
    """Choose random orthonormal directions in tied eigenspaces, in the given number."""
    parts = [np.zeros((problem.n_outputs, 0))]
    identity = np.eye(problem.n_outputs)
    for start, m, k in zip(
        problem.cluster_starts, problem.multiplicities, counts, strict=True
    ):
        space = identity[:, start : start + m]
        if m > 1:
            space = space @ ortho_group.rvs(m, random_state=rng)
        parts.append(space[:, :k])
    return np.concatenate(parts, axis=1)


def _add_blind_parts(
    problem: Any, weights: list[FloatArray], k: int, rng: np.random.RandomState
) -> None:
    """Add what changes nothing because the data have no variance there."""
    # The data do not see their null space: the first layer may read anything from it,
    # and in a network of one hidden layer the free units may write to outputs, or read
    # from inputs, that have nothing to do with the others. (In deeper networks that
    # second freedom can change the nullity, and so can both of them together.)
    h, r = weights[0].shape[0], problem.rank
    null = problem.unseen
    if len(null):
        weights[0] += rng.standard_normal(size=(h, len(null))) @ null
    silent, deaf = problem.outputs[:, r:], problem.directions[r : problem.n_seen]
    if problem.depth > 2 or (silent.shape[1] and len(deaf)):
        return
    if silent.shape[1]:
        weights[1][:, k:] += silent @ rng.standard_normal((silent.shape[1], h - k))
    elif len(deaf):
        weights[0][k:] += rng.standard_normal((h - k, len(deaf))) @ deaf


def _change_basis(
    problem: Any, weights: list[FloatArray], rng: np.random.RandomState
) -> list[FloatArray]:
    """Change the bases of the hidden layers."""
    weights = list(weights)
    for i, h in enumerate(problem.layer_sizes[1:-1]):
        left, right = (ortho_group.rvs(h, random_state=rng) for _ in range(2))
        # The penalty on the weights is invariant under rotations only.
        bound = _LOG_STRETCH if problem.tau_sum == 0 else 0.0
        stretch = np.exp(rng.uniform(-bound, bound, size=h))
        weights[i] = (left * stretch) @ (right @ weights[i])
        weights[i + 1] = ((weights[i + 1] @ right.T) / stretch) @ left.T
    return weights

"""Small networks whose critical points an independent search has found.

The independent search is SciPy's: MINPACK's hybrid method on a gradient that is written
down here, from thousands of random starts. Its ends are polished by Newton steps with
Hessians by complex steps, so that they are known to rounding, and matched as such.
"""

from functools import cache, partial

import numpy as np
from scipy.optimize import root
from tools import fitted

from skcrit import LandscapeExplorer, MLPLoss
from skcrit.metrics import euler_sum

__all__ = ["NETWORKS", "compare", "independent", "known_sets", "tasks"]

# Relative differences of loss and squared norm within which two points are one set: of
# polished points, and beside a list of six digits.
SAME, SAME_SIX_DIGITS = 1e-9, 1e-5

# Inputs, hidden units, samples, alpha of scikit-learn, seed of the data.
NETWORKS = {
    "1-2-1": (1, 2, 15, 0.15, 1),
    "2-2-1": (2, 2, 25, 0.1, 2),
    "1-3-1": (1, 3, 20, 0.1, 3),
    "2-3-1": (2, 3, 20, 0.1, 0),
    "1-4-1": (1, 4, 25, 0.15, 5),
    "3-2-1": (3, 2, 30, 0.1, 4),
}
# Searches that the explorer may take: few, and its default.
BUDGETS = 1000, LandscapeExplorer().max_searches
# Mean squared errors with penalty of the 21 classes of 2-3-1, from searches of 26 000
# starts, and their indices.
LOSSES = """0.084101 0.108753 0.111892 0.112961 0.210752 0.213750 0.215089 0.218585
0.218970 0.219631 0.225683 0.226421 0.227013 0.228961 0.228995 0.230562 0.231173
0.290638 0.309305 0.325319 0.866972"""
INDICES = "011112112223334232223"


def data(name):
    """Draw the data of a network.

    Parameters
    ----------
    name : str
        Name in ``NETWORKS``.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Inputs.
    y : ndarray of shape (n_samples,)
        Targets.
    """
    d, _, n, _, seed = NETWORKS[name]
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    bump = X[:, -1] ** 2
    y = np.sin(2 * X[:, 0]) + 0.5 * bump - 0.5 + 0.1 * rng.normal(size=n)
    return X, y


def gradient_of(X, y, p, penalty):
    """Write down loss and gradient of a network d-p-1, all parameters penalised.

    Parameters
    ----------
    X, y : ndarray
        Data.
    p : int
        Hidden units.
    penalty : float
        Factor of the squared norm of the parameters.

    Returns
    -------
    value, gradient : callable
        Functions of (A, a, b, c), the weights by rows: ``b tanh(A x + a) + c``.
    """
    n, d = X.shape

    def parts(t):
        A, a, b = t[: p * d].reshape(p, d), t[p * d : p * d + p], t[p * d + p : -1]
        H = np.tanh(X @ A.T + a)
        return b, H, H @ b + t[-1] - y

    def value(t):
        return np.mean(parts(t)[2] ** 2) / 2 + penalty * np.sum(t**2)

    def gradient(t):
        b, H, r = parts(t)
        back = (1 - H**2) * np.outer(r, b) / n
        flat = (back.T @ X).ravel(), back.sum(0), H.T @ r / n, [np.mean(r)]
        return np.concatenate(flat) + 2 * penalty * t

    return value, gradient


def polished(gradient, t):
    """Take Newton steps to the level of rounding.

    Parameters
    ----------
    gradient : callable
        What :func:`gradient_of` returned.
    t : ndarray of shape (n_params,)
        Point near a critical one.

    Returns
    -------
    t : ndarray of shape (n_params,)
        Polished point.
    index : int
        Number of negative eigenvalues of its Hessian.
    """
    for _ in range(5):
        steps = 1e-30j * np.eye(len(t))
        H = np.array([gradient(t + s).imag / 1e-30 for s in steps])
        t = t - np.linalg.solve(H, gradient(t))
    return t, np.sum(np.linalg.eigvalsh(H) < 0)


def independent(name, n_starts, seed=0):
    """Find the critical points of a network by SciPy.

    Parameters
    ----------
    name : str
        Name in ``NETWORKS``.
    n_starts : int
        Number of starts.
    seed : int, default=0
        Seed of the starts.

    Returns
    -------
    classes : ndarray of shape (n_classes, 3)
        Loss, squared norm and Morse index, by increasing loss.
    """
    d, p, n, alpha, _ = NETWORKS[name]
    value, gradient = gradient_of(*data(name), p, alpha / (2 * n))
    rng, size, found = np.random.default_rng(seed), p * (d + 2) + 1, []
    for _ in range(n_starts):
        start = rng.normal(size=size) * rng.choice([0.5, 1.0, 2.0])
        end = root(gradient, start, method="hybr", tol=1e-13)
        if np.max(np.abs(end.fun)) > 1e-10:
            continue
        row = value(end.x), np.sum(end.x**2)
        if any(np.allclose(row, old[:2], rtol=SAME, atol=0) for old in found):
            continue
        t, index = polished(gradient, end.x)
        row = value(t), np.sum(t**2)
        if any(np.allclose(row, old[:2], rtol=SAME, atol=0) for old in found):
            continue
        if np.max(np.abs(gradient(t))) < 1e-13:
            found.append((*row, index))
    return np.array(sorted(found))


def rearranged(coefs, intercepts):
    """Arrange coefficients as :func:`gradient_of` takes them.

    Parameters
    ----------
    coefs, intercepts : list of ndarray
        What ``MLPLoss.unpack`` returned.

    Returns
    -------
    t : ndarray of shape (n_params,)
        ``(A, a, b, c)``.
    """
    parts = coefs[0].T, intercepts[0], coefs[1], intercepts[1]
    return np.concatenate([np.ravel(part) for part in parts])


def compare(name, truth, seed, max_searches):
    """Explore a network, and compare with what SciPy found.

    Parameters
    ----------
    name : str
        Name in ``NETWORKS``.
    truth : ndarray of shape (n_classes, 3)
        What :func:`independent` returned.
    seed, max_searches : int
        Of the explorer, whose other parameters are its defaults.

    Returns
    -------
    row : dict
        Classes found, others, wrong indices, Euler sum, searches and seconds.
    """
    _, p, n, alpha, _ = NETWORKS[name]
    loss = MLPLoss((p,), alpha=alpha, penalize_intercept=True).fit(*data(name))
    explorer = LandscapeExplorer(max_searches=max_searches, random_state=seed)
    explorer, seconds = fitted(explorer, loss)
    points = explorer.critical_points_
    found = np.stack([explorer.critical_losses_, np.sum(points**2, axis=1)], axis=1)
    ratio = found[:, None] / truth[None, :, :2] - 1
    # The list of six digits has no norms.
    near = np.isnan(truth[:, 1]) & (np.abs(ratio[..., 0]) < SAME_SIX_DIGITS)
    near |= np.all(np.abs(ratio) < SAME, axis=-1)
    matched = near.any(axis=1)
    index = truth[near.argmax(axis=1), 2]
    wrong = matched & (explorer.morse_indices_ != index)
    searches, sets = explorer.discovery_.T
    _, gradient = gradient_of(*data(name), p, alpha / (2 * n))
    ours = [gradient(rearranged(*loss.unpack(t))) for t in points]
    return {
        "network": name,
        "parameters": loss.n_params_,
        "seed": seed,
        "known classes": len(truth),
        "of them found": int(near.any(axis=0).sum()),
        "not in the list": int(np.sum(~matched)),
        "wrong index": int(wrong.sum()),
        "largest gradient": float(np.max(np.abs(ours))),
        "Euler sum": float(euler_sum(explorer)),
        "searches allowed": max_searches,
        "searches": explorer.n_searches_,
        "the last set found by": int(searches[np.argmax(sets == sets[-1])]),
        "reason to stop": explorer.stop_reason_,
        "processor seconds": round(seconds.processor, 1),
    }


@cache
def known_sets(name, small):
    """List the critical points of a network.

    Parameters
    ----------
    name : str
        Name in ``NETWORKS``.
    small : bool
        Whether to search little.

    Returns
    -------
    classes : ndarray of shape (n_classes, 3)
        Loss, squared norm (NaN if not known) and Morse index.
    """
    if name != "2-3-1":
        return independent(name, 200 if small else 10_000)
    halves = np.array(LOSSES.split(), dtype=float) / 2
    index = np.array(list(INDICES), dtype=float)
    return np.stack([halves, np.full(21, np.nan), index], axis=1)


def tasks(small=False):
    """List the comparisons on all networks.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    task : callable
        Returns what was measured, for each network and seed.
    """

    def task(name, max_searches, seed):
        return compare(name, known_sets(name, small), seed, max_searches)

    for max_searches in (200,) if small else BUDGETS:
        for name in NETWORKS:
            for seed in range(1 if small else 5):
                yield partial(task, name, max_searches, seed)

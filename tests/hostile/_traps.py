"""Starts that look critical and are not, or are critical and look regular."""

import numpy as np

__all__ = ["KINDS", "traps"]


def _pack(loss, first, last):
    """Make weights whose product is an outer product, passed on by the middle."""
    weights = [np.zeros(shape) for shape in loss._shapes]
    weights[0][0], weights[-1][:, 0] = first, last
    for W in weights[1:-1]:
        W[0, 0] = 1.0
    return loss.pack(weights)


def _gaussian(loss, spectrum, rng):
    # Of all sizes, from next to the origin to far outside.
    scale = 10.0 ** rng.uniform(-3, 6)
    return scale * rng.standard_normal(loss.n_params_) / loss.n_params_**0.25


def _valley(loss, spectrum, rng):
    # W = b b^T, W_1 = b^T / t, W_L = t b: the gradient falls as 1 / t, and no critical
    # point is near (f = 1.875 for all t at C = diag(4, 3, 2, 1), b = (1, 1, 1, 1)/2).
    b = rng.standard_normal(loss.n_features_in_)
    b /= np.linalg.norm(b)
    t = 10.0 ** rng.uniform(-12, 12)
    return _pack(loss, b / t, t * b)


def _mirror(loss, spectrum, rng):
    # W_1 = t a^T, W_L = C a / (t a^T C a): the best W_L there is for this W_1.
    a = rng.standard_normal(loss.n_features_in_)
    image = loss.second_moment_ @ a
    t = 10.0 ** rng.uniform(-12, 12)
    return _pack(loss, t * a, image / max(t * (a @ image), 1e-300))


def _ridge(loss, spectrum, rng):
    # Halfway between two critical sets, where the gradient is only their gap.
    i, j = rng.choice(loss.n_features_in_, 2, replace=False)
    b = (loss.eigenvectors_[:, i] + loss.eigenvectors_[:, j]) / np.sqrt(2)
    return _pack(loss, b, b)


def _stray(loss, spectrum, rng):
    # A row that does not show in the product: balanced it is critical, and it is not.
    point = _saddle(loss, spectrum, rng)
    weights = [np.array(W) for W in loss.weights(point)]
    weights[0][-1] += 10.0 ** rng.uniform(-6, 3) * rng.standard_normal(
        loss.n_features_in_
    )
    return loss.pack(weights)


def _saddle(loss, spectrum, rng):
    (name,) = spectrum.sample_sets(1, int(rng.integers(2**31)))
    return spectrum.representative(name)


def _orbit(loss, spectrum, rng):
    # Anywhere on the orbit of a critical point, in a bad gauge.
    (name,) = spectrum.sample_sets(1, int(rng.integers(2**31)))
    return spectrum.representative(name, random_state=int(rng.integers(2**31)))


def _scaled_orbit(loss, spectrum, rng):
    # A critical point whose layers differ in size by up to 1e12.
    weights = [np.array(W) for W in loss.weights(_saddle(loss, spectrum, rng))]
    t = 10.0 ** rng.uniform(-6, 6) if loss.alpha == 0 else 1.0
    weights[0], weights[-1] = t * weights[0], weights[-1] / t
    return loss.pack(weights)


def _near(loss, spectrum, rng):
    noise = 10.0 ** rng.uniform(-12, -1) * rng.standard_normal(loss.n_params_)
    return _saddle(loss, spectrum, rng) + noise


def _origin(loss, spectrum, rng):
    return np.zeros(loss.n_params_)


def _flat(loss, spectrum, rng):
    # One layer zero: the gradient of the others vanishes, and the Hessian is nearly
    # blind to the gradient that is left.
    weights = [rng.standard_normal(shape) for shape in loss._shapes]
    weights[int(rng.integers(len(weights)))] *= 10.0 ** rng.uniform(-30, -3)
    return loss.pack(weights)


def _far(loss, spectrum, rng):
    # A direction of the plateau: one layer huge, the other tiny.
    weights = [rng.standard_normal(shape) for shape in loss._shapes]
    t = 10.0 ** rng.uniform(0, 9)
    weights[0], weights[-1] = t * weights[0], weights[-1] / t**2
    return loss.pack(weights)


KINDS = {
    "Gaussian, 1e-3 to 1e6": _gaussian,
    "valley": _valley,
    "mirror valley": _mirror,
    "ridge": _ridge,
    "stray row": _stray,
    "saddle": _saddle,
    "orbit of a saddle": _orbit,
    "badly scaled saddle": _scaled_orbit,
    "near a saddle": _near,
    "origin": _origin,
    "flat": _flat,
    "plateau": _far,
}


def traps(loss, n_starts, seed):
    """Draw starts of all kinds in turn.

    Parameters
    ----------
    loss : LinearAutoencoderLoss
        Fitted loss.
    n_starts : int
        Number of starts.
    seed : int
        Seed.

    Returns
    -------
    starts : ndarray of shape (n_starts, n_params)
        Starts.
    kinds : list of str
        What they are.
    """
    rng, spectrum = np.random.default_rng(seed), loss.analytical_spectrum()
    names = [list(KINDS)[i % len(KINDS)] for i in range(n_starts)]
    return np.stack([KINDS[name](loss, spectrum, rng) for name in names]), names

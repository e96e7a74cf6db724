"""Networks whose hidden units are exchanged."""

import numpy as np

from skcrit import MLPLoss

FLIPPING = ["tanh", "erf", "logistic"]


def network(hidden, activation, rng, n_samples=12, **params):
    """Fit a loss, by default a regression with a penalty."""
    X = rng.standard_normal((n_samples, 3))
    params = {"alpha": 0.2, **params}
    if params.get("loss") == "log_loss":
        y = np.arange(n_samples) % 3
    else:
        y = rng.standard_normal((n_samples, 2))
    return MLPLoss(hidden, activation, **params).fit(X, y)


def permute(loss, theta, layer, order):
    coefs, intercepts = loss.unpack(theta.copy())
    coefs[layer] = coefs[layer][:, order]
    intercepts[layer] = intercepts[layer][order]
    coefs[layer + 1] = coefs[layer + 1][order]
    return loss.pack(coefs, intercepts)


def flip(loss, theta, layer, unit):
    """Change the sign of a unit; a logistic one leaves its constant behind."""
    coefs, intercepts = ([a.copy() for a in part] for part in loss.unpack(theta.copy()))
    if loss.activation == "logistic":
        intercepts[layer + 1] += coefs[layer + 1][unit]
    coefs[layer][:, unit] *= -1
    intercepts[layer][unit] *= -1
    coefs[layer + 1][unit] *= -1
    return loss.pack(coefs, intercepts)

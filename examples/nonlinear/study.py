"""The four networks of the follow-up study, as near as shipped data allow.

C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard,
"Critical point-finding methods reveal gradient-flat regions of deep network losses",
Neural Computation 33, 2021. Scikit-learn's digits, averaged to 4x4, take the place of
MNIST, which is not shipped.
"""

from functools import partial

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import scale
from tools import COARSE, fitted

from skcrit import GradNormFinder, MLPLoss, NewtonMRFinder, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.linalg import minres_qlp

CUTOFFS = (1e-4, 1e-6, 1e-8, 1e-10, 1e-20)
# A point is gradient-flat by the study's definition beyond the one and below the other.
FLAT, FLAT_IMAGE = 0.9, 5e-4
# Largest number of iterates of a run that are examined.
N_LOOKS = 40
# Column of the ends of all runs, too long to be printed.
ENDS = "ends: loss, index fraction"

PUBLISHED = {
    "autoencoder": (0.14, 0.28, 0.89, 0.167),
    "classifier": (0.10, 0.067, 0.93, 0.227),
    "memorisation": (0.34, 0.06, 0.62, 0.085),
    "Gaussian autoencoder": (0.4, None, None, None),
}


def losses(n_samples):
    """Build the four losses.

    Parameters
    ----------
    n_samples : int
        Samples of the digits and of the Gaussian data.

    Returns
    -------
    losses : dict of str to MLPLoss
        Fitted losses. The weights of the penalties are not published: 1e-3 times the
        squared norm stands for them.
    """
    digits, y = load_digits(return_X_y=True)
    small = digits.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    small, y_small = scale(small[:n_samples]), y[:n_samples]
    two = np.flatnonzero(y < 2)[:50]
    pca = scale(PCA(32, random_state=0).fit_transform(digits[two]))
    permuted = np.random.default_rng(0).permutation(y[two])
    gauss = make_gaussian_spectrum(
        n_samples, eigenvalues=np.arange(16, 0, -1.0), random_state=0
    )
    classes = {"activation": "silu", "loss": "log_loss"}
    return {
        "autoencoder": MLPLoss((8, 16), "silu").fit(small),
        "classifier": MLPLoss((12, 8), alpha=2e-3 * n_samples, **classes).fit(
            small, y_small
        ),
        "memorisation": MLPLoss(
            (32, 4), alpha=2e-3 * 50, fit_intercept=False, **classes
        ).fit(pca, permuted),
        "Gaussian autoencoder": MLPLoss((8, 16), "silu", fit_intercept=False).fit(
            gauss
        ),
    }


def ratios(loss, theta, rtol, max_iter):
    """Compute the study's two ratios with a step of given accuracy.

    Parameters
    ----------
    loss : MLPLoss
        Fitted loss.
    theta : ndarray of shape (n, n_params)
        Points.
    rtol, max_iter : float, int
        Inner tolerance and limit of the step.

    Returns
    -------
    r, image : ndarray of shape (n,)
        ``|Hp+g| / (|H|_F |p| + |g|)`` and ``|H(Hp+g)| / (|H|_F |Hp+g|)``; the Frobenius
        norm is estimated from five random products.
    """
    norm, local = lambda v: np.linalg.norm(v, axis=-1), loss.at(theta)
    probes = np.random.default_rng(0).standard_normal((5, theta.shape[1]))
    size = np.sqrt(
        np.mean([norm(local.hvp(p + 0 * theta)) ** 2 for p in probes], axis=0)
    )
    g = local.gradient
    p = minres_qlp(local.hvp, -g, rtol=rtol, max_iter=max_iter).x
    rest = local.hvp(p) + g
    tiny = np.finfo(float).tiny
    r = norm(rest) / (size * norm(p) + norm(g) + tiny)
    return r, norm(local.hvp(rest)) / (size * norm(rest) + tiny)


def flat_shares(finder, rtol, max_iter):
    """Measure how many runs are gradient-flat, at the end and at their flattest.

    Parameters
    ----------
    finder : BaseFinder
        Fitted with ``store_history=["theta"]``.
    rtol, max_iter : float, int
        Of the step by which flatness is measured.

    Returns
    -------
    shares : dict of str to float
        Share of runs whose r is above 0.9 at the end, by r alone and by both ratios,
        and of those whose largest r along the run is.
    """
    end, both, along = [], [], []
    for run in finder.history_["theta"]:
        run = run[np.isfinite(run[:, 0])]
        rows = np.unique(np.linspace(0, len(run) - 1, N_LOOKS).round().astype(int))
        r, image = ratios(finder.loss_, run[rows], rtol, max_iter)
        end.append(r[-1] > FLAT)
        both.append(r[-1] > FLAT and image[-1] < FLAT_IMAGE)
        along.append(np.max(r) > FLAT)
    names = "r > 0.9 at the end", "and r_H < 5e-4", "largest r > 0.9"
    return {
        name: float(np.mean(x))
        for name, x in zip(names, (end, both, along), strict=True)
    }


def methods(n_starts, max_iter):
    """Name the finders.

    Parameters
    ----------
    n_starts, max_iter : int
        Runs, and iterations of each.

    Returns
    -------
    finders : dict of str to BaseFinder
        Not fitted.
    """
    common = {"n_starts": n_starts, "init": "gaussian", "random_state": 0}
    common |= {"max_iter": max_iter}
    return {
        "Newton-MR, their settings": NewtonMRFinder(
            **common,
            tol=1e-30,
            inner_tol=5e-4,
            max_inner_iter=250,
            balance=False,
            window=1,
            fallback=False,
            store_history=["theta"],
        ),
        "Newton-MR, our defaults": NewtonMRFinder(**common, store_history=["theta"]),
        "saddle dynamics": SaddleDynamicsFinder(
            **common | {"n_starts": 2, "max_iter": min(max_iter, 20)}
        ),
        "gradient norm": GradNormFinder(**common | {"max_iter": 4 * max_iter}),
    }


def measure(network, name, loss, finder):
    """Run one finder on one network.

    Parameters
    ----------
    network, name : str
        Names.
    loss : MLPLoss
        Fitted loss.
    finder : BaseFinder
        Not fitted.

    Returns
    -------
    row : dict
        What was measured.
    """
    finder, seconds = fitted(finder, loss)
    squared = finder.results_["squared_grad_norm"]
    values = np.linalg.eigvalsh(loss.hessian(finder.final_params_))
    fraction = np.mean(values < -COARSE, axis=1)
    row = {"network": network, "parameters": loss.n_params_, "method": name}
    row["runs"] = len(squared)
    row |= {f"below {cut:g}": float(np.mean(squared < cut)) for cut in CUTOFFS}
    row["confirmed"] = float(np.mean(np.isfinite(finder.results_["distance"])))
    if hasattr(finder, "history_"):
        shares = flat_shares(finder, 5e-4, 250)
        row |= {f"{k} (inner 5e-4)": v for k, v in shares.items()}
        shares = flat_shares(finder, 1e-10, 25)
        row |= {f"{k} (inner 1e-10, 25 steps)": v for k, v in shares.items()}
    row["index fraction: least, median, largest"] = [
        float(q) for q in np.quantile(fraction, [0, 0.5, 1])
    ]
    row["median share |eigenvalue| < 1e-3"] = float(
        np.median(np.mean(np.abs(values) < COARSE, axis=1))
    )
    row[ENDS] = np.round(
        np.stack([finder.results_["loss"], fraction], axis=1), 5
    ).tolist()
    row["seconds: wall, processor"] = [
        round(seconds.wall, 1),
        round(seconds.processor, 1),
    ]
    return row


def tasks(small=False):
    """List the runs of the study.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    task : callable
        Returns what was measured, for each network and method.
    """
    n_samples, n_starts, max_iter = (100, 3, 20) if small else (200, 6, 100)
    for network, loss in losses(n_samples).items():
        for name, finder in methods(n_starts, max_iter).items():
            yield partial(measure, network, name, loss, finder)

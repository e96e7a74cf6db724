"""The sizes that take minutes: an image-sized network, and many starts."""

import resource
import time
import warnings

import numpy as np

from skcrit import LinearAutoencoderLoss, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning, ResolutionWarning

__all__ = ["image_sized"]


def image_sized(n_starts=20, backend="numpy"):
    """Search 784-32-784 on data as large as MNIST's images, with products only.

    Parameters
    ----------
    n_starts : int
        Number of starts.
    backend : str
        Array library.

    Returns
    -------
    rows : list of dict
        One row.
    """
    # Eigenvalues that fall as one over their number, as those of images about do.
    rng = np.random.default_rng(0)
    spread = np.sqrt(10 / np.arange(1, 785))
    X = rng.standard_normal((10_000, 784)) * spread
    with warnings.catch_warnings():
        # Of 784 eigenvalues two are nearly equal: nothing is labelled here.
        warnings.simplefilter("ignore", ResolutionWarning)
        warnings.simplefilter("ignore", NotConvergedWarning)
        begin = time.perf_counter()
        loss = LinearAutoencoderLoss((32,), backend=backend).fit(X)
        fitted = time.perf_counter()
        finder = NewtonMRFinder(
            n_starts=n_starts,
            init="gaussian",
            tol=1e-10,
            inner_tol=0.01,
            max_inner_iter=200,
            random_state=0,
        ).fit(loss)
        ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return [
        {
            "network": "784-32-784",
            "parameters": loss.n_params_,
            "below 1e-10": float(finder.converged_.mean()),
            "iterations": finder.n_iter_,
            "products per start": float(finder.results_["n_hvp"].mean()),
            "fit of the loss, s": fitted - begin,
            "seconds per start": (ended - fitted) / n_starts,
            "peak memory of the process, MB": peak,
            "dense Hessian, MB": 8 * loss.n_params_**2 / 1e6,
        }
    ]

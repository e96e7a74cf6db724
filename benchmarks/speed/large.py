"""The sizes that take minutes: an image-sized network, and a landscape of many sets."""

import multiprocessing
import resource
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from skcrit import LandscapeExplorer, LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning, ResolutionWarning

__all__ = ["image_sized", "landscape"]


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


def landscape(features=24, hidden=6, max_searches=205_000, round_size=1024):
    """Search every critical set of a network that has 190 051, with two workers.

    Parameters
    ----------
    features, hidden : int
        Widths of the network; the eigenvalues are features, ..., 1.
    max_searches : int
        Budget of local searches.
    round_size : int
        Searches that are under way at a time.

    Returns
    -------
    rows : list of dict
        One row.
    """
    # In a process of its own, whose peak of memory is that of the exploration.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        options = {"max_searches": max_searches, "round_size": round_size}
        return [pool.submit(_explored, features, hidden, options).result()]


def _explored(features, hidden, options):
    """Explore, and compare with the truth, which the search does not see."""
    X = make_gaussian_spectrum(
        10_000, eigenvalues=np.arange(features, 0, -1.0), random_state=0
    )
    loss = LinearAutoencoderLoss((hidden,)).fit(X)
    begin = time.perf_counter()
    explorer = LandscapeExplorer(n_jobs=2, random_state=0, **options).fit(loss)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    spectrum = loss.analytical_spectrum()
    names, right = set(), 0
    for points, index in zip(
        *(
            np.array_split(a, 100)
            for a in (explorer.critical_points_, explorer.morse_indices_)
        ),
        strict=True,
    ):
        match = spectrum.match(points)
        names |= set(match.set[match.identified])
        right += int(np.sum(match.morse_index == index))
    searches, found = explorer.discovery_.T
    complete = np.flatnonzero(found >= spectrum.n_sets)
    return {
        "network": f"{features}-{hidden}-{features}",
        "sets": spectrum.n_sets,
        "found": len(names),
        "false": explorer.n_critical_sets_ - len(names),
        "index right": right,
        "searches": explorer.n_searches_,
        "complete after": int(searches[complete[0]]) if len(complete) else "-",
        "seconds": seconds,
        "sets per second": explorer.n_critical_sets_ / seconds,
        "peak memory of the main process, MB": peak,
    }

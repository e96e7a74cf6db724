"""What the studies of nonlinear networks have in common."""

import json
import time
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from skcrit import NotConvergedWarning
from skcrit.search.index_bounds import bound_index
from skcrit.search.problem import pose

# Eigenvalues down to this count as negative in the follow-up study.
COARSE = 1e-3


@dataclass
class Seconds:
    """Wall time and processor time of something, in seconds."""

    wall: float
    processor: float


def fitted(finder, loss):
    """Fit without warnings, and measure the time.

    Parameters
    ----------
    finder : BaseFinder
        Not fitted.
    loss : Loss
        Fitted loss.

    Returns
    -------
    finder : BaseFinder
        Fitted.
    seconds : Seconds
        What it took.
    """
    wall, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(loss)
    seconds = time.perf_counter() - wall, time.process_time() - processor
    return finder, Seconds(*seconds)


def saved(rows, path, hidden=()):
    """Print rows as they come, and write all that are there after each.

    An interrupted study leaves what it has measured.

    Parameters
    ----------
    rows : iterable of dict
        What is measured.
    path : Path
        JSON file; its folder is made.
    hidden : sequence of str, default=()
        Keys that are not printed.

    Returns
    -------
    rows : list of dict
        All of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    done = []
    for row in rows:
        done.append(row)
        shown = {key: value for key, value in row.items() if key not in hidden}
        print(shown, flush=True)
        path.write_text(json.dumps(done, indent=1) + "\n")
    return done


def bounds_at(loss, theta):
    """Bound the index at a point from products alone, as finders do.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : ndarray of shape (n_params,)
        Point.

    Returns
    -------
    bounds : IndexBounds
        One row.
    """
    problem = pose(loss)
    inside = problem.loss.asarray(problem.into(theta[None]))
    return bound_index(problem.loss, inside, problem.scales)


def enlarged_digits(n_samples):
    """Enlarge digits to 28 x 28 pixels, of which a border stays zero.

    Parameters
    ----------
    n_samples : int
        How many.

    Returns
    -------
    X : ndarray of shape (n_samples, 784)
        Pixels from 0 to 1.
    y : ndarray of shape (n_samples,)
        Labels.
    """
    images, y = load_digits(return_X_y=True)
    images = images[:n_samples].reshape(-1, 8, 8) / 16
    inner = np.clip([zoom(image, 2.5, order=1) for image in images], 0, 1)
    return np.pad(inner, ((0, 0), (4, 4), (4, 4))).reshape(-1, 784), y[:n_samples]

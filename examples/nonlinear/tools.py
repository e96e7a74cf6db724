"""What the studies of nonlinear networks have in common."""

import json
import time
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from skcrit import NotConvergedWarning
from skcrit._backend import one_blas_thread
from skcrit.search.index_bounds import bound_index
from skcrit.search.scales import natural_scales

# Eigenvalues down to this count as negative in the follow-up study.
COARSE = 1e-3


@dataclass
class Seconds:
    """Wall time and processor time of something, in seconds."""

    wall: float
    processor: float


def fitted(finder, loss, y=None):
    """Fit without warnings, and measure the time.

    Parameters
    ----------
    finder : BaseFinder
        Not fitted.
    loss : Loss or ndarray
        Fitted loss, or data.
    y : ndarray, default=None
        Targets, with data.

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
        finder.fit(loss, y)
    seconds = time.perf_counter() - wall, time.process_time() - processor
    return finder, Seconds(*seconds)


def saved(tasks, path, hidden=()):
    """Measure row by row, and write all that are there after each.

    What is in the file is not measured again, so that an interrupted study goes on.

    Parameters
    ----------
    tasks : iterable of callable
        What is measured: each returns a row, a dict.
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
    rows = json.loads(path.read_text("utf-8")) if path.exists() else []
    for number, task in enumerate(tasks):
        if number < len(rows):
            continue
        rows.append(task())
        shown = {key: value for key, value in rows[-1].items() if key not in hidden}
        print(shown, flush=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        part.replace(path)
    return rows


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
    with one_blas_thread():
        return bound_index(loss, loss.asarray(theta[None]), natural_scales(loss))


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

"""Random networks and data, from easy to nearly impossible."""

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from skcrit import LinearAutoencoderLoss

from .. import _tally

__all__ = ["data", "networks", "points", "prop", "relative", "scales"]


def prop(fast=10, long=2000, deadline=None):
    """Decorate a property with the number of examples of the profile.

    The fast part is the same in every run; the long one is random, and its seed is an
    option of pytest.
    """
    return settings(
        max_examples=_tally.size(fast, long),
        deadline=deadline,
        database=None,
        derandomize=not _tally.LONG,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def _spectra(draw, d):
    """Draw eigenvalues: plain, with ties, with zeros, or badly conditioned."""
    kind = draw(st.sampled_from(["plain", "ties", "zeros", "condition", "one"]))
    if kind == "one":
        return np.full(d, draw(st.sampled_from([1.0, 0.5, 3.0])))
    if kind == "condition":
        decades = draw(st.floats(0.0, 16.0))
        return np.logspace(0, -decades, d)
    values = draw(st.lists(st.integers(1, 40), min_size=d, max_size=d, unique=True))
    values = np.sort(np.array(values, dtype=float))[::-1]
    if kind == "ties" and d > 1:
        values[1] = values[0]
    if kind == "zeros":
        values[draw(st.integers(0, d - 1)) :] = 0.0
    return values


@st.composite
def data(draw, d=None):
    """Draw data whose second moment has a drawn spectrum, in a random basis."""
    d = draw(st.integers(1, 5)) if d is None else d
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    n = d + draw(st.integers(1, 4))
    samples = rng.standard_normal((n, d))
    samples = np.linalg.qr(samples - samples.mean(axis=0))[0] * np.sqrt(n)
    return (samples * np.sqrt(draw(_spectra(d)))) @ basis.T


@st.composite
def networks(draw, dtypes=("float64", "float32"), depths=(1, 2, 3)):
    """Draw a fitted loss of any shape, depth, penalty and type."""
    n_hidden = draw(st.sampled_from(depths))
    hidden = tuple(draw(st.integers(1, 4)) for _ in range(n_hidden))
    alpha = draw(st.sampled_from([0.0, 0.0, 0.01, 0.3]))
    loss = LinearAutoencoderLoss(
        hidden,
        alpha=alpha,
        penalty=draw(st.sampled_from(["sum", "product"])),
        center=draw(st.booleans()),
        dtype=draw(st.sampled_from(dtypes)),
    )
    return loss.fit(draw(data()))


def points(loss, seed, n=3, scale=1.0):
    """Draw points and directions for a loss."""
    rng = np.random.default_rng(seed)
    draws = scale * rng.standard_normal((2, n, loss.n_params_)) / loss.n_params_**0.25
    return draws.astype(loss.dtype)


def relative(a, b, floor=0.0):
    """Compute the largest difference of arrays, relative to their largest entry."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    size = max(np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0), floor)
    return np.max(np.abs(a - b), initial=0.0) / size if size > 0 else 0.0


# Powers of ten that the unit of the data can be.
scales = st.integers(-60, 60).map(lambda e: 10.0**e)

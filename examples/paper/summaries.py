"""Numbers of many searches, in words."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from skcrit.metrics import participation_entropy, participation_entropy_interval

__all__ = [
    "entropies",
    "entropy",
    "pool",
    "quartiles",
    "select",
    "share",
    "summarize",
    "wilson",
]


def select(fits, **settings):
    """Choose fits by their settings.

    Parameters
    ----------
    fits : list of Fit
        All fits.
    **settings : dict
        Values of attributes, such as ``method="GNM"``.

    Returns
    -------
    fits : list of Fit
        Those that have them.
    """
    return [f for f in fits if all(getattr(f, k) == v for k, v in settings.items())]


def pool(fits):
    """Join the searches of several fits.

    Parameters
    ----------
    fits : list of Fit
        At least one fit.

    Returns
    -------
    runs : DataFrame
        A row per search.
    """
    return pd.concat([fit.runs for fit in fits], ignore_index=True)


def summarize(fits):
    """Describe the searches of several draws.

    Parameters
    ----------
    fits : list of Fit
        Fits of one method.

    Returns
    -------
    summary : dict of str to str
        Cells of the report.
    """
    runs = pool(fits)
    n, critical = len(runs), runs[runs["critical"]]
    ended = runs.loc[runs["success"], "n_iter"]
    sets = [fit.runs["set"].dropna().nunique() for fit in fits]
    iterations = runs["n_iter"].sum()
    return {
        "runs": str(n),
        "success": share(runs["success"].sum(), n),
        "below_tol": share(runs["below_tol"].sum(), n),
        "reached": share(runs["reached"].sum(), n),
        "critical": share(len(critical), n),
        "iterations": quartiles(critical["n_iter_to_success"]),
        "ended": f"{ended.mean():.0f} ({quartiles(ended)})" if len(ended) else "-",
        "products": quartiles(critical["n_hvp_to_success"]),
        "gradients": quartiles(critical["n_gradient_to_success"]),
        "all_products": quartiles(runs["n_hvp"]),
        "sets": ", ".join(map(str, sets)),
        "origin": share(sum(s == () for s in critical["set"]), len(critical)),
        "global": share(sum(s == (0, 1, 2, 3) for s in critical["set"]), n),
        "entropy": entropy(fits[0].found),
        "identified": share(critical["identified"].sum(), len(critical)),
        "index_right": share(critical["index_right"].sum(), len(critical)),
        "status": _counts(runs["status"]),
        "time": f"{1e5 * sum(f.seconds for f in fits) / max(iterations, 1):.0f} ms",
    }


def entropies(finder):
    """Estimate the entropy of participation.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    plain, better : float
        Plug-in estimate and jackknife estimate in bits; NaN if fewer than two runs have
        converged.
    low, high : float
        Ends of the 95 % interval.
    """
    if np.sum(finder.converged_) < 2:
        return (np.nan,) * 4
    plain = participation_entropy(finder)
    better = participation_entropy(finder, bias_correction="jackknife")
    return plain, better, *participation_entropy_interval(finder, random_state=0)


def entropy(finder):
    """Write the entropy of participation with its 95 % interval.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    text : str
        Plug-in estimate, jackknife estimate and interval in bits.
    """
    plain, better, low, high = entropies(finder)
    if np.isnan(plain):
        return "-"
    return f"{plain:.2f}; {better:.2f} [{low:.2f}, {high:.2f}]"


def wilson(k, n):
    """Compute the 95 % Wilson interval of a share.

    Parameters
    ----------
    k, n : int
        Successes and trials, at least one.

    Returns
    -------
    low, high : float
        Ends of the interval.
    """
    interval = binomtest(int(k), int(n)).proportion_ci(method="wilson")
    return interval.low, interval.high


def share(k, n):
    """Write a share with its 95 % Wilson interval.

    Parameters
    ----------
    k, n : int
        Successes and trials.

    Returns
    -------
    text : str
        Such as "0.50 [0.24, 0.76]"; "-" without trials.
    """
    if n == 0:
        return "-"
    low, high = wilson(k, n)
    return f"{k / n:.2f} [{low:.2f}, {high:.2f}]"


def quartiles(values):
    """Write the quartiles.

    Parameters
    ----------
    values : array-like of shape (n,)
        Numbers.

    Returns
    -------
    text : str
        Three numbers; "-" of nothing.
    """
    if len(values) == 0:
        return "-"
    return ", ".join(f"{q:.0f}" for q in np.percentile(values, [25, 50, 75]))


def _counts(status):
    """Count statuses."""
    return ", ".join(f"{count} {name}" for name, count in status.value_counts().items())

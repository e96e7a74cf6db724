"""Newton-MR on the study's first experiment: run it, and measure what came out."""

import time
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest, entropy
from tqdm.auto import tqdm

from skcrit import LinearAutoencoderLoss, NewtonMRFinder, TrajectoryStarts
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning
from skcrit.metrics import judge

__all__ = ["SCALES", "VARIANTS", "Fit", "Scale", "pool", "run", "summarize"]

# Success in the study, on the final squared gradient norm; searches go on to TOL.
SUCCESS = 1e-10
TOL = 1e-20

VARIANTS = {
    "Newton-MR, default": {},
    "Newton-MR, monotone, unbalanced": {"balance": False, "window": 1},
}


@dataclass(frozen=True)
class Scale:
    """Size of the experiment."""

    n_draws: int
    n_samples: int
    n_trajectories: int
    n_starts: int
    n_steps: int
    max_iter: int


SCALES = {
    "full": Scale(5, 10_000, 5, 75, 10_000, 500),
    "small": Scale(2, 1000, 5, 10, 300, 60),
}


@dataclass
class Fit:
    """One fit: 75 searches on one draw of data and starts."""

    variant: str
    draw: int
    finder: NewtonMRFinder
    runs: pd.DataFrame
    seconds: float


def run(scale, seed, n_jobs=2):
    """Run both variants on several draws of data and starts.

    Parameters
    ----------
    scale : Scale
        Size of the experiment.
    seed : int
        Seed of the first draw; the next ones count up.
    n_jobs : int, default=2
        Workers.

    Returns
    -------
    fits : list of Fit
        One per variant and draw. The variants share data and starts.
    """
    tasks = [(name, draw) for name in VARIANTS for draw in range(scale.n_draws)]
    fits = []
    with tqdm(tasks, unit="fit", desc="Newton-MR") as progress:
        for variant, draw in progress:
            progress.set_postfix_str(f"{variant}, draw {draw + 1}")
            fits.append(_fit(scale, variant, draw, seed + draw, n_jobs))
    return fits


def _fit(scale, variant, draw, seed, n_jobs):
    X = make_gaussian_spectrum(scale.n_samples, random_state=seed)
    finder = NewtonMRFinder(
        LinearAutoencoderLoss(hidden_layer_sizes=(4,)),
        n_starts=scale.n_starts,
        init=TrajectoryStarts(
            n_trajectories=scale.n_trajectories, n_steps=scale.n_steps
        ),
        tol=TOL,
        max_iter=scale.max_iter,
        batch_size=-(-scale.n_starts // (2 * n_jobs)),
        store_history=True,
        n_jobs=n_jobs,
        random_state=seed,
        verbose=1,
        **VARIANTS[variant],
    )
    with warnings.catch_warnings():
        # The report counts the failures.
        warnings.simplefilter("ignore", NotConvergedWarning)
        start = time.perf_counter()
        finder.fit(X)
        seconds = time.perf_counter() - start
    return Fit(variant, draw, finder, _tabulate(finder, variant, draw), seconds)


def _tabulate(finder, variant, draw):
    """Make a row per search: what the finder reports, and what the truth says."""
    judgement = judge(finder)
    below = finder.history_["squared_grad_norm"] < SUCCESS
    runs = pd.DataFrame(finder.results_)
    runs.insert(0, "variant", variant)
    runs.insert(1, "draw", draw)
    runs["success"] = runs["squared_grad_norm"] < SUCCESS
    runs["below_tol"] = runs["squared_grad_norm"] < TOL
    runs["n_iter_to_success"] = np.where(runs["success"], np.argmax(below, axis=1), -1)
    runs["set"] = judgement.sets
    runs["identified"] = judgement.identified
    runs["index_right"] = judgement.index_right
    runs["hit"] = judgement.hit
    return runs


def pool(fits, variant):
    """Join the searches of all draws of a variant.

    Parameters
    ----------
    fits : list of Fit
        All fits.
    variant : str
        Name of the variant.

    Returns
    -------
    runs : DataFrame
        A row per search.
    """
    return pd.concat([f.runs for f in fits if f.variant == variant], ignore_index=True)


def summarize(runs, seconds=()):
    """Describe searches in words and numbers.

    Parameters
    ----------
    runs : DataFrame
        A row per search.
    seconds : sequence of float, default=()
        Time of the fits that they come from.

    Returns
    -------
    summary : dict of str to str
        Cells of the report.
    """
    converged = runs[runs["converged"]]
    found = converged["set"]
    iterations = runs.loc[runs["success"], "n_iter_to_success"]
    return {
        "runs": str(len(runs)),
        "success": share(runs["success"].sum(), len(runs)),
        "below_tol": share(runs["below_tol"].sum(), len(runs)),
        "converged": share(len(converged), len(runs)),
        "iterations": _quartiles(iterations),
        "products": _quartiles(runs["n_hvp"]),
        "gradients": _quartiles(runs["n_gradient"]),
        "sets": str(found.nunique()),
        "origin": share(sum(name == () for name in found), len(found)),
        "entropy": f"{_participation_entropy(found):.2f}",
        "identified": share(converged["identified"].sum(), len(converged)),
        "index_right": share(converged["index_right"].sum(), len(converged)),
        "accuracy": share(runs["hit"].sum(), len(runs)),
        "seconds": ", ".join(f"{value:.1f}" for value in seconds),
    }


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
    interval = binomtest(int(k), int(n)).proportion_ci(method="wilson")
    return f"{k / n:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _quartiles(values):
    """Write the quartiles."""
    if len(values) == 0:
        return "-"
    return ", ".join(f"{q:.0f}" for q in np.percentile(values, [25, 50, 75]))


def _participation_entropy(sets, n_features=16):
    """Measure how evenly points use the eigenvectors, in bits; the origin is a bin."""
    counts = np.zeros(n_features + 1)
    for name in sets:
        counts[list(name) if name else [n_features]] += 1
    return entropy(counts, base=2) if counts.any() else np.nan

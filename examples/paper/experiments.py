"""The study's experiments: which finders run, from which starts."""

import time
import warnings
from dataclasses import dataclass, field

import as_published as published
import numpy as np
import pandas as pd
from checks import reached
from tqdm.auto import tqdm

from skcrit import (
    GradNormFinder,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    TrajectoryStarts,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import judge
from skcrit.model_selection import tolerance_curve

__all__ = [
    "INTENDED",
    "NOISE",
    "PUBLISHED",
    "SCALES",
    "SUCCESS",
    "TOL",
    "Fit",
    "Scale",
    "bias",
    "performance",
]

# Success in the study, on the final squared gradient norm; searches go on to TOL.
SUCCESS = 1e-10
TOL = 1e-20
NOISE = (0.0, 1e-4, 1e-2, 1e-1)

PUBLISHED, INTENDED = "as published", "as intended"

# The programs of the study have no tolerance (0), ours stop at TOL.
METHODS = {
    (PUBLISHED, "Newton-MR"): published.PublishedNewtonMRFinder(
        **published.RUNS["Newton-MR"]
    ),
    (PUBLISHED, "Newton-MR, repaired"): published.PublishedNewtonMRFinder(
        **published.RUNS["Newton-MR"], repaired=True
    ),
    (PUBLISHED, "Newton-TR"): published.PublishedNewtonTRFinder(
        **published.RUNS["Newton-TR"]
    ),
    (PUBLISHED, "GNM"): published.PublishedGradNormFinder(**published.RUNS["GNM"]),
    (INTENDED, "Newton-MR"): NewtonMRFinder(tol=TOL, fallback=False),
    (INTENDED, "Newton-MR, unbalanced"): NewtonMRFinder(
        tol=TOL, balance=False, window=1, fallback=False
    ),
    (INTENDED, "Newton-TR"): NewtonTRFinder(tol=TOL, fallback=False),
    (INTENDED, "GNM, l-bfgs"): GradNormFinder(
        tol=TOL, fallback=False, minimizer="l-bfgs"
    ),
    (INTENDED, "GNM, lm"): GradNormFinder(tol=TOL, fallback=False, minimizer="lm"),
    (INTENDED, "GNM, btls"): GradNormFinder(
        tol=TOL, fallback=False, minimizer="btls", max_iter=10_000
    ),
    (INTENDED, "GNM, l-bfgs, unbalanced"): GradNormFinder(
        tol=TOL, fallback=False, minimizer="l-bfgs", balance=False
    ),
    (INTENDED, "GNM, lm, unbalanced"): GradNormFinder(
        tol=TOL, fallback=False, minimizer="lm", balance=False
    ),
}

# What takes long, and variants that only explain the others, run on the first draw.
ONCE = {
    (PUBLISHED, "GNM"),
    (INTENDED, "Newton-MR, unbalanced"),
    (INTENDED, "GNM, btls"),
    (INTENDED, "GNM, l-bfgs, unbalanced"),
    (INTENDED, "GNM, lm, unbalanced"),
}

# Which of them sample the critical points from which starts in the bias experiments.
SAMPLERS = [(PUBLISHED, "Newton-MR"), (INTENDED, "Newton-MR"), (INTENDED, "GNM, lm")]

# Methods whose runs are cut at looser tolerances too, in the performance experiment.
CUT = [(PUBLISHED, "Newton-MR"), (INTENDED, "Newton-MR")]
CUTS = (np.inf, 1e-6, 1e-8)


@dataclass(frozen=True)
class Scale:
    """Size of the study."""

    n_draws: int
    n_samples: int
    n_trajectories: int
    n_starts: int
    n_bias_trajectories: int
    n_bias_starts: int
    n_steps: int
    max_iter: int
    n_jobs: int


SCALES = {
    "full": Scale(2, 10_000, 5, 75, 3, 150, 10_000, 50_000, 2),
    "small": Scale(1, 1000, 3, 6, 2, 4, 300, 30, 1),
}


@dataclass
class Fit:
    """One finder from one set of starts, stopped at several tolerances."""

    column: str
    method: str
    by: str
    noise: float
    draw: int
    curve: object
    seconds: float
    runs: pd.DataFrame = field(repr=False)

    @property
    def finder(self):
        """The finder where its runs end."""
        return self.curve.finders[-1]

    @property
    def found(self):
        """The finder where its runs first converge at SUCCESS."""
        return self.curve.finders[-2]


def performance(scale, seed):
    """Run every method from the same uniform-height starts (figures 1 and 2).

    Parameters
    ----------
    scale : Scale
        Size of the study.
    seed : int
        Seed of the first draw of data and starts; the next ones count up.

    Returns
    -------
    fits : list of Fit
        One per method and draw; the methods of ONCE have one draw.
    """
    tasks = []
    for draw in range(scale.n_draws):
        loss, starts = _setting(
            scale, seed + draw, "height", 0.0, scale.n_trajectories, scale.n_starts
        )
        methods = [key for key in METHODS if draw == 0 or key not in ONCE]
        tasks += [(key, "height", 0.0, draw, loss, starts) for key in methods]
    return _run_all(tasks, scale, "figures 1 and 2", CUTS)


def bias(scale, seed, by):
    """Sample critical points from starts with and without noise (figures 3 and 4).

    Parameters
    ----------
    scale : Scale
        Size of the study.
    seed : int
        Seed of data and starts.
    by : {"height", "iteration"}
        How starts are drawn along the descents.

    Returns
    -------
    fits : list of Fit
        One per method and noise variance; starts with noise are those without, moved.
    """
    tasks = []
    sizes = (scale.n_bias_trajectories, scale.n_bias_starts)
    for noise in NOISE:
        loss, starts = _setting(scale, seed, by, noise, *sizes)
        tasks += [(key, by, noise, 0, loss, starts) for key in SAMPLERS]
        if by == "iteration" and noise == 0:
            few = starts[: min(30, len(starts))]
            tasks.append(((PUBLISHED, "GNM"), by, noise, 0, loss, few))
    return _run_all(tasks, scale, f"bias by {by}")


def _setting(scale, seed, by, noise, n_trajectories, n_starts):
    """Draw data and starts."""
    X = make_gaussian_spectrum(scale.n_samples, random_state=seed)
    loss = LinearAutoencoderLoss(hidden_layer_sizes=(4,)).fit(X)
    sampler = TrajectoryStarts(
        by=by,
        n_trajectories=n_trajectories,
        n_steps=scale.n_steps,
        noise_variance=noise,
    )
    return loss, sampler.sample(loss, n_starts, seed)


def _run_all(tasks, scale, title, cuts=()):
    """Run one fit after the other, with a progress display."""
    fits = []
    with tqdm(tasks, unit="fit", desc=title) as progress:
        for task in progress:
            (column, method), by, noise, draw, *_ = task
            progress.set_postfix_str(f"{column}: {method}, noise {noise:g}")
            fits.append(_run(task, scale, cuts if task[0] in CUT else ()))
    return fits


def _run(task, scale, cuts):
    """Run one method from given starts."""
    key, by, noise, draw, loss, starts = task
    finder = METHODS[key]
    finder.set_params(
        init=starts,
        n_starts=len(starts),
        max_iter=min(finder.max_iter, scale.max_iter),
        batch_size=-(-len(starts) // scale.n_jobs),
        n_jobs=scale.n_jobs,
        store_history=draw == 0 and by == "height" and noise == 0,
    )
    with warnings.catch_warnings():
        # The report counts the failures.
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        curve = tolerance_curve(finder, loss, (*cuts, SUCCESS, finder.tol))
        seconds = time.perf_counter() - begin
    runs = _tabulate(key, by, noise, draw, curve)
    return Fit(*key, by, noise, draw, curve, seconds, runs)


def _tabulate(key, by, noise, draw, curve):
    """Make a row per search: what the finder reports, and what the truth says."""
    cut, finder = curve.finders[-2:]
    runs = pd.DataFrame(finder.results_)
    settings = {"column": key[0], "method": key[1], "by": by, "noise": noise}
    for place, (name, value) in enumerate({**settings, "draw": draw}.items()):
        runs.insert(place, name, value)
    # Success is what the study calls so: the gradient norm where a run ends.
    runs["success"] = runs["squared_grad_norm"] < SUCCESS
    runs["below_tol"] = runs["squared_grad_norm"] < TOL
    # Points are judged where they first reach SUCCESS, at the balanced point too; NaN
    # and None for runs that never do, or where Newton steps lead away.
    for name in ("n_iter", "n_hvp", "n_gradient"):
        spent = cut.results_[name]
        runs[f"{name}_to_success"] = np.where(cut.converged_, spent, np.nan)
    judgement = judge(cut)
    found = judgement.converged & judgement.identified
    runs["reached"] = reached(cut)
    runs["critical"] = judgement.converged
    runs["identified"] = found
    runs["set"] = [s if f else None for s, f in zip(judgement.sets, found, strict=True)]
    runs["index_right"] = found & judgement.index_right
    runs["hit"] = judgement.hit
    return runs

"""The study's experiments: which finders run, from which starts."""

import time
import warnings
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter

import as_published as published
import numpy as np
import pandas as pd
from checks import reached
from joblib import Parallel, delayed
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
    "study",
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
class _Task:
    """A fit to be run."""

    key: tuple
    by: str
    noise: float
    draw: int
    loss: object
    starts: np.ndarray
    cuts: tuple = ()


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


def study(scale, seed):
    """Run the performance experiment, and the bias experiment twice.

    Parameters
    ----------
    scale : Scale
        Size of the study.
    seed : int
        Seed of the first draw of data and starts; the next ones count up.

    Returns
    -------
    performance, by_height, by_iteration : list of Fit
        Every method from the same uniform-height starts (figures 1 and 2), with one fit
        per draw, or one for the methods of ONCE. Then critical points sampled from
        starts with and without noise (figures 3 and 4), drawn by height and by
        iteration: one fit per method and noise variance. Starts with noise are those
        without, moved.
    """
    settings = _settings(scale, seed)
    parts = {
        "figures 1 and 2": _performance(settings),
        "bias by height": _bias(settings, "height"),
        "bias by iteration": _bias(settings, "iteration"),
    }
    tasks = [task for part in parts.values() for task in part]
    titles = [title for title, part in parts.items() for _ in part]
    # A fit has one core: its batches are full, and no worker waits for the slowest
    # search of another one. What may take longest comes first.
    order = sorted(range(len(tasks)), key=lambda i: -_most_iterations(tasks[i], scale))
    calls, names = [(tasks[i], scale) for i in order], [titles[i] for i in order]
    done = _each(_run, calls, names, scale, "fit")
    fits = (fit for _, fit in sorted(zip(order, done, strict=True), key=itemgetter(0)))
    return [list(islice(fits, len(part))) for part in parts.values()]


def _settings(scale, seed):
    """Draw data and starts of all experiments, by way, noise variance and draw."""
    few = (scale.n_trajectories, scale.n_starts)
    many = (scale.n_bias_trajectories, scale.n_bias_starts)
    calls = {
        ("performance", 0.0, draw): (scale, seed + draw, "height", 0.0, *few)
        for draw in range(scale.n_draws)
    }
    for by in ("height", "iteration"):
        for noise in NOISE:
            calls[by, noise, 0] = (scale, seed, by, noise, *many)
    titles = ["data and starts"] * len(calls)
    drawn = _each(_setting, list(calls.values()), titles, scale, "draw")
    return dict(zip(calls, drawn, strict=True))


def _performance(settings):
    """List the fits of figures 1 and 2."""
    return [
        _Task(key, "height", 0.0, draw, *setting, CUTS if key in CUT else ())
        for (way, _, draw), setting in settings.items()
        if way == "performance"
        for key in METHODS
        if draw == 0 or key not in ONCE
    ]


def _bias(settings, by):
    """List the fits of figure 3 or 4."""
    tasks = []
    for noise in NOISE:
        loss, starts = settings[by, noise, 0]
        tasks += [_Task(key, by, noise, 0, loss, starts) for key in SAMPLERS]
        if by == "iteration" and noise == 0:
            few = starts[: min(30, len(starts))]
            tasks.append(_Task((PUBLISHED, "GNM"), by, noise, 0, loss, few))
    return tasks


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


def _each(function, calls, titles, scale, unit):
    """Call a function once for each tuple of arguments, with a display per title."""
    done = Parallel(scale.n_jobs, return_as="generator", batch_size=1)(
        delayed(function)(*arguments) for arguments in calls
    )
    results = []
    with ExitStack() as stack:
        bars = {
            title: stack.enter_context(tqdm(total=total, unit=unit, desc=title))
            for title, total in Counter(titles).items()
        }
        for title, result in zip(titles, done, strict=True):
            bars[title].update()
            results.append(result)
    return results


def _most_iterations(task, scale):
    """Count the iterations that a fit may take."""
    return len(task.starts) * min(METHODS[task.key].max_iter, scale.max_iter)


def _run(task, scale):
    """Run one method from given starts."""
    key, starts = task.key, task.starts
    finder = METHODS[key]
    finder.set_params(
        init=starts,
        n_starts=len(starts),
        max_iter=min(finder.max_iter, scale.max_iter),
        store_history=task.draw == 0 and task.by == "height" and task.noise == 0,
    )
    with warnings.catch_warnings():
        # The report counts the failures.
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        curve = tolerance_curve(finder, task.loss, (*task.cuts, SUCCESS, finder.tol))
        seconds = time.perf_counter() - begin
    runs = _tabulate(key, task.by, task.noise, task.draw, curve)
    return Fit(*key, task.by, task.noise, task.draw, curve, seconds, runs)


def _tabulate(key, by, noise, draw, curve):
    """Make a row per search: what the finder reports, and what the truth says."""
    cut, finder = curve.finders[-2:]
    runs = pd.DataFrame(finder.results_)
    settings = {"column": key[0], "method": key[1], "by": by, "noise": noise}
    for place, (name, value) in enumerate({**settings, "draw": draw}.items()):
        runs.insert(place, name, value)
    # Success is defined as in the study, by the gradient norm at the end of a run.
    runs["success"] = runs["squared_grad_norm"] < SUCCESS
    runs["below_tol"] = runs["squared_grad_norm"] < TOL
    # Points are judged when they first reach SUCCESS, at the balanced point too; NaN
    # and None for runs that never do, or if Newton steps lead away.
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

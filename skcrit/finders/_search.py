"""Run a solver over batches of starts: workers, cache, progress."""

import os
import warnings
from contextlib import contextmanager
from dataclasses import fields

import numpy as np
from joblib import Memory, effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from skcrit.finders._characterize import Characters, characterize
from skcrit.finders._progress import show
from skcrit.solvers import SolverResult, Status

__all__ = ["concatenate", "run_batches", "search", "search_tols"]

# Starts per batch: large enough to hide the interpreter, small enough for the cache.
_BATCH_SIZE = 128

# The same where finished batches are kept or shown: what an interrupted fit loses is
# less than one batch of each worker, and a display moves in such steps.
_KEPT_SIZE = 32


def search(solver, loss, theta0, *, report=None, so_far=None, **options):
    """Solve all starts and describe their ends.

    Parameters
    ----------
    solver : Solver
        Object with ``solve(loss, theta0)``.
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n_starts, n_params)
        Starting points.
    report : FitReport, default=None
        Told of each batch; with it a fit can stop early.
    so_far : callable, default=None
        Takes what this function returns for the first batches, and gives the fitted
        attributes they make.
    **options : dict
        ``batch_size``, ``n_jobs``, ``memory`` and ``verbose`` of a finder.

    Returns
    -------
    result : SolverResult
        One row per start, of the first ones only if a callback stopped the fit.
    characters : Characters
        One row per start.
    """

    def follow(done, n_batches):
        return report.follow(done, n_batches, lambda parts: so_far(*_join(parts)[0]))

    options["follow"] = follow if report else None
    (outcome,) = _run(_solve_batch, solver, loss, theta0, **options)
    return outcome


def search_tols(solver, loss, theta0, tols, **options):
    """Solve all starts once, and describe where they stop at several tolerances.

    Parameters
    ----------
    solver : Solver
        Object with ``solve_tols(loss, theta0, tols)``.
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n_starts, n_params)
        Starting points.
    tols : tuple of float
        Tolerances, absolute, on the squared gradient norm.
    **options : dict
        ``batch_size``, ``n_jobs``, ``memory`` and ``verbose`` of a finder.

    Returns
    -------
    outcomes : list of tuple of (SolverResult, Characters)
        What :func:`search` returns, for each tolerance.
    """
    return _run(_solve_batch_tols, solver, loss, theta0, tols, **options)


def _run(task, solver, loss, theta0, *rest, **options):
    """Solve all starts, and join what comes back."""
    # A solver of a user need not know of starts with parameters of their own.
    select = getattr(solver, "select", lambda rows: solver)

    def arguments(rows):
        return select(rows), loss, theta0[rows], *rest

    return _join(run_batches(task, arguments, len(theta0), **options))


def _join(done):
    """Join batches, for each tolerance."""
    outcomes = []
    for parts in zip(*done, strict=True):
        results, characters = zip(*parts, strict=True)
        outcomes.append((concatenate(results), Characters.concatenate(characters)))
    return outcomes


def run_batches(
    task, arguments, n_starts, *, batch_size, n_jobs, memory, verbose, follow=None
):
    """Spread batches over workers.

    Parameters
    ----------
    task : callable
        What a worker does and the cache keeps.
    arguments : callable
        Gives the arguments of the task for a slice of the starts.
    n_starts : int
        Number of starts.
    batch_size : int or None
        Starts per batch; None divides them over the workers, at most 128 each, 32 where
        batches are kept or shown.
    n_jobs : int or None
        Workers.
    memory : str, path-like, joblib.Memory or None
        Where finished batches are kept.
    verbose : int
        Whether to show progress.
    follow : callable, default=None
        Takes what comes in and the number of batches, and passes it on.

    Yields
    ------
    outcome : object
        What the task returns, batch by batch.
    """
    if batch_size is None:
        share = -(-n_starts // effective_n_jobs(n_jobs))
        kept = memory is not None or verbose or follow
        batch_size = min(_KEPT_SIZE if kept else _BATCH_SIZE, share)
    if memory is not None:
        task = _as_memory(memory).cache(task)
    batches = [slice(i, i + batch_size) for i in range(0, n_starts, batch_size)]
    tasks = (delayed(task)(*arguments(rows)) for rows in batches)
    done = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    with _closing(done):
        shown = show(done, n_starts) if verbose else done
        yield from follow(shown, len(batches)) if follow else shown


@contextmanager
def _closing(done):
    """End the workers when nobody waits any more: on an error, Ctrl-C or a stop."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            # What joblib says of unfinished tasks would hide the reason.
            warnings.filterwarnings("ignore", ".*tasks", UserWarning)
            done.close()


def _solve_batch(solver, loss, theta0):
    """Solve and describe one batch; what a worker does and the cache keeps."""
    return [_describe(loss, theta0, solver.solve(loss, theta0))]


def _solve_batch_tols(solver, loss, theta0, tols):
    """Solve one batch, and describe it at several tolerances."""
    results = solver.solve_tols(loss, theta0, tols)
    return [_describe(loss, theta0, result) for result in results]


def _describe(loss, theta0, result):
    """Add to a result what its end points are."""
    converged = result.status == Status.CONVERGED
    return result, characterize(loss, theta0, result.theta, converged)


def _as_memory(memory):
    """Make a joblib cache of a folder."""
    if hasattr(memory, "cache"):
        return memory
    return Memory(os.fspath(memory), verbose=0)


def concatenate(results):
    """Join the results of all batches.

    Parameters
    ----------
    results : sequence of SolverResult
        At least one batch.

    Returns
    -------
    result : SolverResult
        All rows, in the order of the batches.
    """
    columns = {
        f.name: np.concatenate([getattr(r, f.name) for r in results])
        for f in fields(SolverResult)
        if f.name != "history"
    }
    history = {
        name: [run for r in results for run in r.history[name]]
        for name in results[0].history
    }
    return SolverResult(**columns, history=history)

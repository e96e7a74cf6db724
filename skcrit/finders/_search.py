"""Run a solver over batches of starts: workers, cache, progress."""

import os
from dataclasses import fields

import numpy as np
from joblib import Memory, effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from skcrit.finders._characterize import Characters, characterize
from skcrit.solvers import SolverResult, Status

__all__ = ["search", "search_tols"]

# Starts per batch: large enough to hide the interpreter, small enough for the cache.
_BATCH_SIZE = 128


def search(solver, loss, theta0, **options):
    """Solve all starts and describe their ends.

    Parameters
    ----------
    solver : Solver
        Object with ``solve(loss, theta0)``.
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n_starts, n_params)
        Starting points.
    **options : dict
        ``batch_size``, ``n_jobs``, ``memory`` and ``verbose`` of a finder.

    Returns
    -------
    result : SolverResult
        One row per start.
    characters : Characters
        One row per start.
    """
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


def _run(task, solver, loss, theta0, *rest, batch_size, n_jobs, memory, verbose):
    """Spread batches over workers, and join what comes back."""
    n_starts = len(theta0)
    if batch_size is None:
        share = -(-n_starts // effective_n_jobs(n_jobs))
        batch_size = min(_BATCH_SIZE, share)
    if memory is not None:
        task = _as_memory(memory).cache(task)
    batches = [theta0[i : i + batch_size] for i in range(0, n_starts, batch_size)]
    tasks = (delayed(task)(solver, loss, batch, *rest) for batch in batches)
    done = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    if verbose:
        done = _with_progress(done, n_starts)
    outcomes = []
    for parts in zip(*done, strict=True):
        results, characters = zip(*parts, strict=True)
        outcomes.append((_concatenate(results), Characters.concatenate(characters)))
    return outcomes


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


def _with_progress(outcomes, n_starts):
    """Show starts done and converged while batches come in."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("verbose > 0 needs tqdm: install skcrit[plot].") from error
    converged = 0
    with tqdm(total=n_starts, unit="start", leave=None) as bar:
        for outcome in outcomes:
            status = outcome[-1][0].status
            converged += int(np.sum(status == Status.CONVERGED))
            bar.set_postfix(converged=converged)
            bar.update(len(status))
            yield outcome


def _concatenate(results):
    """Join the results of all batches."""
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

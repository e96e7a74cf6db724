"""Run a solver over batches of starts: workers, cache, progress."""

import os
from dataclasses import fields

import numpy as np
from joblib import Memory, effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from skcrit.finders._characterize import Characters, characterize
from skcrit.solvers import SolverResult, Status

__all__ = ["search"]

# Starts per batch: large enough to hide the interpreter, small enough for the cache.
_BATCH_SIZE = 128


def search(solver, loss, theta0, *, batch_size, n_jobs, memory, verbose):
    """Solve all starts and describe their ends.

    Parameters
    ----------
    solver : Solver
        Object with ``solve(loss, theta0)``.
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n_starts, n_params)
        Starting points.
    batch_size : int or None
        Starts per batch; None divides them over the workers, at most 128 each.
    n_jobs : int or None
        Workers.
    memory : str, path-like, joblib.Memory or None
        Where finished batches are kept.
    verbose : int
        Whether to show progress.

    Returns
    -------
    result : SolverResult
        One row per start.
    characters : Characters
        One row per start.
    """
    n_starts = len(theta0)
    if batch_size is None:
        share = -(-n_starts // effective_n_jobs(n_jobs))
        batch_size = min(_BATCH_SIZE, share)
    run = _solve_batch
    if memory is not None:
        run = _as_memory(memory).cache(_solve_batch)
    batches = [theta0[i : i + batch_size] for i in range(0, n_starts, batch_size)]
    tasks = (delayed(run)(solver, loss, batch) for batch in batches)
    outcomes = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    if verbose:
        outcomes = _with_progress(outcomes, n_starts)
    results, characters = zip(*outcomes, strict=True)
    return _concatenate(results), Characters.concatenate(characters)


def _solve_batch(solver, loss, theta0):
    """Solve and describe one batch; what a worker does and the cache keeps."""
    result = solver.solve(loss, theta0)
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
    with tqdm(total=n_starts, unit="start") as bar:
        for result, characters in outcomes:
            converged += int(np.sum(result.status == Status.CONVERGED))
            bar.set_postfix(converged=converged)
            bar.update(len(result.status))
            yield result, characters


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

"""Run a solver over batches of starts: workers, cache, progress."""

import warnings
from contextlib import contextmanager
from dataclasses import fields
from functools import partial

import numpy as np
from joblib import effective_n_jobs
from joblib import hash as hash_of
from sklearn.utils.parallel import Parallel, delayed

from skcrit._backend import one_blas_thread
from skcrit._version import __version__
from skcrit.finders._characterize import Characters, characterize
from skcrit.finders._progress import show
from skcrit.finders._store import BatchStore
from skcrit.losses.adapt import as_loss
from skcrit.solvers import SolverResult, Status

__all__ = ["concatenate", "on_device", "run_batches", "search", "search_tols"]

# Numbers in the points of a batch: enough to hide the interpreter, few enough for the
# cache. Measured by benchmarks/speed/growth.py, see doc/benchmarks.md.
_BATCH_NUMBERS = 2**16
_BATCH_SIZES = (4, 512)

# The part of that where finished batches are kept or shown: what an interrupted fit
# loses is less than one batch of each worker, and a display moves in such steps.
_KEPT_PART = 4

# The same on a device, which is slow to start and wide: 64 MiB of float64 for the
# points, about twenty times that in all.
_DEVICE_NUMBERS = 2**23


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
    loss = as_loss(loss)

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
    loss = as_loss(loss)
    return _run(_solve_batch_tols, solver, loss, theta0, tols, **options)


def _run(task, solver, loss, theta0, *rest, **options):
    """Solve all starts, and join what comes back."""
    # A solver of a user need not know of starts with parameters of their own.
    select = getattr(solver, "select", lambda rows: solver)

    def arguments(rows):
        return select(rows), loss, theta0[rows], *rest

    return _join(run_batches(task, arguments, *theta0.shape, **options))


def _join(done):
    """Join batches, for each tolerance."""
    outcomes = []
    for parts in zip(*done, strict=True):
        results, characters = zip(*parts, strict=True)
        outcomes.append((concatenate(results), Characters.concatenate(characters)))
    return outcomes


def on_device(options, n_params):
    """Adapt how searches are run to a loss that computes on a device.

    Parameters
    ----------
    options : dict
        ``batch_size``, ``n_jobs`` and whatever else says how searches are run.
    n_params : int
        Number of parameters.

    Returns
    -------
    options : dict
        The same with one process, which is all that a device can serve, and with
        large batches unless ``batch_size`` is given.

    Warns
    -----
    UserWarning
        If ``n_jobs`` asks for workers.
    """
    if options["n_jobs"] not in (None, 1):
        warnings.warn(
            f"n_jobs={options['n_jobs']} is ignored: the loss computes on a device, "
            "where all starts are solved in one process, in large batches.",
            UserWarning,
            stacklevel=4,
        )
    size = options["batch_size"] or max(_DEVICE_NUMBERS // n_params, 1)
    return {**options, "n_jobs": 1, "batch_size": size}


def run_batches(
    task,
    arguments,
    n_starts,
    n_params,
    *,
    batch_size,
    n_jobs,
    memory,
    verbose,
    follow=None,
):
    """Spread batches over workers.

    Parameters
    ----------
    task : callable
        What a worker does and the cache keeps.
    arguments : callable
        Gives the arguments of the task for a slice of the starts.
    n_starts, n_params : int
        Numbers of starts and of parameters.
    batch_size : int or None
        Starts per batch; None divides them over the workers, so that a batch of points
        fits into the cache.
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
        kept = memory is not None or verbose or follow
        batch_size = _choose_batch_size(n_starts, n_params, n_jobs, kept)
    batches = [slice(i, i + batch_size) for i in range(0, n_starts, batch_size)]
    calls = map(arguments, batches)
    if memory is not None:
        calls = _keyed(task, calls)
        task = _keeper(memory)
    tasks = (delayed(_with_one_thread)(task, tuple(call)) for call in calls)
    done = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    with one_blas_thread(), _closing(done):
        shown = show(done, n_starts) if verbose else done
        yield from follow(shown, len(batches)) if follow else shown


def _choose_batch_size(n_starts, n_params, n_jobs, kept):
    """Divide starts over the workers, in batches that compute fast."""
    smallest, largest = _BATCH_SIZES
    size = min(max(_BATCH_NUMBERS // n_params, smallest), largest)
    if kept:
        size = max(size // _KEPT_PART, smallest)
    return min(size, -(-n_starts // effective_n_jobs(n_jobs)))


def _keyed(task, calls):
    """Name each call by the task, its arguments and the version, for the cache."""
    # Functions of a script or a notebook, which a loss can have, are found by name in
    # the main process only: a worker that had to make the key would fail.
    for call in calls:
        yield hash_of((__version__, task.__name__, call)), task, call


def _keeper(memory):
    """Return what takes results from a cache, or does the task and keeps them."""
    if hasattr(memory, "cache"):
        return partial(_kept, memory.cache(_call, ignore=["arguments"]))
    return BatchStore(memory).call


def _call(key, task, arguments):
    """Do a task; the key stands for its arguments in the cache, and for its result."""
    return key, task(*arguments)


def _kept(cached, key, task, arguments):
    """Take a result from the cache, or do the task, and see that it is the one."""
    sealed = cached(key, task, arguments)
    if not isinstance(sealed, tuple) or len(sealed) != 2 or str(sealed[0]) != key:
        raise ValueError(
            "memory holds something else than the result of a batch where this one was "
            f"kept, an object of type {type(sealed).__name__}: another program has "
            "written there, or files have been exchanged. Empty the folder."
        )
    return sealed[1]


def _with_one_thread(task, arguments):
    """Do a task in a worker, whose threads are its own."""
    # The arguments stay together: of an array on its own the Dask backend would leave
    # the only copy on one worker, and the fit would fail when that worker is lost.
    with one_blas_thread():
        return task(*arguments)


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

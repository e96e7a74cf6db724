"""How a fit comes along: told to scikit-learn's callbacks, and shown by tqdm."""

import numpy as np

from skcrit.finders._grouping import group_points, radii
from skcrit.solvers import Status

__all__ = ["FitReport", "FoundSets", "progress_bar", "show"]

_END = object()


class FitReport:
    """Tell the callbacks of a finder about its tasks.

    With a scikit-learn that has no callbacks it only passes on what it is given.

    Parameters
    ----------
    finder : BaseFinder
        Finder that is being fitted.
    X : array-like or Loss
        What it is fitted to.
    y : object
        Passed on.
    task_name : str
        What a part of the fit is called.
    """

    def __init__(self, finder, X, y, task_name):
        self.finder, self.task_name = finder, task_name
        self.arguments = {"estimator": finder, "X": X, "y": y}
        self.context = None

    def follow(self, done, n_tasks, so_far):
        """Pass on what finished tasks return, until a callback wants to stop.

        Parameters
        ----------
        done : iterator
            What each task returns.
        n_tasks : int or None
            Number of tasks, None if not known; then the last one is empty.
        so_far : callable
            Takes the list of all that was passed on, and gives the fitted attributes
            that a fit to this point would have. It is called if a callback asks.

        Yields
        ------
        outcome : object
            What a task returns.
        """
        begin = getattr(self.finder, "_init_callback_context", None)
        if begin is None:
            yield from done
            return
        self.context = begin(max_subtasks=n_tasks)
        self.context.call_on_fit_task_begin(**self.arguments)
        outcomes, stop = [], False
        while not stop and len(outcomes) != n_tasks:
            task = self.context.subcontext(task_name=self.task_name)
            task.call_on_fit_task_begin(**self.arguments)
            outcome = next(done, _END)
            if outcome is not _END:
                outcomes.append(outcome)
            stop = task.call_on_fit_task_end(
                **self.arguments, reconstruction_attributes=lambda: so_far(outcomes)
            )
            if outcome is _END:
                return
            yield outcome

    def end(self):
        """Tell that the finder is fitted."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                **self.arguments, reconstruction_attributes=dict
            )


class FoundSets:
    """Count the distinct critical sets among batches of points as they come in.

    The count is for display: the fit itself groups all points at once, the best ones
    first, and can differ by sets that are hardly told apart.
    """

    def __init__(self):
        self.invariants, self.radius = None, None

    def __len__(self):
        return 0 if self.radius is None else len(self.radius)

    def add(self, characters, converged):
        """Take up the converged points of a batch.

        Parameters
        ----------
        characters : Characters
            One row per start.
        converged : ndarray of bool of shape (n_starts,)
            Which starts converged.
        """
        rows = np.flatnonzero(converged)
        points, error = characters.invariants[rows], characters.uncertainty[rows]
        scale = np.nanmax(characters.start_norm)
        quality = characters.squared_balanced_grad_norm[rows]
        _, leaders = group_points(points, error, quality, scale=scale)
        points = points[leaders]
        radius = radii(points, error[leaders], scale) if len(leaders) else error[:0]
        if self.radius is None:
            self.invariants, self.radius = points, radius
            return
        new = [
            np.all(np.linalg.norm(self.invariants - point, axis=1) > self.radius + size)
            for point, size in zip(points, radius, strict=True)
        ]
        new = np.array(new, dtype=bool)
        self.invariants = np.concatenate([self.invariants, points[new]])
        self.radius = np.concatenate([self.radius, radius[new]])


def progress_bar(**options):
    """Make a progress bar.

    Parameters
    ----------
    **options : dict
        Passed to tqdm.

    Returns
    -------
    bar : tqdm.tqdm
        Progress bar, with the time that is left.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("verbose > 0 needs tqdm: install skcrit[plot].") from error
    return tqdm(leave=None, **options)


def show(done, n_starts):
    """Show starts done, how many converged, and sets found while batches come in.

    Parameters
    ----------
    done : iterator
        For each batch a list of pairs of SolverResult and Characters; the last pair is
        that of the strictest tolerance.
    n_starts : int
        Number of starts.

    Yields
    ------
    outcome : list
        What ``done`` gives.
    """
    converged, found = 0, FoundSets()
    with progress_bar(total=n_starts, unit="start") as bar:
        for outcome in done:
            result, characters = outcome[-1]
            reached = result.status == Status.CONVERGED
            converged += int(np.sum(reached))
            found.add(characters, reached)
            bar.set_postfix(converged=converged, found=len(found))
            bar.update(len(reached))
            yield outcome

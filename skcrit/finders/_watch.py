"""Watch a fit while it runs: scikit-learn's callbacks and a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np


class FitReport:
    """Report the batches of a fit of a finder to X and y to its callbacks.

    A part of the fit is called ``task_name``. ``attributes`` maps the outcome so far to
    the fitted attributes of a fit that ends here, if a callback asks for them.
    """

    def __init__(
        self,
        finder: Any,
        X: Any,
        y: Any,
        task_name: str,
        attributes: Callable[[Any], dict[str, Any]],
    ) -> None:
        self.finder, self.task_name, self.attributes = finder, task_name, attributes
        self.arguments = {"estimator": finder, "X": X, "y": y}
        self.context: Any = None
        self.task: Any = None

    def begin(self, n_batches: int | None) -> None:
        """Register that a part of the fit begins."""
        if self.context is None:
            self.context = self.finder._init_callback_context(max_subtasks=n_batches)
            self.context.call_on_fit_task_begin(**self.arguments)
        self.task = self.context.subcontext(task_name=self.task_name)
        self.task.call_on_fit_task_begin(**self.arguments)

    def end(self, so_far: Callable[[], Any]) -> bool:
        """Register that a part has ended; return whether a callback wants to stop."""
        return bool(
            self.task.call_on_fit_task_end(
                **self.arguments,
                reconstruction_attributes=lambda: self.attributes(so_far()),
            )
        )

    def finish(self) -> None:
        """Register that the finder is fitted."""
        if self.context is not None:
            self.context.call_on_fit_task_end(
                **self.arguments, reconstruction_attributes=dict
            )


class Progress:
    """Show starts done, how many converged, and sets found."""

    unit = "start"

    def __init__(self, total: int) -> None:
        self.bar = progress_bar(total=total, unit=self.unit)

    def begin(self, n_parts: int | None) -> None:
        """Do nothing when a part begins."""

    def end(self, so_far: Callable[[], Any]) -> bool:
        """Show what has come in; never stop."""
        done, numbers = self._numbers(so_far())
        # First the numbers, then the bar: a refresh shows both.
        self.bar.set_postfix(**numbers, refresh=False)
        self.bar.update(done - self.bar.n)
        return False

    def finish(self) -> None:
        """Close the bar."""
        self.bar.close()

    def _numbers(self, result: Any) -> tuple[int, dict[str, Any]]:
        """Return how much is done, and what to write beside the bar."""
        converged = int(np.sum(result.labels >= 0))
        numbers = {"converged": converged, "found": len(result.sets.loss)}
        return len(result.labels), numbers


class SearchBar(Progress):
    """Show searches done, and what was found."""

    unit = "search"

    def _numbers(self, result: Any) -> tuple[int, dict[str, Any]]:
        # The share bounds nothing: an exploration first tries what promises new sets.
        share = f"{result.coverage():.0%}"
        return result.n_searches, {"found": len(result.atlas), "nothing_new": share}


def progress_bar(**options: Any) -> Any:
    """Make a bar of tqdm with the time that is left, or raise ImportError."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("verbose > 0 needs tqdm: install skcrit[plot].") from error
    return tqdm(leave=None, **options)


class _Counter:
    """Count the parts of a fit that have come in."""

    def __init__(self) -> None:
        self.done = 0

    def begin(self, n_parts: int | None) -> None:
        """Do nothing when a part begins."""

    def end(self, so_far: Any) -> bool:
        """Count a part."""
        self.done += 1
        return False

    def finish(self) -> None:
        """Do nothing at the end."""


@contextmanager
def interruptible(
    finder: Any, unit: str, watch: list[Any]
) -> Generator[None, None, None]:
    """Say after Ctrl-C what was kept, and close the bar."""
    # A KeyboardInterrupt with this message, and without the frames of the search, comes
    # in place of the one that came from deep inside.
    counter = _Counter()
    watch.append(counter)
    try:
        yield
    except KeyboardInterrupt:
        for watcher in watch:
            if isinstance(watcher, Progress):
                watcher.finish()
        name, done = type(finder).__name__, counter.done
        plural = "es" if unit.endswith("ch") else "s"
        parts = f"{done} finished {unit}{'' if done == 1 else plural}"
        if finder.memory is None:
            kept = (
                f"{parts} lost, the finder is not fitted. With memory='some_folder' "
                "they are kept, and the same fit goes on from there"
            )
        else:
            folder = getattr(finder.memory, "location", finder.memory)
            kept = f"{parts} kept in {str(folder)!r}. The same fit goes on from there"
        text = f"{name} was interrupted: {kept}."
    else:
        return
    # The traceback of the search would only show where it happened to be.
    raise KeyboardInterrupt(text) from None

"""Folders of records: where each run has its own, and how a second sweep is kept out of them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sotlib.companion.files import locked
from sotlib.companion.runner.tasks import MARKER, STOP, Task

Folder = Path | str | Callable[[Task], Path]
"""One folder for all runs, or a function that gives that of each."""


class SweepError(RuntimeError):
    """A sweep cannot be carried out; the message says what to do."""


def under(root: Path) -> Callable[[Task], Path]:
    """Folders as the library has them: ``root/<experiment>/<budget>``."""
    return lambda task: Path(root) / task.experiment / task.budget


def folders_of(tasks: Sequence[Task], folder: Folder) -> dict[Task, Path]:
    """The folder of each run."""
    return {task: Path(folder(task) if callable(folder) else folder) for task in tasks}


@contextlib.contextmanager
def only_sweep(folder: Path) -> Iterator[None]:
    """Keep a second sweep out of a folder."""
    refusal = SweepError(
        f"another sweep is running in {folder}: wait for it, or stop it; this one would repeat "
        "its runs"
    )
    with locked(folder / MARKER, refusal):
        (folder / STOP).unlink(missing_ok=True)  # of a sweep that was killed
        try:
            yield
        finally:
            (folder / STOP).unlink(missing_ok=True)
            with contextlib.suppress(PermissionError):  # Windows removes it with the lock
                (folder / MARKER).unlink(missing_ok=True)

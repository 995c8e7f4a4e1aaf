"""Folders of records: where each run has its own, and how a second sweep is kept out of them."""

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sotlib.companion.runner.tasks import MARKER, Task

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
    """Keep a second sweep out of a folder; the system frees the lock of a killed one."""
    marker = folder / MARKER
    with marker.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SweepError(
                f"another sweep is running in {folder}: wait for it, or stop it; this one would "
                "repeat its runs"
            ) from None
        try:
            yield
        finally:
            marker.unlink(missing_ok=True)

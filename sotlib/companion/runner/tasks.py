"""What a sweep consists of, and how one part of it is carried out, wherever that is."""

import contextlib
import functools
import importlib
import itertools
import pkgutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from sotlib._core import check
from sotlib.companion import experiments
from sotlib.companion.experiments.runs import Run
from sotlib.companion.experiments.training import Stopped
from sotlib.companion.files import write_atomically

MARKER = "sweep.lock"  # lies in the folder while a sweep goes on; workers look for it
STOP = "sweep.stop"  # tells them to keep their states and to end


@dataclass(frozen=True)
class Task:
    """One run: a row of an experiment with a seed and a budget."""

    experiment: str
    row: str
    seed: int
    budget: str

    @property
    def name(self) -> str:
        """How its files are called."""
        return f"{self.row}-{self.seed}"

    @property
    def needs(self) -> "Task | None":
        """The run that has to be recorded first."""
        row = getattr(experiment(self.experiment).ROWS[self.row], "needs", None)
        return row and replace(self, row=row)

    def run_in(self, folder: Path) -> Run:
        """The run, with its record in a folder."""
        module, path = experiment(self.experiment), Path(folder) / f"{self.name}.json"
        setting, limits = module.ROWS[self.row], module.BUDGETS[self.budget]
        return Run(self.experiment, self.row, setting, self.seed, self.budget, limits, path)

    @property
    def verify(self) -> Callable | None:
        """The experiment's, see `sotlib.companion.experiments`."""
        return getattr(experiment(self.experiment), "verify", None)

    @property
    def steps(self) -> int:
        """Its length, for the progress bar."""
        return getattr(experiment(self.experiment).BUDGETS[self.budget], "steps", 1)


def experiment(name: str) -> ModuleType:
    """The module of an experiment; ValueError lists those that there are."""
    check.one_of("experiment", name, _names())
    return _module(*name.split("_", 1))


@functools.cache  # a sweep asks several times a second, for each of its runs
def _names() -> tuple[str, ...]:
    """``<paper>_<module>`` of every module with rows."""
    folders = [m.name for m in pkgutil.iter_modules(experiments.__path__) if m.ispkg]
    folders.sort(key=lambda name: (*experiments.PAPERS, name).index(name))
    modules = [
        (folder, module.name)
        for folder in folders
        for module in pkgutil.iter_modules([f"{experiments.__path__[0]}/{folder}"])
    ]
    return tuple("_".join(names) for names in modules if hasattr(_module(*names), "ROWS"))


def _module(folder: str, name: str) -> ModuleType:
    return importlib.import_module(f"{experiments.__name__}.{folder}.{name}")


def default_seeds(name: str, budget: str) -> list[int]:
    """Seeds of a sweep that is given none: the experiment's own."""
    module = experiment(name)
    check.one_of("budget", budget, tuple(module.BUDGETS))
    return list(module.SEEDS[budget] if isinstance(module.SEEDS, Mapping) else module.SEEDS)


def plan(name: str, *, budget: str, seeds: list[int], rows: list[str] | None = None) -> list[Task]:
    """The runs of a sweep: all rows with the first seed, then with the next one.

    So, wherever a sweep stops, its rows have come equally far. What a run needs comes before it,
    also where its row is not named.

    Examples
    --------
    >>> from sotlib.companion.runner import plan
    >>> [t.name for t in plan("sot_table", budget="smoke", seeds=[1, 2], rows=["MSS-Lin"])]
    ['MSS-Lin-1', 'MSS-Lin-2']
    """
    module = experiment(name)
    check.one_of("budget", budget, tuple(module.BUDGETS))
    for row in rows or ():
        check.one_of("rows", row, tuple(module.ROWS))
    if len(set(seeds)) != len(seeds) or not seeds:
        raise ValueError(f"seeds must be different numbers, at least one; got {seeds}.")
    for seed in seeds:
        check.count("seeds", seed, least=0)
    wanted = [Task(name, row, seed, budget) for seed in seeds for row in rows or module.ROWS]
    return list(dict.fromkeys(task for last in wanted for task in _after_needs(last)))


def _after_needs(task: Task) -> list[Task]:
    return [*(_after_needs(task.needs) if task.needs else ()), task]


def queue(name: str | None = None) -> list[Task]:
    """What an experiment, or each that has a ``QUEUE``, wants carried out, in this order.

    What stands in a ``LONG`` comes after the queues of all.

    Examples
    --------
    >>> from sotlib.companion.runner import queue
    >>> [(task.budget, task.name) for task in queue("sot_table")][:2]
    [('reduced', 'SOT-2048-123'), ('reduced', 'SOT-2048-456')]
    """
    names = [name] if name else [known for known in _names() if hasattr(experiment(known), "QUEUE")]
    tasks = []
    for part, name in itertools.product(("QUEUE", "LONG"), names):
        for budget, rows, seeds in getattr(experiment(name), part, ()):
            tasks += plan(name, budget=budget, seeds=list(seeds), rows=list(rows))
    if not tasks:
        raise ValueError(f"the experiment {name} declares no QUEUE: name a budget, rows and seeds.")
    return list(dict.fromkeys(tasks))


def carry_out(
    task: Task,
    folder: Path,
    device: str = "cpu",
    deadline: float | None = None,
) -> bool:
    """Carry out one run in this process; returns whether it came to its end.

    At the `deadline`, seconds since the epoch, or where the sweep is to stop, it ends and its state
    is kept.
    """
    folder = Path(folder)
    if not (folder / MARKER).exists():
        raise FileNotFoundError(
            f"the folder of the sweep, {folder}, is not here: all workers must see it under the "
            "same path (a shared file system)"
        )
    progress, stop = folder / f"{task.name}.progress", folder / STOP
    written = 0.0

    def late() -> bool:
        return (deadline is not None and time.time() >= deadline) or stop.exists()

    def report(step: int) -> None:
        nonlocal written
        stopping = late()
        if stopping or time.monotonic() - written > 1:
            with contextlib.suppress(OSError):  # a full disk: only the bar needs it
                write_atomically(progress, str(step))
            written = time.monotonic()
        if stopping:
            raise Stopped

    if late():
        return False
    try:
        experiment(task.experiment).run(
            task.row, task.seed, budget=task.budget, folder=folder, device=device, progress=report
        )
    except Stopped:
        return False  # how far it has come stays written, as its state does
    except BaseException:
        progress.unlink(missing_ok=True)
        raise
    progress.unlink(missing_ok=True)
    return True

"""What a sweep consists of, and how one part of it is carried out, wherever that is."""

import importlib
import os
import pkgutil
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch

import sotlib.experiments
from sotlib import _check

MARKER = "sweep.lock"  # lies in the folder while a sweep goes on; workers look for it


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
    def steps(self) -> int:
        """Its length, for the progress bar."""
        return experiment(self.experiment).BUDGETS[self.budget].steps


def experiment(name: str) -> ModuleType:
    """The module of an experiment; ValueError lists those that there are."""
    known = [
        module.name
        for module in pkgutil.iter_modules(sotlib.experiments.__path__)
        if hasattr(importlib.import_module(f"sotlib.experiments.{module.name}"), "ROWS")
    ]
    _check.one_of("experiment", name, tuple(known))
    return importlib.import_module(f"sotlib.experiments.{name}")


def default_seeds(name: str, budget: str) -> list[int]:
    """Seeds of a sweep that is given none: the experiment's own."""
    module = experiment(name)
    _check.one_of("budget", budget, tuple(module.BUDGETS))
    return module.default_seeds(budget)


def plan(name: str, *, budget: str, seeds: list[int], rows: list[str] | None = None) -> list[Task]:
    """The runs of a sweep: all rows with the first seed, then with the next one.

    So, wherever a sweep stops, its rows have come equally far.

    Examples
    --------
    >>> from sotlib.runner import plan
    >>> [t.name for t in plan("sot_table", budget="smoke", seeds=[1, 2], rows=["MSS-Lin"])]
    ['MSS-Lin-1', 'MSS-Lin-2']
    """
    module = experiment(name)
    _check.one_of("budget", budget, tuple(module.BUDGETS))
    for row in rows or ():
        _check.one_of("rows", row, tuple(module.ROWS))
    if len(set(seeds)) != len(seeds) or not seeds:
        raise ValueError(f"seeds must be different numbers, at least one; got {seeds}.")
    for seed in seeds:
        _check.count("seeds", seed, least=0)
    return [Task(name, row, seed, budget) for seed in seeds for row in rows or module.ROWS]


def carry_out(task: Task, folder: Path, device: str = "cpu", parent: int | None = None) -> str:
    """Carry out one run in this process; returns its name.

    `parent` is the process whose end stops this one: a worker must not outlive its sweep.
    """
    folder = Path(folder)
    if not (folder / MARKER).exists():
        raise FileNotFoundError(
            f"the folder of the sweep, {folder}, is not here: all workers must see it under the "
            "same path (a shared file system)"
        )
    progress = folder / f"{task.name}.progress"
    written = 0.0

    def report(step: int) -> None:
        nonlocal written
        if parent is not None and os.getppid() != parent:
            os._exit(1)  # the pool would catch an exception and wait for work for ever
        if time.monotonic() - written > 1:
            progress.write_text(str(step), encoding="utf-8")
            written = time.monotonic()

    try:
        experiment(task.experiment).run(
            task.row, task.seed, budget=task.budget, folder=folder, device=device, progress=report
        )
    finally:
        progress.unlink(missing_ok=True)
    return task.name


def one_thread() -> None:
    """Leave the other cores to the other workers: side by side is faster than threads in each."""
    torch.set_num_threads(1)

"""Carry out many runs, watch them, and go on after an interruption."""

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from sotlib.checkpoints import CheckpointError
from sotlib.records import RecordError, read_record
from sotlib.runner import executors
from sotlib.runner.tasks import MARKER, Task, carry_out, experiment

RESTARTS = 3  # of a pool of processes of which one was killed


class SweepError(RuntimeError):
    """A sweep cannot be carried out; the message says what to do."""


class Sweep:
    """The runs of an experiment in one folder.

    Parameters
    ----------
    tasks : sequence of Task
        What `plan` returns.
    folder : path
        Records, weights and checkpoints; runs that are recorded there are not repeated.
    workers : int
        Runs at once.
    device : str, default 'cpu'
        On 'cpu' runs have processes of their own; on 'cuda' they share one process.
    cluster : str, optional
        Address of a Dask scheduler, whose workers all see `folder`.

    Notes
    -----
    Explained in chapter ``sot/table``.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        folder: Path,
        *,
        workers: int,
        device: str = "cpu",
        cluster: str | None = None,
    ):
        self.tasks, self.folder = list(tasks), Path(folder).resolve()
        self.workers, self.device, self.cluster = workers, device, cluster
        self.failed: dict[str, str] = {}

    def run(self) -> dict[str, str]:
        """Carry out what is not recorded yet; returns the errors of runs that failed, by name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._only_sweep():
            self._drop_damaged()
            steps = sum(task.steps for task in self.tasks)
            with tqdm(total=steps, initial=self._steps(), unit="step", smoothing=0) as bar:
                self._run_all(bar)
        return self.failed

    @contextlib.contextmanager
    def _only_sweep(self) -> Iterator[None]:
        """Keep a second sweep out of the folder; the system frees the lock of a killed one."""
        marker = self.folder / MARKER
        with marker.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise SweepError(
                    f"another sweep is running in {self.folder}: wait for it, or stop it; this "
                    "one would repeat its runs"
                ) from None
            try:
                yield
            finally:
                marker.unlink(missing_ok=True)

    def _run_all(self, bar: tqdm) -> None:
        restarts = 0
        while tasks := [t for t in self.tasks if not self._settled(t)]:
            try:
                with self._executor() as executor:
                    self._watch({self._submit(executor, task): task for task in tasks}, bar)
            except BrokenProcessPool:
                restarts += 1
                if restarts > RESTARTS:
                    raise
                tqdm.write(
                    "a worker was killed; its run goes on from its last checkpoint",
                    file=sys.stderr,
                )

    def _executor(self):
        if self.cluster is not None:
            return executors.cluster(self.cluster)
        make = executors.processes if self.device == "cpu" else executors.threads
        return make(min(self.workers, len(self.tasks)))

    def _submit(self, executor, task: Task) -> Future:
        own = self.cluster is None and self.device == "cpu"
        return executor.submit(
            carry_out, task, self.folder, self.device, os.getpid() if own else None
        )

    def _watch(self, futures: dict[Future, Task], bar: tqdm) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                self._collect(future, futures[future])
            bar.update(self._steps() - bar.n)
            finished = sum(self._settled(task) for task in self.tasks)
            bar.set_postfix_str(f"{finished} of {len(self.tasks)} runs", refresh=False)

    def _collect(self, future: Future, task: Task) -> None:
        try:
            future.result()
        except BrokenProcessPool:
            raise
        except (Exception, CancelledError) as error:
            self.failed[task.name] = f"{type(error).__name__}: {error}"
            tqdm.write(f"{task.name} failed: {error}", file=sys.stderr)

    def _settled(self, task: Task) -> bool:
        return task.name in self.failed or (self.folder / f"{task.name}.json").exists()

    def _steps(self) -> int:
        return sum(_steps(task, self.folder) for task in self.tasks)

    def _drop_damaged(self) -> None:
        for task in self.tasks:
            path = self.folder / f"{task.name}.json"
            verify = getattr(experiment(task.experiment), "verify", None)
            try:
                read_record(path)
                if verify is not None:
                    verify(task.row, task.seed, budget=task.budget, folder=self.folder)
            except (RecordError, CheckpointError) as error:
                if path.exists():
                    tqdm.write(f"{error}; it is computed again", file=sys.stderr)
                    path.rename(path.with_suffix(f".damaged-{int(time.time())}"))


def status(tasks: Sequence[Task], folder: Path) -> str:
    """How far each row has come: one line for each."""
    rows: dict[str, list[Task]] = {}
    for task in tasks:
        rows.setdefault(task.row, []).append(task)
    width = max(len(row) for row in rows)
    lines = []
    for row, group in rows.items():
        recorded = sum((Path(folder) / f"{t.name}.json").exists() for t in group)
        begun = sum((Path(folder) / f"{t.name}.checkpoint.safetensors").exists() for t in group)
        lines.append(f"{row:<{width}}  {recorded} of {len(group)} recorded, {begun} begun")
    return "\n".join(lines)


def _steps(task: Task, folder: Path) -> int:
    if (folder / f"{task.name}.json").exists():
        return task.steps
    try:
        return int((folder / f"{task.name}.progress").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not begun, or just being written
        return 0

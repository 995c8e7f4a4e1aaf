"""Carry out many runs, watch them, and go on after an interruption."""

import contextlib
import functools
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from sotlib.companion.experiments.runs import find_record
from sotlib.companion.runner import executors
from sotlib.companion.runner.folders import Folder, SweepError, folders_of, only_sweep
from sotlib.companion.runner.status import is_recorded, steps_done
from sotlib.companion.runner.tasks import Task, carry_out, experiment

RESTARTS = 3  # of a pool of processes of which one was killed
GRACE = 60.0  # seconds after the deadline for a step, a validation and a checkpoint


class Sweep:
    """Runs of experiments, in one folder or in several.

    Parameters
    ----------
    tasks : sequence of Task
        What `plan` or `queue` returns; begun in this order.
    folder : path, or callable
        Records, weights and checkpoints; runs that are recorded there are not repeated. A function
        gives each run its own, see `folders.under`. Runs in a folder in which another sweep works
        are left to that.
    workers : int
        Runs at once, each in a process of its own.
    device : str, default 'cpu'
        On 'cuda' all processes share one GPU.
    cluster : str, optional
        Address of a Dask scheduler, whose workers all see the folders.
    deadline : float, optional
        Time, as `time.time` gives it, at which runs are stopped and their states kept.

    Attributes
    ----------
    failed : dict
        Errors of runs that failed.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        folder: Folder,
        *,
        workers: int,
        device: str = "cpu",
        cluster: str | None = None,
        deadline: float | None = None,
    ):
        places = folders_of(tasks, folder).items()
        self.folders = {task: place.resolve() for task, place in places}
        self.workers, self.device, self.cluster = workers, device, cluster
        self.deadline = deadline
        self.failed: dict[Task, str] = {}
        self.stopped: set[Task] = set()

    def run(self) -> dict[Task, str]:
        """Carry out what is not recorded yet; returns the errors of runs that failed."""
        with contextlib.ExitStack() as locks:
            self._take_folders(locks)
            self._drop_damaged()
            steps = sum(task.steps for task in self.folders)
            with tqdm(total=steps, initial=self._steps(), unit="step", smoothing=0) as bar:
                self._run_all(bar)
        return self.failed

    def _take_folders(self, locks: contextlib.ExitStack) -> None:
        taken, error = set(), None
        for folder in dict.fromkeys(self.folders.values()):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                locks.enter_context(only_sweep(folder))
                taken.add(folder)
            except SweepError as refused:
                error = refused
        if not taken and error is not None:
            raise error
        if error is not None:
            tqdm.write(f"{error}. Its runs are left to it", file=sys.stderr)
        self.folders = {task: folder for task, folder in self.folders.items() if folder in taken}

    def _run_all(self, bar: tqdm) -> None:
        restarts = 0
        while tasks := [task for task in self.folders if not self._settled(task)]:
            try:
                with self._executor(len(tasks)) as executor:
                    self._watch({self._submit(executor, task): task for task in tasks}, bar)
            except BrokenProcessPool:
                restarts += 1
                if restarts > RESTARTS:
                    raise
                tqdm.write(
                    "a worker was killed; its run goes on from its last checkpoint",
                    file=sys.stderr,
                )

    def _executor(self, runs: int):
        if self.cluster is not None:
            return executors.cluster(self.cluster)
        return executors.processes(min(self.workers, runs))

    def _submit(self, executor, task: Task) -> Future:
        return executor.submit(
            carry_out, task, self.folders[task], self.device, deadline=self.deadline
        )

    def _watch(self, futures: dict[Future, Task], bar: tqdm) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                self._collect(future, futures[future])
            bar.update(self._steps() - bar.n)
            finished = sum(is_recorded(*run) for run in self.folders.items())
            bar.set_postfix_str(f"{finished} of {len(self.folders)} runs", refresh=False)
            if pending and self.deadline is not None and time.time() > self.deadline + GRACE:
                self.stopped |= {futures[future] for future in pending}
                tqdm.write(
                    f"{len(pending)} runs did not stop in time: they will go on from earlier "
                    "checkpoints",
                    file=sys.stderr,
                )
                return

    def _collect(self, future: Future, task: Task) -> None:
        try:
            if not future.result():
                self.stopped.add(task)
        except BrokenProcessPool:
            raise
        except (Exception, CancelledError) as error:
            self.failed[task] = f"{type(error).__name__}: {error}"
            tqdm.write(f"{task.name} failed: {error}", file=sys.stderr)

    def _settled(self, task: Task) -> bool:
        """Whether nothing is left to do for it in this sweep."""
        given_up = task in self.failed or task in self.stopped
        return given_up or is_recorded(task, self.folders[task])

    def _steps(self) -> int:
        return sum(steps_done(*run) for run in self.folders.items())

    def _drop_damaged(self) -> None:
        for task, folder in self.folders.items():
            verify = getattr(experiment(task.experiment), "verify", None)
            options = {"budget": task.budget, "folder": folder}
            intact = verify and functools.partial(verify, task.row, task.seed, **options)
            find_record(folder / f"{task.name}.json", intact)

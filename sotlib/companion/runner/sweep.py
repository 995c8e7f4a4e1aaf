"""Carry out many runs, watch them, and go on after an interruption."""

import contextlib
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from sotlib.companion.experiments.runs import find_record
from sotlib.companion.files import drop_leftovers
from sotlib.companion.records import missing_files
from sotlib.companion.runner import executors
from sotlib.companion.runner.folders import Folder, SweepError, folders_of, only_sweep
from sotlib.companion.runner.signals import noticed
from sotlib.companion.runner.status import is_recorded, steps_done
from sotlib.companion.runner.tasks import STOP, Task, carry_out

RESTARTS = 3  # of a run whose process was killed
GRACE = 60.0  # seconds after the deadline for a step, a validation and a checkpoint
AT_ONCE = 2.5  # seconds after a signal for the same


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
    stopped : set
        Runs that were stopped, by the deadline or by a signal.
    received : list of int
        The signal that stopped it, SIGINT or SIGTERM; empty if none did.
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
        self.kills: Counter[Task] = Counter()
        self.received: list[int] = []

    def run(self) -> dict[Task, str]:
        """Carry out what is not recorded yet; returns the errors of runs that failed.

        Raises
        ------
        SweepError
            Where no folder can be taken.
        OtherRecordError
            Where a record is of another run, before anything begins.
        """
        with contextlib.ExitStack() as locks:
            self._take_folders(locks)
            self._look_at_records()
            steps = sum(task.steps for task in self.folders)
            self.received = locks.enter_context(noticed())
            with tqdm(total=steps, initial=self._steps(), unit="step", smoothing=0) as bar:
                self._run_all(bar)
        return self.failed

    def _take_folders(self, locks: contextlib.ExitStack) -> None:
        taken, error = set(), None
        for folder in dict.fromkeys(self.folders.values()):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                locks.enter_context(only_sweep(folder))
                taken.add(folder)
            except SweepError as refused:
                error = refused
            except OSError as refused:
                raise SweepError(
                    f"cannot write in the folder {folder} ({refused.strerror or refused}): give "
                    "another one, or leave to write there"
                ) from None
        if not taken and error is not None:
            raise error
        if error is not None:
            tqdm.write(f"{error}. Its runs are left to it", file=sys.stderr)
        self.folders = {task: folder for task, folder in self.folders.items() if folder in taken}

    def _look_at_records(self) -> None:
        """Put damaged ones aside, and say which weights are missing."""
        for folder in dict.fromkeys(self.folders.values()):
            drop_leftovers(folder)
        missing = []
        for task, folder in self.folders.items():
            run = task.run_in(folder)
            record = find_record(run, task.verify)
            missing += missing_files(run.path, record) if record else []
        if missing:
            tqdm.write(
                f"recorded, but without their weights: {len(missing)} runs ({missing[0].name} and "
                "the like are not here). To get them, move the records away and repeat this",
                file=sys.stderr,
            )

    def _run_all(self, bar: tqdm) -> None:
        tasks = [task for task, folder in self.folders.items() if not is_recorded(task, folder)]
        if tasks:
            with self._executor(len(tasks)) as executor:
                self._watch(executor, tasks, bar)

    def _executor(self, runs: int):
        if self.cluster is not None:
            return executors.cluster(self.cluster)
        return executors.processes(min(self.workers, runs))

    def _submit(self, executor, task: Task) -> Future:
        return executor.submit(
            carry_out, task, self.folders[task], self.device, deadline=self.deadline
        )

    def _watch(self, executor, tasks: Sequence[Task], bar: tqdm) -> None:
        waiting = dict.fromkeys(tasks)
        futures: dict[Future, Task] = {}
        self._begin(executor, waiting, futures)
        limit = math.inf if self.deadline is None else self.deadline + GRACE
        asked = False
        while futures:
            done, _ = wait(futures, timeout=0.25, return_when=FIRST_COMPLETED)
            for future in done:
                task = futures.pop(future)
                if self._collect(future, task):
                    futures[self._submit(executor, task)] = task
            self._begin(executor, waiting, futures)
            self._advance(bar)
            finished = sum(is_recorded(*run) for run in self.folders.items())
            bar.set_postfix_str(f"{finished} of {len(self.folders)} runs", refresh=False)
            if self.received and not asked:
                asked, limit = True, time.time() + AT_ONCE
                for folder in set(self.folders.values()):
                    (folder / STOP).touch()
            if futures and time.time() > limit:
                self.stopped |= {*futures.values()}
                tqdm.write(
                    f"{len(futures)} runs did not stop in time: they will go on from earlier "
                    "checkpoints",
                    file=sys.stderr,
                )
                return

    def _advance(self, bar: tqdm) -> None:
        """Show how far the runs are; one that was killed goes on from before where it was last."""
        moved = self._steps() - bar.n
        bar.initial += min(moved, 0)  # or its rate would be below zero
        bar.update(moved)

    def _begin(self, executor, waiting: dict[Task, None], futures: dict[Future, Task]) -> None:
        """Begin the next runs that do not wait for another one; drop what would wait for nothing.

        Here as many as there are processes, so that the order holds; a cluster gets them all.
        """
        room = math.inf if self.cluster is not None else self.workers
        for task in [*waiting]:
            need = task.needs
            if len(futures) >= room:
                return
            if need is None or is_recorded(need, self.folders[task]):
                futures[self._submit(executor, task)] = task
            elif need in waiting or need in futures.values():
                continue
            elif need in self.stopped:
                self.stopped.add(task)
            else:
                self._fail(task, f"the run {need.name}, which it needs, is not recorded")
            del waiting[task]

    def _collect(self, future: Future, task: Task) -> bool:
        """Take what has become of a run; returns whether it is to be begun again."""
        try:
            if not future.result():
                self.stopped.add(task)
        except BrokenProcessPool:
            self.kills[task] += 1
            if self.received:
                self.stopped.add(task)
            elif self.kills[task] > RESTARTS:
                killed = f"its process was killed {self.kills[task]} times (out of memory?)"
                self._fail(task, killed)
            else:
                tqdm.write(
                    f"a worker was killed; its run {task.name} goes on from its last checkpoint",
                    file=sys.stderr,
                )
                return True
        except (Exception, CancelledError) as error:
            self._fail(task, f"{type(error).__name__}: {error}")
        return False

    def _fail(self, task: Task, fault: str) -> None:
        self.failed[task] = fault
        tqdm.write(f"{task.name} failed: {fault}", file=sys.stderr)

    def _steps(self) -> int:
        return sum(steps_done(*run) for run in self.folders.items())

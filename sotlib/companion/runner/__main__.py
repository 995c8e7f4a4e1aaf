"""The command line of the runner."""

import argparse
import math
import signal
import sys
import time
from pathlib import Path

import torch

from sotlib.companion.processes import cores
from sotlib.companion.records import RecordError
from sotlib.companion.runner.folders import SweepError, under
from sotlib.companion.runner.status import status
from sotlib.companion.runner.sweep import Sweep
from sotlib.companion.runner.tasks import default_seeds, plan, queue

ON_GPU = 8  # runs at once: one of these small models leaves most of a GPU idle. Not measured.


def main(arguments: list[str] | None = None) -> int:
    """Carry out a sweep, or say how far it is; returns the exit status."""
    started = time.time()
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        tasks, folder = _chosen(given)
    except ValueError as error:
        parser.error(str(error))
    if given.status:
        print(status(tasks, folder))
        return 0
    on_gpu = given.device.partition(":")[0] == "cuda"
    if on_gpu and given.cluster is None and not torch.cuda.is_available():
        parser.error(f"--device {given.device}: torch finds no GPU here")
    sweep = Sweep(
        tasks,
        folder,
        workers=given.workers or (ON_GPU if on_gpu else cores()),
        device=given.device,
        cluster=given.cluster,
        deadline=None if given.minutes is None else started + 60 * given.minutes,
    )
    try:
        failed = sweep.run()
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last checkpoints", file=sys.stderr)
        return 128 + signal.SIGINT
    except (OSError, ModuleNotFoundError, RecordError, SweepError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if sweep.received:
        print("stopped; the same command goes on from where it was", file=sys.stderr)
        return 128 + sweep.received[0]
    print(status(tasks, folder))
    if sweep.stopped:
        print("the time is over; the same command goes on where it was stopped", file=sys.stderr)
    for task, fault in failed.items():
        print(f"failed: {task.name}: {fault}", file=sys.stderr)
    return 1 if failed else 0


def _chosen(given: argparse.Namespace):
    """The runs, and where their records lie."""
    if given.folder and given.folder.exists() and not given.folder.is_dir():
        raise ValueError(f"--folder {given.folder} is a file: give a folder")
    if given.missing:
        if given.budget or given.seeds or given.rows:
            raise ValueError("--missing takes no --budget, --seeds or --rows: the queue has them")
        return queue(given.experiment), under(given.folder or Path("results"))
    if given.experiment is None:
        raise ValueError("name an experiment, or give --missing")
    budget = given.budget or "reduced"
    seeds = given.seeds or default_seeds(given.experiment, budget)
    tasks = plan(given.experiment, budget=budget, seeds=seeds, rows=given.rows)
    return tasks, given.folder or Path("results") / given.experiment / budget


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sotlib.companion.runner",
        description="Carry out the runs of an experiment that are not recorded yet. Stopped or "
        "killed, the same command goes on from the last checkpoint of each run.",
    )
    parser.add_argument("experiment", nargs="?", help="for instance sot_table")
    parser.add_argument("--budget", help="default: reduced")
    parser.add_argument(
        "--seeds", type=_numbers, metavar="42,123,...", help="default: the experiment's own"
    )
    parser.add_argument(
        "--rows", type=lambda text: text.split(","), metavar="NAME,...", help="default: all"
    )
    parser.add_argument(
        "--missing",
        action="store_true",
        help="the runs that the experiment, or each experiment, declares as its QUEUE, in that "
        "order, over all budgets",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="default: results/EXPERIMENT/BUDGET; with --missing, what stands for results",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        help="stop after so many, with all states kept; the exit status is 0",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        help="runs at once, each in a process with one thread (default: one for each core, "
        f"{cores()} here; on a GPU {ON_GPU})",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--cluster", metavar="tcp://HOST:PORT", help="a Dask scheduler instead of this machine"
    )
    parser.add_argument("--status", action="store_true", help="only say how far all is")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return int(text)


def _minutes(text: str) -> float:
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError("must be a number above 0")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())

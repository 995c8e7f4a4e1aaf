"""The command line of the runner."""

import argparse
import os
import sys
from pathlib import Path

from sotlib.runner.sweep import Sweep, SweepError, status
from sotlib.runner.tasks import default_seeds, plan


def main(arguments: list[str] | None = None) -> int:
    """Carry out a sweep, or say how far it is; returns the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        seeds = given.seeds or default_seeds(given.experiment, given.budget)
        tasks = plan(given.experiment, budget=given.budget, seeds=seeds, rows=given.rows)
    except ValueError as error:
        parser.error(str(error))
    folder = given.folder or Path("results") / given.experiment / given.budget
    if given.status:
        print(status(tasks, folder))
        return 0
    sweep = Sweep(tasks, folder, workers=given.workers, device=given.device, cluster=given.cluster)
    try:
        failed = sweep.run()
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from the last checkpoints", file=sys.stderr)
        return 130
    except (ConnectionError, ModuleNotFoundError, SweepError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(status(tasks, folder))
    for name, error in failed.items():
        print(f"failed: {name}: {error}", file=sys.stderr)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sotlib.runner",
        description="Carry out the runs of an experiment that are not recorded yet. Stopped or "
        "killed, the same command goes on from the last checkpoint of each run.",
    )
    parser.add_argument("experiment", help="for instance sot_table")
    parser.add_argument("--budget", default="reduced", help="default: %(default)s")
    parser.add_argument(
        "--seeds", type=_numbers, metavar="42,123,...", help="default: the experiment's own"
    )
    parser.add_argument(
        "--rows", type=lambda text: text.split(","), metavar="NAME,...", help="default: all"
    )
    parser.add_argument("--folder", type=Path, help="default: results/EXPERIMENT/BUDGET")
    parser.add_argument(
        "--workers",
        type=_positive,
        default=_cores(),
        help="runs at once, each on one thread (default: one for each core, %(default)s here)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: all runs in one process")
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


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


if __name__ == "__main__":
    sys.exit(main())

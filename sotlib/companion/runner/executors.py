"""Where runs are carried out: processes of this machine, or a Dask cluster."""

import contextlib
import functools
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor

import torch

from sotlib.companion.processes import worker_pool

# Side by side is faster than threads in each.
ONE_THREAD = functools.partial(torch.set_num_threads, 1)
PATIENCE = "20s"  # with a scheduler that does not answer
SETTINGS = {
    "OMP_WAIT_POLICY": "PASSIVE",  # idle threads sleep
    # glibc keeps what a step freed for the next one: asking the system for fresh memory took two
    # fifths of a step on 16 frames (benchmarks/bench_training.py).
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}


@contextlib.contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Processes on this machine, one thread each; on a GPU they take turns.

    Threads of one process would share more of it, but also Python's lock and torch's random
    numbers, and all backward passes on a GPU go through one thread of a process. Whether models
    stacked into one (`torch.func.vmap`) would be faster there is not measured.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    with worker_pool(workers, _prepare) as pool:
        yield pool


def _prepare() -> None:
    ONE_THREAD()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the sweep decides


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler; what a lost worker did is given to another."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a Dask cluster needs the package distributed: pip install 'sotlib[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except OSError as error:
        raise ConnectionError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        client.run(ONE_THREAD)
        yield client.get_executor(pure=False)

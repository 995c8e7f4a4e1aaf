"""Work cut into pieces, on threads of our own."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

_pools = {}
os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork


def in_pieces(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call ``work(low, high)`` for consecutive pieces of ``range(count)``, one for each thread.

    The calling thread works, too. ``work`` must release Python's lock. Own threads, rather than a
    parallel loop of the compiler: they sleep when idle, so that two processes side by side do not
    spin against each other.
    """
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1)
    edges = [count * k // threads for k in range(threads + 1)]
    (low, high), *others = pairwise(edges)
    jobs = [_pools[threads].submit(work, *piece) for piece in others]
    try:
        work(low, high)
    finally:
        wait(jobs)
    for job in jobs:
        job.result()

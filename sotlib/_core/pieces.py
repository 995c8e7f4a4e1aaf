"""Work cut into pieces, on threads of our own."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

EACH = 8  # pieces for a thread, unless others take them because it is held up

_pools: dict[int, ThreadPoolExecutor] = {}
os.register_at_fork(after_in_child=_pools.clear)  # threads do not survive a fork


def in_pieces(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call ``work(low, high)`` for consecutive pieces of ``range(count)``, on several threads.

    The calling thread works, too. ``work`` must release Python's lock. Own threads, rather than a
    parallel loop of the compiler: they sleep when idle, so that two processes side by side do not
    spin against each other. Each takes the next piece when it has done one: torch's own threads
    may still be spinning on a core.
    """
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1)
    pieces = min(count, EACH * threads)
    open_pieces = deque(pairwise(count * k // pieces for k in range(pieces + 1)))

    def take() -> None:
        try:
            while True:
                try:
                    low, high = open_pieces.popleft()
                except IndexError:  # another thread has taken the last
                    return
                work(low, high)
        except BaseException:
            open_pieces.clear()
            raise

    jobs = [_pools[threads].submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        wait(jobs)
    for job in jobs:
        job.result()

"""Work cut into pieces, on the threads that torch has."""

import ctypes
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch

EACH = 8  # pieces for a thread, unless others take them because it is held up
_TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_pools: dict[int, ThreadPoolExecutor] = {}
_forked = False  # OpenMP would wait for threads that did not survive it


def in_pieces(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Call ``work(low, high)`` for consecutive pieces of ``range(count)``, on several threads.

    The calling thread works, too. ``work`` must release Python's lock. Each thread takes the next
    piece when it has done one, as others may be held up.
    """
    threads = min(threads, count)
    if threads <= 1:
        work(0, count)
        return
    pieces = min(count, EACH * threads)
    open_pieces = deque(pairwise(count * k // pieces for k in range(pieces + 1)))
    errors: list[BaseException] = []

    def take() -> None:
        try:
            while True:
                try:
                    low, high = open_pieces.popleft()
                except IndexError:  # another thread has taken the last
                    return
                work(low, high)
        except BaseException as error:
            open_pieces.clear()
            errors.append(error)

    if (parallel := _openmp()) is not None:
        parallel(_TASK(lambda _: take()), None, threads, 0)
    else:
        _on_own_threads(take, threads)
    if errors:
        raise errors[0]


@cache
def _openmp() -> Callable | None:
    """OpenMP's call that runs a function on all threads, of the library that torch runs on.

    For milliseconds after each of its operations torch's threads go on spinning, so that the next
    one finds them awake. Threads beside them would have to share their cores.
    """
    if _forked or os.name != "posix" or "backend: OpenMP" not in torch.__config__.parallel_info():
        return None
    folder = Path(torch.__file__).parent
    for path in [*folder.glob("lib/*omp*"), *folder.parent.glob("torch.libs/*omp*")]:
        try:
            library = ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
            parallel = library.GOMP_parallel  # LLVM's has it under this name as well
        except (OSError, AttributeError):  # not the one that is loaded
            continue
        parallel.argtypes = (_TASK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        parallel.restype = None
        return parallel
    return None


def _after_fork() -> None:
    global _forked
    _forked = True
    _openmp.cache_clear()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _on_own_threads(take: Callable[[], None], threads: int) -> None:
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads - 1)
    jobs = [_pools[threads].submit(take) for _ in range(threads - 1)]
    take()
    wait(jobs)

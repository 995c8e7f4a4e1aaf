"""Processes beside this one, none of which outlives it."""

import contextlib
import functools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

PATIENCE = 1.0  # seconds with a process that is asked to end


def cores() -> int:
    """Cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # only Linux tells
    return len(allowed(0)) if allowed else os.cpu_count() or 1


class _Pool(Executor):
    """Threads with a process each: where one is killed, the call that it worked on fails alone."""

    def __init__(self, workers: int, prepare: Callable[[], object] | None):
        self._prepare = prepare
        self._threads = ThreadPoolExecutor(workers)
        self._of_thread = threading.local()
        self._processes: list[ProcessPoolExecutor] = []
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn, /, *args, **kwargs) -> Future:
        return self._threads.submit(self._call, functools.partial(fn, *args, **kwargs))

    def _call(self, call: Callable):
        try:
            future = self._begin(call)
        except BrokenProcessPool:  # it was killed when it had nothing to do
            del self._of_thread.process
            future = self._begin(call)
        try:
            return future.result()
        except BrokenProcessPool:
            del self._of_thread.process
            raise

    def _begin(self, call: Callable) -> Future:
        with self._lock:  # no process may begin once they are ended
            if self._closed:
                raise CancelledError
            if not hasattr(self._of_thread, "process"):
                # A forked process would inherit locks of torch's threads.
                context = multiprocessing.get_context("spawn")
                process = ProcessPoolExecutor(
                    1, mp_context=context, initializer=_begin, initargs=(self._prepare,)
                )
                self._processes.append(process)
                self._of_thread.process = process
            return self._of_thread.process.submit(call)

    def close(self, others: set) -> None:
        """Give up what is not done yet; `others` are children that stay."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        ours = set(multiprocessing.active_children()) - others
        for process in ours:
            process.terminate()
        for process in ours:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
        for executor in self._processes:
            executor.shutdown(wait=True, cancel_futures=True)
        self._threads.shutdown(wait=True)


@contextlib.contextmanager
def worker_pool(workers: int, prepare: Callable[[], object] | None = None) -> Iterator[Executor]:
    """Processes that call `prepare` first; what they still do at the end is given up.

    A call whose process is killed raises BrokenProcessPool; the others go on, in a new process.
    """
    others = set(multiprocessing.active_children())
    pool = _Pool(workers, prepare)
    try:
        yield pool
    finally:
        pool.close(others)


def _begin(prepare: Callable[[], object] | None) -> None:
    def watch() -> None:
        wait([multiprocessing.parent_process().sentinel])  # type: ignore[union-attr]
        os._exit(1)  # an exception would be caught by the pool, which then waits for ever

    threading.Thread(target=watch, daemon=True).start()
    if prepare is not None:
        prepare()

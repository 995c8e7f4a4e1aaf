"""Work cut into pieces: each once, on several threads, errors included."""

import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from sotlib._core import pieces as core
from sotlib._core.pieces import EACH, in_pieces


@pytest.fixture(autouse=True, params=["torch's threads", "own threads"])
def pool(request, monkeypatch):
    """Both ways, wherever torch is one that has threads to lend."""
    if request.param == "own threads":
        monkeypatch.setattr(core, "_openmp", lambda: None)
    return request.param


@pytest.mark.parametrize(("count", "threads"), [(0, 2), (1, 1), (1, 4), (5, 2), (7, 3), (100, 3)])
def test_every_number_is_in_one_piece(count, threads):
    pieces = []
    in_pieces(lambda low, high: pieces.append(range(low, high)), count, threads)
    assert sorted(k for piece in pieces for k in piece) == list(range(count))
    assert len(pieces) == (1 if min(count, threads) < 2 else min(count, EACH * threads))


def test_the_calling_thread_works_beside_another():
    meeting = threading.Barrier(2, timeout=30)  # none passes it alone
    workers = set()

    def work(low, high):
        meeting.wait()
        workers.add(threading.current_thread())

    in_pieces(work, 2, 2)
    assert threading.current_thread() in workers
    assert len(workers) == 2


def test_a_thread_that_is_held_up_gets_fewer_pieces():
    everything_else_is_done, done = threading.Event(), []

    def work(low, high):
        if low == 0:
            assert everything_else_is_done.wait(timeout=30)
        done.append(low)
        if len(done) == 2 * EACH - 1:
            everything_else_is_done.set()

    in_pieces(work, 2 * EACH, 2)
    assert sorted(done) == list(range(2 * EACH))
    assert done[-1] == 0


@pytest.mark.parametrize("fails", [0, 5])
def test_an_error_ends_the_work(fails):
    ended = threading.Event()

    def work(low, high):
        if low == fails:
            raise ArithmeticError(f"piece {low}")
        if low == 1:
            time.sleep(0.1)
            ended.set()

    with pytest.raises(ArithmeticError, match=f"piece {fails}"):
        in_pieces(work, 2 * EACH, 2)
    assert ended.is_set() or fails == 0  # what had begun has ended


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the threads of /proc")
@pytest.mark.usefixtures("two_threads")
def test_no_thread_is_added_to_those_of_torch(pool):
    if pool == "own threads" or core._openmp() is None:
        pytest.skip("torch lends none")
    torch.rand(2**20).exp()  # on its threads, which are there from now on
    before, used = threads_of_this_process(), set()

    def work(low, high):
        used.add(threading.get_native_id())
        time.sleep(0.01)

    in_pieces(work, 16, 2)
    assert len(used) == 2
    assert used <= before
    assert threads_of_this_process() == before


def threads_of_this_process():
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}

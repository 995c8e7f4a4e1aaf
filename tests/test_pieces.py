"""Work cut into pieces: each once, on several threads, errors included."""

import threading

import pytest

from sotlib._pieces import in_pieces


@pytest.mark.parametrize(("count", "threads"), [(0, 2), (1, 1), (1, 4), (5, 2), (7, 3), (100, 3)])
def test_every_number_is_in_one_piece(count, threads):
    pieces = []
    in_pieces(lambda low, high: pieces.append(range(low, high)), count, threads)
    assert sorted(k for piece in pieces for k in piece) == list(range(count))
    assert len(pieces) == max(1, min(count, threads))


def test_the_calling_thread_works_beside_another():
    meeting = threading.Barrier(2, timeout=30)  # none passes it alone
    workers = set()

    def work(low, high):
        meeting.wait()
        workers.add(threading.current_thread())

    in_pieces(work, 2, 2)
    assert threading.current_thread() in workers
    assert len(workers) == 2


@pytest.mark.parametrize("fails", [0, 1])
def test_an_error_arrives_when_all_have_ended(fails):
    ended = []

    def work(low, high):
        if low == fails:
            raise ArithmeticError(f"piece {low}")
        ended.append(low)

    with pytest.raises(ArithmeticError, match=f"piece {fails}"):
        in_pieces(work, 2, 2)
    assert ended == [1 - fails]

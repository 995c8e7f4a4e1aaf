"""Killed at random moments, twice at once, on a full disk: always the uninterrupted result."""

import contextlib
import io
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import tiny_experiment
from smoke import numbers

from sotlib.companion.checkpoints import load_checkpoint
from sotlib.companion.runner import executors
from sotlib.companion.runner.__main__ import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has all imported"),
]
KILLS, KILLS_WITH_WORKERS = 17, 3
LIMIT = 1000  # bytes of a file, where the disk is to be full: less than a checkpoint has


def arguments(folder):
    return ["tiny", "--budget", "smoke", "--folder", str(folder), "--workers", "1"]


def sweep(folder, limit, said):
    """A sweep in this process, its worker a thread, which costs no time to begin."""

    @contextlib.contextmanager
    def threads(workers):
        with ThreadPoolExecutor(workers) as pool:
            yield pool

    executors.processes = threads
    tiny_experiment.replace_experiments()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        status = main(arguments(folder))
    said.send(text.getvalue())
    sys.exit(status)


@pytest.fixture(scope="module")
def start():
    """Begin a sweep in a folder; returns its process, and where it says what it has to say."""
    context = multiprocessing.get_context("forkserver")
    # The last is what torch's optimisers import when they are first used.
    context.set_forkserver_preload(["sotlib.companion.runner.__main__", "torch._dynamo"])

    def begin(folder, limit=None):
        heard, said = context.Pipe(duplex=False)
        process = context.Process(target=sweep, args=(folder, limit, said))
        process.start()
        return process, heard

    return begin


@pytest.fixture(scope="module")
def uninterrupted(start, tmp_path_factory):
    """Its outcome, and how long it took."""
    folder = tmp_path_factory.mktemp("soak")
    first = start(tmp_path_factory.mktemp("first"))  # imports
    first[0].join()
    begun = time.monotonic()
    process, _ = start(folder)
    process.join()
    assert process.exitcode == 0
    return outcome(folder), time.monotonic() - begun


def outcome(folder):
    """What was recorded, and the weights; nothing else may lie there, and nothing be damaged."""
    rows = tiny_experiment.ROWS
    names = {f"{row}-1.{ending}" for row in rows for ending in ("json", "npz", "safetensors")}
    assert {path.name for path in folder.iterdir()} == names
    found = {}
    for row in rows:
        weights, reached = load_checkpoint(folder / f"{row}-1.safetensors")
        weights = {name: tensor.tolist() for name, tensor in weights.items()}
        found[row] = numbers(folder / f"{row}-1.json"), weights, reached
    return found


def test_killed_at_random_moments(start, uninterrupted, tmp_path):
    expected, seconds = uninterrupted
    moments = random.Random(0)
    kills = 0
    for number in range(1000):
        folder = tmp_path / str(number)
        while True:
            process, _ = start(folder)
            process.join(moments.uniform(0, 0.6 * seconds) if kills < KILLS else None)
            if process.exitcode is not None:
                break
            process.kill()
            process.join()
            kills += 1
        assert process.exitcode == 0
        assert outcome(folder) == expected
        if kills == KILLS:
            return
    pytest.fail(f"only {kills} kills")


def test_killed_with_its_workers_at_random_moments(uninterrupted, root, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(root))  # a script's own folder stands in its place
    moments = random.Random(1)
    command = [sys.executable, tiny_experiment.__file__, *arguments(tmp_path)]
    for _ in range(KILLS_WITH_WORKERS):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        while not list(tmp_path.glob("*.progress")):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for left in tmp_path.glob("*.progress"):
            left.unlink()
    subprocess.run(command, check=True, capture_output=True)
    assert outcome(tmp_path) == uninterrupted[0]


def test_two_at_once(start, uninterrupted, tmp_path):
    for number in range(3):
        folder = tmp_path / str(number)
        both = [start(folder) for _ in range(2)]
        said = [heard.recv() for _, heard in both]
        for process, _ in both:
            process.join()
        refused = ["another sweep is running" in text for text in said]
        assert [process.exitcode for process, _ in both] == [int(r) for r in refused]
        assert not all(refused)
        assert outcome(folder) == uninterrupted[0]


def test_a_full_disk(start, uninterrupted, tmp_path):
    process, _ = start(tmp_path)
    checkpoint = tmp_path / "up-1.checkpoint.safetensors"
    while not checkpoint.exists():
        time.sleep(0.001)
    process.kill()
    process.join()
    content = checkpoint.read_bytes()
    assert len(content) > LIMIT
    process, heard = start(tmp_path, LIMIT)
    said = heard.recv()
    process.join()
    assert process.exitcode == 1
    for row in tiny_experiment.ROWS:
        assert f"failed: {row}-1: OSError: " in said
    assert f"cannot write {checkpoint}" in said
    assert "What was there is as it was; repeat this when there is room" in said
    assert checkpoint.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]
    process, _ = start(tmp_path)
    process.join()
    assert process.exitcode == 0
    assert outcome(tmp_path) == uninterrupted[0]

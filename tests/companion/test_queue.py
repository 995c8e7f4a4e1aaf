"""Queues: what experiments want in their order, stopped in time, and gone on with bit for bit."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from smoke import numbers

from sotlib.companion.checkpoints import load_checkpoint
from sotlib.companion.experiments.sot import recipe as sot_recipe
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.settings import Pretraining
from sotlib.companion.runner import carry_out, executors, plan, queue, sweep, tasks
from sotlib.companion.runner.__main__ import main
from sotlib.companion.runner.folders import only_sweep, under
from sotlib.companion.runner.status import fault
from sotlib.companion.runner.tasks import MARKER

ROW = "SOT-512"
CHECKPOINT = f"{ROW}-1.checkpoint.safetensors"
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def small_queues(monkeypatch):
    """Queues of two experiments in two folders, with smoke runs, and no others."""
    for name in tasks._names():
        for part in ("QUEUE", "LONG"):
            monkeypatch.setattr(tasks.experiment(name), part, (), raising=False)
    wanted = (("smoke", (ROW,), (1,)), ("smoke", ("MSS-Lin", ROW), (1, 2)))
    monkeypatch.setattr(sot_table, "QUEUE", wanted)
    monkeypatch.setattr(sot_recipe, "QUEUE", (("smoke", ("no-transport",), (1,)),))
    short = replace(sot_recipe.ROWS["no-transport"], pretraining=Pretraining(steps=2))
    monkeypatch.setitem(sot_recipe.ROWS, "no-transport", short)


class Clock:
    """A clock that says it is late from a number of looks on."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, looks):
        self.looks = looks

    def time(self):
        self.looks -= 1
        return time.time() + (0 if self.looks > 0 else 1e6)


def test_the_table_is_filled_in_the_order_that_it_declares():
    wanted = queue("sot_table")
    first = [(t.budget, t.row, t.seed) for t in wanted]
    assert first[:5] == [("reduced", "SOT-2048", s) for s in (123, 456, 42, 789, 101112)]
    others = [row for row in sot_table.ROWS if row != "SOT-2048"]
    assert first[5:13] == [("reduced", row, 42) for row in others] + [("reduced", others[0], 123)]
    budgets = [budget for budget, _, _ in first]
    assert budgets == ["reduced"] * 40 + ["paper"] * 15 + ["reduced"] * 40
    assert first[40:43] == [("paper", "SOT-2048", seed) for seed in (42, 123, 456)]
    assert len(set(wanted)) == len(wanted) == 95
    recipes = queue("sot_recipe")
    assert [t.row for t in recipes[:21]] == ["recipe"] * 20 + ["no-tilt"]
    drums = queue("pnp_drum")
    assert [t.row for t in drums[-33:-30]] == 3 * ["pnp-hundred"]
    deciding = [(t.row, t.seed) for t in drums if t.budget == "paper"]
    assert deciding == [(t.row, t.seed) for t in drums[:30]]
    assert {t.budget for t in drums[-30:]} == {"paper"}
    matching = [t for t in queue("pnp_arpeggio") + drums if t.budget == "reduced"]
    long = [t for t in queue("pnp_arpeggio") + drums if t.budget == "paper"]
    compared = queue("compare_directions") + queue("compare_recovery")
    heard = queue("instruments_table")
    assert [t.name for t in heard[9:11]] == ["recipe-1", "synthetic-1"]
    assert queue() == recipes + wanted + queue("sot_why") + matching + compared + heard + long


def test_what_is_recorded_is_what_the_experiments_would_carry_out():
    folder = under(Path(__file__).parents[2] / "results")
    faults = {t: fault(t, folder(t)) for t in queue()}
    assert faults
    assert {task: found for task, found in faults.items() if found} == {}


def test_an_experiment_without_a_queue_is_named(capsys):
    with pytest.raises(ValueError, match="pnp_drum_shards declares no QUEUE"):
        queue("pnp_drum_shards")
    with pytest.raises(SystemExit):
        main(["pnp_drum_shards", "--missing"])
    assert "pnp_drum_shards declares no QUEUE" in capsys.readouterr().err


def test_queues_stop_in_time_and_are_completed(
    small_queues, in_this_process, expected, tmp_path, monkeypatch, capsys
):
    command = ["--missing", "--folder", str(tmp_path), "--workers", "1", "--minutes", "5"]
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "time", Clock(4))  # one look before the first run, three in it
        assert main(["sot_table", *command]) == 0
    shown = capsys.readouterr()
    assert "0 of 2 recorded, 1 begun" in shown.out
    assert "the time is over; the same command goes on" in shown.err
    (checkpoint,) = tmp_path.rglob("*.safetensors")
    assert checkpoint == tmp_path / "sot_table" / "smoke" / CHECKPOINT
    assert load_checkpoint(checkpoint)[1]["step"] == 3
    assert checkpoint.with_name(f"{ROW}-1.progress").read_text() == "3"

    assert main(command) == 0
    shown = capsys.readouterr()
    assert "sot_table, budget smoke:" in shown.out
    assert shown.out.count("2 of 2 recorded, 0 begun") == 2
    assert "the time is over" not in shown.err
    assert numbers(tmp_path / "sot_table" / "smoke" / f"{ROW}-1.json") == expected
    records = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    assert len(records) == 5
    assert not list(tmp_path.rglob("*.progress"))
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == records


def test_a_folder_in_which_a_sweep_works_is_left_to_it(
    small_queues, in_this_process, tmp_path, capsys
):
    folder = tmp_path / "sot_table" / "smoke"
    folder.mkdir(parents=True)
    command = ["--missing", "--folder", str(tmp_path)]
    with only_sweep(folder):
        assert main(command) == 0
        assert "Its runs are left to it" in capsys.readouterr().err
        assert [path.name for path in tmp_path.rglob("*.json")] == ["no-transport-1.json"]
        assert main(["sot_table", *command]) == 1
        assert "another sweep is running in" in capsys.readouterr().err


def test_a_worker_that_the_time_limit_reaches_saves_its_state(expected, tmp_path):
    """A real process, which has done a run before, held up within one until the time is over."""
    (task,) = plan("sot_table", budget="smoke", seeds=[1], rows=[ROW])
    (tmp_path / MARKER).touch()
    with executors.processes(1) as pool:
        assert pool.submit(carry_out, replace(task, seed=2), tmp_path).result() is True
        worker = pool.submit(os.getpid).result()
        limit = time.time() + 2
        run = pool.submit(carry_out, task, tmp_path, deadline=limit)
        while not (tmp_path / f"{task.name}.progress").exists():
            assert not run.done()
            time.sleep(0.002)
        os.kill(worker, signal.SIGSTOP)
        time.sleep(max(0.0, limit - time.time()) + 0.1)
        os.kill(worker, signal.SIGCONT)
        assert run.result() is False
        assert 1 <= load_checkpoint(tmp_path / CHECKPOINT)[1]["step"] <= 6
        assert pool.submit(carry_out, task, tmp_path).result() is True
    assert numbers(tmp_path / f"{ROW}-1.json") == expected


def test_runs_that_do_not_stop_are_left_behind(tmp_path, monkeypatch, in_this_process, capsys):
    wanted = plan("sot_table", budget="smoke", seeds=[1], rows=[ROW])
    monkeypatch.setattr(sweep, "GRACE", -1e6)
    monkeypatch.setattr(sweep, "carry_out", lambda *_, **__: time.sleep(1.5))
    late = sweep.Sweep(wanted, tmp_path, workers=1, deadline=time.time() + 1000)
    assert late.run() == {}
    assert late.stopped == set(wanted)
    assert "1 runs did not stop in time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name an experiment, or give --missing"),
        (["--missing", "--budget", "paper"], "--missing takes no --budget"),
        (["--missing", "--minutes", "0"], "must be a number above 0"),
    ],
)
def test_command_line_names_what_is_wrong(arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["--missing", "--device", "cuda"])
    assert "torch finds no GPU here" in capsys.readouterr().err

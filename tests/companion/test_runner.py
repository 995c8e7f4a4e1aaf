"""Sweeps: complete, resumable after a kill, and carried out by a Dask cluster."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch
from smoke import ROWS, numbers
from tqdm import tqdm

from sotlib.companion.checkpoints import load_checkpoint
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.processes import worker_pool
from sotlib.companion.runner import Sweep, carry_out, executors, experiment, plan, status
from sotlib.companion.runner import sweep as sweep_module
from sotlib.companion.runner.__main__ import main
from sotlib.companion.runner.folders import only_sweep
from sotlib.companion.runner.tasks import MARKER, STOP, default_seeds

pytestmark = pytest.mark.usefixtures("one_thread")


def command(folder, *more):
    names = ",".join(ROWS)
    return [
        *(sys.executable, "-m", "sotlib.companion.runner", "sot_table", "--budget", "smoke"),
        *("--seeds", "1", "--rows", names, "--folder", str(folder), *more),
    ]


def test_plan_goes_through_all_rows_seed_by_seed():
    tasks = plan("sot_table", budget="smoke", seeds=[3, 5])
    rows = list(sot_table.ROWS)
    assert [(t.row, t.seed) for t in tasks] == [(r, s) for s in (3, 5) for r in rows]
    assert all(t.steps == sot_table.BUDGETS["smoke"].steps for t in tasks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "nothing"}, "experiment must be one of .*'sot_recipe', 'sot_table'"),
        ({"budget": "big"}, "budget must be one of 'paper', 'reduced', "),
        ({"rows": ["SOT-4096"]}, "rows must be one of 'MSS-Lin'"),
        ({"seeds": []}, "seeds must be different numbers"),
        ({"seeds": [1, 1]}, "seeds must be different numbers"),
        ({"seeds": [-1]}, "seeds must be an integer of at least 0"),
    ],
)
def test_plan_refuses_what_there_is_not(change, message):
    arguments = {"name": "sot_table", "budget": "smoke", "seeds": [1]} | change
    with pytest.raises(ValueError, match=message):
        plan(arguments.pop("name"), **arguments)


def test_seeds_are_the_papers_or_the_experiments_own():
    assert tuple(default_seeds("sot_table", "reduced")) == sot_table.SEEDS
    assert default_seeds("pnp_drum_shards", "smoke") == [0, 1]
    with pytest.raises(ValueError, match="budget must be one of"):
        default_seeds("sot_table", "huge")


def test_every_experiment_has_seeds_and_the_recipe_has_others_than_the_table():
    table, recipe = (default_seeds(name, "reduced") for name in ("sot_table", "sot_recipe"))
    assert tuple(table) == sot_table.SEEDS
    assert not set(table) & set(recipe)


def test_what_a_run_prepares_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    for row in sot_table.ROWS.values():
        sot_table.Comparison(row)
        sot_table.make_model(row, seed=3)
    sot_table.prepare.__wrapped__("test", 20, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_modules_with_rows_are_experiments():
    assert experiment("sot_table") is sot_table
    with pytest.raises(ValueError, match="got 'training'"):
        experiment("training")


def test_processes_give_what_one_process_gives(uninterrupted, tmp_path):
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS)
    assert "0 of 1 recorded" in status(tasks, tmp_path)
    assert Sweep(tasks, tmp_path, workers=2).run() == {}
    assert status(tasks, tmp_path).count("1 of 1 recorded, 0 begun") == 2
    for row in ROWS:
        assert numbers(tmp_path / f"{row}-1.json") == numbers(uninterrupted / f"{row}-1.json")
    left = {path.suffix for path in tmp_path.iterdir()}
    assert left == {".json", ".safetensors"}  # no checkpoint, marker or temporary file


def test_recorded_runs_are_not_repeated(uninterrupted, capsys):
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.glob("*.json")}
    arguments = ["sot_table", "--budget", "smoke", "--seeds", "1", "--rows", ",".join(ROWS)]
    assert main([*arguments, "--folder", str(uninterrupted)]) == 0
    assert {path: path.stat().st_mtime_ns for path in uninterrupted.glob("*.json")} == before
    assert "1 of 1 recorded" in capsys.readouterr().out


def test_killed_sweep_continues_with_the_same_result(uninterrupted, tmp_path):
    """Killed without warning after its first checkpoint, then started again."""
    sweep = subprocess.Popen(
        command(tmp_path, "--workers", "1"), start_new_session=True, stderr=subprocess.DEVNULL
    )
    first = tmp_path / f"{ROWS[0]}-1.checkpoint.safetensors"
    wait_for(first.exists, sweep)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    assert not (tmp_path / f"{ROWS[1]}-1.json").exists()

    again = subprocess.run(command(tmp_path, "--workers", "1"), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    for row in ROWS:
        assert numbers(tmp_path / f"{row}-1.json") == numbers(uninterrupted / f"{row}-1.json")
    assert not list(tmp_path.glob("*.tmp"))


def test_what_a_kill_has_cost_does_not_count_as_steps_backwards(tmp_path):
    """A run tells each step, and keeps its state from time to time only."""
    (task,) = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS[:1])
    told = tmp_path / f"{task.name}.progress"
    sweep = Sweep([task], tmp_path, workers=1)
    with tqdm(total=task.steps, initial=7, file=io.StringIO()) as bar:
        for step in (7, 4, 6):
            told.write_text(str(step))
            sweep._advance(bar)
    assert (bar.initial, bar.n) == (4, 6)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
def test_killed_worker_does_not_end_the_sweep(uninterrupted, tmp_path):
    sweep = subprocess.Popen(
        command(tmp_path, "--workers", "1"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    wait_for((tmp_path / f"{ROWS[0]}-1.progress").exists, sweep)
    os.kill(worker_of(sweep.pid), signal.SIGKILL)
    _, errors = sweep.communicate(timeout=150)
    assert sweep.returncode == 0
    assert f"a worker was killed; its run {ROWS[0]}-1 goes on".encode() in errors
    for row in ROWS:
        assert numbers(tmp_path / f"{row}-1.json") == numbers(uninterrupted / f"{row}-1.json")


def test_a_run_that_is_killed_again_and_again_fails_alone(tmp_path, monkeypatch, in_this_process):
    calls = []

    def killed(task, *arguments, **options):
        calls.append(task)
        if task.row == ROWS[0]:
            raise BrokenProcessPool
        return carry_out(task, *arguments, **options)

    monkeypatch.setattr(sweep_module, "carry_out", killed)
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS)
    failed = Sweep(tasks, tmp_path, workers=1).run()
    assert failed == {tasks[0]: "its process was killed 4 times (out of memory?)"}
    assert calls.count(tasks[0]) == 4
    assert status(tasks[1:], tmp_path).endswith("1 of 1 recorded, 0 begun")


def test_where_one_process_is_killed_the_others_go_on():
    with worker_pool(2) as pool:
        slow = pool.submit(time.sleep, 1)
        with pytest.raises(BrokenProcessPool):
            pool.submit(os._exit, 1).result()
        assert pool.submit(abs, -2).result() == 2
        assert slow.result() is None


def test_a_process_that_is_killed_while_it_waits_costs_nothing():
    with worker_pool(1) as pool:
        worker = pool.submit(os.getpid).result()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not multiprocessing.active_children())
        assert pool.submit(abs, -2).result() == 2


def test_a_pool_gives_up_at_once():
    with worker_pool(1) as pool:
        running, waiting = pool.submit(time.sleep, 60), pool.submit(abs, -2)
        wait_until(running.running)
        started = time.monotonic()
    assert time.monotonic() - started < 20
    assert waiting.cancelled()
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_sweep_with_its_states_kept(uninterrupted, tmp_path, number):
    sweep = subprocess.Popen(
        command(tmp_path, "--workers", "1"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    wait_for((tmp_path / f"{ROWS[0]}-1.progress").exists, sweep)
    worker = worker_of(sweep.pid)
    os.kill(worker, signal.SIGSTOP)  # so that it does not come to its end before
    os.kill(worker, signal.SIGINT)  # as a terminal sends it to all
    begun = time.monotonic()
    sweep.send_signal(number)
    wait_for((tmp_path / STOP).exists, sweep)
    os.kill(worker, signal.SIGCONT)
    _, errors = sweep.communicate(timeout=60)
    assert time.monotonic() - begun < 10  # five, where nothing else is done
    assert sweep.returncode == 128 + number
    assert b"stopped; the same command goes on" in errors
    assert b"Traceback" not in errors
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".progress"}
    assert load_checkpoint(tmp_path / f"{ROWS[0]}-1.checkpoint.safetensors")[1]["step"] > 0


def test_a_sweep_forgets_that_an_earlier_one_was_to_stop(uninterrupted, tmp_path, in_this_process):
    (tmp_path / STOP).touch()
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS[:1])
    assert Sweep(tasks, tmp_path, workers=1).run() == {}
    assert numbers(tmp_path / f"{ROWS[0]}-1.json") == numbers(uninterrupted / f"{ROWS[0]}-1.json")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
def test_worker_does_not_outlive_its_sweep(tmp_path):
    sweep = subprocess.Popen(command(tmp_path, "--workers", "1"), stderr=subprocess.DEVNULL)
    wait_for((tmp_path / f"{ROWS[0]}-1.progress").exists, sweep)
    worker = Path(f"/proc/{worker_of(sweep.pid)}")
    sweep.kill()
    sweep.wait()
    deadline = time.monotonic() + 60
    while worker.exists() and "Z" not in (worker / "stat").read_text().rpartition(")")[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (tmp_path / f"{ROWS[1]}-1.json").exists()


def test_damaged_record_is_put_aside_and_recomputed(
    uninterrupted, tmp_path, in_this_process, capsys
):
    name = f"{ROWS[0]}-1.json"
    (tmp_path / name).write_text((uninterrupted / name).read_text()[:200])
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS[:1])
    assert Sweep(tasks, tmp_path, workers=1).run() == {}
    assert numbers(tmp_path / name) == numbers(uninterrupted / name)
    assert "is damaged" in capsys.readouterr().err
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_diverged_run_is_named_and_the_others_go_on(tmp_path, monkeypatch, in_this_process):
    broken = sot_table.Comparison.forward

    def forward(self, sound, targets):
        loss = broken(self, sound, targets)
        return loss * float("nan") if self.transport is not None else loss

    monkeypatch.setattr(sot_table.Comparison, "forward", forward)
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS)
    failed = Sweep(tasks, tmp_path, workers=1).run()
    assert list(failed) == tasks[:1]
    assert "TrainingDiverged" in failed[tasks[0]]
    assert "the loss is nan at step 0" in failed[tasks[0]]
    assert (tmp_path / "MSS-Lin-1.json").exists()


def test_what_another_run_needs_decides_over_it(tmp_path, monkeypatch, in_this_process):
    """It is begun after that, and not at all where that failed; others do not wait."""
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=["SOT-512", "SOT-2048", "MSS-Lin"])
    needs = {tasks[1]: tasks[0]}
    monkeypatch.setattr(sweep_module.Task, "needs", property(needs.get))
    begun = []

    def begin(task, folder, device, deadline):
        begun.append((task.row, sorted(path.stem for path in folder.glob("*.json"))))
        return carry_out(task, folder, device, deadline)

    monkeypatch.setattr(sweep_module, "carry_out", begin)
    assert Sweep(tasks, tmp_path / "well", workers=2).run() == {}
    assert "SOT-512-1" in dict(begun)["SOT-2048"]

    begun.clear()
    monkeypatch.setattr(sot_table, "run", failing_for("SOT-512", sot_table.run))
    failed = Sweep(tasks, tmp_path / "broken", workers=2).run()
    assert [row for row, _ in begun] == ["SOT-512", "MSS-Lin"]
    assert failed[tasks[1]] == "the run SOT-512-1, which it needs, is not recorded"
    assert (tmp_path / "broken" / "MSS-Lin-1.json").exists()


def failing_for(row, run):
    def run_others(name, *arguments, **options):
        if name == row:
            raise ZeroDivisionError
        return run(name, *arguments, **options)

    return run_others


def test_second_sweep_in_a_folder_is_refused(tmp_path, capsys):
    arguments = ["sot_table", "--budget", "smoke", "--seeds", "1", "--folder", str(tmp_path)]
    with only_sweep(tmp_path):
        assert main(arguments) == 1
        assert "another sweep is running in" in capsys.readouterr().err
        assert (tmp_path / MARKER).exists()


def test_folder_that_a_worker_does_not_see_is_named(tmp_path):
    (task,) = plan("sot_table", budget="smoke", seeds=[1], rows=ROWS[:1])
    with pytest.raises(FileNotFoundError, match="all workers must see it"):
        carry_out(task, tmp_path / "elsewhere")
    (tmp_path / MARKER).write_text("{}")
    assert carry_out(task, tmp_path)


def test_command_line_names_what_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", "1s")
    with pytest.raises(SystemExit):
        main(["sot_table", "--budget", "huge"])
    assert "budget must be one of" in capsys.readouterr().err
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        main(["sot_table", "--budget", "smoke", "--folder", str(tmp_path / "file")])
    assert "file is a file: give a folder" in capsys.readouterr().err
    assert main(["sot_table", "--budget", "smoke", "--folder", str(tmp_path / "file" / "a")]) == 1
    assert "cannot write in the folder" in capsys.readouterr().err
    arguments = ["sot_table", "--budget", "smoke", "--seeds", "1", "--folder", str(tmp_path)]
    assert main([*arguments, "--status"]) == 0
    assert capsys.readouterr().out.count("0 of 1 recorded") == len(sot_table.ROWS)
    assert main([*arguments, "--cluster", "tcp://127.0.0.1:9"]) == 1
    assert "no Dask scheduler answers" in capsys.readouterr().err


@pytest.mark.parametrize(("first", "error"), [("-m", "SystemExit"), ("-c", "ModuleNotFoundError")])
def test_missing_extras_are_named(first, error):
    script = (
        f"import sys; sys.modules['tqdm'] = None; sys.argv[0] = {first!r}\n"
        "try: import sotlib.companion.runner\n"
        "except BaseException as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout
    assert said.startswith(error)
    assert "sotlib.companion needs tqdm: run `make`" in said


class TestDask:
    """A real scheduler with two worker processes on this machine."""

    @pytest.fixture
    def cluster(self):
        distributed = pytest.importorskip("distributed")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster:
            yield cluster

    def test_lost_worker_and_the_same_records(self, cluster, uninterrupted, tmp_path):
        sweep = subprocess.Popen(
            command(tmp_path, "--cluster", cluster.scheduler_address),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_for((tmp_path / f"{ROWS[0]}-1.progress").exists, sweep)
        worker = next(iter(cluster.workers.values()))
        os.kill(worker.pid, signal.SIGKILL)
        _, errors = sweep.communicate(timeout=170)
        assert sweep.returncode == 0, errors.decode()
        for row in ROWS:
            assert numbers(tmp_path / f"{row}-1.json") == numbers(uninterrupted / f"{row}-1.json")


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for(condition, sweep):
    deadline = time.monotonic() + 120
    while not condition():
        assert sweep.poll() is None, "the sweep ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.002)


def worker_of(process):
    """The worker of a pool with one: the child that is not multiprocessing's own tracker."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    children = [child for thread in threads for child in thread.read_text().split()]
    (worker,) = [c for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
    return int(worker)

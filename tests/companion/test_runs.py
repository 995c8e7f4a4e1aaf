"""A record is taken for the run that was asked for, whole and with all that belongs to it."""

import json
import shutil
from dataclasses import dataclass

import pytest

from sotlib.companion._digests import content_digest
from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.training import AutoencoderTraining
from sotlib.companion.records import OtherRecordError, RecordError, read_record
from sotlib.companion.runner import Task, plan, status
from sotlib.companion.runner.__main__ import main
from sotlib.companion.runner.tasks import experiment


@dataclass(frozen=True)
class Setting:
    loss: str
    scales: tuple[int, ...] = (2, 1)


@dataclass(frozen=True)
class Limits:
    steps: int
    reduced: str = ""


ROWS = {"a": Setting("L1"), "b": Setting("L2")}
BUDGETS = {"paper": Limits(100), "smoke": Limits(1, "one step")}


def carry_out(run):
    run.path.with_suffix(".npz").write_bytes(run.row.encode())
    return {
        "configuration": run.configuration | {"device": "cpu"},
        "results": {"value": run.seed},
        "files": [run.path.with_suffix(".npz").name],
        "reduced": run.limits.reduced,
        "seconds": 1.0,
    }


run = make_run("example", ROWS, BUDGETS, carry_out)


@pytest.fixture
def path(tmp_path):
    run("a", 1, budget="smoke", folder=tmp_path)
    return tmp_path / "a-1.json"


def test_a_record_is_found_again(path):
    before = path.stat().st_mtime_ns
    assert run("a", 1, budget="smoke", folder=path.parent) == read_record(path)
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("name", "row", "seed", "budget", "difference"),
    [
        ("a-1", "a", 1, "paper", "steps 1 instead of 100"),
        ("a-2", "a", 2, "smoke", r"seeds \[1\] instead of \[2\]"),
        ("b-1", "b", 1, "smoke", "row 'a' instead of 'b'"),
    ],
)
def test_a_record_of_another_run_is_refused(path, name, row, seed, budget, difference):
    other = path.with_name(f"{name}.json")
    if other != path:
        path.rename(other)
    content = other.read_bytes()
    with pytest.raises(OtherRecordError, match=rf"{name}\.json is of another run \({difference}\)"):
        run(row, seed, budget=budget, folder=path.parent)
    assert other.read_bytes() == content


def test_nor_is_one_of_another_kind_or_setting(path):
    other = make_run("other", ROWS, BUDGETS, carry_out)
    with pytest.raises(OtherRecordError, match="kind 'example' instead of 'other'"):
        other("a", 1, budget="smoke", folder=path.parent)
    changed = make_run("example", {"a": Setting("L1", scales=(2,))}, BUDGETS, carry_out)
    with pytest.raises(OtherRecordError, match=r"scales \[2, 1\] instead of \[2\]"):
        changed("a", 1, budget="smoke", folder=path.parent)


def rewrite(path, without):
    record = json.loads(path.read_text())
    del record["configuration"][without]
    path.write_text(json.dumps(record | {"digest": content_digest(record)}))


def test_a_setting_that_came_later_was_its_default(path):
    rewrite(path, "scales")
    assert run("a", 1, budget="smoke", folder=path.parent)["results"] == {"value": 1}
    changed = make_run("example", {"a": Setting("L1", scales=(2,))}, BUDGETS, carry_out)
    with pytest.raises(OtherRecordError, match="scales"):
        changed("a", 1, budget="smoke", folder=path.parent)


@pytest.mark.parametrize("damage", ["flip", "miss"])
def test_damage_beside_a_record_is_named_and_mended(path, damage, capsys):
    arrays = path.with_suffix(".npz")
    arrays.unlink() if damage == "miss" else arrays.write_bytes(b"c")
    run("a", 1, budget="smoke", folder=path.parent)
    assert (
        f"{arrays.name} is {'missing' if damage == 'miss' else 'damaged'}"
        in capsys.readouterr().err
    )
    assert arrays.read_bytes() == b"a"
    assert len(list(path.parent.glob("a-1.damaged-*"))) == 1


def test_the_runner_refuses_another_runs_record_before_it_begins(uninterrupted, tmp_path, capsys):
    shutil.copy(uninterrupted / "SOT-512-1.json", tmp_path)
    arguments = ["sot_table", "--budget", "paper", "--seeds", "1", "--folder", str(tmp_path)]
    assert main([*arguments, "--rows", "SOT-512"]) == 1
    assert "SOT-512-1.json is of another run (steps 6 instead of 22000)" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["SOT-512-1.json"]


def test_the_runner_says_which_weights_are_missing(uninterrupted, tmp_path, capsys):
    shutil.copy(uninterrupted / "SOT-512-1.json", tmp_path)
    arguments = ["sot_table", "--budget", "smoke", "--seeds", "1", "--folder", str(tmp_path)]
    assert main([*arguments, "--rows", "SOT-512"]) == 0
    assert "without their weights: 1 runs (SOT-512-1.safetensors" in capsys.readouterr().err


def test_status_names_what_is_damaged(uninterrupted, tmp_path):
    tasks = plan("sot_table", budget="smoke", seeds=[1], rows=["SOT-512"])
    for file in uninterrupted.glob("SOT-512-1.*"):
        shutil.copy(file, tmp_path)
    assert "1 of 1 recorded" in status(tasks, tmp_path)
    weights = tmp_path / "SOT-512-1.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    said = status(tasks, tmp_path)
    assert "0 of 1 recorded" in said
    assert "SOT-512-1.safetensors is damaged" in said


def test_recorded_results_are_intact_and_of_their_runs(root):
    """In `uniform` the settings are others than today's."""
    paths = sorted((root / "results").rglob("*.json"))
    assert paths
    for path in paths:
        record = read_record(path)
        if record["kind"] != "benchmark" and path.parent.name in experiment(record["kind"]).BUDGETS:
            row, seed = path.stem.rsplit("-", 1)
            task = Task(record["kind"], row, int(seed), path.parent.name)
            assert task.run_in(path.parent).recorded() == record


def test_recorded_checkpoints_are_taken_up(root):
    """Of runs that have been begun."""
    for path in sorted((root / "results").glob("sot_*/*/*.checkpoint.safetensors")):
        row, seed = path.name.partition(".")[0].rsplit("-", 1)
        task = Task(path.parts[-3], row, int(seed), path.parent.name)
        this = task.run_in(path.parent)
        configuration = {"seed": this.seed, "budget": this.budget, **this.configuration}
        training = AutoencoderTraining(
            model=sot_table.make_model(this.setting),
            compare=None,
            data=None,
            limits=this.limits,
            seed=this.seed,
            checkpoint=this.checkpoint,
            identity=configuration | {"scales": [*this.setting.scales]},
        )
        training._resume()
        assert training.step > 0
        assert training.curve[0]["step"] == 0


def test_a_damaged_record_says_what_to_do(path):
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(RecordError, match="move it away and repeat the command that wrote it"):
        read_record(path)

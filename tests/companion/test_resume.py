"""A run goes on from its checkpoint, wherever it was stopped, with the same result."""

import pytest
import torch
from smoke import ROWS, killed_at, numbers, stopped_at

from sotlib.companion.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from sotlib.companion.experiments.pnp import drum as pnp_drum
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.training import Stopped

ROW = ROWS[0]
CHECKPOINT = f"{ROW}-1.checkpoint.safetensors"
pytestmark = pytest.mark.usefixtures("one_thread")


def test_run_goes_on_from_its_checkpoint(expected, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=killed_at(5))
    steps = []
    sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=steps.append)
    assert steps == [5, 6]
    assert numbers(tmp_path / f"{ROW}-1.json") == expected


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_checkpoint_is_reported_and_recomputed(expected, tmp_path, damage, capsys):
    with pytest.raises(KeyboardInterrupt):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=killed_at(5))
    (path,) = tmp_path.glob("*.checkpoint.safetensors")
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    steps = []
    sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=steps.append)
    assert steps == [1, 2, 3, 4, 5, 6]
    assert f"{path.name} is damaged" in capsys.readouterr().err
    assert numbers(tmp_path / f"{ROW}-1.json") == expected


def test_checkpoint_of_another_setting_is_not_taken(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=killed_at(5))
    (path,) = tmp_path.glob("*.checkpoint.safetensors")
    path.rename(tmp_path / "SOT-512-2.checkpoint.safetensors")
    steps = []
    sot_table.run(ROW, 2, budget="smoke", folder=tmp_path, progress=steps.append)
    assert steps[0] == 1
    assert "is of another run: it is put aside" in capsys.readouterr().err
    assert len(list(tmp_path.glob("SOT-512-2.checkpoint.damaged-*"))) == 1


def changed(tensors, numbers, change):
    """A checkpoint that is intact, but not a state of this training."""
    if change == "no curve":
        return tensors, numbers | {"curve": []}
    if change == "a later curve":
        return tensors, numbers | {"curve": [*numbers["curve"], {"step": 600}]}
    if change == "other numbers":
        return tensors, {k: v for k, v in numbers.items() if k != "seconds"}
    if change == "other moments":
        return {k: t[:1] if k.endswith("0.exp_avg") else t for k, t in tensors.items()}, numbers
    if change == "other weights":
        return {k: t for k, t in tensors.items() if "to_amplitudes" not in k}, numbers
    return {"w": torch.ones(2)}, {"row": ROW, "seed": 1}


@pytest.mark.parametrize(
    "change",
    [
        *("no curve", "a later curve", "other numbers", "other moments", "other weights"),
        "weights of a model",
    ],
)
def test_an_intact_checkpoint_of_another_kind_is_named(tmp_path, change):
    with pytest.raises(Stopped):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=stopped_at(3))
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, *changed(*load_checkpoint(path), change))
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match="is intact, but not a state of this training; move"):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("load", [sot_table.load_model, pnp_drum.load_model])
def test_a_model_is_loaded_from_weights_only(tmp_path, load):
    with pytest.raises(Stopped):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=stopped_at(3))
    for named in ({"row": ROW, "seed": 1, "budget": "smoke"}, {"row": "pnp", "budget": "smoke"}):
        save_checkpoint(tmp_path / "a.safetensors", {"w": torch.ones(2)}, named)
        with pytest.raises(
            CheckpointError, match="is intact, but has not the weights of this model"
        ):
            load(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="is intact, but has not the weights of this model"):
        load(tmp_path / CHECKPOINT)


@pytest.mark.parametrize("step", [3, 4, 6])
def test_run_goes_on_from_any_step(expected, tmp_path, step):
    """Within an interval, at a validation, and after the last step."""
    with pytest.raises(Stopped):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=stopped_at(step))
    steps = []
    sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=steps.append)
    assert steps == list(range(step + 1, 7))
    assert numbers(tmp_path / f"{ROW}-1.json") == expected
    assert not list(tmp_path.glob("*.checkpoint.*"))


@pytest.mark.parametrize("card", ["cuda", "cuda (NVIDIA A100)"])
def test_run_of_another_device_goes_on_with_other_dropout(expected, tmp_path, capsys, card):
    with pytest.raises(Stopped):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=stopped_at(3))
    tensors, found = load_checkpoint(tmp_path / CHECKPOINT)
    tensors["generator"] = torch.zeros(16, dtype=torch.uint8)  # the size of a GPU's
    save_checkpoint(tmp_path / CHECKPOINT, tensors, found | {"devices": [[card, 0]]})
    record = sot_table.run(ROW, 1, budget="smoke", folder=tmp_path)
    assert "was written on cuda and goes on on cpu" in capsys.readouterr().err
    assert record["configuration"]["device"] == f"{card} from step 0, cpu from step 3"
    curve, whole = record["results"]["curve"], expected["results"]["curve"]
    assert curve[0] == whole[0]
    assert curve[1]["loss"] != whole[1]["loss"]


def test_checkpoint_of_an_earlier_version_is_taken(expected, tmp_path):
    """Those were of validations, and named the device in their identity."""
    with pytest.raises(Stopped):
        sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=stopped_at(4))
    tensors, found = load_checkpoint(tmp_path / CHECKPOINT)
    del found["losses"], found["devices"]
    found["identity"]["device"] = "cpu"
    save_checkpoint(tmp_path / CHECKPOINT, tensors, found)
    steps = []
    sot_table.run(ROW, 1, budget="smoke", folder=tmp_path, progress=steps.append)
    assert steps == [5, 6]
    assert numbers(tmp_path / f"{ROW}-1.json") == expected

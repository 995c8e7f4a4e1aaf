"""Shards of the drum paper's data: complete, verified, recomputed, and honest about overflow."""

from dataclasses import replace

import pytest
import torch

from sotlib import rectangular_drum, riemannian_metric
from sotlib.companion.checkpoints import CheckpointError
from sotlib.companion.experiments.drum import data as drum_data
from sotlib.companion.experiments.drum import shards as drum_shards
from sotlib.companion.experiments.drum import task as drum_task
from sotlib.companion.experiments.pnp.metrics import finite_metrics
from sotlib.companion.runner import Sweep, plan
from sotlib.companion.runner.__main__ import main
from sotlib.datasets.drum_sounds import DRUMS
from sotlib.matching.network import LogCQT

TASK = drum_task.TASKS["smoke"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for row in drum_shards.ROWS:
        for number in drum_shards.SEEDS["smoke"]:
            drum_shards.run(row, number, budget="smoke", folder=folder)
    return folder


def copy(shards, folder):
    for path in shards.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def damage(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("fold", drum_task.FOLDS)
def test_shards_hold_the_fold_once(shards, fold):
    parts = [drum_shards.read(fold, k, budget="smoke", folder=shards) for k in (0, 1)]
    together = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    size = TASK.sounds[drum_task.FOLDS.index(fold)]
    assert together["position"].sort().values.tolist() == list(range(size))
    assert torch.isin(together["id"], DRUMS.fold_ids(fold)).all()
    assert len(together["id"].unique()) == size
    order = together["position"].argsort()
    ids, theta = drum_task.fold_sounds(TASK, fold)
    assert torch.equal(together["id"][order], ids)
    assert torch.equal(together["theta"][order], theta)


def test_a_shard_holds_what_is_computed_from_its_parameters(shards):
    shard = drum_shards.read("train", 1, budget="smoke", folder=shards)
    scaled, theta = shard["scaled"], shard["theta"]
    assert scaled.abs().max() <= 1
    torch.testing.assert_close(drum_task.scaler().inverse(scaled), theta)
    sound = rectangular_drum(theta, samples=TASK.samples)
    cqt = LogCQT(fmin=TASK.fmin, n_bins=TASK.n_bins, hop_length=TASK.hop_length, padding="zeros")
    seen = cqt(sound)
    torch.testing.assert_close(shard["spectra"].double(), seen, atol=1e-3, rtol=1e-3)
    perceive = drum_task.Perception(TASK)
    torch.testing.assert_close(shard["jtfs"].double(), perceive(scaled), atol=1e-4, rtol=1e-3)
    exact = riemannian_metric(perceive, scaled, chunk=2)
    error = torch.linalg.matrix_norm(shard["metric"] - exact)
    assert (error < 0.01 * torch.linalg.matrix_norm(exact)).all()


def test_scaler_is_that_of_the_whole_training_fold():
    ids = DRUMS.fold_ids("train")
    scaled = drum_task.scaler()(DRUMS.cell_parameters(ids))
    torch.testing.assert_close(scaled.amin(0), torch.full((5,), -1.0).double())
    torch.testing.assert_close(scaled.amax(0), torch.full((5,), 1.0).double())


def test_an_intact_shard_is_not_computed_again(shards, monkeypatch):
    monkeypatch.setattr(drum_shards, "prepare", None)  # cannot be called
    record = drum_shards.run("test", 1, budget="smoke", folder=shards)
    assert record["results"]["sounds"] == 3


def test_a_killed_shard_leaves_nothing_behind(tmp_path):
    def progress(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drum_shards.run("test", 0, budget="smoke", folder=tmp_path, progress=progress)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", ["flip", "cut", "missing"])
def test_damaged_shard_is_named_and_recomputed(shards, tmp_path, fault, capsys):
    folder = copy(shards, tmp_path)
    path = folder / "validation-1.safetensors"
    if fault == "flip":
        damage(path)
    elif fault == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.unlink()
    drums = drum_data.load("smoke", folder)
    assert path.name in capsys.readouterr().err
    again = drum_shards.read("validation", 1, budget="smoke", folder=folder)
    assert same(again, drum_shards.read("validation", 1, budget="smoke", folder=shards))
    assert len(drums.folds["validation"]) == 6


def test_the_runner_does_not_take_a_damaged_shard_for_done(
    shards, tmp_path, capsys, in_this_process
):
    folder = copy(shards, tmp_path)
    damage(folder / "test-0.safetensors")
    tasks = plan("drum_shards", budget="smoke", seeds=[0, 1], rows=["test"])
    assert Sweep(tasks, folder, workers=1).run() == {}
    assert "test-0.safetensors is damaged" in capsys.readouterr().err
    original = drum_shards.read("test", 0, budget="smoke", folder=shards)
    assert same(drum_shards.read("test", 0, budget="smoke", folder=folder), original)


def test_the_runner_knows_how_many_shards_there_are(shards, capsys):
    assert main(["drum_shards", "--budget", "smoke", "--folder", str(shards), "--status"]) == 0
    assert capsys.readouterr().out.count("2 of 2 recorded") == 3


def test_shard_of_other_settings_is_refused(shards, monkeypatch):
    monkeypatch.setitem(drum_task.TASKS, "smoke", replace(TASK, fmin=300.0))
    with pytest.raises(CheckpointError, match=r"test-0\.safetensors is of other settings"):
        drum_shards.read("test", 0, budget="smoke", folder=shards)


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="must be below 2 with the budget smoke; got 2"):
        drum_shards.run("test", 2, budget="smoke", folder=tmp_path)
    with pytest.raises(ValueError, match="row must be one of 'train', 'validation', 'test'"):
        drum_shards.run("all", 0, budget="smoke", folder=tmp_path)


def test_overflow_is_computed_in_double_precision():
    """Features 1e20 u² have slopes below single precision's limit, but only for small u."""
    scaled = torch.tensor([[1.0, 2.0], [1e20, 3.0]], dtype=torch.float64)
    metric, single, double = finite_metrics(lambda u: 1e20 * u.square(), scaled)
    assert (single.tolist(), double.tolist()) == ([False, True], [False, False])
    expected = torch.diag_embed((2e20 * scaled).square())
    torch.testing.assert_close(metric, expected, rtol=1e-6, atol=0)


def test_what_is_not_finite_at_all_is_reported():
    scaled = torch.tensor([[0.0, 1.0], [4.0, 1.0]], dtype=torch.float64)
    metric, single, double = finite_metrics(torch.sqrt, scaled)  # its slope at 0 is infinite
    assert (single.tolist(), double.tolist()) == ([True, False], [True, False])
    torch.testing.assert_close(
        metric, torch.tensor([[0.0, 0.0], [1 / 16, 1 / 4]]).diag_embed().double()
    )


def test_sounds_without_a_metric_are_listed_and_left_out(shards, tmp_path, monkeypatch):
    """One sound overflows in single precision, one in both."""
    ids, theta = drum_task.fold_sounds(TASK, "train")
    first, last = (drum_task.scaler()(theta)[k] for k in (0, 11))
    original = drum_task.Perception.forward

    def forward(self, scaled):
        in_single = scaled.dtype == torch.float32
        broken = scaled[:, :1] == last[0].to(scaled.dtype)
        overflowing = (scaled[:, :1] == first[0].to(scaled.dtype)) & in_single
        return original(self, scaled) * torch.where(broken | overflowing, torch.inf, 1.0)

    monkeypatch.setattr(drum_task.Perception, "forward", forward)
    drums = drum_data.load("smoke", tmp_path)
    expected = {"train": [int(ids[11])], "validation": [], "test": []}
    assert drums.preparation["not_finite"] == expected
    both = sorted([int(ids[0]), int(ids[11])])
    assert drums.preparation["in_double_precision"] == expected | {"train": both}
    assert drums.preparation["sounds"] == 24
    assert torch.equal(drums.folds["train"].ids, ids[:11])
    intact = drum_shards.read("train", 0, budget="smoke", folder=shards)["metric"][0]
    torch.testing.assert_close(drums.folds["train"].metric[0], intact, rtol=1e-2, atol=1.0)

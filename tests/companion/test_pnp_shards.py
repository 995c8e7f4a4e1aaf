"""Shards of sounds to be matched: complete, verified, recomputed, honest about overflow."""

from dataclasses import replace

import pytest
import torch

from sotlib import arpeggio, riemannian_metric
from sotlib.companion.checkpoints import CheckpointError
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.pnp import arpeggio_shards, drum_shards, instrument
from sotlib.companion.experiments.pnp import data as pnp_data
from sotlib.companion.experiments.pnp.metrics import finite_metrics
from sotlib.companion.runner import Sweep, plan
from sotlib.companion.runner.__main__ import main
from sotlib.datasets.arpeggios import ARPEGGIOS
from sotlib.matching.network import LogCQT

INSTRUMENT, SHARDS = arpeggio_shards.INSTRUMENT, arpeggio_shards.SHARDS
TASK = INSTRUMENT.tasks["smoke"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for row in SHARDS.rows:
        for number in SHARDS.seeds["smoke"]:
            SHARDS.run(row, number, budget="smoke", folder=folder)
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


@pytest.mark.parametrize("fold", FOLDS)
def test_shards_hold_the_fold_once(shards, fold):
    parts = [SHARDS.read(fold, k, budget="smoke", folder=shards) for k in (0, 1)]
    together = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    size = TASK.sounds[FOLDS.index(fold)]
    assert together["position"].sort().values.tolist() == list(range(size))
    assert torch.isin(together["id"], ARPEGGIOS.fold_ids(fold)).all()
    assert len(together["id"].unique()) == size
    order = together["position"].argsort()
    ids, theta = INSTRUMENT.fold_sounds(TASK, fold)
    assert torch.equal(together["id"][order], ids)
    assert torch.equal(together["theta"][order], theta)


def test_a_shard_holds_what_is_computed_from_its_parameters(shards):
    shard = SHARDS.read("train", 1, budget="smoke", folder=shards)
    scaled, theta = shard["scaled"], shard["theta"]
    assert scaled.abs().max() <= 1
    torch.testing.assert_close(INSTRUMENT.scaler.inverse(scaled), theta)
    sound = arpeggio(theta, samples=TASK.samples)
    cqt = LogCQT(sample_rate=8192, fmin=TASK.fmin, n_bins=TASK.n_bins, hop_length=TASK.hop_length)
    seen = cqt(sound)
    torch.testing.assert_close(shard["spectra"].double(), seen, atol=1e-3, rtol=1e-3)
    perceive = instrument.Perception(INSTRUMENT, TASK)
    assert "jtfs" not in shard  # nothing asks for the training fold's
    exact = riemannian_metric(perceive, scaled, chunk=2)
    error = torch.linalg.matrix_norm(shard["metric"] - exact)
    assert (error < 0.01 * torch.linalg.matrix_norm(exact)).all()


def test_a_shard_that_is_judged_has_features(shards):
    shard = SHARDS.read("test", 0, budget="smoke", folder=shards)
    perceive = instrument.Perception(INSTRUMENT, TASK)
    torch.testing.assert_close(shard["jtfs"], perceive(shard["scaled"].float()))


def test_at_the_papers_size_the_features_are_the_authors():
    """J, Q and the like are those of `TimeFrequencyScattering.of_pnp`."""
    for found, coefficients in ((INSTRUMENT, 16_018), (drum_shards.INSTRUMENT, 20_762)):
        scattering = instrument.Perception(found, found.tasks["paper"]).scattering
        assert len(scattering.paths) == coefficients


def test_scaler_is_that_of_the_whole_training_fold():
    ids = ARPEGGIOS.fold_ids("train")
    scaled = INSTRUMENT.scaler(ARPEGGIOS.cell_parameters(ids))
    torch.testing.assert_close(scaled.amin(0), torch.full((3,), -1.0).double())
    torch.testing.assert_close(scaled.amax(0), torch.full((3,), 1.0).double())


def test_an_intact_shard_is_not_computed_again(shards, monkeypatch):
    monkeypatch.setattr(SHARDS, "prepare", None)  # cannot be called
    record = SHARDS.run("test", 1, budget="smoke", folder=shards)
    assert record["results"]["sounds"] == 3


def test_a_killed_shard_leaves_nothing_behind(tmp_path):
    def progress(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SHARDS.run("test", 0, budget="smoke", folder=tmp_path, progress=progress)
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
    prepared = pnp_data.load(SHARDS, "smoke", folder)
    assert path.name in capsys.readouterr().err
    again = SHARDS.read("validation", 1, budget="smoke", folder=folder)
    assert same(again, SHARDS.read("validation", 1, budget="smoke", folder=shards))
    assert len(prepared.folds["validation"]) == 6


def test_the_runner_does_not_take_a_damaged_shard_for_done(
    shards, tmp_path, capsys, in_this_process
):
    folder = copy(shards, tmp_path)
    damage(folder / "test-0.safetensors")
    tasks = plan("pnp_arpeggio_shards", budget="smoke", seeds=[0, 1], rows=["test"])
    assert Sweep(tasks, folder, workers=1).run() == {}
    assert "test-0.safetensors is damaged" in capsys.readouterr().err
    original = SHARDS.read("test", 0, budget="smoke", folder=shards)
    assert same(SHARDS.read("test", 0, budget="smoke", folder=folder), original)


def test_the_runner_knows_how_many_shards_there_are(shards, capsys):
    assert (
        main(["pnp_arpeggio_shards", "--budget", "smoke", "--folder", str(shards), "--status"]) == 0
    )
    assert capsys.readouterr().out.count("2 of 2 recorded") == 3


def test_shard_of_other_settings_is_refused(shards, monkeypatch):
    monkeypatch.setitem(INSTRUMENT.tasks, "smoke", replace(TASK, fmin=300.0))
    with pytest.raises(CheckpointError, match=r"test-0\.safetensors is of other settings"):
        SHARDS.read("test", 0, budget="smoke", folder=shards)


def test_wrong_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="must be below 2 with the budget smoke; got 2"):
        SHARDS.run("test", 2, budget="smoke", folder=tmp_path)
    with pytest.raises(ValueError, match="row must be one of 'train', 'validation', 'test'"):
        SHARDS.run("all", 0, budget="smoke", folder=tmp_path)


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
    ids, theta = INSTRUMENT.fold_sounds(TASK, "train")
    first, last = (INSTRUMENT.scaler(theta)[k] for k in (0, 11))
    original = instrument.Perception.forward

    def forward(self, scaled):
        in_single = scaled.dtype == torch.float32
        broken = scaled[:, :1] == last[0].to(scaled.dtype)
        overflowing = (scaled[:, :1] == first[0].to(scaled.dtype)) & in_single
        return original(self, scaled) * torch.where(broken | overflowing, torch.inf, 1.0)

    monkeypatch.setattr(instrument.Perception, "forward", forward)
    prepared = pnp_data.load(SHARDS, "smoke", tmp_path)
    expected = {"train": [int(ids[11])], "validation": [], "test": []}
    assert prepared.preparation["not_finite"] == expected
    both = sorted([int(ids[0]), int(ids[11])])
    assert prepared.preparation["in_double_precision"] == expected | {"train": both}
    assert prepared.preparation["sounds"] == 24
    assert torch.equal(prepared.folds["train"].ids, ids[:11])
    intact = SHARDS.read("train", 0, budget="smoke", folder=shards)["metric"][0]
    torch.testing.assert_close(prepared.folds["train"].metric[0], intact, rtol=1e-2, atol=1.0)

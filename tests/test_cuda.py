"""Whatever the library computes on a GPU equals what it computes on a CPU, and stays there.

``pytest -m cuda`` needs a GPU; with ``--cuda-device cpu`` the same tests run without one.
"""

import pytest
import torch
from device_cases import CASES, OTHERS
from torch import nn

import sotlib
from sotlib.companion.experiments.pnp import drum as pnp_drum
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.training import AutoencoderTraining
from sotlib.companion.experiments.training import Stopped
from sotlib.companion.records import read_record
from sotlib.companion.runner.__main__ import main

# Of the largest number in a tensor. In single precision ranks and signs change here and there.
TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-2}


@pytest.fixture
def device(request, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    return request.config.getoption("--cuda-device")


def on(tensor, device):
    return tensor.device.type == torch.device(device).type


def evaluate(case, device, dtype):
    """Values of a case, and the gradients by its arguments and parameters."""
    torch.manual_seed(0)
    compute, arguments = case.make(), [t.to(device, dtype) for t in case.inputs()]
    weights = []
    if isinstance(compute, nn.Module):
        compute = compute.to(dtype).to(device).eval()
        assert all(on(t, device) for t in [*compute.parameters(), *compute.buffers()])
        weights = list(compute.parameters())
    arguments = [t.requires_grad_() for t in arguments]
    values = compute(*arguments)
    values = list(values) if isinstance(values, tuple) else [values]
    slopes = []
    if differentiable := [v for v in values if v.requires_grad]:
        total = sum(v.square().sum() for v in differentiable)
        slopes = torch.autograd.grad(total, [*arguments, *weights], allow_unused=True)
    return [*values, *(slope for slope in slopes if slope is not None)]


def test_every_public_name_has_a_case():
    assert {name.split()[0] for name in CASES} | OTHERS == set(sotlib.__all__)


@pytest.mark.cuda
def test_pretraining_of_pitch_stays_on_the_device(device):
    model = sotlib.HarmonicAutoencoder().to(device)
    before = model.encoder.toeplitz.detach().clone()
    features = model.features(torch.randn(2, 4096, device=device))
    sotlib.pretrain_pitch(model, features, steps=2, batch=8)
    assert on(model.encoder.toeplitz, device)
    assert torch.isfinite(model.encoder.toeplitz).all()
    assert not torch.equal(model.encoder.toeplitz, before)


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, dtype, device):
    expected = evaluate(CASES[name], "cpu", dtype)
    found = evaluate(CASES[name], device, dtype)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert on(ours, device)
        assert ours.dtype == theirs.dtype
        atol = TOLERANCE[dtype] * float(theirs.detach().abs().amax()) + 1e-12
        torch.testing.assert_close(ours.cpu(), theirs, rtol=0, atol=atol)


@pytest.mark.cuda
def test_positions_on_another_device_are_named(device):
    if device == "cpu":
        pytest.skip("there is no other device")
    x = torch.ones(3, device=device)
    with pytest.raises(ValueError, match=r"positions must lie on the device of the masses"):
        sotlib.wasserstein_1d(x, x, torch.arange(3.0))


def stop_at(step):
    def progress(done):
        if done >= step:
            raise Stopped

    return progress


def compare(record, expected):
    """Loosely: what rounds otherwise in the gradient of a pitch grows tenfold with each step."""
    first, *ours = record["results"]["curve"]
    same, *theirs = expected["results"]["curve"]
    assert first["lsd_mean_square"] == pytest.approx(same["lsd_mean_square"], rel=1e-3)
    for found, wanted in zip(ours, theirs, strict=True):
        assert found["step"] == wanted["step"]
        assert found["loss"] == pytest.approx(wanted["loss"], rel=0.3)


def training_of(row, device, **options):
    """Of a few signals, one frame of each."""
    setting = sot_table.ROWS[row]
    signals = sotlib.HarmonicSignals("train", size=40).signals.to(device)
    model = sot_table.make_model(setting).to(device)
    compare = sot_table.Comparison(setting).to(device)
    options = {"seed": 1, "checkpoint": "unused", "identity": {}, **options}
    limits = sot_table.BUDGETS["smoke"]
    training = AutoencoderTraining(
        model=model, compare=compare, data=None, limits=limits, **options
    )
    return training, model.features(signals)[:, 8:9], compare.targets(signals)


@pytest.mark.cuda
@pytest.mark.parametrize("row", ["SOT-2048", "MSS-Lin"])
def test_recorded_steps_are_the_plain_ones(row, device):
    """With dropout, two sizes of batches and a first phase."""
    losses, weights = [], []
    for plain in True, False:
        training, features, targets = training_of(row, device, amplitudes_first=6)
        if plain:
            training.take = lambda *batch, kind, training=training: training._take(*batch)
        for step in range(14):
            part = slice(16) if step % 2 else slice(16, None)
            training._train_on(features[part], [target[part] for target in targets])
        if not plain and device.startswith("cuda"):
            assert len(training.take.recordings) == 4
        losses.append(torch.stack(training.unread).cpu())
        weights.append(torch.cat([p.detach().flatten() for p in training.model.parameters()]).cpu())
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=0)
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-4)


def named(device):
    """As a record of a training of the SOT paper has it."""
    return device if device == "cpu" else f"cuda ({torch.cuda.get_device_name(device)})"


@pytest.mark.cuda
@pytest.mark.parametrize("row", ["SOT-2048", "SOT-512-LogF", "MSS-LogLin-rolloff"])
def test_a_training_goes_on_on_its_device(row, device, tmp_path):
    options = {"budget": "smoke", "device": device}
    expected = sot_table.run(row, 1, folder=tmp_path / "whole", **options)
    with pytest.raises(Stopped):
        sot_table.run(row, 1, folder=tmp_path, progress=stop_at(3), **options)
    steps = []
    record = sot_table.run(row, 1, folder=tmp_path, progress=steps.append, **options)
    assert steps == [4, 5, 6]
    assert record["configuration"]["device"] == named(device)
    compare(record, expected)
    compare(record, sot_table.run(row, 1, budget="smoke", folder=tmp_path / "cpu"))


@pytest.mark.cuda
@pytest.mark.parametrize("first", [True, False], ids=["from", "to"])
def test_a_training_goes_on_on_another_device(first, device, tmp_path, capsys):
    here, there = (device, "cpu") if first else ("cpu", device)
    options = {"budget": "smoke", "folder": tmp_path}
    with pytest.raises(Stopped):
        sot_table.run("MSS-Lin", 1, device=here, progress=stop_at(3), **options)
    record = sot_table.run("MSS-Lin", 1, device=there, **options)
    said = f"written on {here} and goes on on {there}" in capsys.readouterr().err
    assert said == (here != there)
    names = "cpu" if here == there else f"{named(here)} from step 0, {named(there)} from step 3"
    assert record["configuration"]["device"] == names


@pytest.mark.cuda
def test_a_sound_matcher_is_trained_and_goes_on(device, tmp_path):
    options = {"budget": "smoke", "folder": tmp_path, "device": device}
    with pytest.raises(Stopped):
        pnp_drum.run("spectral", 1, progress=stop_at(8), **options)
    steps = []
    record = pnp_drum.run("spectral", 1, progress=steps.append, **options)
    assert steps[0] == 16
    assert record["configuration"]["device"] == device


@pytest.mark.cuda
def test_a_sweep_shares_the_device(device, tmp_path):
    """Several processes, each with a run."""
    command = ["sot_table", "--budget", "smoke", "--seeds", "1,2", "--rows", "SOT-2048,MSS-Lin"]
    command += ["--device", device, "--workers", "2", "--folder", str(tmp_path)]
    assert main(command) == 0
    records = [read_record(path) for path in tmp_path.glob("*.json")]
    assert [r["configuration"]["device"] for r in records] == 4 * [named(device)]

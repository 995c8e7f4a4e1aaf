"""The task of the SOT table: its gradient from the formulas, folds, frames, settings."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch

from sotlib import raw_pitch_accuracy
from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.sot import recipe as sot_recipe
from sotlib.companion.experiments.sot.settings import SCALES
from sotlib.companion.experiments.sot.table import BUDGETS, ROWS, load_model
from sotlib.companion.experiments.sot.task import FOLDS, Comparison, make_model, prepare
from sotlib.companion.experiments.sot.training import carry_out

RATE, SAMPLES = 16000, 4096


def spectrum(sound, size, hop, window):
    """Magnitudes (batch, frames, bins); zeros after the end, scaled by the root of the size."""
    frames = math.ceil(sound.shape[-1] / hop)
    sound = torch.nn.functional.pad(sound, (0, (frames - 1) * hop + size - sound.shape[-1]))
    window = torch.from_numpy(scipy.signal.get_window(window, size))
    return torch.fft.rfft(sound.unfold(-1, size, hop) * window).abs() / math.sqrt(size)


def transport(target, other):
    """Squared transport up to level 1, both divided by the target's mass, mean over all frames."""
    target, other = target.flatten(0, 1).square(), other.flatten(0, 1).square()
    mass = target.sum(-1, keepdim=True)
    cumulative = [(s / mass).cumsum(-1) for s in (target, other)]
    levels = torch.cat(cumulative, -1).sort(-1).values
    bins = target.shape[-1]
    quantiles = [torch.searchsorted(c, levels).clamp(max=bins - 1) / (bins - 1) for c in cumulative]
    steps = torch.diff(levels.clamp(max=1), prepend=torch.zeros(len(levels), 1))
    return (steps * (quantiles[0] - quantiles[1]).square()).sum(-1).mean()


def published_loss(f0, amplitudes, target):
    """SOT-2048 of constant controls, from the formulas, in double precision.

    The phase of the k-th harmonic at sample n is 2πk f0 (n + 1) / f_s.
    """
    n = torch.arange(1, SAMPLES + 1, dtype=torch.float64)
    k = torch.arange(1, amplitudes.shape[-1] + 1)
    audible = k * f0[:, None] < RATE / 2
    waves = torch.sin(2 * math.pi * k[:, None] * f0[:, None, None] * n / RATE)
    sound = (amplitudes * audible)[:, None] @ waves
    loss = transport(*(spectrum(s, 2048, 256, "flattop") for s in (target, sound[:, 0])))
    for size in SCALES:
        one, other = (spectrum(s, size, size // 4, "hann") for s in (target, sound[:, 0]))
        loss = loss + 0.05 * (one - other).abs().mean()
    return loss


@pytest.mark.parametrize("first_phase", [1, 0])
def test_the_untrained_gradient_is_that_of_the_formulas(first_phase):
    """With the other phase origin it is not: what moves the pitch is the phase at the end."""
    row = ROWS["SOT-2048"]
    fold = prepare("test", 160, 1)
    model = make_model(row, seed=3)
    with torch.no_grad():
        output = model.eval()(fold.features)
    expected = [c[:, 0].double().requires_grad_() for c in (output.f0, output.amplitudes)]
    published_loss(*expected, fold.signals.double()).backward()
    ours = [c.clone().requires_grad_() for c in (output.f0, output.amplitudes)]
    model.synth.first_phase = first_phase
    comparison = Comparison(row)
    comparison(model.synth(*ours), comparison.targets(fold.signals)).backward()
    similarity = torch.nn.functional.cosine_similarity
    by_f0 = similarity(ours[0].grad[:, 0].double(), expected[0].grad, dim=0)
    by_amplitudes = ours[1].grad[:, 0].double().flatten(), expected[1].grad.flatten()
    if first_phase == 1:
        assert by_f0 > 0.999
        assert similarity(*by_amplitudes, dim=0) > 0.9999
    else:
        assert by_f0 < 0.5


def test_folds_are_disjoint_or_as_published_all_signals():
    pitches = {fold: set(prepare(fold, 40, 1).f0.tolist()) for fold in FOLDS}
    assert len(set.union(*pitches.values())) == sum(map(len, pitches.values())) == 40
    for fold in FOLDS:
        assert set(prepare(fold, 40, 1, disjoint=False).f0.tolist()) == set.union(*pitches.values())


def test_a_run_on_published_folds_is_tested_on_its_validation_signals(tmp_path):
    published = {"smoke": replace(BUDGETS["smoke"], disjoint=False)}
    run = make_run("sot_table", ROWS, published, carry_out)
    results = run("MSS-Lin", 1, budget="smoke", folder=tmp_path)["results"]
    (best,) = (c for c in results["curve"] if c["step"] == results["best_step"])
    assert results["test"] == {name: best[name] for name in results["test"]}


def test_fewer_frames_come_from_the_middle():
    features = {frames: prepare("test", 40, frames).features for frames in (16, 4, 1)}
    assert torch.equal(features[4], features[16][:, 6:10])
    assert torch.equal(features[1], features[16][:, 8:9])


def test_settings_of_the_data_are_passed_on():
    published, uniform = (prepare("train", 400, 1, counts=c) for c in ("published", "uniform"))
    assert torch.equal(published.f0, uniform.f0)
    assert not torch.equal(published.signals, uniform.signals)
    early = prepare("train", 400, 1, first_phase=0)
    assert (early.signals[:, 0] == 0).all()
    assert (published.signals[:, 0] != 0).all()


def test_weights_of_another_experiment_load_with_its_rows(tmp_path):
    sot_recipe.run("no-equivariance", 1, budget="smoke", folder=tmp_path)
    path = tmp_path / "no-equivariance-1.safetensors"
    assert not load_model(path, rows=sot_recipe.ROWS).training
    with pytest.raises(ValueError, match="row 'no-equivariance', and rows has MSS-Lin"):
        load_model(path)


@pytest.mark.parametrize("kind", sot_recipe.FOREIGN)
def test_the_recorded_recipe_on_sounds_that_it_never_saw(kind):
    path = Path(__file__).parents[2] / "results/sot_recipe/reduced/recipe-3005.safetensors"
    model = load_model(path, rows=sot_recipe.ROWS)
    draw = np.random.default_rng(0)
    heard, true = [], []
    for _ in range(5):
        sound, pitch = sot_recipe.foreign_sound(kind, draw)
        assert abs(sound).max() == 1
        heard.append(model.estimate_pitch(torch.tensor(sound).float()[None])[0])
        true.append(torch.tensor(pitch[::256]))
    inside = slice(4, 43)  # frames whose windows do not reach over the ends
    found = raw_pitch_accuracy(torch.stack(true)[:, inside], torch.stack(heard)[:, inside])
    assert found < 0.5 if kind == "no fundamental" else found > 0.95

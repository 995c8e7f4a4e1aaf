"""Recorded instruments: notes and folds, the font, tuning, the model, and what judges it."""

import hashlib
import sys
import types

import numpy as np
import pytest
import torch

from sotlib import HarmonicSynth
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.instruments import (
    estimators,
    font,
    model,
    notes,
    sounds,
    table,
    task,
    tuning,
)

RATE = sounds.SAMPLE_RATE


def tone(hertz, seconds=1.0, decay=0.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    partials = [np.sin(2 * np.pi * k * hertz * t) / k for k in range(1, 7) if k * hertz < rate / 2]
    return (np.exp(-decay * t) * sum(partials)).astype(np.float32)


class FakeSynth:
    """Stands for tinysoundfont: plays partials, a quarter of a semitone too high."""

    def __init__(self, samplerate):
        self.rate, self.playing = samplerate, None

    def sfload(self, path):
        return 0

    def sounds_off(self):
        self.playing = None

    def program_select(self, channel, font, bank, program):
        pass

    def noteon(self, channel, number, velocity):
        self.playing = 440 * 2 ** ((number + 0.25 - 69) / 12)
        return True

    def generate_simple(self, samples):
        mono = tone(self.playing, samples / self.rate, decay=2.0, rate=self.rate) / 4
        return memoryview(np.stack([mono, mono], axis=1).astype(np.float32).ravel())


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Results with the sounds of the smallest set, from a renderer that stands for the font's."""
    folder = tmp_path_factory.mktemp("results")
    path = folder / "FluidR3_GM.sf2"
    path.write_bytes(b"notes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "tinysoundfont", types.SimpleNamespace(Synth=FakeSynth))
        patch.setenv(font.VARIABLE, str(path))
        for module in (font, sounds):
            patch.setattr(module, "SHA256", hashlib.sha256(b"notes").hexdigest())
        for fold in sounds.ROWS:
            sounds.run(fold, 0, budget="smoke", folder=folder / "instruments_sounds" / "smoke")
        yield folder


def test_no_note_of_an_instrument_is_in_two_folds():
    seen: dict = {}
    for fold in (*FOLDS, notes.UNHEARD):
        for note in notes.notes_of(fold):
            assert seen.setdefault((note.instrument, note.number), fold) == fold
    heard = {name for name, instrument in notes.INSTRUMENTS.items() if instrument.heard}
    assert {n.instrument for n in notes.notes_of("train")} == heard
    assert {n.instrument for n in notes.notes_of(notes.UNHEARD)}.isdisjoint(heard)
    ranges = notes.INSTRUMENTS.values()
    assert len(seen) == sum(i.highest - i.lowest + 1 for i in ranges)
    assert notes.Note("flute", 69, 80).hertz == 440
    assert notes.Note("flute", 57, 80).hertz == 220


def test_the_font_and_its_player_are_asked_for(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps tinysoundfont"):
        font.Font(RATE)
    monkeypatch.setitem(sys.modules, "tinysoundfont", types.SimpleNamespace(Synth=FakeSynth))
    monkeypatch.setenv(font.VARIABLE, str(tmp_path / "none.sf2"))
    with pytest.raises(FileNotFoundError, match="fluid-soundfont-gm"):
        font.Font(RATE)
    (tmp_path / "none.sf2").write_bytes(b"another font")
    with pytest.raises(ValueError, match="SHA-256"):
        font.Font(RATE)
    with pytest.raises(ValueError, match="must divide 48000; got 44100"):
        font.Font(44100)


@pytest.mark.parametrize("off", [-37, 0, 12])
@pytest.mark.parametrize("hertz", [65.4, 440.0, 1975.5])
def test_tuning_is_measured_to_a_cent(hertz, off):
    sound = tone(hertz * 2 ** (off / 1200), decay=3.0)
    assert tuning.cents_off(sound, RATE, hertz) == pytest.approx(off, abs=1)


def test_a_pitch_beyond_the_range_searched_is_no_finding():
    assert np.isnan(tuning.cents_off(tone(440 * 2 ** (90 / 1200)), RATE, 440.0))


def test_an_excerpt_begins_at_the_attack():
    sound = np.concatenate([np.zeros(3000, np.float32), 0.2 * tone(300)])
    cut = sounds.excerpt(sound)
    assert cut.shape == (sounds.SAMPLES,)
    assert np.abs(cut).max() == pytest.approx(sounds.PEAK)
    start = np.flatnonzero(cut)[0]
    assert abs(start - sounds.BEFORE) <= 2


def test_sounds_are_played_recorded_and_read(played):
    folder = played / "instruments_sounds" / "smoke"
    record = sounds.run("validation", 0, budget="smoke", folder=folder)  # what is recorded
    assert record["results"]["tuning"]["flute"] == [25.0, 25.0]
    assert record["results"]["tuning_not_found"] == 0
    found = sounds.read("validation", budget="smoke", folder=folder)
    expected = [note.hertz * 2 ** (25 / 1200) for note in found.notes]
    torch.testing.assert_close(found.f0, torch.tensor(expected, dtype=torch.float64))
    assert found.signals.shape == (len(found.notes), sounds.SAMPLES)


def test_sounds_that_are_missing_are_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="runner instruments_sounds --budget smoke"):
        sounds.read("test", budget="smoke", folder=tmp_path)


def test_a_level_of_one_is_a_sine_of_amplitude_one():
    t = torch.arange(sounds.SAMPLES) / RATE
    found = model.levels((0.5 * torch.sin(2 * torch.pi * 500 * t))[None])
    assert found.shape == (1, sounds.SAMPLES // (model.EVERY * 256))
    torch.testing.assert_close(found[:, 1:], torch.full_like(found[:, 1:], 0.5), rtol=1e-3, atol=0)
    decay = torch.exp(-4 * t)
    ratio = model.levels((decay * torch.sin(2 * torch.pi * 500 * t))[None])[0, 1:]
    expected = torch.full((len(ratio) - 1,), -4 * model.EVERY * 256 / RATE)
    torch.testing.assert_close((ratio[1:] / ratio[:-1]).log(), expected, rtol=0.02, atol=0)


def test_amplitudes_follow_the_level_and_pitch_does_not():
    autoencoder = task.make_model(frame_wise_levels=True, noise=False, seed=0).eval()
    sound = torch.from_numpy(0.8 * tone(330)[: sounds.SAMPLES])[None]
    loud, soft = (autoencoder(autoencoder.with_levels(gain * sound)) for gain in (1.0, 0.5))
    torch.testing.assert_close(soft.f0, loud.f0, rtol=1e-3, atol=0)
    torch.testing.assert_close(soft.amplitudes, 0.5 * loud.amplitudes, rtol=0.01, atol=0)
    torch.testing.assert_close(autoencoder.estimate_pitch(sound)[:, :: model.EVERY], loud.f0)


def test_noise_is_the_same_when_judged_and_another_while_training():
    autoencoder = task.make_model(frame_wise_levels=True, noise=True, seed=0)
    features = autoencoder.with_levels(torch.from_numpy(tone(330)[: sounds.SAMPLES])[None])
    autoencoder.eval()
    assert torch.equal(autoencoder(features).sound, autoencoder(features).sound)
    autoencoder.train()
    draw = torch.Generator().manual_seed(0)
    first, second = (autoencoder(features, generator=draw).sound for _ in range(2))
    assert not torch.equal(first, second)


def test_confusions_are_counted_instrument_by_instrument():
    names = [notes.Note("flute", 69, 80), notes.Note("cello", 45, 80)]
    truth = torch.tensor([[440.0, 440.0, 0.0], [110.0, 110.0, 110.0]], dtype=torch.float64)
    fold = task.Fold(torch.zeros(2, 1), truth, torch.zeros(2, 3, 1), names)
    estimate = torch.tensor([[220.0, 445.0, 9.0], [110.0, 330.0, 440.0]], dtype=torch.float64)
    found = task.by_instrument(fold, estimate)
    assert found["flute"] == {
        "rpa": 50.0, "rca": 100.0, "octave_below": 50.0, "octave_above": 0.0,
    }  # fmt: skip
    assert found["cello"]["octave_above"] == pytest.approx(100 / 3)
    assert found["cello"]["rca"] == pytest.approx(200 / 3)


def test_estimates_are_taken_at_frames():
    truth = torch.ones(1, 16)
    fold = task.Fold(torch.zeros(1, sounds.SAMPLES), truth, torch.zeros(1, 16, 1))
    times = np.arange(0, 0.6, 0.008)
    found = estimators.at_frames(fold, times, 1000 * times)
    wanted = 1000 * torch.arange(16) * sounds.SAMPLES / 16 / RATE
    assert (found - wanted).abs().max() <= 4


def test_an_estimator_that_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "swift_f0", None)
    with pytest.raises(ModuleNotFoundError, match="pip install swift-f0"):
        estimators.run("SwiftF0", 0, budget="smoke", folder=tmp_path)


@pytest.mark.parametrize("row", ["sliced", "no-levels", "synthetic"])
def test_a_row_is_trained_and_judged(row, played, monkeypatch):
    short = table.Pretraining(steps=1, calibrated=False)
    setting = table.ROWS[row]
    if setting.loss.pretraining:
        setting = table.replace(setting, loss=table.replace(setting.loss, pretraining=short))
    monkeypatch.setitem(table.ROWS, row, setting)
    folder = played / "instruments_table" / "smoke"
    record = table.run(row, 0, budget="smoke", folder=folder)
    results = record["results"]
    assert {"rpa", "rca", "lsd_root", "mss"} <= results["test"].keys() & results["unheard"].keys()
    assert set(results["unheard_by_instrument"]) == {
        name for name, instrument in notes.INSTRUMENTS.items() if not instrument.heard
    }
    trained = table.load_model(folder / f"{row}-0.safetensors")
    found = sounds.read("test", budget="smoke", folder=played / "instruments_sounds" / "smoke")
    fold = task.fold_of(trained, found.signals, found.f0, found.notes, seed=0)
    again, _ = task.evaluate(trained, fold)
    assert again == pytest.approx(results["test"])


def test_harmonic_sound_of_the_model_is_that_of_the_synthesiser():
    autoencoder = task.make_model(frame_wise_levels=False, noise=False, seed=0).eval()
    features = model.frame_wise(autoencoder.features(torch.from_numpy(tone(330)[:8192])[None]))
    output = autoencoder(features)
    synth = HarmonicSynth(samples=sounds.SAMPLES, sample_rate=RATE)
    torch.testing.assert_close(output.sound, synth(output.f0, output.amplitudes))

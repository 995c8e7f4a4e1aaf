"""Pitch without labels: the equivariance loss in closed form, calibration, pre-training."""

import copy
import math

import pytest
import torch
from torch import nn

from sotlib import (
    HarmonicAutoencoder,
    HarmonicSignals,
    calibrate_pitch,
    equivariance_loss,
    pretrain_pitch,
    raw_pitch_accuracy,
)
from sotlib.pitch.encoder import EncoderOutput

BINS = 285


class PeakEncoder(nn.Module):
    """Logits that are certain of a spectrum's largest bin, times `slope`, plus `offset`."""

    def __init__(self, slope=1, offset=0):
        super().__init__()
        self.n_bins, self.slope, self.offset = BINS, slope, offset

    def forward(self, spectra, *, generator=None):
        peak = spectra.argmax(-1) * self.slope + self.offset
        logits = 100.0 * nn.functional.one_hot(peak, BINS).to(spectra)
        return EncoderOutput(logits, spectra[:, :1])


class Watcher(PeakEncoder):
    """Remembers what it was given last."""

    def forward(self, spectra, **options):
        self.seen = spectra
        return super().forward(spectra, **options)


def peaks(*bins, dtype=torch.float32):
    return nn.functional.one_hot(torch.tensor(bins), BINS).to(dtype)


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(7)
        return HarmonicAutoencoder().eval()


@pytest.fixture(scope="module")
def data():
    """The seed of the recorded runs is another one."""
    return HarmonicSignals("all", seed=1, size=400)


class TestEquivarianceLoss:
    @pytest.mark.parametrize("offset", [0, 30, -50])
    def test_is_zero_where_estimates_move_along_whatever_they_share(self, offset, generator):
        encoder, spectra = PeakEncoder(offset=offset), peaks(100, 150, 200)
        loss = equivariance_loss(encoder, spectra, generator=generator)
        torch.testing.assert_close(loss, torch.tensor(0.0), rtol=0, atol=1e-8)

    def test_is_hubers_function_of_the_error_in_bins(self):
        """An estimate that stays errs by the shift: k²/2 up to one bin, |k| - 1/2 beyond."""
        still = PeakEncoder(slope=0, offset=7)
        spectra, draw = peaks(100).expand(2000, -1), torch.Generator().manual_seed(0)
        loss = equivariance_loss(still, spectra, largest_shift=2, generator=draw)
        shift = torch.randint(-2, 3, (2000,), generator=torch.Generator().manual_seed(0)).abs()
        expected = torch.where(shift <= 1, shift**2 / 2, shift - 0.5).mean()
        torch.testing.assert_close(loss, expected)

    def test_what_leaves_the_axis_is_gone(self):
        """Only zeros can enter: with the peak at the end, every upward shift empties the frame."""
        encoder = Watcher()
        draw = torch.Generator().manual_seed(1)
        equivariance_loss(encoder, peaks(284).expand(50, -1), largest_shift=3, tilt=0.0,
                          generator=draw)  # fmt: skip
        before, after = encoder.seen.chunk(2)
        assert torch.equal(before, peaks(284).expand(50, -1))
        mass = after.sum(-1)
        assert set(mass.tolist()) == {0.0, 1.0}
        assert (after[mass == 1].argmax(-1) >= 281).all()

    def test_tilts_fall_by_at_most_so_many_decibels_an_octave(self):
        encoder = Watcher()
        flat = torch.ones(400, BINS, dtype=torch.float64)
        draw = torch.Generator().manual_seed(2)
        equivariance_loss(encoder, flat, tilt=6.0, largest_shift=1, generator=draw)
        levels = 20 * encoder.seen[:400].log10()
        slope = (levels[:, 0] - levels[:, 36])[:, None]
        assert 0 <= slope.min() < 0.1
        assert 5.9 < slope.max() <= 6
        expected = -slope * torch.arange(BINS) / 36
        torch.testing.assert_close(levels, expected, rtol=0, atol=1e-9)

    def test_the_generator_decides_everything(self, model, data):
        frames = model.features(data.signals[:8])[:, 8]
        train = copy.deepcopy(model).train()

        def loss(seed):
            draw = torch.Generator().manual_seed(seed)
            return equivariance_loss(train.encoder, frames, generator=draw)

        assert torch.equal(loss(0), loss(0))
        assert not torch.equal(loss(0), loss(1))

    def test_gradients_reach_the_encoder_and_are_finite_even_in_silence(self, model, generator):
        train = copy.deepcopy(model).train()
        spectra = torch.zeros(4, BINS)
        spectra[0] = torch.rand(BINS, generator=generator)
        equivariance_loss(train.encoder, spectra, generator=generator).backward()
        assert all(
            torch.isfinite(p.grad).all()
            for name, p in train.encoder.named_parameters()
            if "to_amplitudes" not in name
        )
        assert train.encoder.toeplitz.grad.abs().max() > 0


class TestCalibration:
    @pytest.mark.parametrize("moved", [-40, 17])
    def test_finds_by_how_much_all_estimates_are_off(self, trained, moved):
        model = copy.deepcopy(trained)
        with torch.no_grad():
            weight = model.encoder.toeplitz
            weight.copy_(weight.roll(-moved))  # what leaves at one end is nearly nothing
        assert calibrate_pitch(model) == pytest.approx(moved, abs=1)
        assert abs(calibrate_pitch(model)) <= 0.5

    def test_leaves_mode_and_random_state_as_they_are(self, model):
        for training in (True, False):
            one = copy.deepcopy(model).train(training)
            before = torch.get_rng_state()
            calibrate_pitch(one, notes=8)
            assert one.training == training
            assert torch.equal(torch.get_rng_state(), before)

    def test_a_narrow_range_is_refused(self):
        with pytest.raises(ValueError, match=r"must have four octaves for its notes; got 32\.7-"):
            calibrate_pitch(HarmonicAutoencoder(sample_rate=1000, samples=64))


@pytest.fixture(scope="module")
def trained(model, data):
    """From a start that hears one pitch in everything."""
    trained = copy.deepcopy(model)
    pretrain_pitch(trained, trained.features(data.signals[:300])[:, 8:9], steps=150, batch=32)
    return trained


class TestPretraining:
    def test_finds_the_pitch_of_sounds_that_it_never_saw(self, model, trained, data):
        rest = data.signals[300:]

        def accuracy(model):
            estimate = model.estimate_pitch(rest)[:, 8]
            return raw_pitch_accuracy(data.f0[300:], estimate)

        assert accuracy(model) < 0.2
        assert accuracy(trained) > 0.95

    def test_the_seed_decides_everything(self, model, data):
        features = model.features(data.signals[:40])[:, 8:9]
        weights = []
        for seed in (0, 0, 1):
            one = copy.deepcopy(model)
            torch.manual_seed(seed + 10)
            pretrain_pitch(one, features, steps=2, batch=4, seed=seed)
            weights.append(one.encoder.toeplitz)
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])

    def test_progress_and_steps(self, model, data):
        steps = []
        features = model.features(data.signals[:4])
        one = copy.deepcopy(model)
        pretrain_pitch(one, features, steps=3, batch=2, progress=steps.append)
        assert steps == [1, 2, 3]
        untouched = copy.deepcopy(model)
        pretrain_pitch(untouched, features, steps=0, calibrated=False)
        assert torch.equal(untouched.encoder.toeplitz, model.encoder.toeplitz)

    def test_silent_frames_are_left_out(self, model):
        sound = torch.zeros(2, 4096)
        sound[1, 2000:2100] = torch.sin(torch.arange(100) * 0.3)
        pretrain_pitch(copy.deepcopy(model), model.features(sound), steps=1)
        with pytest.raises(ValueError, match="must have a frame that is not silent; all are"):
            pretrain_pitch(copy.deepcopy(model), model.features(sound[:1]), steps=1)


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"largest_shift": 0}, "largest_shift must be an integer of at least 1; got 0"),
            ({"largest_shift": 285}, "largest_shift must be below the 285 bins; got 285"),
            ({"tilt": -1.0}, "tilt must be a finite number of at least 0 and at most 1000; got -1"),
            ({"tilt": math.nan}, "tilt must be a finite number"),
            ({"temperature": 0}, "temperature must be a finite number above 0; got 0"),
        ],
    )
    def test_loss(self, model, options, message):
        with pytest.raises(ValueError, match=message):
            equivariance_loss(model.encoder, torch.ones(2, BINS), **options)

    def test_spectra(self, model):
        with pytest.raises(ValueError, match="spectra must be finite"):
            equivariance_loss(model.encoder, torch.full((2, BINS), math.nan))
        with pytest.raises(ValueError, match=r"spectra must have shape \(batch, 285\)"):
            equivariance_loss(model.encoder, torch.ones(2, 284))
        with pytest.raises(TypeError, match="spectra must hold floating-point numbers"):
            equivariance_loss(model.encoder, torch.ones(2, BINS).int())

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"features": torch.ones(2, BINS)}, r"must have shape \(signals, frames, 285\)"),
            ({"features": torch.full((1, 1, BINS), math.inf)}, "features must be finite"),
            ({"steps": -1}, "steps must be an integer of at least 0; got -1"),
            ({"batch": 0}, "batch must be an integer of at least 1; got 0"),
            ({"learning_rate": 0.0}, "learning_rate must be a finite number above 0"),
        ],
    )
    def test_pretraining(self, model, change, message):
        arguments = {"features": torch.ones(1, 1, BINS)} | change
        with pytest.raises(ValueError, match=message):
            pretrain_pitch(copy.deepcopy(model), **arguments)

    def test_notes(self, model):
        with pytest.raises(ValueError, match="notes must be an integer of at least 1; got 0"):
            calibrate_pitch(copy.deepcopy(model), notes=0)

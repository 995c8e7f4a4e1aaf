"""The harmonic autoencoder: its parts in their order, features, gradients, bad input."""

import copy
import math

import numpy as np
import pytest
import torch
from nnAudio.features import CQT1992v2

from sotlib import (
    HarmonicAutoencoder,
    HarmonicSignals,
    HarmonicSynth,
    MultiScaleSpectralLoss,
    soft_argmax,
    unit_to_hz,
)
from sotlib.pitch.encoder import EncoderOutput

OPTIONS = {"samples": 512, "sample_rate": 4000, "harmonics": 5}


@pytest.fixture(scope="module")
def model():
    """The published model; tests do not change it."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return HarmonicAutoencoder().eval()


@pytest.fixture(scope="module")
def sounds():
    return HarmonicSignals("test", size=30).signals


@pytest.fixture(scope="module")
def features(model, sounds):
    return model.features(sounds)


@pytest.fixture(scope="module")
def small():
    """A short sound at a low rate: 3 frames of 213 bins."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        model = HarmonicAutoencoder(**OPTIONS).eval()
    generator = torch.Generator().manual_seed(0)
    return model, model.features(torch.rand(2, 512, generator=generator) - 0.5)


class TestFeatures:
    def test_are_nnaudios_cqt_without_the_last_sample(self, sounds, features):
        cqt = CQT1992v2(sr=16000, hop_length=256, fmin=32.7, n_bins=285, bins_per_octave=36,
                        window="hann", pad_mode="constant", verbose=False)  # fmt: skip
        expected = cqt(sounds[:1, :-1]).transpose(1, 2)
        assert features.shape == (3, 16, 285)
        torch.testing.assert_close(features[:1], expected, rtol=1e-3, atol=1e-3)

    def test_peak_at_the_pitch_of_a_sinusoid(self, model):
        low, high = model.pitch_range
        for k in (60, 120, 200):
            f = low * (high / low) ** (k / 284)
            sound = torch.sin(2 * math.pi * f * torch.arange(4096) / 16000)[None]
            assert model.features(sound)[0, 8].argmax() == k

    def test_do_not_see_the_last_sample(self, model, sounds, features):
        changed = sounds.clone()
        changed[:, -1] += 1.0
        assert torch.equal(model.features(changed), features)

    def test_have_no_gradient_and_are_contiguous(self, model, sounds):
        features = model.features(sounds.clone().requires_grad_())
        assert not features.requires_grad
        assert features.is_contiguous()

    def test_autocast_changes_nothing(self, model, sounds, features):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(model.features(sounds), features)

    def test_keep_double_precision(self, small):
        model, _ = small
        x = torch.rand(2, 512) - 0.5
        double = model.features(x.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), model.features(x), rtol=1e-4, atol=1e-5)

    def test_of_silence_and_of_no_sounds(self, small):
        model, features = small
        assert model.features(torch.zeros(1, 512)).abs().max() == 0
        assert model.features(torch.zeros(0, 512)).shape == (0, *features.shape[1:])


class TestForward:
    @torch.no_grad()
    def test_is_encoder_soft_argmax_axis_and_synthesiser(self, model, features):
        output = model(features)
        for frame in (0, 15):
            encoded = model.encoder(features[:, frame])
            torch.testing.assert_close(output.logits[:, frame], encoded.logits)
            torch.testing.assert_close(output.amplitudes[:, frame], encoded.amplitudes)
        # 285 bins from 32.7 Hz on, 36 per octave.
        position = soft_argmax(output.logits, temperature=0.1)
        f0 = 32.7 * 2 ** (position * 284 / 36)
        torch.testing.assert_close(output.f0, f0)
        sound = HarmonicSynth(samples=4096, sample_rate=16000)(output.f0, output.amplitudes)
        torch.testing.assert_close(output.sound, sound)

    def test_a_certain_bin_gives_its_frequency(self, small, monkeypatch):
        model, features = small
        for k in (0, 100, 212):
            logits = 100.0 * (torch.arange(213) == k).expand(4, 213)
            certain = EncoderOutput(logits, torch.ones(4, 5))
            with monkeypatch.context() as patch:
                patch.setattr(model.encoder, "forward", lambda x, **_: certain)  # noqa: B023
                f0 = model(features[:, :2]).f0
            torch.testing.assert_close(f0, torch.full((2, 2), 32.7 * 2 ** (k / 36)))

    def test_estimates_the_pitch_of_sounds_of_any_length_without_dropout(self, small):
        model = copy.deepcopy(small[0]).train()
        sound = torch.rand(2, 2000, generator=torch.Generator().manual_seed(1))
        estimate = model.estimate_pitch(sound)
        assert model.training
        assert model.encoder.training
        frames = model.features(sound)
        assert estimate.shape == frames.shape[:2]
        one = model.eval()(frames[:, 3:4])
        torch.testing.assert_close(estimate[:, 3:4], one.f0)

    @torch.no_grad()
    def test_a_frame_alone_is_a_constant_sound(self, model, features):
        output, whole = model(features[:, 8:9]), model(features)
        torch.testing.assert_close(output.f0, whole.f0[:, 8:9])
        held = HarmonicSynth()(output.f0.repeat(1, 2), output.amplitudes.repeat(1, 2, 1))
        torch.testing.assert_close(output.sound, held, rtol=0, atol=1e-4)

    @torch.no_grad()
    def test_a_batch_is_its_sounds(self, small):
        model, frames = copy.deepcopy(small[0]).double(), small[1][:, :2].double()
        for whole, one in zip(model(frames), model(frames[1:]), strict=True):
            torch.testing.assert_close(whole[1:], one)

    @torch.no_grad()
    def test_an_empty_batch(self, small):
        model, features = small
        assert [t.shape for t in model(features[:0, :2])] == [(0, 512), (0, 2), (0, 2, 5),
                                                             (0, 2, 213)]  # fmt: skip

    def test_only_the_encoder_is_trained_and_stored(self, model):
        assert sum(p.numel() for p in model.parameters()) == 46_012
        assert {name.split(".")[0] for name in model.state_dict()} == {"encoder"}

    def test_pitch_range_is_the_first_and_the_last_bin(self, model):
        expected = [32.7, 32.7 * 2 ** (284 / 36)]
        np.testing.assert_allclose(model.pitch_range, expected, rtol=1e-6)

    @pytest.mark.parametrize(("rate", "bins"), [(68, 2), (1000, 141), (8000, 249)])
    def test_the_axis_ends_below_half_the_sample_rate(self, rate, bins):
        model = HarmonicAutoencoder(sample_rate=rate, samples=64)
        assert model.encoder.n_bins == bins
        assert model.pitch_range[1] < rate / 2 < model.pitch_range[1] * 2 ** (2 / 36)

    def test_options_reach_their_parts(self):
        options = {"roll_off": True, "dropout": 0.2, "temperature": 0.5}
        model = HarmonicAutoencoder(**OPTIONS, **options)
        assert model.synth.roll_off
        assert model.synth.samples == 512
        assert model.encoder.dropout == 0.2
        output = model.eval()(torch.rand(1, 1, model.encoder.n_bins))
        low, high = model.pitch_range
        f0 = unit_to_hz(soft_argmax(output.logits, temperature=0.5), low=low, high=high)
        torch.testing.assert_close(output.f0, f0)

    def test_dropout_follows_the_generator(self, small):
        model = copy.deepcopy(small[0]).train()
        f0 = [
            model(small[1][:, :2], generator=torch.Generator().manual_seed(s)).f0 for s in (1, 1, 2)
        ]
        assert torch.equal(f0[0], f0[1])
        assert not torch.equal(f0[0], f0[2])

    @torch.no_grad()
    def test_double_precision(self, small):
        model, features = small
        double = copy.deepcopy(model).double()
        output, single = double(features[:, :1].double()), model(features[:, :1])
        assert {t.dtype for t in output} == {torch.float64}
        torch.testing.assert_close(output.f0.float(), single.f0, rtol=1e-3, atol=0)

    @torch.no_grad()
    def test_runs_under_autocast(self, small):
        model, features = small
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(features[:, :2])
        assert {t.dtype for t in output} == {torch.float32}
        torch.testing.assert_close(output.f0, model(features[:, :2]).f0, rtol=0.05, atol=0)


class TestTraining:
    @pytest.mark.parametrize("frames", [1, 2])
    def test_the_gradient_reaches_every_parameter(self, small, frames):
        model = copy.deepcopy(small[0])
        model(small[1][:, :frames]).sound.square().sum().backward()
        for name, parameter in model.named_parameters():
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 0, name

    @pytest.mark.parametrize("frames", [1, 2])
    def test_gradient_of_the_whole_against_differences(self, small, frames):
        """Along one direction of all parameters, in double precision."""
        model, features = copy.deepcopy(small[0]).double(), small[1][:1, :frames].double()
        parameters = dict(model.named_parameters())
        direction = {k: torch.randn_like(p) for k, p in parameters.items()}

        def energy(step):
            moved = {k: p + step * direction[k] for k, p in parameters.items()}
            sound = torch.func.functional_call(model, moved, (features,)).sound
            return (sound * torch.linspace(0, 1, 512, dtype=torch.float64)).sum()

        energy(0.0).backward()
        slope = sum((p.grad * direction[k]).sum() for k, p in parameters.items())
        with torch.no_grad():
            step = 1e-8  # few rectifiers change sides within it
            difference = (energy(step) - energy(-step)) / (2 * step)
        torch.testing.assert_close(slope, difference, rtol=1e-5, atol=1e-4)

    def test_silence_has_finite_gradients(self, small):
        model = copy.deepcopy(small[0])
        loss = MultiScaleSpectralLoss(fft_sizes=(128,))
        silence = torch.zeros(2, 512)
        loss(model(model.features(silence)[:, :2]).sound, loss.spectra(silence)).backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters())

    def test_a_few_steps_lower_the_loss(self, small):
        model = copy.deepcopy(small[0])
        mss = MultiScaleSpectralLoss(fft_sizes=(256, 64))
        target = mss.spectra(0.1 * torch.sin(torch.arange(512) * 0.5).expand(2, 512))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(15):
            optimizer.zero_grad()
            loss = mss(model(small[1][:, :1]).sound, target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.8 * losses[0]


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sample_rate": 0}, "sample_rate must be a finite number above 0; got 0"),
            ({"sample_rate": "x"}, "sample_rate must be a finite number above 0; got 'x'"),
            ({"sample_rate": 67}, "must be at least 68 Hz; got 67"),
            ({"samples": 0}, "samples must be an integer of at least 1"),
            ({"harmonics": 0}, "harmonics must be an integer of at least 1"),
            ({"temperature": 0.0}, "temperature must be a finite number above 0"),
            ({"dropout": 1.5}, "dropout must be a finite number of at least 0 and below 1"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            HarmonicAutoencoder(**{"sample_rate": 1000, "samples": 64, **options})

    @pytest.mark.parametrize("shape", [(16, 213), (213,), (2, 2, 285), (2, 213, 2)])
    def test_shapes_of_features(self, small, shape):
        with pytest.raises(ValueError, match=r"features must have shape \(batch, frames, 213\)"):
            small[0](torch.zeros(shape))

    def test_features(self, small):
        model, features = small
        with pytest.raises(ValueError, match="samples=512 must be a multiple of the number of fr"):
            model(features[:, :1].repeat(1, 3, 1))
        with pytest.raises(ValueError, match="at least one frame"):
            model(features[:, :0])
        with pytest.raises(TypeError, match=r"features must be a torch.Tensor; got ndarray"):
            model(features.numpy())
        with pytest.raises(TypeError, match=r"must have the encoder's dtype, torch.float32"):
            model(features[:, :1].double())

    def test_a_diverged_model_is_told_apart(self, small):
        with pytest.raises(ValueError, match="features must be finite"):
            small[0](torch.full((1, 1, 213), math.nan))
        model = copy.deepcopy(small[0])
        model.encoder.toeplitz.data.fill_(math.nan)
        with pytest.raises(ValueError, match=r"logits must be finite.* a diverged model"):
            model(torch.ones(1, 1, 213))

    def test_sounds(self, small):
        with pytest.raises(ValueError, match=r"sound must have shape .* at least two samples"):
            small[0].features(torch.zeros(2, 1))
        with pytest.raises(ValueError, match="sound must have shape"):
            small[0].features(torch.tensor(1.0))
        with pytest.raises(TypeError, match="sound must hold floating-point numbers"):
            small[0].features(torch.zeros(2, 512).int())

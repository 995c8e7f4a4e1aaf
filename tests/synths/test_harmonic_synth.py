"""The harmonic synthesiser: closed forms, both paths against each other, gradients, errors."""

import copy
import math

import numpy as np
import pytest
import torch

from sotlib import HarmonicSynth, harmonic_signal

RATE = 16000
SHORT = HarmonicSynth(samples=240, sample_rate=8000)
F0 = torch.tensor([[110.3], [700.7]], dtype=torch.float64)
AMPLITUDES = torch.tensor([[[1.0, 0.5, 0.0, 0.2]], [[0.1, 0.0, 0.9, 0.4]]], dtype=torch.float64)
frames_of_both_paths = pytest.mark.parametrize("frames", [1, 4])


def held(frames, dtype=torch.float64):
    """Controls that do not change over the frames."""
    f0, amplitudes = F0.to(dtype), AMPLITUDES.to(dtype)
    return f0.repeat(1, frames), amplitudes.repeat(1, frames, 1)


def gain_in_db(f):
    """What the roll-off does to a sinusoid in the middle of the sound."""
    f0 = torch.tensor([[f]], dtype=torch.float64)
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    options = {"samples": 4096, "sample_rate": RATE}
    plain, filtered = (
        HarmonicSynth(**options, roll_off=on)(f0, one)[0, 500:-500] for on in (False, True)
    )
    return 20 * math.log10(filtered.norm() / plain.norm())


class TestClosedForms:
    @pytest.mark.parametrize("samples", [1, 2, 63, 64, 65, 1000, 4096])
    @pytest.mark.parametrize("first_phase", [0, 1])
    def test_constant_controls_are_the_sum_of_sines(self, samples, first_phase):
        synth = HarmonicSynth(samples=samples, sample_rate=RATE, first_phase=first_phase)
        expected = harmonic_signal(
            F0[:, 0],
            AMPLITUDES[:, 0],
            samples=samples + 1,
            sample_rate=RATE,
            dtype=torch.float64,
        )[:, first_phase : samples + first_phase]
        torch.testing.assert_close(synth(F0, AMPLITUDES), expected, rtol=0, atol=1e-11)

    @frames_of_both_paths
    def test_the_frequency_is_summed_up_to_the_current_sample(self, frames):
        """As in the public code of the SOT paper: the first sample has moved on already."""
        f0, amplitudes = held(frames)
        later, earlier = (
            HarmonicSynth(samples=240, sample_rate=8000, first_phase=n)(f0, amplitudes)
            for n in (1, 0)
        )
        torch.testing.assert_close(later[:, :-1], earlier[:, 1:], rtol=0, atol=1e-10)
        assert earlier[:, 0].abs().max() == 0

    @pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
    @pytest.mark.parametrize("frames", [2, 3, 16, 240])
    def test_both_paths_agree_on_constant_controls(self, frames, dtype, error):
        torch.testing.assert_close(
            SHORT(*held(frames, dtype)), SHORT(*held(1, dtype)), rtol=0, atol=error
        )

    def test_a_glide_has_the_analytic_phase(self):
        """Held for half a frame, linear from centre to centre, held again."""
        low, high, hop = 300.0, 420.0, 400
        ours = HarmonicSynth(samples=2 * hop, sample_rate=8000)(
            torch.tensor([[low, high]], dtype=torch.float64),
            torch.ones(1, 2, 2, dtype=torch.float64),
        )
        t = np.arange(1, 2 * hop + 1)
        ramp = np.clip(t - hop / 2, 0, hop)
        after = np.clip(t - 3 * hop / 2, 0, None)
        phase = low * t + (high - low) * (ramp**2 / (2 * hop) + after)
        expected = sum(np.sin(2 * np.pi * k * phase / 8000) for k in (1, 2))
        np.testing.assert_allclose(ours[0], expected, atol=1e-9)

    def test_a_sweep_against_numpy(self, generator):
        """Any controls, sample by sample: np.interp for pitch, raised cosines for amplitudes."""
        frames, samples, rate = 6, 180, 4000
        f0 = 100 + 600 * torch.rand(1, frames, dtype=torch.float64, generator=generator)
        amplitudes = torch.rand(1, frames, 5, dtype=torch.float64, generator=generator)
        hop, t = samples // frames, np.arange(samples)
        pitch = np.interp((t + 0.5) / hop - 0.5, np.arange(frames), f0[0])
        phase = np.cumsum(pitch) / rate
        before = t // hop
        fade = 0.5 - 0.5 * np.cos(np.pi * (t % hop) / hop)
        expected = np.zeros(samples)
        for k in range(1, 6):
            a = np.append(amplitudes[0, :, k - 1], amplitudes[0, -1, k - 1])
            envelope = a[before] * (1 - fade) + a[before + 1] * fade
            expected += envelope * np.sin(2 * np.pi * k * phase) * (k * pitch < rate / 2)
        ours = HarmonicSynth(samples=samples, sample_rate=rate)(f0, amplitudes)
        np.testing.assert_allclose(ours[0], expected, atol=1e-10)

    def test_amplitudes_cross_over_in_hann_windows_and_the_last_is_held(self):
        # At a quarter of the sample rate every other sample of the sine is 1 or -1.
        synth, odd = HarmonicSynth(samples=80, sample_rate=8000), np.arange(0, 80, 2)
        f0 = torch.full((1, 2), 2000.0, dtype=torch.float64)
        amplitudes = torch.eye(2, dtype=torch.float64)[:, :, None]
        first, second = synth(f0.expand(2, 2), amplitudes).abs()[:, odd]
        window = np.where(odd < 40, 0.5 + 0.5 * np.cos(np.pi * odd / 40), 0)
        np.testing.assert_allclose(first, window, atol=1e-12)
        np.testing.assert_allclose(second, 1 - window, atol=1e-12)

    @pytest.mark.parametrize("frames", [1, 2])
    def test_phases_stay_exact_in_a_long_sound(self, frames):
        """Eight seconds: 57 346 cycles."""
        samples, f = 1 << 17, 7000.1
        synth = HarmonicSynth(samples=samples, sample_rate=RATE)
        f0 = torch.full((1, frames), f, dtype=torch.float64)
        sound = synth(f0, torch.ones(1, frames, 1))
        assert sound.dtype == torch.float32
        last = np.arange(samples - 100, samples) + 1
        np.testing.assert_allclose(sound[0, -100:], np.sin(2 * np.pi * f * last / RATE), atol=2e-6)


class TestNyquist:
    @frames_of_both_paths
    @pytest.mark.parametrize("harmonic", [1, 2, 4])
    def test_silent_exactly_from_half_the_sample_rate_on(self, harmonic, frames):
        limit = 4000.0 / harmonic
        amplitudes = torch.zeros(1, frames, 4, dtype=torch.float64)
        amplitudes[..., harmonic - 1] = 1.0
        if frames > 1:  # the interpolation of the pitch rounds
            limit *= 1 + 1e-12
        f0 = torch.full((1, frames), limit, dtype=torch.float64)
        assert SHORT(f0, amplitudes).abs().max() == 0
        # Just below, it is on: next to the limit the sine itself vanishes at all samples.
        below = SHORT(f0 * (1 - 1e-3), amplitudes)
        assert below.abs().max() > 0.1

    @frames_of_both_paths
    def test_the_limit_belongs_to_the_silent_side(self, frames):
        """The slope in f0, of size pi t, shows what a sine that is 0 at all samples hides."""
        one = torch.ones(1, frames, 1, dtype=torch.float64)
        slopes = []
        for f in (4000.0, math.nextafter(4000.0, 0)):
            f0 = torch.full((1, frames), f, dtype=torch.float64, requires_grad=True)
            SHORT(f0, one)[0, -1].backward()
            slopes.append(f0.grad.abs().sum().item())
        assert slopes[0] == 0
        assert slopes[1] > 0.1

    def test_a_harmonic_that_rises_through_the_limit_stops_there(self):
        f0 = torch.tensor([[3000.0, 5000.0]], dtype=torch.float64)
        sound = SHORT(f0, torch.ones(1, 2, 1, dtype=torch.float64))[0]
        pitch = np.interp((np.arange(240) + 0.5) / 120 - 0.5, [0, 1], [3000, 5000])
        assert sound[torch.from_numpy(pitch >= 4000)].abs().max() == 0
        assert sound[torch.from_numpy(pitch < 4000)].abs().max() > 0.5


class TestRollOff:
    @pytest.mark.parametrize("f", [125.0, 250.0, 375.0])
    def test_passes_low_frequencies(self, f):
        assert gain_in_db(f) == pytest.approx(0, abs=0.01)

    @pytest.mark.parametrize("f", [1000.0, 2000.0, 4000.0])
    def test_falls_by_six_decibels_per_octave(self, f):
        assert gain_in_db(f) == pytest.approx(-6 * math.log2(f / 500), abs=0.1)

    @pytest.mark.parametrize("f", [62.5, 187.5, 312.5, 1062.5, 3062.5, 4062.5, 7062.5])
    def test_between_the_multiples_of_its_resolution(self, f):
        assert gain_in_db(f) == pytest.approx(min(0, -6 * math.log2(f / 500)), abs=0.1)

    def test_keeps_the_phase(self):
        f0, one = torch.tensor([[1000.0]]).double(), torch.ones(1, 1, 1).double()
        options = {"samples": 4096, "sample_rate": RATE}
        plain, filtered = (
            HarmonicSynth(**options, roll_off=on)(f0, one)[0, 500:-500] for on in (False, True)
        )
        assert torch.nn.functional.cosine_similarity(plain, filtered, dim=0) > 1 - 1e-9

    def test_is_linear_in_amplitudes_and_differentiable(self):
        synth = HarmonicSynth(samples=40, sample_rate=8000, roll_off=True)
        f0, amplitudes = held(1)
        torch.testing.assert_close(synth(f0, 2 * amplitudes), 2 * synth(f0, amplitudes))
        controls = f0.requires_grad_(), (amplitudes + 0.1).requires_grad_()
        assert torch.autograd.gradcheck(synth, controls)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_casting_the_module_rounds_no_constant(self, dtype):
        synth = HarmonicSynth(samples=240, sample_rate=8000, roll_off=True)
        cast = copy.deepcopy(synth).to(dtype)
        assert not synth.state_dict()
        assert torch.equal(cast(*held(1)), synth(*held(1)))


class TestGradients:
    @pytest.mark.parametrize("frames", [1, 2, 5])
    def test_gradcheck(self, frames, generator):
        synth = HarmonicSynth(samples=20, sample_rate=8000)
        f0 = 300 + 900 * torch.rand(2, frames, dtype=torch.float64, generator=generator)
        amplitudes = torch.rand(2, frames, 3, dtype=torch.float64, generator=generator)
        controls = f0.requires_grad_(), amplitudes.requires_grad_()
        assert torch.autograd.gradcheck(synth, controls)
        assert torch.autograd.gradgradcheck(synth, controls, atol=1e-4)

    def test_slope_of_a_sine_in_its_frequency(self):
        f0 = torch.tensor([[440.0]], dtype=torch.float64, requires_grad=True)
        SHORT(f0, torch.ones(1, 1, 1, dtype=torch.float64))[0, 199].backward()
        t = 200 / 8000
        expected = 2 * math.pi * t * math.cos(2 * math.pi * 440 * t)
        assert f0.grad.item() == pytest.approx(expected, rel=1e-9)

    @frames_of_both_paths
    def test_single_precision_gradients_are_the_double_ones(self, frames):
        gradients = []
        for dtype in (torch.float32, torch.float64):
            controls = [c.requires_grad_() for c in held(frames, dtype)]
            SHORT(*controls).square().sum().backward()
            gradients.append([c.grad.double() for c in controls])
        for single, double in zip(*gradients, strict=True):
            torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-4 * double.abs().max())

    @frames_of_both_paths
    def test_silence_and_zero_pitch_have_finite_gradients(self, frames):
        for f, a in ((0.0, 1.0), (440.0, 0.0), (0.0, 0.0), (1e6, 1.0)):
            f0 = torch.full((1, frames), f, requires_grad=True)
            amplitudes = torch.full((1, frames, 3), a, requires_grad=True)
            sound = SHORT(f0, amplitudes)
            (sound.square().sum() + sound.sum()).backward()
            assert sound.abs().max() == 0
            assert torch.isfinite(f0.grad).all()
            assert torch.isfinite(amplitudes.grad).all()

    @frames_of_both_paths
    def test_forward_mode_and_vmap(self, frames):
        synth = HarmonicSynth(samples=20, sample_rate=8000)
        f0, amplitudes = held(frames)
        forward = torch.func.jacfwd(synth)(f0, amplitudes)
        torch.testing.assert_close(forward, torch.func.jacrev(synth)(f0, amplitudes))
        one_by_one = torch.func.vmap(lambda f, a: synth(f[None], a[None])[0])(f0, amplitudes)
        torch.testing.assert_close(one_by_one, synth(f0, amplitudes))


class TestShapes:
    @frames_of_both_paths
    def test_a_batch_is_its_signals(self, frames):
        f0, amplitudes = held(frames)
        batch = SHORT(f0, amplitudes)
        for k in (0, 1):
            one = SHORT(f0[k : k + 1], amplitudes[k : k + 1])
            torch.testing.assert_close(batch[k : k + 1], one)

    @frames_of_both_paths
    def test_an_empty_batch(self, frames):
        assert SHORT(torch.zeros(0, frames), torch.zeros(0, frames, 3)).shape == (0, 240)

    @frames_of_both_paths
    @pytest.mark.parametrize("f0_dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_the_dtype_is_that_of_the_amplitudes(self, dtype, f0_dtype, frames):
        f0, amplitudes = held(frames)
        sound = SHORT(f0.to(f0_dtype), amplitudes.to(dtype))
        assert sound.dtype == dtype
        torch.testing.assert_close(sound.double(), SHORT(f0, amplitudes), rtol=0, atol=3e-5)

    @frames_of_both_paths
    def test_strided_controls(self, frames):
        f0, amplitudes = held(frames)
        strided = f0.T.contiguous().T, amplitudes.transpose(0, 2).contiguous().transpose(0, 2)
        torch.testing.assert_close(SHORT(*strided), SHORT(f0, amplitudes))

    @frames_of_both_paths
    def test_autocast_changes_nothing(self, frames):
        controls = held(frames, torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            sound = SHORT(*controls)
        assert torch.equal(sound, SHORT(*controls))


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"samples": 0}, "samples must be an integer of at least 1; got 0"),
            ({"samples": 10.0}, "samples must be an integer"),
            ({"sample_rate": 0}, "sample_rate must be a finite number above 0; got 0"),
            ({"sample_rate": math.nan}, "sample_rate must be a finite number above 0"),
            ({"first_phase": 2}, "first_phase must be one of 1, 0; got 2"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            HarmonicSynth(**options)

    @pytest.mark.parametrize(
        ("f0", "amplitudes", "message"),
        [
            (torch.ones(2), torch.ones(2, 1, 1), r"f0 must have shape \(batch, frames\); got"),
            (torch.ones(2, 1), torch.ones(2, 1), r"amplitudes must have shape \(batch, frames, h"),
            (-torch.ones(2, 1), torch.ones(2, 1, 1), "f0 must not be negative; its minimum is -1"),
            (torch.ones(2, 1), -torch.ones(2, 1, 1), "amplitudes must not be negative"),
            (torch.full((1, 1), math.nan), torch.ones(1, 1, 1), "f0 must be finite"),
            (torch.full((1, 1), math.inf), torch.ones(1, 1, 1), "f0 must be finite"),
            (torch.ones(1, 1), torch.full((1, 1, 1), -math.inf), "amplitudes must be finite"),
            (torch.ones(2, 1), torch.ones(3, 1, 1), "must agree, with at least one frame"),
            (torch.ones(2, 2), torch.ones(2, 1, 1), "must agree, with at least one frame"),
            (torch.ones(2, 0), torch.ones(2, 0, 1), "must agree, with at least one frame"),
            (torch.ones(2, 1), torch.ones(2, 1, 0), "must agree, with at least one frame"),
            (torch.ones(2, 7), torch.ones(2, 7, 1), "samples=240 must be a multiple of the number"),
        ],
    )
    def test_controls(self, f0, amplitudes, message):
        with pytest.raises(ValueError, match=message):
            SHORT(f0, amplitudes)

    @pytest.mark.parametrize(
        ("f0", "message"),
        [
            ([[100.0]], "f0 must be a torch.Tensor; got list"),
            (torch.ones(1, 1).int(), "f0 must hold floating-point numbers"),
            (torch.ones(1, 1).half(), "f0 must be float32 or float64; got torch.float16"),
        ],
    )
    def test_types(self, f0, message):
        with pytest.raises(TypeError, match=message):
            SHORT(f0, torch.ones(1, 1, 1))

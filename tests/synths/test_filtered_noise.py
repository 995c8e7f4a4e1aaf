"""Filtered noise, against white noise, the convolution with its filters, and their derivatives."""

import numpy as np
import pytest
import torch

from sotlib import FilteredNoise

SAMPLES = 512


def white(synth, frames):
    """The noise itself: what a flat filter leaves."""
    return synth(torch.ones(1, frames, 2, dtype=torch.float64))[0]


def test_a_flat_filter_leaves_white_noise_whatever_the_frames():
    synth = FilteredNoise(samples=2**16)
    sound = synth(torch.full((1, 8, 17), 0.3, dtype=torch.float64))[0]
    assert sound.std().item() == pytest.approx(0.3, rel=0.02)
    power = torch.fft.rfft(sound).abs().square().reshape(-1)[1:].unflatten(0, (32, -1)).mean(1)
    assert (power / power.mean() - 1).abs().max() < 0.15  # 1024 bins each: five deviations
    correlation = (sound[1:] @ sound[:-1]) / (sound @ sound)
    assert abs(correlation.item()) < 0.02


def test_constant_magnitudes_are_one_convolution_of_the_noise():
    """The taper, the delay and the overlap, in plain NumPy."""
    bands, frames = 9, 4
    taps, hop = 2 * (bands - 1), SAMPLES // frames
    magnitudes = torch.rand(bands, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = FilteredNoise(samples=SAMPLES, seed=3)(magnitudes.expand(1, frames, bands))[0]
    response = np.roll(np.fft.irfft(magnitudes.numpy()), taps // 2) * np.hanning(taps + 1)[:-1]
    size = SAMPLES + 2 * hop + taps
    draw = torch.Generator().manual_seed(3)
    noise = torch.randn(1, size, generator=draw, dtype=torch.float64)[0].numpy()
    expected = np.convolve(noise, response)[taps + hop :][:SAMPLES]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_frames_fade_into_each_other():
    """One frame of noise among silent ones is heard under its own Hann window, and only there."""
    frames, loud = 8, 3
    hop = SAMPLES // frames
    synth = FilteredNoise(samples=SAMPLES)
    magnitudes = torch.zeros(1, frames, 5, dtype=torch.float64)
    magnitudes[0, loud] = 1
    everywhere = synth(torch.ones_like(magnitudes))[0]
    window = torch.zeros(SAMPLES, dtype=torch.float64)
    window[(loud - 1) * hop : (loud + 1) * hop] = torch.hann_window(2 * hop, dtype=torch.float64)
    torch.testing.assert_close(synth(magnitudes)[0], window * everywhere)
    last = torch.zeros_like(magnitudes)
    last[0, -1] = 1
    torch.testing.assert_close(synth(last)[0, -hop:], everywhere[-hop:])  # it is held


@pytest.mark.parametrize("band", [2, 8, 14])
def test_a_band_passes_its_frequencies(band):
    bands = 17
    magnitudes = torch.zeros(1, 1, bands)
    magnitudes[..., band] = 1
    power = torch.fft.rfft(FilteredNoise(samples=2**15)(magnitudes)[0]).abs().square()
    places = torch.linspace(0, bands - 1, len(power))
    near = (places - band).abs() < 2  # half the main lobe of the taper
    assert power[near].sum() > 0.999 * power.sum()
    assert (places * power).sum() / power.sum() == pytest.approx(band, abs=0.05)


def test_it_is_linear_and_random_only_where_asked():
    synth = FilteredNoise(samples=SAMPLES, seed=5)
    a, b = torch.rand(2, 3, 4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(synth(2 * a + b), 2 * synth(a) + synth(b))
    assert torch.equal(synth(a), synth(a))
    assert not torch.equal(FilteredNoise(samples=SAMPLES, seed=6)(a), synth(a))
    drawn = synth(a, generator=torch.Generator().manual_seed(5))
    assert torch.equal(drawn, synth(a))
    assert not torch.allclose(synth(a.expand(3, 4, 9))[0], synth(a)[1])  # sounds have their own


def test_gradient():
    synth = FilteredNoise(samples=16)
    magnitudes = torch.rand(2, 4, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(synth, magnitudes)


def test_bad_input():
    synth = FilteredNoise(samples=64)
    with pytest.raises(ValueError, match="divides the 64 samples; got 5"):
        synth(torch.ones(1, 5, 4))
    with pytest.raises(ValueError, match="magnitudes must not be negative; the least is -1"):
        synth(-torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="at least 2 bands"):
        synth(torch.ones(1, 4, 1))
    with pytest.raises(TypeError, match="magnitudes"):
        synth(torch.ones(1, 4, 4, dtype=torch.int64))

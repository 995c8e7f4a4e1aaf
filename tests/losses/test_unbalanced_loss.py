"""The loss by unbalanced transport: closed forms, what it is made of, gradients, silence."""

import pytest
import torch

from sotlib import (
    CQT,
    STFT,
    UnbalancedWasserstein1DLoss,
    harmonic_signal,
    sinusoid,
    unbalanced_wasserstein_1d,
)

RATE = 8000
FRAMES = {"fft_size": 256, "hop_length": 128, "window": "hann", "sample_rate": RATE}
TONE = {"samples": 2048, "sample_rate": RATE, "dtype": torch.float64}
energy = STFT(**FRAMES, padding="none", square_magnitude=True)


@pytest.mark.parametrize("gain", [0.1, 0.5, 1.0, 3.0])
def test_another_gain_costs_the_difference_of_amplitudes(gain):
    note = harmonic_signal(400.0, [1.0, 0.5, 0.25], **TONE)
    loss = UnbalancedWasserstein1DLoss(energy, reach=120.0)
    expected = 120.0**2 * (gain - 1) ** 2
    assert loss(gain * note, note).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_tone_within_reach_moves_and_one_beyond_is_replaced():
    tones = sinusoid(torch.tensor([1000.0, 1062.5, 3000.0]), **TONE)
    loss = UnbalancedWasserstein1DLoss(energy, reach=250.0)
    assert loss(tones[1], tones[0]).item() == pytest.approx(62.5**2, rel=0.05)
    assert loss(tones[2], tones[0]).item() == pytest.approx(2 * 250.0**2, rel=1e-3)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("square", [True, False])
def test_it_is_the_transport_of_spectra(relative, square, generator):
    x, y = torch.randn(2, 3, 1100, dtype=torch.float64, generator=generator)
    view = STFT(**FRAMES)
    loss = UnbalancedWasserstein1DLoss(
        view, reach=0.1, p=1.5, square_magnitude=square, relative=relative,
        bin_position_scaling="normalized", reduction="none",
    )  # fmt: skip
    a, b = (view(s).mT ** (1 + square) for s in (x, y))
    if relative:
        scale = b.sum(-1).mean(-1)[:, None, None]
        a, b = a / scale, b / scale
    expected = unbalanced_wasserstein_1d(a, b, view.positions(), reach=0.1, p=1.5).mean(-1)
    torch.testing.assert_close(loss(x, y), expected)


def test_the_level_of_both_does_not_matter(generator):
    x, y = torch.randn(2, 2, 1100, generator=generator)
    loss = UnbalancedWasserstein1DLoss(STFT(**FRAMES), reach=300.0)
    torch.testing.assert_close(loss(1e-12 * x, 1e-12 * y), loss(x, y))


def test_on_a_scale_of_octaves():
    """A semitone is one bin of 35, wherever it lies."""
    view = CQT(fmin=220.0, n_bins=36, bins_per_octave=12, sample_rate=RATE)
    options = {"square_magnitude": True, "bin_position_scaling": "normalized_linear"}
    loss = UnbalancedWasserstein1DLoss(view, reach=0.2, **options, reduction="none")
    steps = torch.tensor([[12.0, 24.0], [13.0, 25.0]])
    low, high = sinusoid(220 * 2 ** (steps / 12), **TONE | {"samples": 16384})
    torch.testing.assert_close(35**2 * loss(high, low), torch.ones(2).double(), rtol=0.05, atol=0)


def test_gradcheck_by_both_sounds(generator):
    x, y = torch.randn(2, 1, 200, dtype=torch.float64, generator=generator)
    view = STFT(fft_size=64, hop_length=64, window="hann", sample_rate=RATE, square_magnitude=True)
    loss = UnbalancedWasserstein1DLoss(view, reach=500.0)
    assert torch.autograd.gradcheck(loss, (x.requires_grad_(), y.requires_grad_()), atol=1e-3)


def test_beside_silence(generator):
    x = torch.randn(2, 1100, generator=generator).requires_grad_()
    loss = UnbalancedWasserstein1DLoss(energy, reach=10.0)
    value = loss(x, torch.zeros_like(x))
    assert value.item() == pytest.approx(100.0, rel=1e-5)
    (slope,) = torch.autograd.grad(value, x)
    assert (slope * x.detach()).sum() > 0  # fainter is better
    assert loss(torch.zeros_like(x), x.detach()).item() == pytest.approx(100.0, rel=1e-5)


def test_descent_finds_pitch_and_loudness():
    target = harmonic_signal(300.0, [1.0, 0.7, 0.5], **TONE)
    theta = torch.tensor([320.0, 0.3], dtype=torch.float64).log().requires_grad_()
    adam = torch.optim.Adam([theta], lr=0.03)
    loss = UnbalancedWasserstein1DLoss(energy, reach=200.0)
    for _ in range(80):
        f0, gain = theta.exp()
        adam.zero_grad()
        loss(gain * harmonic_signal(f0, [1.0, 0.7, 0.5], **TONE), target).backward()
        adam.step()
    f0, gain = theta.exp().tolist()
    assert f0 == pytest.approx(300, rel=0.01)
    assert gain == pytest.approx(1, rel=0.1)


def test_what_is_refused():
    with pytest.raises(TypeError, match="transform must be a Transform, such as STFT"):
        UnbalancedWasserstein1DLoss("stft", reach=1.0)
    with pytest.raises(ValueError, match="square_magnitude=True would square once more"):
        UnbalancedWasserstein1DLoss(energy, reach=1.0, square_magnitude=True)
    with pytest.raises(ValueError, match="x must be finite"):
        UnbalancedWasserstein1DLoss(energy, reach=1.0)(*torch.full((2, 1100), torch.nan))

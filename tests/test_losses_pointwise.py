"""Pointwise spectral losses: NumPy as oracle, properties, silence, bad input."""

import numpy as np
import pytest
import scipy.signal
import torch

from sotlib import MultiScaleSpectralLoss, SpectralLoss

SIZES = (256, 128)


def spectrogram(x, size, hop):
    """DDSP's convention, frame by frame: not centred, zeros after the end."""
    window = scipy.signal.get_window("hann", size)
    frames = -(-len(x) // hop)
    x = np.pad(x, (0, (frames - 1) * hop + size - len(x)))
    return np.abs(
        np.stack([np.fft.rfft(window * x[k * hop : k * hop + size]) for k in range(frames)])
    )


@pytest.fixture
def pair(generator):
    return torch.randn(2, 1000, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("p", [1, 2])
def test_single_scale_against_numpy(pair, p):
    x, y = (spectrogram(s.numpy(), 256, 64) for s in pair)
    loss = SpectralLoss(fft_size=256, hop_length=64, p=p)(*pair)
    np.testing.assert_allclose(loss, np.mean(np.abs(x - y) ** p), rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (1.0, 0.3)])
def test_multi_scale_against_numpy(pair, weights, reduction, p):
    expected = []
    for size in SIZES:
        x, y = (spectrogram(s.numpy(), size, size // 4) / np.sqrt(size) for s in pair)
        log = np.abs(np.log(np.maximum(x, 1e-5)) - np.log(np.maximum(y, 1e-5)))
        expected.append(weights[0] * np.mean(np.abs(x - y) ** p) + weights[1] * np.mean(log**p))
    loss = MultiScaleSpectralLoss(
        fft_sizes=SIZES,
        linear_weight=weights[0],
        log_weight=weights[1],
        p=p,
        reduction=reduction,
    )
    np.testing.assert_allclose(loss(*pair), getattr(np, reduction)(expected), rtol=1e-5)


LOSSES = [SpectralLoss(), SpectralLoss(p=2), MultiScaleSpectralLoss()]


@pytest.mark.parametrize("loss", LOSSES, ids=["L1", "L2", "MSS"])
class TestProperties:
    def test_symmetric_and_zero_at_equality(self, loss):
        x, y = torch.randn(2, 3, 4096)
        torch.testing.assert_close(loss(x, y), loss(y, x))
        assert loss(x, x) == 0

    def test_channels_are_signals(self, loss):
        x, y = torch.randn(2, 4, 4096)
        torch.testing.assert_close(loss(x.view(2, 2, -1), y.view(2, 2, -1)), loss(x, y))

    def test_silence_has_finite_gradients(self, loss):
        for scale in (0.0, 1.0):
            x = torch.zeros(4096, requires_grad=True)
            value = loss(x, scale * torch.randn(4096))
            value.backward()
            assert torch.isfinite(value)
            assert torch.isfinite(x.grad).all()

    def test_gradient(self, loss, generator):
        x, y = torch.randn(2, 300, dtype=torch.float64, generator=generator)
        assert torch.autograd.gradcheck(lambda x: loss(x, y), x.requires_grad_(), fast_mode=True)

    def test_autocast_changes_nothing(self, loss):
        x, y = torch.randn(2, 1, 4096).bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(loss(x, y), loss(x.float(), y.float()))

    def test_bad_signals(self, loss):
        x = torch.randn(1, 4096)
        with pytest.raises(ValueError, match="x and y must have the same shape"):
            loss(x, x[:, 1:])
        with pytest.raises(ValueError, match="y must be finite"):
            loss(x, x / 0)
        with pytest.raises(TypeError, match="x must hold floating-point"):
            loss(x.int(), x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralLoss(p=3), "p must be one of 1, 2; got 3"),
        (lambda: SpectralLoss(window="x"), "window must be a name"),
        (lambda: MultiScaleSpectralLoss(fft_sizes=()), "fft_sizes must name at least one scale"),
        (lambda: MultiScaleSpectralLoss(overlap=1.0), "overlap must be at least 0 and below 1"),
        (lambda: MultiScaleSpectralLoss(log_weight=-1.0), "must not be negative, nor both 0"),
        (
            lambda: MultiScaleSpectralLoss(linear_weight=0, log_weight=0),
            "must not be negative, nor both 0",
        ),
        (lambda: MultiScaleSpectralLoss(p=3), "p must be one of 1, 2; got 3"),
        (lambda: MultiScaleSpectralLoss(floor=0.0), "floor must be a finite number above 0"),
        (lambda: MultiScaleSpectralLoss(reduction="max"), "reduction must be one of 'sum', 'mean'"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()

"""Spectrograms and pointwise spectral losses beside torch.stft and auraloss."""

import auraloss
import scipy.signal
import torch

from sotlib import STFT, MultiResolutionSTFTLoss, MultiScaleSpectralLoss
from sotlib.companion.benchmarks import compare

SOUNDS, SAMPLES = 16, 16000
PLAIN = "torch.stft"


def torch_stft(x, size, hop, window, normalized=False):
    """Magnitudes as of `STFT` with padding="end"."""
    window = torch.from_numpy(scipy.signal.get_window(window, size)).to(x)
    padded = torch.nn.functional.pad(
        x, (0, (-(-x.shape[-1] // hop) - 1) * hop + size - x.shape[-1])
    )
    options = {"window": window, "center": False, "return_complex": True}
    return torch.stft(padded, size, hop, normalized=normalized, **options).abs()


def plain_mss(x, y, sizes):
    """`MultiScaleSpectralLoss` as one would write it down."""
    total = 0.0
    for size in sizes:
        x_size, y_size = (torch_stft(s, size, size // 4, "hann", normalized=True) for s in (x, y))
        total = total + (x_size - y_size).abs().mean()
        total = total + (x_size.clamp(min=1e-5).log() - y_size.clamp(min=1e-5).log()).abs().mean()
    return total


def with_gradient(function, x):
    def step():
        signal = x.clone().requires_grad_()
        function(signal).backward()

    return step


def run():
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    x, y = torch.randn(2, SOUNDS, SAMPLES, generator=torch.Generator().manual_seed(0))
    stft = STFT(fft_size=2048, hop_length=256, window="hann", padding="end")
    torch.testing.assert_close(stft(x), torch_stft(x, 2048, 256, "hann"), rtol=1e-3, atol=1e-3)
    rows = compare(
        f"magnitudes of {SOUNDS} sounds of 1 s, and a gradient",
        {
            "STFT": with_gradient(lambda s: stft(s).sum(), x),
            PLAIN: with_gradient(lambda s: torch_stft(s, 2048, 256, "hann").sum(), x),
        },
    )
    mss = MultiScaleSpectralLoss()
    sizes, targets = [t.fft_size for t in mss.transforms], mss.spectra(y)
    torch.testing.assert_close(mss(x, targets), plain_mss(x, y, sizes), rtol=1e-4, atol=0)
    rows += compare(
        f"multi-scale spectral loss of {SOUNDS} sounds of 1 s, and its gradient",
        {
            "MultiScaleSpectralLoss": with_gradient(lambda s: mss(s, y), x),
            "the same, prepared targets": with_gradient(lambda s: mss(s, targets), x),
            PLAIN: with_gradient(lambda s: plain_mss(s, y, sizes), x),
        },
    )
    ours, theirs = MultiResolutionSTFTLoss(), auraloss.freq.MultiResolutionSTFTLoss()
    rows += compare(
        f"multi-resolution STFT loss of {SOUNDS} sounds of 1 s, and its gradient",
        {
            "MultiResolutionSTFTLoss": with_gradient(lambda s: ours(s, y), x),
            "auraloss": with_gradient(lambda s: theirs(s[:, None], y[:, None]), x),
        },
    )
    return {
        "title": "Spectrograms and pointwise losses",
        "measures": "Forward and backward on noise at 16 kHz, beside the same of torch.stft and "
        "automatic differentiation, and beside auraloss.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
    }

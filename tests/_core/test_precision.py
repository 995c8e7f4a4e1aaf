"""Under autocast nothing that needs its precision loses it, and empty batches are refused."""

import pytest
import torch

from sotlib import (
    CQT,
    STFT,
    JTFSLoss,
    MelSpectrogram,
    TimeFrequencyScattering,
    pnp_loss,
    rectangular_drum,
)

SCATTERING = TimeFrequencyScattering(1024, J=6, Q=(8, 1), J_fr=2, F=4)
DRUM = torch.tensor([[1000.0, 0.4, 0.02, 0.03, 0.6]])


def drum_of_noise(x):
    return rectangular_drum(DRUM * (1 + 0.01 * x[:1, :5]), samples=1024)


@pytest.mark.parametrize(
    "function",
    [
        SCATTERING,
        lambda x: JTFSLoss(SCATTERING)(x, x.roll(3, -1)),
        CQT(sample_rate=16000, fmin=1000.0, n_bins=24, bins_per_octave=12, window="hann"),
        MelSpectrogram(fft_size=256, hop_length=64, n_mels=20),
        STFT(fft_size=256, hop_length=64),
        drum_of_noise,
        lambda x: pnp_loss(x[:, :3], x[:, 3:6], (x[:, :3, None] * x[:, None, :3])),
    ],
    ids=["scattering", "JTFS loss", "CQT", "mel", "STFT", "drum", "PNP loss"],
)
def test_autocast_changes_nothing(function, generator):
    x = torch.randn(2, 1024, generator=generator)
    expected = function(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = function(x)
    assert result.dtype == expected.dtype
    assert torch.equal(result, expected)


def test_losses_of_nothing_are_refused():
    nothing = torch.zeros(0, 3)
    with pytest.raises(ValueError, match="predicted must hold at least one prediction"):
        pnp_loss(nothing, nothing, torch.zeros(0, 3, 3))
    with pytest.raises(ValueError, match="x must not be empty"):
        JTFSLoss(SCATTERING)(torch.zeros(0, 1024), torch.zeros(0, 1024))

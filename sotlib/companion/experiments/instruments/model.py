"""The harmonic autoencoder for recordings: it is told how loud each frame is, and makes noise."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sotlib.companion.experiments.instruments.sounds import SAMPLE_RATE, SAMPLES
from sotlib.pitch.autoencoder import HarmonicAutoencoder, Reconstruction
from sotlib.pitch.encoder import PitchEncoder
from sotlib.pitch.scale import soft_argmax, unit_to_hz
from sotlib.synths import FilteredNoise

EVERY = 2  # frames of the constant-Q transform: one in 32 ms
BANDS = 33  # of the noise
WINDOW = 1024  # samples in which the level of a frame is measured
QUIETER = 0.1  # of the noise than of the harmonics, where its layer is untrained


class InstrumentEncoder(PitchEncoder):
    """`PitchEncoder` whose amplitudes follow a given level, and that has magnitudes of noise.

    Each frame is normalised before it is encoded, so that a note that decays looks like one that
    is held: its level is a further input (as in DDSP), beside the bins.
    """

    def __init__(self):
        super().__init__()
        self.to_noise = nn.Linear(self.n_bins, BANDS)

    def controls(self, features, *, generator=None):
        """What it says about (frames, bins + 1), and magnitudes (frames, bands) of noise."""
        bins, level = features[:, :-1].contiguous(), features[:, -1:]
        logits, amplitudes = self(bins, generator=generator)
        noise = QUIETER * torch.sigmoid(self.to_noise(self.norm(bins)) - 2)
        return logits, amplitudes * level, noise * level


class InstrumentAutoencoder(HarmonicAutoencoder):
    """`HarmonicAutoencoder` for excerpts of recordings, with levels and, if so wanted, noise.

    It decodes `with_levels`; for pitch alone, its encoder is as any `PitchEncoder`.
    """

    def __init__(self, *, noise: bool = True):
        super().__init__(samples=SAMPLES, sample_rate=SAMPLE_RATE)
        self.encoder: InstrumentEncoder = InstrumentEncoder()
        self.noise = FilteredNoise(samples=SAMPLES) if noise else None

    @torch.no_grad()
    def with_levels(self, sound: Tensor) -> Tensor:
        """Features (batch, frames, bins + 1) of sounds (batch, samples), levels last."""
        frames = frame_wise(self.features(sound))
        return torch.cat([frames, levels(sound)[..., None].to(frames)], dim=-1)

    def forward(self, features, *, generator=None):
        """Encode and decode, see `HarmonicAutoencoder`."""
        controls = self.encoder.controls(features.flatten(0, 1), generator=generator)
        logits, amplitudes, magnitudes = (t.unflatten(0, features.shape[:2]) for t in controls)
        low, high = self.pitch_range
        f0 = unit_to_hz(soft_argmax(logits, temperature=self.temperature), low=low, high=high)
        sound = self.synth(f0, amplitudes)
        if self.noise is not None:
            # While training, noise of its own for each step; in between the same for all.
            sound = sound + self.noise(magnitudes, generator=generator if self.training else None)
        return Reconstruction(sound, f0, amplitudes, logits)


def frame_wise(features: Tensor) -> Tensor:
    """Every so many frames of a constant-Q transform."""
    return features[:, ::EVERY]


def levels(sound: Tensor) -> Tensor:
    """Root mean square (batch, frames) around the beginning of each frame, Hann-weighted.

    Scaled so that a sine with an amplitude of 1 has a level of 1.
    """
    window = torch.hann_window(WINDOW, dtype=sound.dtype, device=sound.device)
    around = pad(sound, (WINDOW // 2, WINDOW // 2)).unfold(1, WINDOW, EVERY * 256)
    around = around[:, : sound.shape[1] // (EVERY * 256)]
    return ((2 * around.square() @ window) / window.sum()).sqrt()

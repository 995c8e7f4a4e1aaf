"""What a row trains and how it is judged: models, losses, sounds and measures."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sotlib.companion.experiments.instruments.model import (
    InstrumentAutoencoder,
    frame_wise,
    levels,
)
from sotlib.companion.experiments.instruments.notes import Note
from sotlib.companion.experiments.instruments.sounds import SAMPLE_RATE, SAMPLES
from sotlib.companion.experiments.sot.settings import Row
from sotlib.companion.experiments.sot.task import Comparison
from sotlib.datasets.harmonic_signals import HarmonicSignals
from sotlib.losses import SlicedSpectrogramLoss
from sotlib.metrics import (
    log_spectral_distance,
    multi_scale_spectral_distance,
    raw_chroma_accuracy,
    raw_pitch_accuracy,
)
from sotlib.pitch.autoencoder import HarmonicAutoencoder
from sotlib.transforms.stft import STFT

VOICED = 0.01  # of the loudest frame: below, there is no pitch to be found


@dataclass(frozen=True)
class Fold:
    """Sounds of one fold with what does not change while training."""

    signals: Tensor
    """(sounds, samples)."""
    f0: Tensor
    """True pitch in Hz (sounds, frames); 0 where a frame is silent."""
    features: Tensor
    """What the encoder sees, (sounds, frames, bins or bins + 1)."""
    notes: Sequence[Note] = ()


def make_model(*, frame_wise_levels: bool, noise: bool, seed: int) -> HarmonicAutoencoder:
    """An untrained model; torch's own random state is left as it is."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        if frame_wise_levels:
            return InstrumentAutoencoder(noise=noise)
        return HarmonicAutoencoder(samples=SAMPLES, sample_rate=SAMPLE_RATE)


def fold_of(model, signals, f0, notes=(), *, seed=None) -> Fold:
    """Prepare sounds for a model, in an order drawn with ``seed``."""
    order = torch.arange(len(signals))
    if seed is not None:
        order = torch.randperm(len(signals), generator=torch.Generator().manual_seed(seed))
    device = next(model.parameters()).device
    signals, f0 = signals[order].to(device), f0[order].to(device)
    see = model.with_levels if isinstance(model, InstrumentAutoencoder) else model.features
    features = torch.cat([see(part) for part in signals.split(64)])
    if see == model.features:
        features = frame_wise(features)
    loud = levels(signals)
    voiced = loud > VOICED * loud.amax(1, keepdim=True)
    truth = f0[:, None] * voiced
    return Fold(signals, truth, features.contiguous(), [notes[i] for i in order] if notes else ())


def synthetic(fold: Literal["train", "validation"], size: int):
    """The signals of the SOT paper, as long as the recordings."""
    data = HarmonicSignals(fold, size=size, samples=SAMPLES, sample_rate=SAMPLE_RATE)
    return data.signals, data.f0.double()


class SlicedComparison(nn.Module):
    """Sliced transport between spectrograms, and a little MSS, as `Comparison`."""

    def __init__(self, setting: Row):
        super().__init__()
        size = SAMPLE_RATE // 32
        stft = STFT(
            fft_size=2 ** (size - 1).bit_length(),
            hop_length=size // 2,
            window="hann",
            sample_rate=SAMPLE_RATE,
        )
        self.sliced = SlicedSpectrogramLoss(stft, square_magnitude=True, unit=1000.0)
        self.rest = Comparison(setting)

    def targets(self, signals):
        """The sounds themselves, and their spectra."""
        return (signals, *self.rest.targets(signals))

    def forward(self, sound, targets):
        """Loss of sounds (batch, samples) against their `targets`: a scalar."""
        signals, *spectra = targets
        return self.sliced(sound, signals) + self.rest(sound, spectra)


@torch.no_grad()
def evaluate(model, fold: Fold) -> tuple[dict, dict]:
    """Metrics of a model on a fold, and what was observed besides.

    LSD is in dB² (``mean_square``) and dB (``root``), accuracies are in percent of voiced frames.
    The seconds are those of decoding and encoding, without the features.
    """
    started = time.monotonic()
    outputs = [model(part) for part in fold.features.split(32)]
    seconds = time.monotonic() - started
    sound, f0 = (torch.cat([getattr(o, name) for o in outputs]) for name in ("sound", "f0"))
    return {
        "lsd_mean_square": float(
            log_spectral_distance(fold.signals, sound, convention="mean_square")
        ),
        "lsd_root": float(log_spectral_distance(fold.signals, sound)),
        "mss": float(multi_scale_spectral_distance(fold.signals, sound)),
        **accuracy(fold, f0),
    }, {"by_instrument": by_instrument(fold, f0), "seconds": seconds}


def accuracy(fold: Fold, f0: Tensor, chosen: Tensor | slice = slice(None)) -> dict:
    """Raw pitch and chroma accuracy of estimates (sounds, frames), in percent."""
    voiced = fold.f0[chosen] > 0
    truth, found = fold.f0[chosen][voiced], f0[chosen][voiced].to(fold.f0)
    return {
        "rpa": 100 * raw_pitch_accuracy(truth, found),
        "rca": 100 * raw_chroma_accuracy(truth, found),
    }


def by_instrument(fold: Fold, f0: Tensor) -> dict:
    """`accuracy` of each instrument, with the shares an octave or more below and above."""
    found = {}
    for name in dict.fromkeys(note.instrument for note in fold.notes):
        chosen = torch.tensor([note.instrument == name for note in fold.notes])
        voiced = fold.f0[chosen] > 0
        octaves = (f0[chosen].to(fold.f0) / fold.f0[chosen])[voiced].log2()
        right = (octaves - octaves.round()).abs() <= 0.5 / 12
        found[name] = {
            **accuracy(fold, f0, chosen),
            "octave_below": 100 * float((right & (octaves.round() < 0)).double().mean()),
            "octave_above": 100 * float((right & (octaves.round() > 0)).double().mean()),
        }
    return found

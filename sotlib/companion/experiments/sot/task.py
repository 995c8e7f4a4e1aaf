"""What a row of the SOT paper's table trains: the signals, the model, and the loss."""

import functools
import time
from dataclasses import dataclass

import torch
from torch import nn

from sotlib._core import check
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.sot.settings import Row
from sotlib.datasets.harmonic_signals import HarmonicSignals
from sotlib.losses import MultiScaleSpectralLoss, Wasserstein1DLoss
from sotlib.metrics import (
    log_spectral_distance,
    multi_scale_spectral_distance,
    raw_chroma_accuracy,
    raw_pitch_accuracy,
)
from sotlib.pitch.autoencoder import HarmonicAutoencoder
from sotlib.pitch.scale import hz_to_unit
from sotlib.pitch.training import pretrain_pitch
from sotlib.transforms.stft import STFT

SAMPLE_RATE = 16000
DATA_SEED = 0  # the paper's runs share one file of signals too


def make_model(setting, *, seed=0):
    """The untrained model of a row; torch's own random state is left as it is."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return HarmonicAutoencoder(
            sample_rate=SAMPLE_RATE,
            roll_off=setting.roll_off,
            first_phase=setting.first_phase,
            dropout=setting.dropout,
        )


def pretrain(model, setting, features, *, seed):
    """Do what a `Pretraining` says to a model; returns the seconds that it took."""
    started = time.monotonic()
    if setting is not None:
        options = {"steps": setting.steps, "tilt": setting.tilt, "calibrated": setting.calibrated}
        pretrain_pitch(model, features, seed=seed, **options)
    return time.monotonic() - started


@dataclass(frozen=True)
class Fold:
    """Signals of one fold with what does not change while training."""

    signals: torch.Tensor
    """(signals, 4096)."""
    f0: torch.Tensor
    """True fundamental frequencies in Hz, (signals,)."""
    features: torch.Tensor
    """What the encoder sees, (signals, frames, 285)."""


@functools.lru_cache(maxsize=6)
def prepare(fold, size, frames, *, disjoint=True, counts="published", first_phase=1, device="cpu"):
    """A `Fold` of `sotlib.HarmonicSignals`, computed once in a process.

    There are `size` signals in all folds together, and of each its 16 frames, or 4 or 1 from its
    middle. Folds that are not disjoint are all signals, as the authors' script saves them.
    """
    check.one_of("frames", frames, (16, 4, 1))
    check.one_of("fold", fold, FOLDS)
    data = HarmonicSignals(
        fold if disjoint else "all",
        seed=DATA_SEED,
        size=size,
        sample_rate=SAMPLE_RATE,
        counts=counts,
        first_phase=first_phase,
    )
    model, signals = make_model(Row()).to(device), data.signals.to(device)
    features = torch.cat([model.features(part) for part in signals.split(64)])
    first = (features.shape[1] - frames + 1) // 2
    return Fold(signals, data.f0.to(device), features[:, first : first + frames].contiguous())


class Comparison(nn.Module):
    """The loss of a `Row`, between sounds and the prepared spectra of their targets.

    Examples
    --------
    >>> from sotlib import HarmonicSignals
    >>> from sotlib.companion.experiments.sot.table import ROWS, Comparison
    >>> loss, data = Comparison(ROWS["SOT-2048"]), HarmonicSignals("test", size=20)
    >>> targets = loss.targets(data.signals)
    >>> bool(loss(data.signals, targets) < 1e-6 < loss(0.5 * data.signals, targets))
    True
    """

    def __init__(self, setting):
        super().__init__()
        self.mss = MultiScaleSpectralLoss(
            fft_sizes=setting.scales, log_weight=1.0 if setting.mss_log else 0.0
        )
        self.mss_weight = setting.mss_weight
        self.stft = self.transport = None
        if setting.transport_fft is not None:
            self.stft = STFT(
                fft_size=setting.transport_fft,
                sample_rate=SAMPLE_RATE,
                padding="end",
                normalized=True,
                square_magnitude=True,
            )
            self.transport = Wasserstein1DLoss(
                "identity", balanced=not setting.cutoff, quantile_lowpass=setting.cutoff
            )
            self.register_buffer("positions", self._positions(setting.log_frequency))

    def _positions(self, log_frequency):
        frequencies = self.stft.positions("absolute")
        if not log_frequency:
            return frequencies / frequencies[-1]
        low, high = make_model(Row()).pitch_range
        return hz_to_unit(frequencies, low=low, high=high).clamp(0, 1)

    @torch.no_grad()
    def targets(self, signals):
        """Spectra of signals (batch, samples), one tensor (batch, frames, bins) for each.

        Those of MSS come first, that of the transport last; cut batches along the first axis.
        """
        parts = [self._spectra(part) for part in signals.split(64)]
        return tuple(torch.cat(spectra) for spectra in zip(*parts, strict=True))

    def _spectra(self, signals):
        # Bins last in memory, as they are needed; torch.cat keeps only the order of axes.
        transport = (self.stft(signals).transpose(-1, -2),) if self.stft else ()
        return *(s.transpose(-1, -2) for s in self.mss.spectra(signals)), *transport

    def forward(self, sound, targets):
        """Loss of sounds (batch, samples) against their `targets`: a scalar."""
        targets = [t.transpose(-1, -2) for t in targets]
        scales = len(self.mss.transforms)
        loss = self.mss_weight * self.mss(sound, tuple(targets[:scales]))
        if self.transport is not None:
            loss = loss + self.transport(targets[scales], self.stft(sound), self.positions)
        return loss


@torch.no_grad()
def evaluate(model, fold):
    """Metrics of a model on a fold, and the quartiles of estimated over true pitch.

    LSD is in dB² (``mean_square``) and dB (``root``), RPA and RCA are in percent.
    """
    outputs = [model(part) for part in fold.features.split(100)]
    sound = torch.cat([output.sound for output in outputs])
    f0 = torch.cat([output.f0 for output in outputs])
    truth = fold.f0[:, None].expand_as(f0)
    return {
        "lsd_mean_square": float(
            log_spectral_distance(fold.signals, sound, convention="mean_square")
        ),
        "lsd_root": float(log_spectral_distance(fold.signals, sound)),
        "mss": float(multi_scale_spectral_distance(fold.signals, sound)),
        "rpa": 100 * raw_pitch_accuracy(truth, f0),
        "rca": 100 * raw_chroma_accuracy(truth, f0),
    }, {"f0_ratio": [round(float(q), 4) for q in _quartiles(f0 / truth)]}


def _quartiles(ratio):
    return torch.quantile(ratio.flatten().float().cpu(), torch.tensor([0.25, 0.5, 0.75]))

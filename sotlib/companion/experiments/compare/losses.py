"""The losses that are compared: one table, a line a loss.

A loss joins by a line in `LOSSES`; ``make compare`` then computes what it lacks, and only that.
"""

import math
from dataclasses import dataclass

from sotlib.companion.experiments.compare.combinations import (
    Build,
    equal_gradients,
    scheduled,
    weighted,
)
from sotlib.losses import (
    JTFSLoss,
    MultiResolutionSOTLoss,
    MultiResolutionSTFTLoss,
    MultiScaleSpectralLoss,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    UnbalancedWasserstein1DLoss,
    Wasserstein1DLoss,
)
from sotlib.pitch import hz_to_unit
from sotlib.scattering import TimeFrequencyScattering
from sotlib.transforms import STFT


@dataclass(frozen=True)
class Loss:
    """One line of the table."""

    family: str
    """One of `sotlib.companion.show.FAMILIES`."""
    settings: str
    """What it is, in words; a record with other words is of another loss."""
    build: Build
    """Takes the sample rate in Hz and the length in samples, and returns what compares sounds."""
    package: str = "sotlib"
    changes: bool = False
    """It is another loss later on, so that one gradient says nothing."""


def _waveform(rate, samples):
    return lambda x, y: (x - y).abs().mean(-1)


def _mss(rate, samples, **options):
    return MultiScaleSpectralLoss(padding="none", reduction="none", **options)


def _mss_linear(rate, samples):
    return _mss(rate, samples, log_weight=0.0)


def _multi_resolution(rate, samples, **options):
    return MultiResolutionSTFTLoss(reduction="none", **options)


def _mel(rate, samples):
    return _multi_resolution(rate, samples, n_mels=(64, 96, 32), sample_rate=rate)


def _sot(rate, samples, *, size=2048, cutoff=True, log_frequency=False, padding="none"):
    """As in the rows of `sot.table`, but alone; the cutoff is that of the target."""
    stft = STFT(
        fft_size=size, sample_rate=rate, padding=padding, normalized=True, square_magnitude=True
    )
    sot = Wasserstein1DLoss(stft, balanced=not cutoff, quantile_lowpass=cutoff, reduction="none")
    positions = None
    if log_frequency:
        hz = stft.positions("absolute")
        positions = hz_to_unit(hz, low=32.7, high=rate / 2).clamp(0, 1)
    return lambda x, y: sot(y, x, positions, positions)


def _multi_resolution_sot(rate, samples):
    return MultiResolutionSOTLoss(sample_rate=rate, square_magnitude=True, reduction="none")


def _hann(rate, size):
    """Whole frames, half overlapping."""
    return STFT(
        fft_size=size, hop_length=size // 2, window="hann", sample_rate=rate, padding="none"
    )


def _unbalanced(rate, samples):
    return UnbalancedWasserstein1DLoss(
        _hann(rate, 1024), reach=400.0, square_magnitude=True, reduction="none"
    )


def _plane(rate):
    """Windows of 1/32 s."""
    return _hann(rate, 2 ** round(math.log2(rate / 32)))


def _sinkhorn(rate, samples):
    return SinkhornSpectrogramLoss(
        _plane(rate), square_magnitude=True, unit=1000.0, tol=1e-3, reduction="none"
    )


def _sliced(rate, samples):
    return SlicedSpectrogramLoss(_plane(rate), square_magnitude=True, unit=1000.0, reduction="none")


def _scattering(rate, samples, **options):
    slowest = min(round(math.log2(rate / 8)), int(math.log2(samples)) - 1)
    scattering = TimeFrequencyScattering(samples, J=slowest, Q=(8, 2), J_fr=3)
    return JTFSLoss(scattering, reduction="none", **options)


LOSSES = {
    "L1": Loss("waveform", "mean |x - y|", _waveform, package="torch"),
    "MSS-Lin": Loss("bin by bin", "six scales, linear, whole frames", _mss_linear),
    "MSS-LogLin": Loss("bin by bin", "six scales, linear and logarithmic, whole frames", _mss),
    "MR-STFT": Loss(
        "bin by bin", "three resolutions, reflected ends, as auraloss", _multi_resolution
    ),
    "mel": Loss("bin by bin", "MR-STFT in 64, 96 and 32 mel bands", _mel),
    "SOT-2048": Loss("transport", "STFT 2048, energy, cutoff, whole frames", _sot),
    "SOT-2048-end": Loss(
        "transport",
        "SOT-2048 as published: frames reach over the end",
        lambda rate, samples: _sot(rate, samples, padding="end"),
    ),
    "SOT-512-LogF": Loss(
        "transport",
        "STFT 512, energy, cutoff, whole frames, logarithmic frequency",
        lambda rate, samples: _sot(rate, samples, size=512, log_frequency=True),
    ),
    "SOT-NoCut": Loss(
        "transport",
        "STFT 2048, energy, each of unit mass, whole frames",
        lambda rate, samples: _sot(rate, samples, cutoff=False),
    ),
    "MR-SOT": Loss(
        "transport",
        "STFT 1024, 2048 and 512, energy, each of unit mass, reflected ends, as sot-loss",
        _multi_resolution_sot,
    ),
    "unbalanced": Loss("transport", "STFT 1024, energy, reach 400 Hz, whole frames", _unbalanced),
    "SOT+MSS": Loss(
        "combination", "SOT-2048 + 0.05 MSS-Lin, whole frames", weighted(_sot, 0.05, _mss_linear)
    ),
    "SOT+MSS-equal": Loss(
        "combination",
        "SOT-2048 and MSS-Lin, whole frames, gradients of equal norm",
        equal_gradients(_sot, _mss_linear),
    ),
    "sliced+MSS-equal": Loss(
        "combination",
        "sliced and MSS-Lin, whole frames, gradients of equal norm",
        equal_gradients(_sliced, _mss_linear),
    ),
    "SOT-then-MSS": Loss(
        "combination",
        "SOT-2048 for 100 steps, then MSS-Lin, whole frames",
        scheduled(_sot, _mss_linear),
        changes=True,
    ),
    "sliced-then-MSS": Loss(
        "combination",
        "sliced for 100 steps, then MSS-Lin, whole frames",
        scheduled(_sliced, _mss_linear),
        changes=True,
    ),
    "Sinkhorn": Loss(
        "time and frequency", "1/32 s, whole frames, 1000 Hz/s, ε = 0.01, debiased", _sinkhorn
    ),
    "sliced": Loss("time and frequency", "1/32 s, whole frames, 1000 Hz/s, 10 directions", _sliced),
    "JTFS": Loss("scattering", "J = 1/8 s, Q = (8, 2), J_fr = 3, all paths", _scattering),
    "JTFS-8": Loss(
        "scattering",
        "as JTFS, 8 random pairs of order 2",
        lambda rate, samples: _scattering(rate, samples, random_paths=8),
    ),
}

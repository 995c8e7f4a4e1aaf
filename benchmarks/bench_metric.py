"""The metric that features induce on the drum's parameters."""

from typing import Any

import torch

from sotlib import (
    DrumSounds,
    ParameterScaler,
    TimeFrequencyScattering,
    jtfs_features,
    rectangular_drum,
    riemannian_metric,
)
from sotlib.companion.benchmarks import compare
from sotlib.synths.drum import LOG10

SHORT, SOUNDS = 2**14, 100
LONG = 2**16
SCATTERING: dict[str, Any] = {"J": 13, "Q": (12, 1), "J_fr": 3, "F": 8}


def log_spectrogram(sound: torch.Tensor) -> torch.Tensor:
    """log(1 + 1000 |STFT|) of 1024-sample frames."""
    window = torch.hann_window(1024, dtype=sound.dtype)
    spectrum = torch.stft(sound, 1024, 256, window=window, center=False, return_complex=True)
    return (1000 * spectrum.abs()).log1p().flatten(1)


def contestants(features, theta, chunks) -> dict:
    """Ours in chunks, then direction by direction, and one pass without derivatives."""

    def metric(**options):
        return lambda: riemannian_metric(features, theta, **options)

    @torch.no_grad()
    def alone():
        return [features(part) for part in theta.split(chunks[0])]

    return {
        **{f"sotlib, {n} at a time" if n > 1 else "sotlib": metric(chunk=n) for n in chunks},
        "sotlib, one direction after the other": metric(chunk=chunks[0], vectorize=False),
        "the same sounds' features, without derivatives": alone,
    }


def run() -> dict:
    sounds = DrumSounds("train")
    scaler = ParameterScaler.fit(sounds.theta, log10=LOG10)
    scaled = scaler(sounds.theta[:: len(sounds) // SOUNDS][:SOUNDS]).float()
    scattering = TimeFrequencyScattering(LONG, **SCATTERING)

    def short(u):
        return log_spectrogram(rectangular_drum(scaler.inverse(u), samples=SHORT))

    def long(u):
        return jtfs_features(scattering(rectangular_drum(scaler.inverse(u), samples=LONG)))

    task = f"{SOUNDS} sounds of {SHORT} samples, log STFT"
    many = compare(task, contestants(short, scaled, (16, 4)), repeats=3)
    task = f"one sound of {LONG} samples, scattering"
    return {
        "title": "Metric of the PNP loss",
        "measures": "M = JᵀJ of drums in their five scaled parameters, in float32, by forward "
        "mode, from the parameters on, beside one pass through synthesis and features.",
        "device": "cpu",
        "seeds": [0],
        "rows": many + compare(task, contestants(long, scaled[:1], (1,)), repeats=3),
        "metrics_per_second": SOUNDS / many[0]["seconds"],
    }

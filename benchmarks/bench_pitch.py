"""Pitch estimation: the harmonic autoencoder's encoder beside the estimators of chapter
sot/instruments."""

from collections.abc import Callable

import torch

from sotlib import HarmonicAutoencoder, HarmonicSignals
from sotlib.companion.benchmarks import compare
from sotlib.companion.experiments.instruments import estimators

SOUNDS, SAMPLES = 12, 8192


def run():
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    sounds = HarmonicSignals("test", size=10 * SOUNDS, samples=SAMPLES).signals[:SOUNDS]
    model = HarmonicAutoencoder(samples=SAMPLES)
    contestants: dict[str, Callable] = {
        "sotlib, one by one": lambda: [model.estimate_pitch(s[None]) for s in sounds]
    }
    for name in ("pYIN", "PESTO", "SwiftF0"):
        try:
            estimate = estimators.ROWS[name]()
        except ImportError:
            continue

        def one_by_one(estimate=estimate):
            return [estimate(sound.numpy()) for sound in sounds]

        contestants[name] = one_by_one
    contestants["sotlib, one batch"] = lambda: model.estimate_pitch(sounds)
    with torch.no_grad():
        rows = compare(f"{SOUNDS} sounds of half a second at 16 kHz", contestants, repeats=3)
    return {
        "title": "Estimating pitch",
        "measures": "An estimate every 16 ms, with the constant-Q transform or whatever else comes "
        "before; weights do not matter here. pYIN is librosa's (every 32 ms); PESTO and SwiftF0 "
        "are timed where they are installed.",
        "device": "cpu",
        "rows": rows,
        "audio_seconds": SOUNDS * SAMPLES / 16000,
    }

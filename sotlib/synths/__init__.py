"""Differentiable synthesisers."""

from sotlib.synths.drum import RectangularDrum, modal_decays, modal_frequencies, rectangular_drum
from sotlib.synths.harmonic import HarmonicSynth
from sotlib.synths.tones import harmonic_signal, sinusoid

__all__ = [
    "HarmonicSynth",
    "RectangularDrum",
    "harmonic_signal",
    "modal_decays",
    "modal_frequencies",
    "rectangular_drum",
    "sinusoid",
]

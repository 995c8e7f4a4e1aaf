"""The settings of a run: what it minimises, how it begins, and how much is computed."""

from dataclasses import dataclass

SCALES = (2048, 1024, 512, 256, 128, 64)


@dataclass(frozen=True)
class Pretraining:
    """What is done before a loss is minimised, see `sotlib.pretrain_pitch`."""

    steps: int = 400
    tilt: float = 6.0
    calibrated: bool = True


@dataclass(frozen=True)
class Row:
    """What one row of the table minimises, and how its model differs."""

    transport_fft: int | None = None
    """FFT size of the transport term; None: there is none."""
    cutoff: bool = True
    """Scale both spectra by the target's mass and cut at level 1; else each by its own."""
    log_frequency: bool = False
    """Bins of the transport on a logarithmic axis."""
    scales: tuple[int, ...] = SCALES
    """FFT sizes of the multi-scale spectral loss (MSS)."""
    mss_weight: float = 1.0
    mss_log: bool = False
    """MSS with its logarithmic term."""
    roll_off: bool = False
    """A low-pass in the decoder, see `sotlib.HarmonicSynth`."""
    pretraining: Pretraining | None = None
    amplitudes_first: int = 0
    """Steps at the beginning in which only the layer of the amplitudes is trained."""
    counts: str = "published"
    """Rule for the number of harmonics of the signals, see `sotlib.HarmonicSignals`."""
    first_phase: int = 1
    """Of signals and decoder, see `sotlib.HarmonicSynth`."""
    dropout: float = 0.5


@dataclass(frozen=True)
class Budget:
    """How much is computed."""

    steps: int
    learning_rate: float = 1e-4
    decay: bool = False
    """Let the learning rate fall to 0 along half a cosine."""
    frames: int = 16
    """Frames of each signal that are encoded: 16, or fewer from its middle."""
    signals: int = 4000
    disjoint: bool = True
    """False: every fold is all signals, as the authors' script saves them."""
    batch: int = 64
    epochs_between_validations: int = 5
    reduced: str = ""

"""Single notes of a sound font, played without network and without a sound card."""

import hashlib
import os
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy.signal import resample_poly

FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
VARIABLE = "SOTLIB_SOUND_FONT"
SHA256 = "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0"
RATE = 48000  # it plays recordings of 44.1 kHz between its samples: then down by a filter


class Font:
    """The sound font FluidR3 (General MIDI, MIT licence), each note alone and dry.

    Raises
    ------
    FileNotFoundError, ModuleNotFoundError
        Where the font or the program that plays it is missing; the message says what to install.
    ValueError
        If the font is another one.
    """

    def __init__(self, sample_rate: int):
        self.down, rest = divmod(RATE, sample_rate)
        if rest:
            raise ValueError(f"sample_rate must divide {RATE}; got {sample_rate}.")
        self.synth = _player().Synth(samplerate=RATE)
        self.path = _font()
        self.handle = self.synth.sfload(str(self.path))

    def play(self, program: int, number: int, velocity: int, seconds: float) -> np.ndarray:
        """A note that is held for so long: (samples,), both channels mixed."""
        self.synth.sounds_off()
        self.synth.program_select(0, self.handle, 0, program)
        if not self.synth.noteon(0, number, velocity):
            raise ValueError(f"the programme {program} of {self.path} cannot play note {number}")
        # Its gain and envelopes go in blocks; a copy, since the buffer is its own.
        both = np.frombuffer(self.synth.generate_simple(round(seconds * RATE)), np.float32)
        return resample_poly(both.reshape(-1, 2).mean(1), 1, self.down).astype(np.float32)


def _player() -> ModuleType:
    try:
        import tinysoundfont
    except ImportError:
        raise ModuleNotFoundError(
            "the notes are played by tinysoundfont, which is not installed: "
            "pip install --no-deps tinysoundfont (PyAudio, which it names, is not needed)"
        ) from None
    return tinysoundfont


def _font() -> Path:
    path = Path(os.environ.get(VARIABLE, FONT))
    if not path.exists():
        raise FileNotFoundError(
            f"the sound font {path} is missing: install Debian's package fluid-soundfont-gm, or "
            f"let {VARIABLE} name a copy of FluidR3_GM.sf2"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(
            f"the sound font {path} is not the FluidR3_GM.sf2 that the records are of: its SHA-256 "
            f"is {found} instead of {SHA256}"
        )
    return path

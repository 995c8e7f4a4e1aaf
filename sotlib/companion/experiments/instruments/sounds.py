"""Preparation of the sounds: excerpts of single notes, and what their pitch really is.

A run is a fold. Beside its record lies ``<fold>-0.safetensors``, whose checksum is verified
whenever it is read.
"""

import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sotlib.companion.checkpoints import AGAIN, CheckpointError, load_checkpoint, save_checkpoint
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.instruments.font import SHA256, Font
from sotlib.companion.experiments.instruments.notes import INSTRUMENTS, UNHEARD, Note, notes_of
from sotlib.companion.experiments.instruments.tuning import cents_off
from sotlib.companion.experiments.runs import Run, make_run

SAMPLE_RATE = 16000
SAMPLES = 8192  # from the attack on: half a second, in which plucked notes decay
HELD = 1.2  # seconds that a note is held while its pitch is measured
ATTACK = 0.02  # of the peak: where a sound begins
BEFORE = 64  # samples before that
PEAK = 0.9  # as of `sotlib.HarmonicSignals`


@dataclass(frozen=True)
class Extent:
    """How many notes are played."""

    every: int = 1
    """Of an instrument, every so many semitones."""
    reduced: str = ""


ROWS = {fold: fold for fold in (*FOLDS, UNHEARD)}
BUDGETS = {"paper": Extent(), "smoke": Extent(every=8, reduced="every eighth note of a fold")}
SEEDS = (0,)


@dataclass(frozen=True)
class Sounds:
    """Sounds of a fold."""

    signals: Tensor
    """(sounds, samples), each with a peak of 0.9."""
    f0: Tensor
    """(sounds,), in Hz: the note corrected by the tuning that was measured."""
    notes: Sequence[Note]


def excerpt(sound: np.ndarray) -> np.ndarray:
    """The first `SAMPLES` from the attack on, scaled to `PEAK`."""
    loud = np.abs(sound) > ATTACK * np.abs(sound).max()
    start = max(0, int(loud.argmax()) - BEFORE)
    cut = sound[start : start + SAMPLES]
    return PEAK * cut / np.abs(cut).max()


def read(fold: str, *, budget: str, folder: str | os.PathLike) -> Sounds:
    """The sounds of a fold that `run` prepared, after verifying their checksum."""
    path = Path(folder) / f"{fold}-0.safetensors"
    try:
        tensors, identity = load_checkpoint(path)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the sounds {path} are missing: python -m sotlib.companion.runner instruments_sounds "
            f"--budget {budget}"
        ) from None
    if identity != _identity(fold, budget):
        raise CheckpointError(f"the checkpoint {path} is of other settings; {AGAIN}")
    notes = notes_of(fold, every=BUDGETS[budget].every)
    return Sounds(tensors["signals"], tensors["f0"], notes)


def verify(row: str, seed: int, *, budget: str, folder: str | os.PathLike) -> None:
    """See `sotlib.companion.experiments`."""
    read(row, budget=budget, folder=folder)


def play(notes: Sequence[Note], progress=None) -> tuple[Tensor, Tensor, list[float]]:
    """Excerpts, pitches in Hz, and how many cents each is off its note (nan: not found)."""
    font = Font(SAMPLE_RATE)

    @functools.cache
    def off(name, number):
        """Measured once for all velocities, at the loudest, behind the attack."""
        sound = font.play(INSTRUMENTS[name].program, number, 120, HELD)
        hertz = Note(name, number, 120).hertz
        return cents_off(sound[SAMPLE_RATE // 10 :], SAMPLE_RATE, hertz)

    signals, f0, cents = [], [], []
    for note in notes:
        sound = font.play(INSTRUMENTS[note.instrument].program, note.number, note.velocity, HELD)
        cents.append(off(note.instrument, note.number))
        signals.append(torch.from_numpy(excerpt(sound)))
        f0.append(note.hertz * 2 ** (float(np.nan_to_num(cents[-1])) / 1200))
        if progress is not None:
            progress(0)
    return torch.stack(signals), torch.tensor(f0, dtype=torch.float64), cents


def _carry_out(run: Run[str, Extent]) -> dict:
    started = time.monotonic()
    notes = notes_of(run.row, every=run.limits.every)
    signals, f0, cents = play(notes, run.progress)
    data = run.path.with_suffix(".safetensors")
    save_checkpoint(data, {"signals": signals, "f0": f0}, _identity(run.row, run.budget))
    found = np.array(cents)
    return {
        "configuration": {"fold": run.row, "every": run.limits.every, "font": SHA256},
        "results": {
            "sounds": len(notes),
            "sample_rate": SAMPLE_RATE,
            "samples": SAMPLES,
            "tuning": _tuning(notes, found),
            "tuning_not_found": int(np.isnan(found).sum()),
        },
        "files": [data.name],
        "reduced": run.limits.reduced,
        "seconds": time.monotonic() - started,
    }


def _tuning(notes, cents):
    """Of each instrument the median of |cents off| and the largest of its notes."""
    names = np.array([note.instrument for note in notes])
    of = {name: np.abs(cents[(names == name) & ~np.isnan(cents)]) for name in dict.fromkeys(names)}
    return {str(k): [float(np.median(v)), float(v.max())] for k, v in of.items() if len(v)}


def _identity(fold, budget):
    return {
        "fold": fold,
        "every": BUDGETS[budget].every,
        "samples": SAMPLES,
        "sample_rate": SAMPLE_RATE,
        "font": SHA256,
    }


run = make_run("instruments_sounds", ROWS, BUDGETS, _carry_out, verify)

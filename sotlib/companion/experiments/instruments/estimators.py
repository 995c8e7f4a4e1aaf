"""Pitch estimators that one would take instead, on the same sounds: no training, one run each.

pYIN is librosa's. PESTO and SwiftF0 are packages with their weights in them; they are imported only
here, and the message says what to install. The other rows are models that the SOT paper's
experiments have trained on synthetic signals and that have never heard an instrument.
"""

import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sotlib.companion.experiments.instruments import sounds
from sotlib.companion.experiments.instruments.notes import UNHEARD
from sotlib.companion.experiments.instruments.table import sounds_folder
from sotlib.companion.experiments.instruments.task import Fold, accuracy, by_instrument, fold_of
from sotlib.companion.experiments.instruments.task import make_model as model_of
from sotlib.companion.experiments.runs import Run, make_run
from sotlib.companion.experiments.sot import recipe as sot_recipe
from sotlib.companion.experiments.sot import table as sot_table

RATE, RANGE = sounds.SAMPLE_RATE, (32.7, 2000.0)  # Hz: about those of the notes
FOLDS = ("test", UNHEARD)
RESULTS = Path("results")  # where the runner is started


@dataclass(frozen=True)
class Budget:
    """Whether all sounds are estimated."""

    reduced: str = ""


def pyin() -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The pYIN of librosa; its best guess also where it hears no voice."""
    import librosa

    def estimate(sound):
        f0, _, _ = librosa.pyin(sound, fmin=RANGE[0], fmax=RANGE[1], sr=RATE, fill_na=None)
        return librosa.times_like(f0, sr=RATE), f0

    return estimate


def pesto():
    """PESTO (Riou et al., ISMIR 2023): self-supervised, of the same kind as our encoder."""
    # It is imported for reading files, which is not done here.
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
    from pesto import load_model

    step = 16.0  # milliseconds
    model = load_model("mir-1k_g7", step_size=step, sampling_rate=RATE)

    @torch.no_grad()
    def estimate(sound):
        notes = model(torch.from_numpy(sound)[None])[0][0].numpy()
        return np.arange(len(notes)) * step / 1000, 440 * 2 ** ((notes - 69) / 12)

    return estimate


def swift_f0():
    """SwiftF0: a small network trained on labels."""
    from swift_f0 import SwiftF0

    detector = SwiftF0()

    def estimate(sound):
        found = detector.detect(sound, RATE)
        return np.asarray(found.timestamps), np.asarray(found.pitch_hz)

    return estimate


def recorded(experiment: str, name: str):
    """A model whose weights another experiment recorded: trained on synthetic signals alone."""

    def make():
        rows = sot_recipe.ROWS if experiment == "sot_recipe" else None
        path = RESULTS / experiment / "reduced" / f"{name}.safetensors"
        model = sot_table.load_model(path, rows=rows)

        def estimate(sound):
            f0 = model.estimate_pitch(torch.from_numpy(sound)[None])[0].numpy()
            return np.arange(len(f0)) * 256 / RATE, f0

        return estimate

    return make


ROWS = {
    "pYIN": pyin,
    "PESTO": pesto,
    "SwiftF0": swift_f0,
    "MSS-Lin": recorded("sot_table", "MSS-Lin-123"),
    "SOT-2048": recorded("sot_table", "SOT-2048-123"),
    "SOT-512-LogF": recorded("sot_table", "SOT-512-LogF-123"),
    "recipe": recorded("sot_recipe", "recipe-3005"),
}
PACKAGES = {
    "PESTO": "--no-deps pesto-pitch omegaconf antlr4-python3-runtime==4.9.3",
    "SwiftF0": "swift-f0",
}
BUDGETS = {"paper": Budget(), "smoke": Budget("the few sounds of the smallest set")}
SEEDS = (0,)


def at_frames(fold: Fold, times: np.ndarray, f0: np.ndarray) -> Tensor:
    """The estimate nearest in time to the beginning of each frame, 1 Hz where there is none."""
    frames = fold.f0.shape[1]
    wanted = np.arange(frames) * sounds.SAMPLES / frames / RATE
    nearest = np.asarray(f0, float)[np.abs(times[:, None] - wanted).argmin(0)]
    return torch.from_numpy(np.nan_to_num(nearest).clip(min=1.0))


def _carry_out(run: Run[Callable, Budget]) -> dict:
    started = time.monotonic()
    try:
        estimate = run.setting()
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{run.row} is not installed ({error}): pip install {PACKAGES.get(run.row)}"
        ) from None
    where, budget = sounds_folder(run.path.parent, run.budget)
    model = model_of(frame_wise_levels=False, noise=False, seed=0)  # for its frames alone
    results: dict = {}
    for name in FOLDS:
        found = sounds.read(name, budget=budget, folder=where)
        fold = fold_of(model, found.signals, found.f0, found.notes)
        estimate(fold.signals[0].numpy())  # what is prepared or compiled once
        begin = time.monotonic()
        f0 = torch.stack([at_frames(fold, *estimate(s.numpy())) for s in fold.signals])
        seconds = time.monotonic() - begin
        results[name] = accuracy(fold, f0)
        results[f"{name}_by_instrument"] = by_instrument(fold, f0)
        results["seconds_per_second"] = seconds / (fold.signals.numel() / RATE)
        if run.progress is not None:
            run.progress(0)
    return {
        "configuration": {"row": run.row, "range": list(RANGE)},
        "results": results,
        "files": [],
        "reduced": run.limits.reduced,
        "seconds": time.monotonic() - started,
    }


run = make_run("instruments_estimators", ROWS, BUDGETS, _carry_out)

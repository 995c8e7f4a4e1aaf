"""The drum paper's table: six models that match sounds, and four ways to damp the PNP loss.

Rows and settings are those of Han, Lostanlen and Lagrange (ICASSP 2023), as far as they are
published; the values of their table are not. Explained in chapter ``pnp/table``.
"""

import os
from dataclasses import asdict, dataclass

import numpy as np
import torch

from sotlib.companion.arrays import save_arrays
from sotlib.companion.experiments.drum import data as drum_data
from sotlib.companion.experiments.drum.data import keep_sounds
from sotlib.companion.experiments.drum.evaluation import Judge, judge
from sotlib.companion.experiments.drum.objectives import make_objective
from sotlib.companion.experiments.drum.task import TASKS, make_matcher
from sotlib.companion.experiments.drum.training import MatchingTraining
from sotlib.companion.experiments.runs import Run, make_run
from sotlib.companion.experiments.training import load_best
from sotlib.matching.network import SoundMatcher


@dataclass(frozen=True)
class Row:
    """What one model minimises, and what it is told."""

    loss: str
    """'ploss', 'spectral' or 'pnp'."""
    omega_given: bool = False
    """Whether the true fundamental frequency stands among the outputs."""
    damping: str | None = None
    """Of the PNP loss: 'none', 'constant', 'scheduled' or 'adaptive'."""
    rescaled: bool = False
    """Whether the PNP loss keeps its size while the damping falls; not in the paper."""


ROWS = {
    "ploss": Row("ploss"),
    "spectral": Row("spectral"),
    "pnp": Row("pnp", damping="adaptive"),
    "ploss-omega": Row("ploss", omega_given=True),
    "spectral-omega": Row("spectral", omega_given=True),
    "pnp-omega": Row("pnp", omega_given=True, damping="adaptive"),
    # The comparison of dampings; its adaptive one is the row pnp.
    "pnp-none": Row("pnp", damping="none"),
    "pnp-constant": Row("pnp", damping="constant"),
    "pnp-scheduled": Row("pnp", damping="scheduled"),
    # Ours: whether it is the damping, or Adam's memory of it, that slows the adaptive one.
    "pnp-rescaled": Row("pnp", damping="adaptive", rescaled=True),
}


@dataclass(frozen=True)
class Budget:
    """How long a model is trained; how many sounds there are is in `drum_task.TASKS`."""

    epochs: int
    epoch_sounds: int
    """An epoch is so many sounds, not a pass over the training fold."""
    batch: int
    spectral_batch: int
    scheduled_epochs: int
    """After so many epochs the scheduled damping is at its end."""
    learning_rate: float = 1e-3
    reduced: str = ""

    @property
    def steps(self) -> int:
        """Sounds of all epochs: what the runner's progress counts."""
        return self.epochs * self.epoch_sounds


BUDGETS = {
    "paper": Budget(
        epochs=70, epoch_sounds=25_600, batch=256, spectral_batch=64, scheduled_epochs=10
    ),
    # Seconds of one core for a step of 64 sounds, measured on a busy machine: 0.6 with the P-loss
    # and the PNP loss, 1.9 with the spectral loss. With 48 steps an epoch these are 12 and 38
    # minutes; two more minutes go into the distances of test and validation sounds.
    "reduced": Budget(
        epochs=25,
        epoch_sounds=3072,
        batch=64,
        spectral_batch=64,
        scheduled_epochs=10,
        reduced="25 epochs of 3072 sounds instead of 70 of 25 600, in batches of 64 instead of 256 "
        "(spectral loss: 64 in both)",
    ),
    "smoke": Budget(
        epochs=2,
        epoch_sounds=16,
        batch=8,
        spectral_batch=8,
        scheduled_epochs=1,
        reduced="two epochs of 16 sounds, to see that everything runs",
    ),
}


SEEDS = (0,)  # one run for each row; the authors' job scripts have ten for three of them


def carry_out(run: Run[Row, Budget]) -> dict:
    """Carry out a run.

    Beside the record and the weights it writes the predictions, ``<row>-<seed>.npz``, and, once for
    all rows, ``sounds.npz``. Prepared data are looked for in the folder that
    `drum_data.shards_folder` gives; what is missing there is prepared first.
    """
    setting, limits, task = run.setting, run.limits, TASKS[run.budget]
    drums = drum_data.load(
        run.budget,
        drum_data.shards_folder(run.path.parent, run.budget),
        device=run.device,
        progress=run.progress,
        start=drum_data.start_of(run.row, run.budget),
    )
    names = {"row": run.row, "seed": run.seed, "budget": run.budget}
    training = MatchingTraining(
        model=make_model(run.row, run.budget, seed=run.seed).to(run.device),
        objective=make_objective(setting, task, drums, limits).to(run.device),
        folds=drums.folds,
        limits=limits,
        batch=limits.spectral_batch if setting.loss == "spectral" else limits.batch,
        seed=run.seed,
        checkpoint=run.checkpoint,
        identity=names | {"limits": asdict(limits)},
    )
    curve = training.run(run.progress)
    judged, predictions = judge(training.model, drums.folds, Judge(task, run.device))
    weights, arrays = (run.path.with_suffix(f".{ending}") for ending in ("safetensors", "npz"))
    training.save_best(weights, names)
    save_arrays(arrays, predictions)
    shared = keep_sounds(run.path.with_name("sounds.npz"), drums.folds)
    return {
        "configuration": {**run.configuration, "task": asdict(task), "device": str(run.device)},
        "files": [weights.name, arrays.name, shared.name],
        "results": {
            **judged,
            "best_epoch": training.best["epoch"],
            "curve": curve,
            "largest_eigenvalue": drums.largest,
            "preparation": drums.preparation,
            "timing": {
                "training_per_epoch": float(np.median(training.timing["training"])),
                "validation_per_epoch": float(np.median(training.timing["validation"])),
            },
        },
        "reduced": "; ".join(text for text in (task.reduced, limits.reduced) if text),
        "seconds": sum(training.timing["training"]) + sum(training.timing["validation"]),
    }


run = make_run("drum_matching", ROWS, BUDGETS, carry_out)


def make_model(row: str, budget: str, *, seed: int = 0) -> SoundMatcher:
    """The untrained model of a row; torch's own random state is left as it is."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        return make_matcher(TASKS[budget], omega_given=ROWS[row].omega_given)


def load_model(path: str | os.PathLike) -> SoundMatcher:
    """The trained model whose weights `run` wrote, for evaluation."""

    def make(numbers):
        model = make_model(numbers["row"], numbers["budget"])
        return model, model

    return load_best(path, make)

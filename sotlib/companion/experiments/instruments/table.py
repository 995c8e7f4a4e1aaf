"""Losses and starts on recorded instruments; not in any paper. See chapter ``sot/instruments``."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from sotlib.companion.checkpoints import load_checkpoint
from sotlib.companion.experiments import FOLDS
from sotlib.companion.experiments.instruments import sounds
from sotlib.companion.experiments.instruments.notes import UNHEARD, notes_of
from sotlib.companion.experiments.instruments.task import (
    SlicedComparison,
    evaluate,
    fold_of,
    make_model,
    synthetic,
)
from sotlib.companion.experiments.runs import Run, make_run
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.settings import Budget, Pretraining, Row
from sotlib.companion.experiments.sot.task import Comparison, pretrain
from sotlib.companion.experiments.sot.training import AutoencoderTraining
from sotlib.companion.experiments.training import load_best
from sotlib.pitch.autoencoder import HarmonicAutoencoder

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Setting:
    """What a row trains, on what, from where."""

    loss: Row = field(default_factory=Row)
    """As in the SOT paper's table, with what is done before."""
    sliced: bool = False
    """Transport on the plane of time and frequency instead of along frequency."""
    levels: bool = True
    """The model is told the level of each frame."""
    noise: bool = True
    """The model can make noise."""
    train: str = "instruments"
    """What it is trained on: 'instruments' or 'synthetic', the SOT paper's signals."""
    needs: str | None = None
    """The row whose weights it goes on from."""


_SOT = sot_table.ROWS["SOT-2048"]
_RECIPE = replace(_SOT, pretraining=Pretraining(), amplitudes_first=300)

ROWS = {
    "synthetic": Setting(_RECIPE, train="synthetic"),
    "recipe": Setting(_RECIPE),
    "synthetic-first": Setting(_SOT, needs="synthetic"),
    "MSS": Setting(sot_table.ROWS["MSS-LogLin"]),
    "SOT-2048": Setting(_SOT),
    "SOT-512-LogF": Setting(sot_table.ROWS["SOT-512-LogF"]),
    "sliced": Setting(Row(mss_weight=0.05), sliced=True),
    "no-levels": Setting(_RECIPE, levels=False, noise=False),
    "no-noise": Setting(_RECIPE, noise=False),
}
BUDGETS = {
    "reduced": Budget(
        steps=2000,
        learning_rate=5e-4,
        decay=True,
        batch=16,
        # Of the synthetic ones, seven tenths in training: as many there as there are recordings.
        signals=len(notes_of("train")) * 10 // 7,
        reduced="2000 steps of 16 sounds",
    ),
    "smoke": Budget(
        steps=4,
        batch=4,
        signals=40,
        epochs_between_validations=2,
        reduced="four steps of four sounds, to see that everything runs",
    ),
}
QUEUE = (
    ("reduced", tuple(ROWS), SEEDS[:1]),
    ("reduced", ("recipe", "synthetic", "no-levels", "no-noise", "synthetic-first"), SEEDS[1:]),
    ("reduced", tuple(ROWS), SEEDS),
)


class InstrumentTraining(AutoencoderTraining):
    """Its folds are judged by pitch at each frame, and instrument by instrument."""

    def _evaluate(self, fold):
        self.model.eval()
        metrics, observed = evaluate(self.model, self.data[fold])
        return metrics, observed | {"f0_ratio": None}


def sounds_folder(folder: Path, budget: str) -> tuple[Path, str]:
    """Where the sounds of a budget lie, beside the records, and their own budget."""
    theirs = "smoke" if budget == "smoke" else "paper"
    return folder.parents[1] / "instruments_sounds" / theirs, theirs


def model_of(setting: Setting, seed: int) -> HarmonicAutoencoder:
    """The untrained model of a row."""
    return make_model(frame_wise_levels=setting.levels, noise=setting.noise, seed=seed)


def load_model(path: str | os.PathLike) -> HarmonicAutoencoder:
    """The trained model whose weights `run` wrote, ``<row>-<seed>.safetensors``."""

    def make(numbers):
        model = model_of(ROWS[numbers["row"]], numbers["seed"])
        return model, model.encoder

    return load_best(path, make)


def carry_out(run: Run[Setting, Budget]) -> dict:
    """Carry out a run."""
    setting, limits, device = run.setting, run.limits, run.device
    model = model_of(setting, run.seed).to(device)
    where, budget = sounds_folder(run.path.parent, run.budget)
    heard = {fold: sounds.read(fold, budget=budget, folder=where) for fold in (*FOLDS, UNHEARD)}
    data = {}
    for fold, found in heard.items():
        data[fold] = fold_of(model, found.signals, found.f0, found.notes, seed=run.seed)
    if setting.train == "synthetic":
        data["train"] = fold_of(model, *synthetic("train", limits.signals), seed=run.seed)
        data["validation"] = fold_of(model, *synthetic("validation", limits.signals), seed=run.seed)
    seconds = 0.0
    if setting.needs:
        start = run.path.with_name(f"{setting.needs}-{run.seed}.safetensors")
        model.encoder.load_state_dict(load_checkpoint(start)[0])
    if not run.checkpoint.exists():
        bins = data["train"].features[..., : model.encoder.n_bins]
        seconds = pretrain(model, setting.loss.pretraining, bins.contiguous(), seed=run.seed)
    compare = SlicedComparison(setting.loss) if setting.sliced else Comparison(setting.loss)
    this = InstrumentTraining(
        model=model,
        compare=compare.to(device),
        data=data,
        limits=limits,
        seed=run.seed,
        amplitudes_first=setting.loss.amplitudes_first,
        checkpoint=run.checkpoint,
        identity={"seed": run.seed, "budget": run.budget, "row": run.row},
    )
    results = this.run(run.progress)
    results["test_by_instrument"] = this._evaluate("test")[1]["by_instrument"]
    unheard, observed = this._evaluate(UNHEARD)
    results |= {"unheard": unheard, "unheard_by_instrument": observed["by_instrument"]}
    length = len(data[UNHEARD].signals) * sounds.SAMPLES / sounds.SAMPLE_RATE
    results["seconds_per_second"] = observed["seconds"] / length
    weights = run.path.with_suffix(".safetensors")
    this.save_best(weights, {"row": run.row, "seed": run.seed})
    return {
        "configuration": run.configuration | {"device": str(device)},
        "results": results,
        "files": [weights.name],
        "reduced": limits.reduced,
        "seconds": seconds + this.seconds,
    }


run = make_run("instruments_table", ROWS, BUDGETS, carry_out)

"""The matching experiment of an instrument: models that answer which parameters made a sound."""

import os
from dataclasses import asdict

import numpy as np
import torch

from sotlib.companion.arrays import save_arrays
from sotlib.companion.checkpoints import load_checkpoint
from sotlib.companion.experiments.pnp import data
from sotlib.companion.experiments.pnp.evaluation import Judge, judge, without_listening
from sotlib.companion.experiments.pnp.objectives import make_objective
from sotlib.companion.experiments.pnp.rows import BUDGETS, Budget, Row
from sotlib.companion.experiments.pnp.shards import Shards
from sotlib.companion.experiments.pnp.training import MatchingTraining
from sotlib.companion.experiments.runs import Run, make_run
from sotlib.companion.experiments.training import load_best
from sotlib.matching.network import SoundMatcher

GIVEN = 0  # the parameter that is told to rows with one given


class Matching:
    """The experiment of the name `kind`, on the data that the experiment `shards` prepares."""

    def __init__(self, kind: str, rows: dict[str, Row], shards: Shards):
        self.rows, self.shards, self.instrument = rows, shards, shards.instrument
        self.run = make_run(kind, rows, BUDGETS, self._carry_out)

    def _carry_out(self, run: Run[Row, Budget]) -> dict:
        """Carry out a run.

        Beside the record and the weights it writes the predictions, ``<row>-<seed>.npz``, and, once
        for all rows, ``sounds.npz``. Prepared data are looked for in the folder that
        `data.shards_folder` gives; what is missing there is prepared first.
        """
        row, limits, task = run.setting, run.limits, self.instrument.tasks[run.budget]
        before = self._record_of(row.needs, run)
        prepared = data.load(
            self.shards,
            run.budget,
            data.shards_folder(run.path.parent, run.kind, run.budget),
            device=run.device,
            progress=run.progress,
            start=data.start_of(run.row, run.seed, run.budget, self.shards),
        )
        names = {"row": run.row, "seed": run.seed, "budget": run.budget}
        model = self.make_model(run.row, run.budget, seed=run.seed).to(run.device)
        if row.after:
            weights, _ = load_checkpoint(run.path.with_name(f"{row.after}-{run.seed}.safetensors"))
            model.load_state_dict(weights)
        end = _last_damping(before) if row.end_of and before else None
        objective = make_objective(row, self.instrument, task, prepared.unit, limits, end)
        judging = Judge(self.instrument, task, run.device)
        training = MatchingTraining(
            row=row,
            model=model,
            objective=objective.to(run.device),
            folds=prepared.folds,
            judging=judging,
            limits=limits,
            seed=run.seed,
            continued=row.after is not None,
            checkpoint=run.checkpoint,
            identity=names | {"row": asdict(row), "limits": asdict(limits)},
        )
        curve = training.run(run.progress)
        model.load_state_dict(training.heard["weights"])
        heard, more = judge(model, prepared.folds, judging, ("test",), "heard_")
        model.load_state_dict(training.best["weights"])
        results, arrays = judge(model, prepared.folds, judging)
        weights_file, arrays_file = (
            run.path.with_suffix(f".{ending}") for ending in ("safetensors", "npz")
        )
        training.save_best(weights_file, names)
        save_arrays(arrays_file, arrays | more)
        shared = data.keep_sounds(run.path.with_name("sounds.npz"), prepared.folds)
        timing = {f"{k}_per_epoch": float(np.median(v)) for k, v in training.timing.items()}
        return {
            "configuration": {**run.configuration, "task": asdict(task), "device": str(run.device)},
            "files": [weights_file.name, arrays_file.name, shared.name],
            "results": {
                **results,
                "mean_predictor": without_listening(prepared.folds, judging, model.given),
                "best_epoch": training.best["epoch"],
                "heard": {**heard, "best_epoch": training.heard["epoch"]},
                "curve": curve,
                "unit": prepared.unit,
                "preparation": prepared.preparation,
                "timing": timing,
            },
            "reduced": "; ".join(text for text in (task.reduced, limits.reduced) if text),
            "seconds": sum(map(sum, training.timing.values())),
        }

    def _record_of(self, row: str | None, run: Run) -> dict | None:
        """The record of the row that has to be there first."""
        if row is None:
            return None

        def progress(_: int) -> None:
            if run.progress is not None:  # its steps are not those of this run; it may be stopped
                run.progress(0)

        options = {"budget": run.budget, "folder": run.path.parent, "device": run.device}
        return self.run(row, run.seed, **options, progress=progress)

    def make_model(self, row: str, budget: str, *, seed: int = 0) -> SoundMatcher:
        """The untrained model of a row; torch's own random state is left as it is."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            given = GIVEN if self.rows[row].given else None
            return self.instrument.matcher(self.instrument.tasks[budget], given=given)

    def load_model(self, path: str | os.PathLike) -> SoundMatcher:
        """The trained model whose weights `run` wrote, for evaluation."""

        def make(numbers):
            model = self.make_model(numbers["row"], numbers["budget"])
            return model, model

        return load_best(path, make)


def _last_damping(record: dict) -> float:
    return record["results"]["curve"][-1]["damping"]

"""A training step of the drum paper's models with three losses, and the preparation of data."""

import torch

from sotlib.benchmarks import compare, show
from sotlib.experiments import drum_matching
from sotlib.experiments.drum_data import Drums, Fold
from sotlib.experiments.drum_metrics import finite_metrics
from sotlib.experiments.drum_objectives import make_objective
from sotlib.experiments.drum_task import (
    TASKS,
    Perception,
    fold_sounds,
    make_features,
    make_matcher,
    scaler,
)

BUDGET = "reduced"
TASK, LIMITS, BATCH = TASKS[BUDGET], drum_matching.BUDGETS[BUDGET], 64
NAMES = {"ploss": "P-loss", "pnp": "PNP loss", "spectral": "spectral loss"}


class Step:
    """One step of training on prepared data."""

    def __init__(self, row: str, drums: Drums):
        self.fold = drums.folds["train"]
        self.everything = torch.arange(len(self.fold))
        self.model = make_matcher(TASK)
        self.objective = make_objective(drum_matching.ROWS[row], TASK, drums, LIMITS)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LIMITS.learning_rate)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        predicted = self.model(self.fold.spectra)
        self.objective(predicted, self.fold, self.everything).backward()
        self.optimizer.step()


def prepared(perception: Perception) -> Drums:
    """A batch of sounds with the metric of the first one: what it is costs no time."""
    scaled = scaler()(fold_sounds(TASK, "train")[1])[:BATCH].float()
    with torch.no_grad():
        spectra = make_features(TASK)(perception.synthesis(scaled))
    metric, _, _ = finite_metrics(perception, scaled[:1])
    metric = metric.expand(BATCH, -1, -1).contiguous()
    fold = Fold(torch.arange(BATCH), scaled, spectra, metric, torch.zeros(BATCH, 1))
    return Drums({"train": fold}, float(torch.linalg.eigvalsh(metric)[0, -1]), {})


def run() -> dict:
    """Time everything; see `sotlib.benchmarks` for what is returned."""
    perception, spectrum = Perception(TASK), make_features(TASK)
    drums = prepared(perception)
    steps = {name: Step(row, drums) for row, name in NAMES.items()}
    rows = compare(f"a training step, {BATCH} sounds of {TASK.samples} samples", steps, repeats=5)
    some = drums.folds["train"].scaled[: TASK.chunk]
    sound = perception.synthesis(some)

    def prepare():
        sound = perception.synthesis(some)
        return spectrum(sound), perception.features(sound), finite_metrics(perception, some)

    preparation = compare(
        f"preparing {TASK.chunk} sounds of {TASK.samples} samples",
        {
            "all": prepare,
            "metric": lambda: finite_metrics(perception, some),
            "scattering features": lambda: perception.features(sound),
            "CQT": lambda: spectrum(sound),
        },
        repeats=3,
    )
    return {
        "title": "Training a sound matcher",
        "measures": "A step (EfficientNet-B0, loss, backward, Adam) on prepared spectra, targets "
        "and metrics, with the P-loss, the PNP loss, and the spectral loss through the drum; and "
        "the preparation of a sound: CQT, scattering features and metric.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows + preparation,
        "prepared_per_second": TASK.chunk / preparation[0]["seconds"],
    }


def main() -> None:
    print(show(run()))


if __name__ == "__main__":
    main()

"""A training step of the drum paper's models with three losses, and the preparation of data."""

import torch

from sotlib.companion.benchmarks import compare
from sotlib.companion.experiments.pnp import drum
from sotlib.companion.experiments.pnp.data import Fold, Prepared, typical_eigenvalue
from sotlib.companion.experiments.pnp.drum_shards import INSTRUMENT
from sotlib.companion.experiments.pnp.instrument import Perception, Task
from sotlib.companion.experiments.pnp.metrics import finite_metrics
from sotlib.companion.experiments.pnp.objectives import make_objective
from sotlib.companion.experiments.pnp.rows import BUDGETS

SIZES = {"reduced": (64, 5), "paper": (8, 3)}  # sounds in a step, and how often it is timed
NAMES = {"ploss": "P-loss", "pnp": "PNP loss", "spectral": "spectral loss"}


class Step:
    """One step of training on prepared data."""

    def __init__(self, row: str, prepared: Prepared, budget: str):
        task, limits = INSTRUMENT.tasks[budget], BUDGETS[budget]
        self.fold = prepared.folds["train"]
        self.everything = torch.arange(len(self.fold))
        self.model = INSTRUMENT.matcher(task)
        self.objective = make_objective(drum.ROWS[row], INSTRUMENT, task, prepared.unit, limits)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=limits.learning_rate)

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        predicted = self.model(self.fold.spectra)
        self.objective(predicted, self.fold, self.everything).backward()
        self.optimizer.step()


def prepare(task: Task, perception: Perception, batch: int) -> Prepared:
    """A batch of sounds with the metric of the first one: what it is costs no time."""
    scaled = INSTRUMENT.scaler(INSTRUMENT.fold_sounds(task, "train")[1])[:batch]
    with torch.no_grad():
        spectra = INSTRUMENT.features(task)(perception.synthesis(scaled.float()))
    metric, _, _ = finite_metrics(perception, scaled[:1])
    metric = metric.expand(batch, -1, -1).contiguous()
    fold = Fold(torch.arange(batch), scaled.float(), spectra, metric)
    return Prepared({"train": fold}, typical_eigenvalue(metric), {})


def measure(budget: str) -> tuple[list[dict], float]:
    """Rows of a budget's step and preparation, and how many sounds are prepared in a second."""
    task, (batch, repeats) = INSTRUMENT.tasks[budget], SIZES[budget]
    perception, spectrum = Perception(INSTRUMENT, task), INSTRUMENT.features(task)
    prepared = prepare(task, perception, batch)
    steps = {name: Step(row, prepared, budget) for row, name in NAMES.items()}
    rows = compare(
        f"a training step, {batch} sounds of {task.samples} samples", steps, repeats=repeats
    )
    some = prepared.folds["train"].scaled[: task.chunk].double()
    with torch.no_grad():
        sound = perception.synthesis(some.float())

    @torch.no_grad()
    def everything():
        sound = perception.synthesis(some.float())
        return spectrum(sound), perception.heard(sound), finite_metrics(perception, some)

    rows += compare(
        f"preparing {task.chunk} sounds of {task.samples} samples",
        {
            "all": everything,
            "metric": lambda: finite_metrics(perception, some),
            "scattering features": lambda: perception.heard(sound),
            "CQT": lambda: spectrum(sound),
        },
        repeats=3,
    )
    return rows, task.chunk / next(row["seconds"] for row in rows if row["name"] == "all")


def run() -> dict:
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    measured = {budget: measure(budget) for budget in SIZES}
    return {
        "title": "Training a sound matcher",
        "measures": "A step (EfficientNet-B0, loss, backward, Adam) on prepared spectra, targets "
        "and metrics, with the P-loss, the PNP loss, and the spectral loss through the drum; and "
        "the preparation of a sound: CQT, scattering features and metric. First at the reduced "
        "budget's size, then at the paper's, with a small batch.",
        "device": "cpu",
        "seeds": [0],
        "rows": [row for rows, _ in measured.values() for row in rows],
        "sounds_in_a_step": {budget: batch for budget, (batch, _) in SIZES.items()},
        "prepared_per_second": {budget: speed for budget, (_, speed) in measured.items()},
    }

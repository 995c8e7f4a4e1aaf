"""The table of the SOT paper: eight ways to train the harmonic autoencoder.

Rows, settings and metrics are those of Torres, Peeters and Richard (ICASSP 2024), as far as their
paper and their public configurations tell; chapter ``sot/table`` says where they do not.
`sot_task` has the data, the model and the loss of a row.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from sotlib._core import check
from sotlib.companion.checkpoints import load_checkpoint
from sotlib.companion.experiments.sot.task import (
    FOLDS,
    Comparison,
    Row,
    evaluate,
    make_model,
    prepare,
    pretrain,
)
from sotlib.companion.experiments.sot.training import Training
from sotlib.companion.records import read_record, write_record
from sotlib.pitch.autoencoder import HarmonicAutoencoder

PAPER_SEEDS = (42, 123, 456, 789, 101112)
_SOT = Row(transport_fft=2048, mss_weight=0.05)

ROWS = {
    "MSS-Lin": Row(),
    "MSS-LogLin": Row(mss_log=True),
    "SOT-2048": _SOT,
    "SOT-512": replace(_SOT, transport_fft=512),
    "SOT-512-LogF": replace(_SOT, transport_fft=512, log_frequency=True),
    "SOT-NoCut": replace(_SOT, cutoff=False),
    "SOT-2048-SS": replace(_SOT, scales=(512,), mss_weight=0.1),
    # Not in the paper: the decoder that the public configurations of this baseline had.
    "MSS-LogLin-rolloff": Row(mss_log=True, roll_off=True),
}


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


BUDGETS = {
    # 500 epochs of 44 batches; the limit of 25 000 steps is not reached with 2800 signals.
    "paper": Budget(steps=22_000),
    "reduced": Budget(steps=22_000, frames=1, reduced="one frame of each signal instead of 16"),
    # With 4000 signals in each fold, that limit is reached.
    "published-folds": Budget(
        steps=25_000,
        frames=1,
        disjoint=False,
        reduced="one frame of each signal instead of 16",
    ),
    "smoke": Budget(
        steps=6,
        learning_rate=1e-3,
        frames=1,
        signals=40,
        batch=16,
        epochs_between_validations=2,
        reduced="six steps on 28 signals, to see that everything runs",
    ),
}


# The order in which the runner's `--missing` fills the table: budget, rows, seeds.
QUEUE = (
    ("reduced", ("SOT-2048",), (123, 456, 42, 789, 101112)),
    ("reduced", tuple(row for row in ROWS if row != "SOT-2048"), PAPER_SEEDS),
    ("paper", ("SOT-2048",), (42, 123)),
    ("paper", ("SOT-2048",), (456, 789, 101112)),
    ("paper", ("SOT-512-LogF", "MSS-Lin"), PAPER_SEEDS),
    ("reduced", tuple(ROWS), (1, 2, 3, 4, 5)),
)


def default_seeds(budget: str) -> list[int]:
    """The paper's."""
    return list(PAPER_SEEDS)


def run(
    row: str,
    seed: int,
    *,
    budget: str = "reduced",
    folder: str | os.PathLike,
    device: str | torch.device = "cpu",
    progress: Callable[[int], object] | None = None,
) -> dict:
    """Carry out one run, from its last checkpoint if there is one.

    Parameters
    ----------
    row : str
        One of `ROWS`.
    seed : int
        Of the weights and of dropout.
    budget : str, default 'reduced'
        One of `BUDGETS`.
    folder : path
        Where ``<row>-<seed>.json`` and the weights ``<row>-<seed>.safetensors`` are written.
    device : str, default 'cpu'
        Of the training.
    progress : callable, optional
        Called with the number of steps done; where it raises `training.Stopped`, the state is
        saved first.

    Returns
    -------
    dict
        The record, as `sotlib.companion.records.read_record` gives it; that of the folder where
        there is one.

    Raises
    ------
    ValueError
        On an unknown row or budget.
    TrainingDiverged
        If the loss is no longer finite.

    Notes
    -----
    The same seed gives the same numbers on the same machine with the same number of threads,
    interrupted or not; on a GPU, up to the rounding of sums whose order is not fixed there. A run
    may go on on another device, with other dropout from there on: the record names both.
    Explained in chapter ``sot/table``.

    Examples
    --------
    >>> import tempfile
    >>> from sotlib.companion.experiments.sot import table as sot_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = sot_table.run("SOT-2048", 42, budget="smoke", folder=folder)
    >>> sorted(record["results"]["test"])
    ['lsd_mean_square', 'lsd_root', 'mss', 'rca', 'rpa']
    """
    check.one_of("row", row, tuple(ROWS))
    check.one_of("budget", budget, tuple(BUDGETS))
    options = {"folder": folder, "device": device, "progress": progress}
    return train("sot_table", row, ROWS[row], seed, budget, BUDGETS[budget], **options)


def train(
    kind: str,
    row: str,
    setting: Row,
    seed: int,
    budget: str,
    limits: Budget,
    *,
    folder: str | os.PathLike,
    device: str | torch.device,
    progress: Callable[[int], object] | None,
) -> dict:
    """Carry out `run` with any setting and limits, for an experiment called `kind`."""
    check.count("seed", seed, least=0)
    path = Path(folder) / f"{row}-{seed}.json"
    if path.exists():
        return read_record(path)
    configuration = {"row": row, **asdict(setting), **asdict(limits)}
    options = {
        "disjoint": limits.disjoint,
        "counts": setting.counts,
        "first_phase": setting.first_phase,
        "device": device,
    }
    data = {fold: prepare(fold, limits.signals, limits.frames, **options) for fold in FOLDS}
    model = make_model(setting, seed=seed).to(device)
    seconds = pretrain(model, setting.pretraining, data["train"].features, seed=seed)
    training = Training(
        model=model,
        compare=Comparison(setting).to(device),
        data=data,
        evaluate=evaluate,
        limits=limits,
        seed=seed,
        checkpoint=path.with_suffix(".checkpoint.safetensors"),
        amplitudes_first=setting.amplitudes_first,
        identity={"seed": seed, "budget": budget, **configuration, "scales": [*setting.scales]},
    )
    results = training.run(progress)
    training.save_best(path.with_suffix(".safetensors"), {"row": row, "seed": seed})
    record = write_record(
        path,
        kind=kind,
        configuration=configuration | {"device": _devices(device, training.devices)},
        results=results,
        seeds=[seed],
        budget="paper" if budget == "paper" else "reduced",
        reduced=limits.reduced,
        seconds=seconds + training.seconds,
    )
    training.forget()
    return record


def _devices(device, used):
    """The device of a run, or all of them where it went on on another one."""
    if len(used) == 1:
        return str(device)
    return ", ".join(f"{name} from step {step}" for name, step in used)


def load_model(
    path: str | os.PathLike, *, rows: Mapping[str, Row] | None = None
) -> HarmonicAutoencoder:
    """The trained model whose weights `run` wrote; in evaluation mode.

    Parameters
    ----------
    path : path
        ``<row>-<seed>.safetensors``.
    rows : mapping, optional
        The settings by name where they are not `ROWS`, such as those of `sot_recipe`.

    Returns
    -------
    HarmonicAutoencoder

    Raises
    ------
    FileNotFoundError, CheckpointError
        If there is no such file, or it is damaged.
    ValueError
        If its row is not among `rows`.
    """
    weights, numbers = load_checkpoint(path)
    rows = ROWS if rows is None else rows
    if numbers["row"] not in rows:
        raise ValueError(
            f"{path} has weights of the row {numbers['row']!r}, and rows has {', '.join(rows)}: "
            "give the rows of the experiment that wrote it."
        )
    model = make_model(rows[numbers["row"]])
    model.encoder.load_state_dict(weights)
    return model.eval()

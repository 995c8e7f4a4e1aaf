"""The table of the SOT paper: eight ways to train the harmonic autoencoder.

Rows, settings and metrics are those of Torres, Peeters and Richard (ICASSP 2024), as far as their
paper and their public configurations tell; chapter ``sot/table`` says where they do not.
"""

import os
from collections.abc import Mapping
from dataclasses import replace

from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.sot.settings import Budget, Row
from sotlib.companion.experiments.sot.task import Comparison, make_model, prepare
from sotlib.companion.experiments.sot.training import carry_out
from sotlib.companion.experiments.training import load_best
from sotlib.pitch.autoencoder import HarmonicAutoencoder

# The task's too: what the chapters use of this experiment.
__all__ = [
    "BUDGETS",
    "QUEUE",
    "ROWS",
    "SEEDS",
    "Comparison",
    "load_model",
    "make_model",
    "prepare",
    "run",
]

SEEDS = (42, 123, 456, 789, 101112)  # the paper's
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
    ("reduced", tuple(row for row in ROWS if row != "SOT-2048"), SEEDS),
    ("paper", ("SOT-2048",), (42, 123)),
    ("paper", ("SOT-2048",), (456, 789, 101112)),
    ("paper", ("SOT-512-LogF", "MSS-Lin"), SEEDS),
    ("reduced", tuple(ROWS), (1, 2, 3, 4, 5)),
)

run = make_run("sot_table", ROWS, BUDGETS, carry_out)


def load_model(
    path: str | os.PathLike, *, rows: Mapping[str, Row] | None = None
) -> HarmonicAutoencoder:
    """The trained model whose weights `run` wrote, ``<row>-<seed>.safetensors``, for evaluation.

    `rows` has the settings by name where they are not `ROWS`, such as those of `sot_recipe`.
    """
    rows = ROWS if rows is None else rows

    def make(numbers):
        if numbers["row"] not in rows:
            raise ValueError(
                f"{path} has weights of the row {numbers['row']!r}, and rows has "
                f"{', '.join(rows)}: give the rows of the experiment that wrote it."
            )
        model = make_model(rows[numbers["row"]])
        return model, model.encoder

    return load_best(path, make)

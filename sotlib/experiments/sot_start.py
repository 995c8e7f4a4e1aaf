"""Whether a bias that lifts the untrained pitch estimate helps the SOT table's autoencoder.

Not in the paper. To be judged on validation data, with seeds that `sot_table` does not use.
Explained in chapter ``sot/table``.
"""

import os
from collections.abc import Callable
from dataclasses import replace

import torch

from sotlib import _check
from sotlib.experiments import sot_table

BIASES = (0.0, 0.25, 0.5, 1.0)
ROWS = {f"bias-{bias:g}": replace(sot_table.ROWS["SOT-2048"], pitch_bias=bias) for bias in BIASES}
BUDGETS = {
    "reduced": replace(
        sot_table.BUDGETS["reduced"],
        steps=880,
        reduced=sot_table.BUDGETS["reduced"].reduced.replace("2000", "880"),
    ),
    "smoke": sot_table.BUDGETS["smoke"],
}


SEEDS = (1001, 1002)


def default_seeds(budget: str) -> list[int]:
    """Seeds that `sot_table` does not use."""
    return list(SEEDS)


def run(
    row: str,
    seed: int,
    *,
    budget: str = "reduced",
    folder: str | os.PathLike,
    device: str | torch.device = "cpu",
    progress: Callable[[int], object] | None = None,
) -> dict:
    """Carry out one run; see `sot_table.run`."""
    _check.one_of("row", row, tuple(ROWS))
    _check.one_of("budget", budget, tuple(BUDGETS))
    options = {"folder": folder, "device": device, "progress": progress}
    return sot_table.train("sot_start", row, ROWS[row], seed, budget, BUDGETS[budget], **options)

"""Why SOT trainings succeed or fail: data, phase, learning rate, frames, dropout, length.

Rows change one thing of SOT-2048 each. Explained in chapter ``sot/decides``.
"""

from dataclasses import replace

from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.training import carry_out

SEEDS = (123, 456, 789)  # three of the paper's
_SOT = sot_table.ROWS["SOT-2048"]

ROWS = {
    "as-published": _SOT,
    "uniform-counts": replace(_SOT, counts="uniform"),
    "first-phase-0": replace(_SOT, first_phase=0),
    "both": replace(_SOT, counts="uniform", first_phase=0),
    "no-dropout": replace(_SOT, dropout=0.0),
}
_LIMITS = replace(sot_table.BUDGETS["reduced"], steps=8000)
_TEXT = "8000 steps instead of 22 000, {} of each signal instead of 16"
BUDGETS = {
    "reduced": replace(_LIMITS, reduced=_TEXT.format("one frame")),
    "rate-1e-3": replace(
        _LIMITS,
        learning_rate=1e-3,
        reduced=f"learning rate 1e-3 instead of 1e-4, {_TEXT.format('one frame')}",
    ),
    "4-frames": replace(_LIMITS, frames=4, reduced=_TEXT.format("four frames")),
    "16-frames": replace(_LIMITS, frames=16, reduced="8000 steps instead of 22 000"),
    "22000-steps": sot_table.BUDGETS["reduced"],
    "smoke": sot_table.BUDGETS["smoke"],
}
QUEUE = (
    ("reduced", ("uniform-counts", "first-phase-0", "both"), SEEDS),
    ("rate-1e-3", ("as-published",), SEEDS),
    ("reduced", ("no-dropout",), SEEDS),
    ("4-frames", ("as-published", "no-dropout"), SEEDS),
    # Beside the runs of the table with one frame.
    ("22000-steps", ("no-dropout",), SEEDS),
    # "as-published" there is the beginning of a run of the table.
    ("16-frames", ("no-dropout",), SEEDS[:1]),
)
run = make_run("sot_why", ROWS, BUDGETS, carry_out)

"""A training of the SOT paper's autoencoder that finds pitch first, and what its parts are worth.

Not in the paper. The settings were chosen with other seeds than `SEEDS`. Explained in chapter
``sot/recipe``.
"""

from dataclasses import replace
from typing import Any

from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.settings import Pretraining
from sotlib.companion.experiments.sot.training import carry_out

SEEDS = tuple(range(3001, 3011))
AMPLITUDES_FIRST = 300
_PARTS: dict[str, Any] = {"pretraining": Pretraining(), "amplitudes_first": AMPLITUDES_FIRST}
_RECIPE = replace(sot_table.ROWS["SOT-2048"], **_PARTS)

ROWS = {
    "recipe": _RECIPE,
    "no-tilt": replace(_RECIPE, pretraining=Pretraining(tilt=0.0)),
    "no-equivariance": replace(_RECIPE, pretraining=Pretraining(steps=0)),
    "no-calibration": replace(_RECIPE, pretraining=Pretraining(calibrated=False)),
    "no-amplitudes-first": replace(_RECIPE, amplitudes_first=0),
    "no-transport": replace(sot_table.ROWS["MSS-Lin"], **_PARTS),
    "no-pretraining": sot_table.ROWS["SOT-2048"],
}
BUDGETS = {
    "reduced": replace(sot_table.BUDGETS["reduced"], steps=2640, learning_rate=5e-4, decay=True),
    "smoke": sot_table.BUDGETS["smoke"],
}
QUEUE = (
    ("reduced", ("recipe",), SEEDS),
    ("reduced", tuple(row for row in ROWS if row != "recipe"), SEEDS[:3]),
)
run = make_run("sot_recipe", ROWS, BUDGETS, carry_out)

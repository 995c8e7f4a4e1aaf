"""A training of the SOT paper's autoencoder that finds pitch first, and what its parts are worth.

Not in the paper. The rate was halved just after `SEEDS` had been set; nothing has been chosen since
`UNTOUCHED` were. Explained in chapter ``sot/recipe``.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from sotlib._core import check
from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.experiments.sot.settings import Pretraining
from sotlib.companion.experiments.sot.task import SAMPLE_RATE
from sotlib.companion.experiments.sot.training import carry_out

SEEDS = tuple(range(3001, 3011))
UNTOUCHED = tuple(range(4001, 4011))
AMPLITUDES_FIRST = 300
FOREIGN = ("clean", "noise, 10 dB", "noise, 0 dB", "vibrato", "no fundamental")
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
    ("reduced", ("recipe",), UNTOUCHED),
    ("reduced", tuple(row for row in ROWS if row != "recipe"), SEEDS[:3]),
)
run = make_run("sot_recipe", ROWS, BUDGETS, carry_out)


def foreign_sound(
    kind: str, draw: np.random.Generator, *, samples: int = 12000
) -> tuple[np.ndarray, np.ndarray]:
    """A sound unlike those of the training, and its pitch in Hz, both at every sample.

    `kind` is one of ``FOREIGN``; all have random phases and weaker upper harmonics.
    """
    check.one_of("kind", kind, FOREIGN)
    f0, partials = 80 * (1000 / 80) ** draw.random(), draw.integers(4, 12)
    time, k = np.arange(samples) / SAMPLE_RATE, np.arange(1, partials + 1)[:, None]
    vibrato = 0.5 / 12 * np.sin(2 * np.pi * 5.5 * time) * (kind == "vibrato")
    pitch = f0 * 2**vibrato
    amplitudes = draw.uniform(0.3, 1, (partials, 1)) / k ** draw.uniform(0, 1)
    amplitudes[0] *= kind != "no fundamental"
    phases = draw.uniform(0, 2 * np.pi, (partials, 1))
    waves = np.sin(k * 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE + phases)
    sound = (amplitudes * waves * (k * pitch < SAMPLE_RATE / 2)).sum(0)
    if kind.startswith("noise"):
        ratio = 10 ** (-float(kind.split()[1]) / 20)
        sound += draw.normal(size=samples) * np.sqrt(np.mean(sound**2)) * ratio
    return sound / abs(sound).max(), pitch

"""A step of descent on a synthesiser's parameters by every loss, the synthesis included."""

from collections.abc import Callable

import torch

from sotlib.companion.benchmarks import beside, compare
from sotlib.companion.experiments.compare.descent import AT_ONCE
from sotlib.companion.experiments.compare.recovery import BUDGETS, ROWS, Recovery
from sotlib.companion.experiments.compare.synthesisers import SYNTHESISERS

BASELINE = "MSS-Lin"
STEPS = [BUDGETS["paper"].descent_steps * part // 6 for part in (1, 3, 5)]
"""One in each third of the way: the pairs that take turns change their loss after the first."""


def steps(row: str) -> Callable[[], None]:
    """Take these steps, from as many starts as are compared at once."""
    descent = Recovery(ROWS[row], AT_ONCE, seed=1, rates=torch.full((AT_ONCE,), 0.01)).descent

    def run():
        for step in STEPS:
            descent.steps = step
            descent.step()

    return run


def run():
    """Time everything; see `sotlib.companion.benchmarks` for what is returned."""
    rows = []
    for synth in SYNTHESISERS:
        losses = [row.loss for row in ROWS.values() if row.synthesiser == synth]
        names = [BASELINE, *(loss for loss in losses if loss != BASELINE)]
        timed = compare(synth, {name: steps(f"{synth}-{name}") for name in names}, repeats=3)
        each = {row["name"]: row["seconds"] / (AT_ONCE * len(STEPS)) for row in timed}
        rows += beside(synth, each)
    return {
        "title": "A step of descent",
        "measures": f"The losses of the comparison on its four synthesisers: the sound, the loss "
        f"and the gradient in the parameters, for one start of {AT_ONCE}; ratios are to "
        f"{BASELINE}.",
        "device": "cpu",
        "rows": rows,
    }

"""Whether the gradient of a loss points to the truth, for each way in which two sounds can differ.

Not in the papers. Explained in chapter ``compare/directions``.
"""

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from sotlib.companion.checkpoints import save_checkpoint
from sotlib.companion.experiments.compare.differences import (
    DIFFERENCES,
    RATE,
    SAMPLES,
    Difference,
    pairs,
    sizes,
)
from sotlib.companion.experiments.compare.losses import LOSSES
from sotlib.companion.experiments.compare.state import resumed
from sotlib.companion.experiments.runs import Run, make_run
from sotlib.companion.experiments.training import stopping

SEEDS = (1,)
AT_ONCE = 20  # pairs, for the memory of scattering


@dataclass(frozen=True)
class Row:
    """A loss, by what a record must agree with."""

    family: str
    settings: str
    package: str


@dataclass(frozen=True)
class Budget:
    """How much is computed."""

    pairs: int
    """Of each difference and size."""
    sizes: int = 8
    differences: tuple[str, ...] = tuple(DIFFERENCES)
    reduced: str = ""

    @property
    def steps(self) -> int:
        """For the progress bar: differences."""
        return len(self.differences)


ROWS = {
    name: Row(loss.family, loss.settings, loss.package)
    for name, loss in LOSSES.items()
    if not loss.changes
}
BUDGETS = {
    "paper": Budget(200),
    "reduced": Budget(40, reduced="40 pairs of each difference and size instead of 200"),
    "smoke": Budget(
        4,
        sizes=2,
        differences=("loudness", "pitch of a sinusoid"),
        reduced="4 pairs of two differences at two sizes, to see that everything runs",
    ),
}
SHOWN = "reduced"  # the budget that the chapters show
QUEUE = ((SHOWN, tuple(ROWS), SEEDS),)


def point(
    compare: Callable, difference: Difference, size: float, count: int, seed: int
) -> dict[str, int]:
    """Count pairs whose gradient points to the truth, is zero, and is not finite."""
    found = {"pointing": 0, "zero": 0, "broken": 0}
    values, targets, sound = pairs(difference, size, count, seed)
    values.requires_grad_()
    x = sound(values, 0)
    with torch.no_grad():
        y = sound(targets, 1)
    wave = x.detach().requires_grad_()
    for some in torch.arange(count).split(AT_ONCE):
        compare(wave[some], y[some]).sum().backward()
    (slope,) = torch.autograd.grad(x, values, wave.grad)
    found["pointing"] = int((slope * (values - targets) > 0).sum())
    found["zero"] = int((slope == 0).sum())
    found["broken"] = int((~slope.isfinite()).sum())
    return found


def _seed(*parts) -> int:
    """Of the draws of a cell, whatever other cells there are."""
    numbers = [zlib.crc32(str(part).encode()) for part in parts]
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 2


def carry_out(run: Run[Row, Budget]) -> dict:
    """All differences of one loss."""
    identity = json.loads(json.dumps(run.configuration | {"seed": run.seed}))
    _, numbers = resumed(run.checkpoint, identity)
    done, seconds = numbers.get("done", {}), numbers.get("seconds", 0.0)
    for name in run.limits.differences:
        if name in done:
            continue
        started = time.monotonic()
        compare = LOSSES[run.row].build(RATE, SAMPLES)
        difference = DIFFERENCES[name]
        steps = sizes(difference, run.limits.sizes)
        cells = [
            point(compare, difference, size, run.limits.pairs, _seed(run.seed, name, k))
            for k, size in enumerate(steps)
        ]
        counts = {key: [cell[key] for cell in cells] for key in cells[0]}
        done[name] = {"unit": difference.unit, "sizes": steps, **counts}
        seconds += time.monotonic() - started
        save_checkpoint(
            run.checkpoint, {}, {"identity": identity, "done": done, "seconds": seconds}
        )
        if stopped := stopping(run.progress, len(done)):
            raise stopped
    return {
        "configuration": run.configuration | {"sample_rate": RATE, "samples": SAMPLES},
        "results": {"pairs": run.limits.pairs, "differences": done},
        "reduced": run.limits.reduced,
        "seconds": seconds,
    }


run = make_run("compare_directions", ROWS, BUDGETS, carry_out)

"""Which losses find a synthesiser's parameters by descent, from random starts.

The same descent for all losses; its rate is chosen for each from the same three, on other starts.
Not in the papers. Explained in chapter ``compare/recovery``.
"""

import json
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from sotlib.companion.checkpoints import save_checkpoint
from sotlib.companion.experiments.compare.descent import Descent, Way, choose
from sotlib.companion.experiments.compare.losses import LOSSES
from sotlib.companion.experiments.compare.others import OTHERS
from sotlib.companion.experiments.compare.state import resumed
from sotlib.companion.experiments.compare.synthesisers import SAMPLES, SYNTHESISERS
from sotlib.companion.experiments.runs import Run, make_run
from sotlib.companion.experiments.training import stopping

SEEDS = (1,)
SEARCH_SEED = 9001  # of the starts on which the rate is chosen
RATES = (0.01, 0.03, 0.1)  # of the range, a step


@dataclass(frozen=True)
class Row:
    """A loss on a synthesiser, with what a record must agree with."""

    synthesiser: str
    loss: str
    family: str
    settings: str
    package: str


@dataclass(frozen=True)
class Budget:
    """How much is computed."""

    starts: int
    search_starts: int = 15
    """With each rate."""
    descent_steps: int = 300
    longest: int = 600
    """Steps of what is not among `LATER`: what takes less time may go on for longer."""
    reduced: str = ""

    @property
    def steps(self) -> int:
        """For the progress bar: those of the search and of the descent."""
        return self.descent_steps + self.longest


ROWS = {
    f"{synthesiser}-{name}": Row(synthesiser, name, loss.family, loss.settings, loss.package)
    for synthesiser in SYNTHESISERS
    for name, loss in LOSSES.items()
} | {
    f"{synthesiser}-{name}": Row(synthesiser, name, other.family, other.settings, other.package)
    for name, other in OTHERS.items()
    for synthesiser in other.synthesisers
}
BUDGETS = {
    "paper": Budget(100),
    "reduced": Budget(
        16,
        search_starts=4,
        descent_steps=200,
        reduced="16 starts instead of 100, 200 steps instead of 300, rates tried from 4 starts "
        "instead of 15",
    ),
    "smoke": Budget(
        3,
        search_starts=1,
        descent_steps=3,
        longest=3,
        reduced="three steps from three starts, to see that everything runs",
    ),
}
SHOWN = "paper"  # the budget that the chapters show
# The dear ones come last: up to an hour of a core for each, the others take some minutes.
LATER = ("JTFS", "Sinkhorn", "JTFS-8", "unbalanced")
QUEUE = (
    (SHOWN, tuple(name for name, row in ROWS.items() if row.loss not in LATER), SEEDS),
    *((SHOWN, tuple(f"{s}-{loss}" for s in reversed(SYNTHESISERS)), SEEDS) for loss in LATER),
)


def _seen(step: int) -> bool:
    """Whether a step is in the curve."""
    return step < 10 or step % (10 if step <= 300 else 50) == 0


class Recovery:
    """Starts of one synthesiser under one loss, with what is kept of their way."""

    def __init__(self, row: Row, starts: int, seed: int, rates: Tensor, repeat: int = 1):
        self.synth = SYNTHESISERS[row.synthesiser]
        truth, start, phases = self.synth.draw(starts, seed)
        with torch.no_grad():
            if row.loss in OTHERS:
                way = OTHERS[row.loss].make(self.synth, truth, phases)
            else:
                compare = LOSSES[row.loss].build(self.synth.rate, SAMPLES)
                way = Way(compare, self.synth, self.synth(truth, phases))
        self.truth, start, target = (
            t.repeat(repeat, 1) for t in (truth, way.begin(start), way.target)
        )
        self.end = way.end
        self.descent = Descent(way.compare, way.sound, target, start, rates, way.inside)
        self.curve: list[dict] = []
        self.errors: dict[str, list] = {}
        self._see()
        self._keep("start")

    def _see(self) -> None:
        """Add to the curve where the starts have come to, errors as shares of the range."""
        error = self.error()
        self.curve.append(
            {
                "step": self.descent.steps,
                "median_error": round(error.mean(-1).median().item(), 5),
                "near": int(self.near().sum()),
                "pitches": int((error[:, 0] <= self.synth.tolerances[0]).sum()),
            }
        )

    def _keep(self, when: str) -> None:
        """Keep the errors of all parameters of all starts, (starts, d)."""
        errors = self.error().tolist()
        self.errors[when] = [[round(error, 5) for error in one] for one in errors]

    def error(self) -> Tensor:
        """Of every parameter of every start, as a share of its range, (starts, d)."""
        return (self.end(self.descent.theta) - self.truth).abs()

    def near(self) -> Tensor:
        """Which starts have come near enough in every parameter."""
        return (self.error() <= self.synth.tolerances).all(-1)

    def go_on(self, steps: int, longest: int | None = None, report=lambda: None) -> None:
        """Descend for so many steps in all, of which the errors are kept, and up to `longest`."""
        descent, longest = self.descent, max(steps, longest or 0)
        while descent.steps < longest:
            descent.step()
            if _seen(descent.steps):
                self._see()
            if descent.steps == steps:
                self._keep("steps")
            if descent.steps % 20 == 0:
                report()
        self._keep("end")

    def kept(self) -> dict:
        """What `go_on` has written down so far."""
        return {"curve": self.curve, "errors": self.errors}


def carry_out(run: Run[Row, Budget]) -> dict:
    """Choose a rate, then descend."""
    row, limits = run.setting, run.limits
    identity = json.loads(json.dumps(run.configuration | {"seed": run.seed}))
    tried = torch.arange(len(RATES)).repeat_interleave(limits.search_starts)
    rates = torch.tensor(RATES)[tried]
    search = Recovery(row, limits.search_starts, SEARCH_SEED, rates, repeat=len(RATES))
    tensors, numbers = resumed(run.checkpoint, identity)
    chosen = numbers.get("rate")

    began = time.monotonic() - numbers.get("seconds", 0.0)

    def keep(recovery, before):
        def report():
            tensors, state = recovery.descent.state()
            more = {"identity": identity, "rate": chosen, "kept": recovery.kept()}
            more["seconds"] = time.monotonic() - began
            save_checkpoint(run.checkpoint, tensors, state | more)
            if stopped := stopping(run.progress, before + recovery.descent.steps):
                raise stopped

        return report

    if chosen is None:
        if tensors:
            search.descent.resume(tensors, numbers)
        search.go_on(limits.descent_steps, report=keep(search, 0))
        chosen = choose(RATES, tried, search.error().mean(-1), search.near())
        tensors = {}
    main = Recovery(row, limits.starts, run.seed, torch.full((limits.starts,), chosen))
    if tensors:
        main.descent.resume(tensors, numbers)
        vars(main).update(numbers["kept"])
    longest = limits.descent_steps if row.loss in LATER else limits.longest
    main.go_on(limits.descent_steps, longest, keep(main, limits.descent_steps))
    return {
        "configuration": run.configuration
        | {"samples": SAMPLES, "sample_rate": main.synth.rate, "rates": RATES},
        "results": {
            "rate": chosen,
            "tolerances": [round(t, 6) for t in main.synth.tolerances.tolist()],
            **main.kept(),
            "broken": main.descent.broken,
        },
        "reduced": limits.reduced,
        "seconds": time.monotonic() - began,
    }


run = make_run("compare_recovery", ROWS, BUDGETS, carry_out)

"""An experiment of seconds, with all that the real ones write: ``python tiny_experiment.py tiny``.

It is the runner's command line with this module in the place of every experiment.
"""

import sys
import time
from dataclasses import dataclass

import torch

from sotlib.companion.arrays import save_arrays
from sotlib.companion.experiments.runs import make_run
from sotlib.companion.experiments.training import Training, stopping
from sotlib.companion.runner import tasks
from sotlib.companion.runner.__main__ import main


@dataclass(frozen=True)
class Row:
    slope: float


@dataclass(frozen=True)
class Budget:
    steps: int
    reduced: str = "nothing of interest"


ROWS = {"up": Row(1.0), "down": Row(-1.0), "steep": Row(3.0)}
BUDGETS = {"smoke": Budget(30)}
SEEDS = (1,)


class Line(Training):
    unit, keeps = "step", ("generator",)

    def run(self, setting, steps, seed, progress):
        generator = torch.Generator().manual_seed(seed)
        step = 0
        if found := self.resume():
            step = found[0]["step"]
            generator.set_state(found[1]["generator"])
        while step < steps or not self.curve:
            x = torch.randn(8, 1, generator=generator)
            loss = (self.module(x) - setting.slope * x).square().mean()
            if step % 5 == 0:
                self.curve.append({"step": step, "loss": loss.item()})
                self.keep_best(loss.item(), step=step)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            step += 1
            time.sleep(0.01)  # a state as heavy as those of real trainings takes longer to write
            self.save({"step": step}, generator=generator.get_state())
            if stopped := stopping(progress, step):
                raise stopped


def carry_out(run):
    torch.manual_seed(run.seed)
    module = torch.nn.Linear(1, 1)
    identity = {"seed": run.seed, **run.configuration}
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    training = Line(module, optimizer, checkpoint=run.checkpoint, identity=identity)
    training.run(run.setting, run.limits.steps, run.seed, run.progress)
    weights, arrays = (run.path.with_suffix(f".{ending}") for ending in ("safetensors", "npz"))
    training.save_best(weights, {"row": run.row, "seed": run.seed})
    save_arrays(arrays, training.best["weights"])
    return {
        "configuration": run.configuration,
        "results": {"curve": training.curve},
        "files": [weights.name, arrays.name],
        "reduced": run.limits.reduced,
        "seconds": 0.0,
    }


run = make_run("tiny", ROWS, BUDGETS, carry_out)


def replace_experiments():
    """Let the runner of this process find this experiment, whatever it is asked for."""
    tasks.experiment = lambda name: sys.modules[__name__]


if __name__ in ("__main__", "__mp_main__"):  # as which workers import this file
    replace_experiments()
if __name__ == "__main__":
    sys.exit(main())

"""Carries out the runs of experiments: on this machine, or on a Dask cluster.

``python -m sotlib.companion.runner sot_table --budget reduced --seeds 42,123`` runs what is not
recorded yet; with ``--missing --minutes 12`` instead it fills the experiments' tables in the order
that they declare. Whatever interrupts it, the same command goes on from the last checkpoints.
"""

from sotlib.companion.runner.folders import SweepError
from sotlib.companion.runner.status import status
from sotlib.companion.runner.sweep import Sweep
from sotlib.companion.runner.tasks import Task, carry_out, experiment, plan, queue

__all__ = [
    "Sweep",
    "SweepError",
    "Task",
    "carry_out",
    "experiment",
    "plan",
    "queue",
    "status",
]

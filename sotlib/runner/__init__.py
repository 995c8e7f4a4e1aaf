"""Carries out the runs of an experiment: on this machine, or on a Dask cluster.

``python -m sotlib.runner sot_table --budget reduced --seeds 42,123`` runs what is not recorded yet.
Whatever interrupts it, the same command goes on from the last checkpoint of each run.
"""

from sotlib.runner.sweep import Sweep, SweepError, status
from sotlib.runner.tasks import Task, carry_out, experiment, plan

__all__ = ["Sweep", "SweepError", "Task", "carry_out", "experiment", "plan", "status"]

"""Matching drums: six models, and ways to damp the PNP loss.

Explained in chapters ``pnp/matching``, ``pnp/table`` and ``pnp/damping``.
"""

from sotlib.companion.experiments.pnp import rows
from sotlib.companion.experiments.pnp.drum_shards import SHARDS
from sotlib.companion.experiments.pnp.matching import Matching

ROWS, BUDGETS, SEEDS = rows.ROWS | rows.GIVEN, rows.BUDGETS, rows.SEEDS
QUEUE, LONG = rows.queue(ROWS), rows.LONG
MATCHING = Matching("pnp_drum", ROWS, SHARDS)
run, load_model = MATCHING.run, MATCHING.load_model

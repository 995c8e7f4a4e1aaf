"""Matching arpeggios: the second synthesiser of the PNP papers, with three parameters.

Explained in chapter ``pnp/arpeggio``.
"""

from sotlib.companion.experiments.pnp import rows
from sotlib.companion.experiments.pnp.arpeggio_shards import SHARDS
from sotlib.companion.experiments.pnp.matching import Matching

ROWS, BUDGETS, SEEDS = rows.ROWS, rows.BUDGETS, rows.SEEDS
QUEUE, LONG = rows.queue(ROWS), rows.LONG
MATCHING = Matching("pnp_arpeggio", ROWS, SHARDS)
run, load_model = MATCHING.run, MATCHING.load_model

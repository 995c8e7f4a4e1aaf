"""Matching arpeggios: the second synthesiser of the PNP papers, with three parameters.

Explained in chapter ``pnp/arpeggio``.
"""

from sotlib.companion.experiments.pnp import rows
from sotlib.companion.experiments.pnp.arpeggio_shards import SHARDS
from sotlib.companion.experiments.pnp.matching import Matching

ROWS, BUDGETS, SEEDS, QUEUE = rows.ROWS, rows.BUDGETS, rows.SEEDS, rows.queue(rows.ROWS)
MATCHING = Matching("pnp_arpeggio", ROWS, SHARDS)
run, load_model = MATCHING.run, MATCHING.load_model

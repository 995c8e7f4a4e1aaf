"""Preparation of the arpeggios."""

from sotlib.companion.experiments.pnp.instrument import Instrument, Task
from sotlib.companion.experiments.pnp.shards import Shards
from sotlib.datasets.arpeggios import ARPEGGIOS
from sotlib.synths.arpeggio import ARPEGGIO, Arpeggio

INSTRUMENT = Instrument(
    parameters=ARPEGGIO,
    grid=ARPEGGIOS,
    synth=Arpeggio,
    sample_rate=8192,
    tasks={
        "paper": Task(
            sounds=(21_556, 2744, 2700),
            shards=200,
            samples=2**15,
            fmin=32.7,
            n_bins=72,
        ),
        # On one core, 0.3 s for a sound, nearly all for the metric.
        "reduced": Task(
            sounds=(4096, 512, 512),
            shards=32,
            samples=2**14,
            fmin=261.6,
            n_bins=36,
            reduced="4096, 512 and 512 sounds instead of 21 556, 2744 and 2700, of 2^14 samples "
            "instead of 2^15; CQT from 262 Hz with 36 bins instead of from 32.7 Hz with 72, of "
            "which no sound needs the lower half",
        ),
        "smoke": Task(
            sounds=(12, 6, 6),
            shards=2,
            samples=2**12,
            fmin=131.0,
            n_bins=36,
            hop_length=64,
            J=7,
            Q=4,
            J_fr=3,
            reduced="24 sounds of 2^12 samples, to see that everything runs",
        ),
    },
)
SHARDS = Shards("pnp_arpeggio_shards", INSTRUMENT)
ROWS, BUDGETS, SEEDS = SHARDS.rows, SHARDS.budgets, SHARDS.seeds
run, verify = SHARDS.run, SHARDS.read

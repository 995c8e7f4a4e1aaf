"""Preparation of the drums."""

from sotlib.companion.experiments.pnp.instrument import Instrument, Task
from sotlib.companion.experiments.pnp.shards import Shards
from sotlib.datasets.drum_sounds import DRUMS
from sotlib.synths._drum_modes import DRUM
from sotlib.synths.drum import RectangularDrum

INSTRUMENT = Instrument(
    parameters=DRUM,
    grid=DRUMS,
    synth=RectangularDrum,
    sample_rate=22050,
    tasks={
        "paper": Task(
            sounds=(82_224, 7776, 10_000),
            shards=400,
            samples=2**16,
            fmin=0.4 * 22050 / 2**10,
            n_bins=120,
        ),
        # On one core, 0.5 s for a sound, nearly all for the metric.
        "reduced": Task(
            sounds=(4096, 512, 512),
            shards=32,
            samples=2**14,
            fmin=40.0,
            n_bins=96,
            hop_length=512,
            J=11,
            reduced="4096, 512 and 512 sounds instead of 82 224, 7776 and 10 000, of 2^14 samples "
            "instead of 2^16; CQT from 40 Hz with 96 bins and a hop of 512 instead of from 8.6 Hz "
            "with 120 bins and a hop of 256; scattering with J = 11 instead of 13",
        ),
        "smoke": Task(
            sounds=(12, 6, 6),
            shards=2,
            samples=2**11,
            fmin=320.0,
            n_bins=48,
            hop_length=64,
            J=6,
            Q=4,
            J_fr=2,
            reduced="24 sounds of 2^11 samples, to see that everything runs",
        ),
    },
)
SHARDS = Shards("pnp_drum_shards", INSTRUMENT)
ROWS, BUDGETS, SEEDS = SHARDS.rows, SHARDS.budgets, SHARDS.seeds
run, verify = SHARDS.run, SHARDS.read

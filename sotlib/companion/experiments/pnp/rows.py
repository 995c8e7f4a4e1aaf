"""The rows of the matching tables, and their budgets.

Rows and settings are those of Han, Lostanlen and Lagrange (ICASSP 2023, and their public code), as
far as they are known; the values of their tables are not. Explained in chapters ``pnp/table`` and
``pnp/damping``.
"""

from dataclasses import dataclass

# Dampings in the unit `Prepared.unit`. The authors' are 1e20 at the start, a constant 1e5 and a
# schedule that ends at 1, absolute numbers; the median of the largest diagonal entries of M that
# their notebook shows is about 1e8.
AUTHORS_UNIT = 1e8
START, CONSTANT, FINAL = 1e20 / AUTHORS_UNIT, 1e5 / AUTHORS_UNIT, 1 / AUTHORS_UNIT
# Ours: a start that falls below the metrics in a short training, ...
NEAR = 1e4
CONTINUED = 1.0  # ... and where training goes on from P-loss weights, half of all M outweigh it.


@dataclass(frozen=True)
class Row:
    """What one model minimises, and what it is told."""

    loss: str
    """'ploss', 'spectral' or 'pnp'."""
    damping: str | None = None
    """Of the PNP loss: 'none', 'constant', 'scheduled' or 'adaptive'."""
    start: float = START
    """Of the adaptive damping."""
    constant: float | None = None
    """Of the constant damping, where it is not `CONSTANT`, or `CONTINUED` in what goes on."""
    given: bool = False
    """Whether the first true parameter stands among the outputs."""
    clearing: bool = False
    """Whether Adam's state is cleared whenever the damping falls, the authors' since 2024; without
    one, whenever validation improves."""
    plateau: bool = False
    """Whether the learning rate falls where validation stalls; the authors' since 2023."""
    after: str | None = None
    """A row whose best weights are the start."""
    end_of: str | None = None
    """A row whose damping, in its last epoch, is this one's: the constant one, or where a scheduled
    one stops."""

    @property
    def needs(self) -> str | None:
        """The row that has to be recorded first, with the same seed."""
        return self.after or self.end_of


ADAPTIVE = Row("pnp", damping="adaptive")
ROWS = {
    "ploss": Row("ploss"),
    "pnp": ADAPTIVE,
    "pnp-cleared": Row("pnp", damping="adaptive", clearing=True),
    "ploss-cleared": Row("ploss", clearing=True),  # ours: whether that needs a metric
    # Ours: the authors' damping needs more epochs than a small budget has to meet the metric.
    "pnp-near": Row("pnp", damping="adaptive", start=NEAR, clearing=True),
    "ploss-continued": Row("ploss", after="ploss"),
    "pnp-continued": Row("pnp", damping="constant", after="ploss"),
    "spectral": Row("spectral"),
    # The papers' comparison of dampings; its adaptive one is the row pnp.
    "pnp-none": Row("pnp", damping="none"),
    "pnp-constant": Row("pnp", damping="constant"),
    "pnp-scheduled": Row("pnp", damping="scheduled"),
    # Ours: whether it is the size of the damping that makes the adaptive one what it is, ...
    "pnp-end": Row("pnp", damping="constant", end_of="pnp"),
    "pnp-stopping": Row("pnp", damping="scheduled", end_of="pnp"),
    # ... or its learning rate; both of the authors' later changes together.
    "pnp-cleared-plateau": Row("pnp", damping="adaptive", clearing=True, plateau=True),
    "ploss-plateau": Row("ploss", plateau=True),
    "pnp-plateau": Row("pnp", damping="adaptive", plateau=True),
    # Ours: between the authors' constant and the adaptive ones, where the heavy sounds count.
    "pnp-hundred": Row("pnp", damping="constant", constant=1e2),
}
GIVEN = {
    f"{loss}-given": Row(loss, damping="adaptive" if loss == "pnp" else None, given=True)
    for loss in ("ploss", "spectral", "pnp")
}
NAMES = {
    "ploss": "P-loss",
    "pnp": "PNP loss",
    "pnp-cleared": "PNP loss, Adam cleared",
    "ploss-cleared": "P-loss, Adam cleared",
    "pnp-near": "PNP loss from λ = 10⁴, Adam cleared",
    "ploss-continued": "P-loss, then P-loss again",
    "pnp-continued": "P-loss, then PNP loss with λ = 1",
    "spectral": "spectral loss",
    "pnp-none": "PNP loss without damping",
    "pnp-constant": "PNP loss, λ = 10⁻³",
    "pnp-scheduled": "PNP loss, λ on a schedule",
    "pnp-end": "PNP loss, λ constant at the adaptive's end",
    "pnp-stopping": "PNP loss, schedule that stops there",
    "pnp-cleared-plateau": "PNP loss, Adam cleared, learning rate cut where validation stalls",
    "ploss-plateau": "P-loss, learning rate cut where validation stalls",
    "pnp-plateau": "PNP loss, learning rate cut where validation stalls",
    "pnp-hundred": "PNP loss, λ = 100",
}
NAMES |= {row: NAMES[row.removesuffix("-given")] for row in GIVEN}
SEEDS = (0, 1, 2, 3, 4)
DECIDING = (
    *("ploss", "pnp", "ploss-cleared", "pnp-cleared"),
    *("ploss-continued", "pnp-continued"),
)
LAST = ("pnp-hundred",)
LONG = (("paper", DECIDING, SEEDS),)  # in hours of a GPU: after the queues of all experiments


def queue(rows):
    """The runner's ``--missing``: what decides with five seeds, then the rest with three."""
    rest = tuple(row for row in rows if row not in DECIDING + LAST)
    few = SEEDS[:3]
    return tuple(("reduced", *part) for part in ((DECIDING, SEEDS), (rest, few), (LAST, few)))


@dataclass(frozen=True)
class Budget:
    """How long a model is trained; how many sounds there are is the instrument's `Task`."""

    epochs: int
    epoch_sounds: int
    """An epoch is so many sounds, not a pass over the training fold."""
    batch: int
    spectral_batch: int
    scheduled_epochs: int
    """After so many epochs the scheduled damping is at its end."""
    heard: int
    """Validation sounds whose JTFS distance is measured after each epoch."""
    learning_rate: float = 1e-3
    reduced: str = ""

    @property
    def steps(self) -> int:
        """Sounds of all epochs: what the runner's progress counts."""
        return self.epochs * self.epoch_sounds


BUDGETS = {
    "paper": Budget(
        epochs=70,
        epoch_sounds=25_600,
        batch=256,
        spectral_batch=64,
        scheduled_epochs=10,
        heard=512,
    ),
    "reduced": Budget(
        epochs=50,
        epoch_sounds=2048,
        batch=64,
        spectral_batch=64,
        scheduled_epochs=10,
        heard=32,
        reduced="50 epochs of 2048 sounds instead of 70 of 25 600, in batches of 64 instead of 256 "
        "(spectral loss: 64 in both)",
    ),
    "smoke": Budget(
        epochs=2,
        epoch_sounds=16,
        batch=8,
        spectral_batch=8,
        scheduled_epochs=1,
        heard=4,
        reduced="two epochs of 16 sounds, to see that everything runs",
    ),
}

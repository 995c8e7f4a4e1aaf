"""What is recorded of the comparison, as the chapters read it."""

import os
from dataclasses import dataclass

import numpy as np

from sotlib.companion.experiments.compare.intervals import wilson
from sotlib.companion.experiments.compare.losses import LOSSES
from sotlib.companion.experiments.compare.others import OTHERS
from sotlib.companion.experiments.compare.synthesisers import SYNTHESISERS
from sotlib.companion.records import read_record, read_records


@dataclass(frozen=True)
class Direction:
    """One loss on one way to differ."""

    unit: str
    sizes: np.ndarray
    """Of the difference, in its unit."""
    pointing: np.ndarray
    """Pairs of each size whose gradient points to the truth."""
    pairs: int
    """Of each size."""

    @property
    def share(self) -> float:
        """Of all pairs: small differences count as much as large ones, octave by octave."""
        return float(self.pointing.sum() / (self.pairs * len(self.sizes)))

    def by_size(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Share at each size, and its interval."""
        return wilson(self.pointing, np.full(len(self.sizes), self.pairs))

    def overall(self) -> tuple[float, float, float]:
        """`share`, and its interval."""
        share, low, high = wilson(self.pointing.sum(), self.pairs * len(self.sizes))
        return float(share), float(low), float(high)


@dataclass(frozen=True)
class Outcome:
    """One loss on one synthesiser: errors as shares of the range, (starts, d)."""

    errors: np.ndarray
    tolerances: np.ndarray
    steps: int
    rate: float
    curve: list[dict]
    """On the way: ``step``, ``median_error``, and the numbers of starts ``near`` and of their
    ``pitches``."""

    @property
    def found(self) -> int:
        """Starts from which every parameter came near enough."""
        return int((self.errors <= self.tolerances).all(1).sum())

    @property
    def pitches(self) -> int:
        """Starts from which the first parameter, the pitch, came near enough."""
        return int((self.errors[:, 0] <= self.tolerances[0]).sum())

    def after(self, steps: float) -> dict:
        """The last entry of the curve that is not beyond so many steps."""
        return [entry for entry in self.curve if entry["step"] <= steps][-1]

    def share(self) -> tuple[float, float, float]:
        """Of starts that are found, and its interval."""
        share, low, high = wilson(self.found, len(self.errors))
        return float(share), float(low), float(high)


def directions(folder: str | os.PathLike) -> dict[str, dict[str, Direction]]:
    """By loss and difference, in the order of `LOSSES`, from records of ``compare_directions``."""
    records = read_records(folder, kind="compare_directions")
    found = {r["configuration"]["row"]: r["results"] for r in records.values()}
    return {
        loss: {
            name: Direction(
                cells["unit"],
                np.array(cells["sizes"]),
                np.array(cells["pointing"]),
                found[loss]["pairs"],
            )
            for name, cells in found[loss]["differences"].items()
        }
        for loss in LOSSES
        if loss in found
    }


def recovery(folder: str | os.PathLike, within: str = "steps") -> dict[str, dict[str, Outcome]]:
    """By synthesiser and loss, from records of ``compare_recovery``.

    Parameters
    ----------
    folder : path
    within : {'steps', 'start'}
        After the steps that all have taken, or before the first one.
    """
    found: dict[str, dict[str, Outcome]] = {}
    for record in read_records(folder, kind="compare_recovery").values():
        setting, results = record["configuration"], record["results"]
        found.setdefault(setting["synthesiser"], {})[setting["loss"]] = Outcome(
            np.array(results["errors"][within]),
            np.array(results["tolerances"]),
            {"start": 0, "steps": setting["descent_steps"]}[within],
            results["rate"],
            results["curve"],
        )
    return {
        synthesiser: {
            loss: found[synthesiser][loss]
            for loss in (*LOSSES, *OTHERS)
            if loss in found[synthesiser]
        }
        for synthesiser in SYNTHESISERS
        if synthesiser in found
    }


def paces(file: str | os.PathLike) -> dict[str, dict[str, float]]:
    """Time of a step of descent by synthesiser and loss, in steps of the benchmark's baseline."""
    found: dict[str, dict[str, float]] = {}
    for row in read_record(file)["results"]["rows"]:
        found.setdefault(row["task"], {})[row["name"]] = row["ratio"]
    return found

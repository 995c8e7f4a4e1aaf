"""What the recorded trainings of an instrument say, by row and seed."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from sotlib.companion.arrays import read_arrays
from sotlib.companion.experiments.pnp.intervals import interval
from sotlib.companion.records import read_records

MEASURES = (("test_jtfs", 1), ("heard_test_jtfs", 1), ("test_stft", 2))  # with digits


class Recorded:
    """The records of one instrument at one budget, with the arrays beside them.

    `runs` has the records of every row that has any, in the order of their seeds.

    Parameters
    ----------
    folder : path
        Of the records.
    kind : str
        What they say that they are.
    """

    def __init__(self, folder: str | os.PathLike, kind: str) -> None:
        self.folder = Path(folder).resolve()
        self.runs: dict[str, list[dict]] = {}
        for record in read_records(self.folder, kind=kind).values():
            self.runs.setdefault(record["configuration"]["row"], []).append(record)
        for found in self.runs.values():
            found.sort(key=lambda record: record["seeds"])

    def __contains__(self, row: str) -> bool:
        return row in self.runs

    def sounds(self) -> dict[str, np.ndarray]:
        """What all rows have in common: parameters and metrics of the sounds."""
        return read_arrays(self.folder / "sounds.npz")

    def seeds(self, *rows: str) -> list[int]:
        """The seeds that all of these rows have."""
        found = ({r["seeds"][0] for r in self.runs.get(row, [])} for row in rows)
        return sorted(set.intersection(*found))

    def arrays(self, row: str, seed: int) -> dict[str, np.ndarray]:
        """What one run left beside its record."""
        return read_arrays(self.folder / f"{row}-{seed}.npz")

    def values(self, row: str, name: str, seeds: list[int] | None = None) -> np.ndarray:
        """A measure of every sound, (seeds, sounds) or (seeds, sounds, parameters)."""
        chosen = self.seeds(row) if seeds is None else seeds
        return np.stack([self.arrays(row, seed)[name] for seed in chosen])

    def results(self, row: str, *keys: str) -> list[Any]:
        """A result of each run."""
        found = [record["results"] for record in self.runs[row]]
        for key in keys:
            found = [result[key] for result in found]
        return found

    def mean(self, row: str, *keys: str) -> float:
        """The mean of a result over the runs."""
        return float(np.mean(self.results(row, *keys)))

    def at_best(self, row: str, key: str) -> list[Any]:
        """A column of the learning curves where validation chose; None where there is none."""
        best = zip(self.results(row, "curve"), self.results(row, "best_epoch"), strict=True)
        return [curve[epoch].get(key) for curve, epoch in best]

    def difference(self, row: str, other: str, name: str) -> tuple[float, float, float]:
        """Mean and interval of the first row minus the other, paired by seed and sound."""
        both = self.seeds(row, other)
        return interval(self.values(row, name, both) - self.values(other, name, both))

    def compared(self, row: str, other: str, name: str = "test_jtfs", digits: int = 1) -> str:
        """The difference in words: nearer or farther where the interval is on one side of 0."""
        _, low, high = found = self.difference(row, other, name)
        verdict = "nearer" if high < 0 else "farther" if low > 0 else "undecided"
        return f"{with_limits(found, digits, '+')}, {verdict}"

    def pair(self, row: str, other: str) -> list[Any]:
        """Of two rows a line for a table: the pairs of seeds and the differences `MEASURES`."""
        found = [with_limits(self.difference(row, other, *m), d, "+") for *m, d in MEASURES]
        return [f"{short(row)} − {short(other)}", len(self.seeds(row, other)), *found]

    def ratios(self, row: str, other: str, *keys: str) -> list[float]:
        """A result of the first row over that of the other, for each of the seeds of both."""
        both = self.seeds(row, other)
        first, second = (
            dict(zip(self.seeds(name), self.results(name, *keys), strict=True))
            for name in (row, other)
        )
        return [first[seed] / second[seed] for seed in both]

    def cell(self, row: str, name: str, digits: int = 1) -> str:
        """Mean and interval of a measure, for a table."""
        return with_limits(interval(self.values(row, name)), digits)


def short(row: str) -> str:
    """A row's name where there is little room: 'PNP cleared' for 'pnp-cleared'."""
    loss, *rest = row.split("-")
    return " ".join([{"ploss": "P-loss", "pnp": "PNP", "spectral": "spectral loss"}[loss], *rest])


def with_limits(found: tuple[float, float, float], digits: int = 1, sign: str = "") -> str:
    """Write a mean with its interval.

    Examples
    --------
    >>> with_limits((1.25, 1.0, 2.0), 2), with_limits((1.25, -1.0, 2.0), sign="+")
    ('1.25 [1.00, 2.00]', '+1.2 [-1.0, +2.0]')
    """
    middle, low, high = (f"{value:{sign}.{digits}f}" for value in found)
    return f"{middle} [{low}, {high}]"

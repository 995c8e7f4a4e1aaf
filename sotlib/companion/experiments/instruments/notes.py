"""Which notes of which instruments are played, and in which fold each of them is."""

from typing import NamedTuple

import torch

from sotlib.companion.experiments import FOLDS

VELOCITIES = (40, 80, 120)
SHARES = (0.7, 0.1)  # of an instrument's notes in training and validation; the rest is for testing
UNHEARD = "unheard"  # the fold of the instruments that no training hears


class Instrument(NamedTuple):
    """A programme of General MIDI and the range of notes in which it is played here."""

    program: int
    lowest: int
    highest: int
    sustained: bool
    heard: bool = True


INSTRUMENTS = {
    "violin": Instrument(40, 55, 91, True),
    "cello": Instrument(42, 36, 72, True),
    "flute": Instrument(73, 60, 91, True),
    "clarinet": Instrument(71, 50, 86, True),
    "oboe": Instrument(68, 58, 86, True),
    "trumpet": Instrument(56, 55, 82, True),
    "horn": Instrument(60, 41, 74, True),
    "alto saxophone": Instrument(65, 49, 80, True),
    "choir": Instrument(52, 43, 79, True),
    "guitar": Instrument(24, 40, 79, False),
    "harpsichord": Instrument(6, 36, 84, False),
    "marimba": Instrument(12, 45, 84, False),
    "viola": Instrument(41, 48, 79, True, heard=False),
    "bassoon": Instrument(70, 34, 70, True, heard=False),
    "trombone": Instrument(57, 40, 70, True, heard=False),
    "piano": Instrument(0, 36, 84, False, heard=False),
}


class Note(NamedTuple):
    """One sound."""

    instrument: str
    number: int
    """Of MIDI, 69 for the A of 440 Hz."""
    velocity: int

    @property
    def hertz(self) -> float:
        """Its pitch in equal temperament."""
        return 440 * 2 ** ((self.number - 69) / 12)


def notes_of(fold: str, *, every: int = 1) -> list[Note]:
    """The notes of a fold; no number of an instrument is in two folds.

    Examples
    --------
    >>> from sotlib.companion.experiments.instruments.notes import notes_of
    >>> len(notes_of("train")), len(notes_of("test")), notes_of("unheard")[0]
    (906, 255, Note(instrument='viola', number=48, velocity=40))
    """
    found = []
    for place, (name, instrument) in enumerate(INSTRUMENTS.items()):
        if instrument.heard == (fold == UNHEARD):
            continue
        numbers = list(range(instrument.lowest, instrument.highest + 1))
        if instrument.heard:
            draw = torch.Generator().manual_seed(place)
            order = torch.randperm(len(numbers), generator=draw).tolist()
            ends = [0, *(round(sum(SHARES[:k]) * len(order)) for k in (1, 2)), len(order)]
            part = FOLDS.index(fold)
            numbers = sorted(numbers[k] for k in order[ends[part] : ends[part + 1]])
        found += [Note(name, number, v) for number in numbers[::every] for v in VELOCITIES]
    return found

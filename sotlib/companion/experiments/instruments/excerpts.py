"""Short excerpts for the chapter: one test note of each instrument, as 16-bit FLAC.

``python -m sotlib.companion.experiments.instruments.excerpts book/sot/data`` writes them.
"""

import json
import sys
from pathlib import Path

from sotlib.companion.experiments.instruments.notes import UNHEARD, Note, notes_of
from sotlib.companion.experiments.instruments.sounds import SAMPLE_RATE, play

VELOCITY = 80


def chosen() -> list[Note]:
    """The middle test note of each instrument that is trained on, then of the others."""
    notes = [n for fold in ("test", UNHEARD) for n in notes_of(fold) if n.velocity == VELOCITY]
    names = dict.fromkeys(note.instrument for note in notes)
    parts = ([n for n in notes if n.instrument == name] for name in names)
    return [part[len(part) // 2] for part in parts]


def write(folder: Path) -> None:
    """Play and write them, and ``notes.json`` with their pitches in Hz."""
    import soundfile

    notes = chosen()
    signals, f0, _ = play(notes)
    listing = []
    for note, signal, hertz in zip(notes, signals, f0.tolist(), strict=True):
        name = f"{note.instrument.replace(' ', '-')}-{note.number}.flac"
        soundfile.write(folder / name, signal.numpy(), SAMPLE_RATE, subtype="PCM_16")
        listing.append({"file": name, **note._asdict(), "f0": round(hertz, 3)})
    text = json.dumps(listing, indent=1)
    (folder / "notes.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))

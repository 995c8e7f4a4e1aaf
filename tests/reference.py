"""Where the reference numbers lie; see `tests/data/README.md`."""

from pathlib import Path

FOLDER = Path(__file__).parent / "data"


def reference(name):
    """Path of one reference file, which the repository holds: a missing one is an error."""
    path = FOLDER / name
    assert path.exists(), f"the reference file {path} is missing: restore it from git"
    return path

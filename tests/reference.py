"""Where the reference numbers lie: beside the repository, or where SOTLIB_REFERENCE says."""

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("SOTLIB_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)


def reference(name):
    """Path of one reference file; the calling test is skipped where it is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"reference file {name} is not at hand (set SOTLIB_REFERENCE)")
    return path

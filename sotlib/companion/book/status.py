"""The page that says what this build was made with and how long each chapter took."""

from collections.abc import Sequence
from pathlib import Path

from sotlib.companion._provenance import machine, versions
from sotlib.companion.book import cache
from sotlib.companion.show.table import markdown_table
from sotlib.companion.show.text import plain

NAME = "appendix/status"
_PACKAGES = ("sotlib", "torch", "numpy", "scipy", "numba", "librosa", "nnAudio", "POT")
_TOOLS = ("matplotlib", "jupyter-book", "sphinx", "myst-nb", "papermill", "jupytext")

_INTRO = """\
(status)=
# This build

What the site was made with, written when it is built. Chapters are executed once and kept until
something that they depend on changes; the times are those of that execution.

Scale: **{scale}** (`smoke`, `laptop` or `paper`; see {{doc}}`troubleshooting`). Machine: {machine}.

{chapters}

{versions}

All versions are pinned in `requirements.lock`.
"""


def page(names: Sequence[str], folder: Path, *, scale: str) -> str:
    """Write the page as MyST Markdown; the chapters' times are kept in `folder`."""
    seconds = {name: cache.seconds_of(folder, name) for name in names}
    rows = [(f"{{doc}}`/{name}`", _duration(value)) for name, value in seconds.items()]
    total = _duration(sum(value or 0 for value in seconds.values()))
    rows.append(("**together**", f"**{total}**"))
    found = versions((*_PACKAGES, *_TOOLS))
    return _INTRO.format(
        scale=scale,
        machine=plain(describe(machine())),
        chapters=markdown_table(("chapter", "executed in"), rows),
        versions=markdown_table(("package", "version"), found.items()),
    )


def describe(found: dict) -> str:
    """A machine in a phrase."""
    cores = f"{found['cores']} core{'s' * (found['cores'] != 1)}"
    parts = [found["cpu"], cores, found.get("gpu", "")]
    return ", ".join(filter(None, parts))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return f"{seconds / 60:.1f} min" if seconds >= 100 else f"{seconds:.0f} s"

"""When an executed chapter may be used again: everything that it depends on, in one key.

Which modules or data a chapter reads is hard to know beforehand, so that a change to the code of
``sotlib`` (but for what no chapter runs; comments do not count), the manifest, the recorded
results, the data files, the locked requirements or the Python version makes every chapter run
again.
"""

import ast
import contextlib
import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

from sotlib.companion.book._common import PACKAGE, Layout, digest
from sotlib.companion.book.chapters import Page
from sotlib.companion.files import write_atomically

# What builds, measures or records without being imported by a chapter, but for what executes it.
_NOT_RUN = ("companion/book/", "companion/runner/", "companion/benchmarks.py")
_RUNS = tuple(
    f"companion/book/{n}.py"
    for n in ("_common", "chapters", "execute", "glue", "kernel", "manifest")
)
_LARGE = 4_000_000  # bytes; shards and weights of trainings, which no chapter reads
_NOT_DATA = {".md", ".css", ".js", ".svg", ".ico", ".bib", ".pyc"}


def environment_key(layout: Layout, package: Path = PACKAGE) -> str:
    """One digest of all that chapters share."""
    results = (p for p in _files(layout.root / "results") if p.stat().st_size < _LARGE)
    data = (path for path in _files(layout.source) if path.suffix not in _NOT_DATA)
    return digest(
        json.dumps(
            {
                "python": platform.python_version(),
                "lock": _contents([layout.root / "requirements.lock"], layout.root),
                "library": _code(package),
                "results": _contents(results, layout.root),
                "data": _contents(data, layout.root),
            },
            sort_keys=True,
        )
    )


def chapter_key(page: Page, parameters: Mapping[str, object], environment: str) -> str:
    """The digest under which one executed chapter is kept."""
    return digest(json.dumps([page.name, page.text, dict(parameters), environment]))


def load(folder: Path, name: str, key: str) -> str | None:
    """The executed notebook under this key, or None where there is none to be trusted.

    The record beside the notebook holds the key and the notebook's own digest, so that a build
    killed between the two, or a damaged file, is noticed.
    """
    record = _record(folder, name)
    with contextlib.suppress(OSError, ValueError):
        text = (folder / f"{name}.ipynb").read_text(encoding="utf-8")
        if (record.get("key"), record.get("notebook")) == (key, digest(text)):
            return text
    return None


def seconds_of(folder: Path, name: str) -> float | None:
    """How long the kept notebook took when it was executed; None where there is none."""
    seconds = _record(folder, name).get("seconds")
    return seconds if isinstance(seconds, int | float) else None


def store(folder: Path, name: str, key: str, text: str, seconds: float = 0.0) -> None:
    """Keep an executed notebook: first the notebook, then the record that vouches for it."""
    write_atomically(folder / f"{name}.ipynb", text)
    record = {"key": key, "notebook": digest(text), "seconds": round(seconds, 1)}
    write_atomically(folder / f"{name}.json", json.dumps(record))


def _record(folder: Path, name: str) -> dict:
    try:
        record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def runs(module: str) -> bool:
    """Whether a chapter can run this file of the library, given relative to it."""
    return module in _RUNS or not module.startswith(_NOT_RUN)


def _code(package: Path) -> dict[str, str]:
    """Digest of each module's syntax, which has no comments."""
    found = {}
    for path in package.rglob("*.py"):
        if runs(name := path.relative_to(package).as_posix()):
            text = path.read_bytes()
            with contextlib.suppress(SyntaxError):
                text = ast.dump(ast.parse(text)).encode()
            found[name] = digest(text)
    return found


def _files(folder: Path) -> Iterable[Path]:
    """Files below a folder, without hidden ones."""
    for path in folder.rglob("*") if folder.is_dir() else ():
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in parts):
            yield path


def _contents(paths: Iterable[Path], base: Path) -> dict[str, str]:
    """Digest of each file under its path relative to a base; missing files are left out."""
    return {
        path.relative_to(base).as_posix(): digest(path.read_bytes())
        for path in sorted(paths)
        if path.is_file()
    }

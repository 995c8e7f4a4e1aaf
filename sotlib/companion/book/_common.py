"""What every step of the build shares: the error, the scales, where things lie."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
SCALES = ("smoke", "laptop", "paper")


class BookError(Exception):
    """The book cannot be built; the message says which page, cell or figure is at fault."""


@dataclass(frozen=True)
class Layout:
    """Where a build reads from and writes to.

    Parameters
    ----------
    root : Path
        The repository: ``_config.yml``, ``_toc.yml`` and the folder ``book/``.
    out : Path
        The folder of this build. Two builds at different scales use two folders.
    """

    root: Path
    out: Path

    @property
    def source(self) -> Path:
        """The chapters' folder, also the working directory in which they run."""
        return self.root / "book"

    @property
    def toc(self) -> Path:
        """The order of the pages."""
        return self.root / "_toc.yml"

    @property
    def config(self) -> Path:
        """The site's settings."""
        return self.root / "_config.yml"

    @property
    def manifest(self) -> Path:
        """Every figure and table of the papers."""
        return self.source / "manifest.yml"

    @property
    def stage(self) -> Path:
        """The tree that Jupyter Book renders."""
        return self.out / "stage"

    @property
    def html(self) -> Path:
        """The finished site."""
        return self.out / "html"

    @property
    def failed(self) -> Path:
        """Notebooks that stopped with an error, each with its log."""
        return self.out / "failed"

    def executed(self, scale: str) -> Path:
        """Executed notebooks, one folder a scale, so that scales do not evict each other."""
        return self.out / "executed" / scale


def python_path() -> str:
    """Where other processes find this library."""
    return os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]))


def digest(data: bytes | str) -> str:
    """SHA-256 of text or bytes, in hexadecimal digits.

    Examples
    --------
    >>> digest("sound")[:8]
    'dd29442d'
    """
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def read_text(path: Path, what: str) -> str:
    """Read a file that must be there, with an error that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BookError(f"{what} is missing: {path}") from None
    except UnicodeDecodeError as error:
        raise BookError(f"{what} is not UTF-8 text: {path} ({error})") from None

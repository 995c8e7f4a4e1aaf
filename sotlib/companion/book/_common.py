"""What every step of the build shares: the error, the scales, where things lie."""

import hashlib
import os
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
SCALES = ("smoke", "laptop", "paper")
READS = "reads"  # in an executed notebook's metadata: the records and data that it read


class BookError(Exception):
    """The book cannot be built; the message says which page, cell or figure is at fault."""


class Layout:
    """Where a build reads from, the repository `root`, and writes to, the folder `out`.

    Two builds at different scales use two folders.
    """

    def __init__(self, root: Path, out: Path) -> None:
        self.root, self.out = root, out
        self.toc, self.config = root / "_toc.yml", root / "_config.yml"
        self.source = root / "book"  # the chapters, and the working directory in which they run
        self.manifest = self.source / "manifest.yml"
        self.stage = out / "stage"  # the tree that Jupyter Book renders
        self.html = out / "html"  # the finished site
        self.failed = out / "failed"  # notebooks that stopped with an error, each with its log

    def executed(self, scale: str) -> Path:
        """Executed notebooks, one folder a scale, so that scales do not evict each other."""
        return self.out / "executed" / scale


def refuse_links(path: Path, folder: Path) -> None:
    """Raise where a file, or anything below a folder, is a link that leads out of `folder`."""
    for part in (path, *path.rglob("*")):
        if part.is_symlink() and not part.resolve().is_relative_to(folder.resolve()):
            raise BookError(f"{part} is a link that leads out of {folder}: put a copy in its place")


def python_path() -> str:
    """Where other processes find this library."""
    return os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]))


def digest(data: bytes | str) -> str:
    """SHA-256 of text or bytes, in hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def read_text(path: Path, what: str) -> str:
    """Read a file that must be there, with an error that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BookError(f"{what} is missing: {path}") from None
    except UnicodeDecodeError as error:
        raise BookError(f"{what} is not UTF-8 text: {path} ({error})") from None

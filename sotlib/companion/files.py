"""Files that are whole or not there, and locks that the system frees with their process."""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_WRITING: set[str] = set()  # names of the temporary files of this process
_TEMPORARY = re.compile(r"\.(?P<process>\d{1,9})(\.[0-9a-f]{8})?\.tmp")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path`, which takes its place once it is written and on the disk.

    Where anything goes wrong, what was there stays. The folder is created.

    Raises
    ------
    OSError
        Where the disk is full, or the folder cannot be written in; it names the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "new" / "a.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [file.name for file in temporary.parent.iterdir()]
    ['a.txt']
    """
    # Threads of one process may write the same file, too.
    name = f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    temporary = path.with_name(name)
    _WRITING.add(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        message = (
            f"cannot write {path}: {error.strerror or error}. What was there is as it was; repeat "
            "this when there is room for the file and leave to write it"
        )
        raise (OSError(error.errno, message) if error.errno else OSError(message)) from error
    finally:
        with contextlib.suppress(OSError):  # not even the folder may be there
            temporary.unlink(missing_ok=True)
        _WRITING.discard(name)


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file of which a reader never sees half; text in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def drop_leftovers(folder: Path) -> None:
    """Delete what `replacing` left half written in a folder where its process was killed."""
    for file in folder.glob("*.tmp"):
        found = _TEMPORARY.search(file.name)
        if found and file.name not in _WRITING and not _writes(int(found["process"])):
            file.unlink(missing_ok=True)


def put_aside(path: Path) -> None:
    """Give a file that cannot be used another name, under which nothing looks for it."""
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        path.rename(path.with_suffix(f".damaged-{int(time.time())}"))


@contextlib.contextmanager
def locked(path: Path, refusal: Exception) -> Iterator[None]:
    """Hold the lock `path`; raises `refusal` where somebody else does."""
    try:
        held = FileLock(path).acquire(blocking=False)
    except Timeout:
        raise refusal from None
    with held:
        yield


def _writes(process: int) -> bool:
    """Whether another process of this number is there, and so may be writing."""
    if process == os.getpid():
        return False
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

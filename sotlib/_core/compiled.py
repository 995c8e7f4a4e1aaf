"""Compilation of small kernels with Numba, and their machine code on the disk.

Numba's own cache trusts its files: a damaged one, or a full disk, makes every call fail. This one
can be lost in any way, and the kernels are compiled anew.
"""

import contextlib
import hashlib
import logging
import pickle
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import njit
from numba.core.caching import CompileResultCacheImpl, NullCache
from numba.core.serialize import dumps

Function = TypeVar("Function", bound=Callable)
jit: Callable = partial(njit, nogil=True)
logger = logging.getLogger("sotlib")

_LONG = 5.0  # seconds that a process compiles in vain before it says so
_SEAL = hashlib.sha256().digest_size
_lost = 0.0


def compiled(**options: object) -> Callable[[Function], Function]:
    """Compile a function, without Python's lock, and keep the result where there is a place."""

    def decorate(function: Function) -> Function:
        found = jit(**options)(function)
        found._cache = _Kept(function)  # what cache=True does, with Numba's
        return found

    return decorate


class _Kept(NullCache):
    """Machine code of one function, a file for each signature with a digest in front.

    The digest covers what the code was made from and for as well, so that neither half a file nor
    one of another time, function or version is taken. Nothing that goes wrong here is an error.
    """

    def __init__(self, function: Callable) -> None:
        self._begun = 0.0
        self._place: Any = None
        # Neither the library's folder nor the user's can be written, or the source is not a file.
        with contextlib.suppress(RuntimeError, OSError):
            self._place = CompileResultCacheImpl(function)

    def load_overload(self, sig, target_context):
        """The code for a signature, or None where there is none to be trusted."""
        target_context.refresh()
        self._begun = time.monotonic()
        try:
            path, origin = self._file(sig, target_context.codegen())
            found = path.read_bytes()
            seal, code = found[:_SEAL], found[_SEAL:]
            if seal == _seal(origin, code):
                # Numba's own form of machine code, which it would load without a look.
                return self._place.rebuild(target_context, pickle.loads(code))
        except Exception:  # whatever it is, compiling helps
            pass
        return None

    def save_overload(self, sig, result):
        """Keep the code; a reader that sees half of it compiles."""
        try:
            path, origin = self._file(sig, result.codegen)
            if self._place.check_cachable(result):
                code = dumps(self._place.reduce(result))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_seal(origin, code) + code)
        except Exception as error:
            _tell(time.monotonic() - self._begun, error)

    def _file(self, sig, codegen) -> tuple[Path, str]:
        """Where the code of a signature lies, and what it depends on."""
        if self._place is None:
            raise FileNotFoundError("no folder can be written")
        locator, base = self._place.locator, self._place.filename_base
        target = repr((sig, codegen.magic_tuple()))
        name = f"{base}.{hashlib.sha256(target.encode()).hexdigest()[:16]}.code"
        origin = repr((numba.__version__, base, locator.get_source_stamp(), target))
        return Path(locator.get_cache_path(), name), origin


def _seal(origin: str, code: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + code).digest()


def _tell(seconds: float, error: Exception) -> None:
    """Say once why every process compiles, where that takes long."""
    global _lost
    before, _lost = _lost, _lost + seconds
    if before < _LONG <= _lost:
        logger.warning(
            "Kernels were compiled for %.0f s and cannot be kept for the next process (%s): "
            "let NUMBA_CACHE_DIR name a folder that can be written, with space left.",
            _lost,
            error,
        )

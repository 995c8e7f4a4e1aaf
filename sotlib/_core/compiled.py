"""Compilation of small kernels with Numba."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable)
jit: Callable = partial(njit, nogil=True)


def compiled(**options: object) -> Callable[[Function], Function]:
    """Compile a function, without Python's lock, and keep the result where there is a place."""

    def decorate(function: Function) -> Function:
        try:
            return jit(cache=True, **options)(function)
        except RuntimeError:  # neither the library's folder nor the user's can be written
            return jit(**options)(function)

    return decorate

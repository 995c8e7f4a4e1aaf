"""Compilation of small kernels with Numba."""

from numba import njit


def compiled(**options):
    """Compile a function, without Python's lock, and keep the result where there is a place."""

    def decorate(function):
        try:
            return njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # neither the library's folder nor the user's can be written
            return njit(nogil=True, **options)(function)

    return decorate

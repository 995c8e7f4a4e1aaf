"""Modules that show, printed, what they were made with."""

import functools
import inspect
import reprlib
from typing import Any

from torch import nn

PLAIN = (bool, int, float, str, type(None))  # not tensors, nor modules


class PrintedModule(nn.Module):
    """A module whose printed form shows the arguments it was given.

    Arguments that were left out have their defaults, and are not shown; modules among them are
    printed below it in any case.
    """

    _made_with = ""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            setattr(cls, "__init__", _noting(vars(cls)["__init__"]))  # noqa: B010

    def extra_repr(self) -> str:
        """The arguments, for ``print``."""
        return self._made_with


def _noting(init):
    """An ``__init__`` that keeps its arguments, as text; the outermost of several has the word."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def noted(self, *args, **options):
        init(self, *args, **options)
        given = signature.bind(self, *args, **options).arguments
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name, {})
        shown = {name: value for name, value in given.items() if _plain(value)}
        # Of long lists only the beginning.
        self._made_with = ", ".join(f"{n}={reprlib.repr(value)}" for n, value in shown.items())

    return noted


def _plain(value) -> bool:
    if isinstance(value, tuple | list):
        return all(_plain(item) for item in value)
    return isinstance(value, PLAIN)

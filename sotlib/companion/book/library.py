"""The reference: Sphinx's autosummary writes a page for each name of ``sotlib.__all__``.

This module lists the names by folder, and is an extension of Sphinx (see ``_config.yml``) that adds
links to chapters and to other names.
"""

import dataclasses
import importlib
import inspect
import re
from itertools import groupby

from torch import nn

import sotlib
from sotlib.companion.book._common import BookError

NAME = "appendix/library"
# What one comes for: losses, and what they are made of.
_GROUPS = (
    *("losses", "transport", "transforms", "scattering", "synths", "datasets", "pitch"),
    *("matching", "metrics", "checks"),
)
_CHAPTER = re.compile(r"chapter\s+``([\w-]+(?:/[\w-]+)+)``")
_CODE = re.compile(r"(?<![`:\w])`([^`\n<>]+)`(?![`_])")

_INTRO = """\
(library)=
# Reference

Everything that `import sotlib` offers, a page a name: shapes and units of each argument, an example
that the tests run, the source, and the chapter that explains it. {doc}`quickstart` begins;
{doc}`coming-from` translates calls of other packages.
"""
_GROUP = """
## {heading}

```{{eval-rst}}
.. currentmodule:: sotlib
.. autosummary::
   :toctree: library
   :nosignatures:
   :template: name.rst

   {names}
```
"""


def page() -> str:
    """Write the page as MyST Markdown: a table of names for each folder.

    Raises
    ------
    BookError
        If the docstring of a public name leads to no chapter.
    """
    for name in sotlib.__all__:
        if not chapters(name):
            raise BookError(f'{name}: say "Explained in chapter ``…``" in its docstring')
    parts = [_INTRO]
    for folder, names in groupby(sorted(sotlib.__all__, key=_place), _folder):
        text = inspect.getdoc(importlib.import_module(f"sotlib.{folder}")) or ""
        heading = re.split(r"\.(?:\s|$)|:\s", text, maxsplit=1)[0]
        parts.append(_GROUP.format(heading=heading, names="\n   ".join(names)))
    return "".join(parts)


def chapters(name: str) -> list[str]:
    """The chapters that the docstring of a public name leads to, in order."""
    return _CHAPTER.findall(_docstring(name))


def neighbours(name: str) -> list[str]:
    """Public names that the same chapter explains, or of which one mentions the other."""

    def leads(one: str, other: str) -> bool:
        return other in _CODE.findall(_docstring(one)) or chapters(other)[0] in chapters(one)

    others = (other for other in sorted(sotlib.__all__, key=_place) if other != name)
    return [other for other in others if leads(name, other) or leads(other, name)]


def setup(app) -> dict:
    """Let Sphinx read docstrings as this library writes them."""
    app.setup_extension("sphinx.ext.autosummary")
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("autodoc-process-docstring", rewrite)
    # Nobody makes a result: its fields stand under "Attributes".
    app.connect(
        "autodoc-process-signature",
        lambda app, what, name, thing, *_: ("", None) if dataclasses.is_dataclass(thing) else None,
    )
    return {"parallel_read_safe": True}


def rewrite(app, what: str, name: str, thing: object, options, lines: list[str]) -> None:
    """Make links of chapters and public names in a docstring, and add its neighbours, in place."""
    from sphinx.ext.napoleon import Config, NumpyDocstring

    text = _CHAPTER.sub(r"chapter :doc:`/\1`", "\n".join(lines))
    text = _CODE.sub(lambda m: _link(m[1]) if m[1] in sotlib.__all__ else f"``{m[1]}``", text)
    public = name.removeprefix("sotlib.")
    if public in sotlib.__all__:
        text += f"\n\n.. seealso:: {', '.join(map(_link, neighbours(public)))}\n"
    # Types are text, not links; attributes are no entries of their own. As an extension, napoleon
    # would take what stands before a colon in a property's docstring for its type.
    settings = Config(
        napoleon_use_param=False,
        napoleon_use_rtype=False,
        napoleon_custom_sections=[("Attributes", "params_style")],
    )
    lines[:] = NumpyDocstring(text, settings).lines()  # type: ignore[arg-type]


def _link(name: str) -> str:
    return f":py:obj:`{name} <sotlib.{name}>`"


def _docstring(name: str) -> str:
    return inspect.getdoc(getattr(sotlib, name)) or ""


def _folder(name: str) -> str:
    return getattr(sotlib, name).__module__.split(".")[1]


def _place(name: str) -> tuple[int, int, str]:
    """By folder; modules, functions, then what these take and return."""
    thing = getattr(sotlib, name)
    kind = 2 if not inspect.isclass(thing) else 1 if issubclass(thing, nn.Module) else 3
    return _GROUPS.index(_folder(name)), kind, name.lower()

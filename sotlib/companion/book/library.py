"""The page of the public API: Sphinx writes its entries from the docstrings of ``sotlib.__all__``.

This module is an extension of Sphinx too (see ``_config.yml``): links to chapters and public names.
"""

import dataclasses
import importlib
import inspect
import re
from types import ModuleType

import sotlib
from sotlib.companion.book._common import BookError
from sotlib.companion.show.table import markdown_table

NAME = "appendix/library"
_CHAPTER = re.compile(r"chapter\s+``([\w-]+(?:/[\w-]+)+)``")
# What one comes for: losses, and what they are made of.
_FIRST = ("losses", "transport", "transforms", "scattering", "synths", "datasets", "pitch")

_INTRO = """\
(library)=
# The library

Everything that `import sotlib` offers, written from the docstrings when the book is built. Shapes
and units stand with each argument, the examples are run by the tests, and each entry leads to the
chapter that explains it. The search finds them as well.

"""
_ENTRY = """\
```{{eval-rst}}
.. auto{kind}:: sotlib.{name}
```

"""


def page(library: ModuleType = sotlib) -> str:
    """Write the page as MyST Markdown: a table of all names, then a section for each folder.

    Raises
    ------
    BookError
        If the docstring of a public name leads to no chapter.
    """
    rows, entries = [], {}
    for name in sorted(library.__all__, key=str.lower):
        thing = getattr(library, name)
        if not chapters(thing):
            raise BookError(f'{name}: say "Explained in chapter ``…``" in its docstring')
        link = f"{{py:obj}}`{name} <sotlib.{name}>`"
        rows.append((link, _summary(thing), f"{{doc}}`/{chapters(thing)[0]}`"))
        folder = ".".join(thing.__module__.split(".")[:2])
        kind = "class" if inspect.isclass(thing) else "function"
        if kind == "class" and issubclass(thing, BaseException):
            kind = "exception"
        entries.setdefault(folder, []).append(_ENTRY.format(kind=kind, name=name))
    parts = [_INTRO, markdown_table(("name", "what it is", "chapter"), rows), "\n"]
    for folder in sorted(entries, key=_place):
        heading = inspect.getdoc(importlib.import_module(folder)) or folder
        heading = re.split(r"\.(?:\s|$)|:\s", heading, maxsplit=1)[0].replace("\n", " ")
        parts += [f"\n## {heading}\n\n", *entries[folder]]
    return "".join(parts)


def chapters(thing: object) -> list[str]:
    """The chapters that a docstring names, in order."""
    return _CHAPTER.findall(inspect.getdoc(thing) or "")


def setup(app) -> dict:
    """Let Sphinx read docstrings as this library writes them."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", rewrite)
    # Nobody makes a result: its fields stand under "Attributes".
    app.connect(
        "autodoc-process-signature",
        lambda app, what, name, thing, *_: ("", None) if dataclasses.is_dataclass(thing) else None,
    )
    return {"parallel_read_safe": True}


def rewrite(app, what: str, name: str, thing: object, options, lines: list[str]) -> None:
    """Turn a docstring into reStructuredText that Sphinx shows well, in place."""
    from sphinx.ext.napoleon import Config, NumpyDocstring

    text = _CHAPTER.sub(r"chapter :doc:`/\1`", "\n".join(lines))
    # References are plain: as footnotes those of different entries would clash.
    text = re.sub(r"\[(\d+)\]_", r"[\1]", text)
    text = re.sub(r"^\.\. \[(\d+)\] ", r"* [\1] ", text, flags=re.M)
    # A name in single backticks is a link where it is public, code elsewhere.
    text = re.sub(
        r"(?<![`:\w])`([^`\n<>]+)`(?![`_])",
        lambda m: f":py:obj:`{m[1]} <sotlib.{m[1]}>`" if m[1] in sotlib.__all__ else f"``{m[1]}``",
        text,
    )
    settings = Config(
        napoleon_use_param=False,
        napoleon_use_rtype=False,
        napoleon_custom_sections=[("Attributes", "params_style"), ("Raises", "params_style")],
    )
    lines[:] = NumpyDocstring(text, settings).lines()


def _place(folder: str) -> tuple[int, str]:
    name = folder.rpartition(".")[2]
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name


def _summary(thing: object) -> str:
    """The docstring's first paragraph up to its first full stop, for a table of Markdown."""
    paragraph = inspect.getdoc(thing).split("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"[.;](?:\s|$)", paragraph, maxsplit=1)[0]
    return re.sub(r":math:`([^`]+)`", r"$\1$", sentence)

"""The page of the public API, written from the docstrings of ``sotlib.__all__``."""

import functools
import importlib
import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType

from sotlib.companion.book._common import BookError

NAME = "appendix/library"
_CHAPTER = re.compile(r"chapter\s+``([\w-]+(?:/[\w-]+)+)``")

_INTRO = """\
(library)=
# The library

Everything that `import sotlib` offers, written from the docstrings when the book is built. Shapes
and units stand with each argument, the examples are run by the tests, and each entry leads to the
chapter that explains it. The search finds them as well.

| name | what it is | chapter |
|---|---|---|
"""


def page(library: ModuleType, pages: Collection[str]) -> str:
    """Write the page as MyST Markdown, with the entries in reStructuredText blocks.

    Parameters
    ----------
    library : module
        With ``__all__``; its entries are classes and functions.
    pages : collection of str
        The book's pages; a chapter that is not among them is named without a link.

    Raises
    ------
    BookError
        If a public name is neither class nor function, or has no docstring.
    """
    entries = public(library)
    parts = [_INTRO]
    for name, thing in entries.items():
        chapter = next(iter(chapters(thing)), "")
        where = _link(chapter, pages, "{{doc}}`/{0}`") if chapter else ""
        parts.append(f"| {{py:obj}}`{name} <sotlib.{name}>` | {_summary(thing)} | {where} |\n")
    groups: dict[str, list[str]] = {}
    for name, thing in entries.items():
        folder = ".".join(thing.__module__.split(".")[:2])
        groups.setdefault(folder, []).append(name)
    for module in sorted(groups, key=_place):
        parts.append(f"\n## {_heading(module)}\n\n")
        for name in groups[module]:
            parts.append(f"```````{{eval-rst}}\n{_entry(name, entries[name], entries, pages)}")
            parts.append("```````\n\n")
    return "".join(parts)


def public(library: ModuleType) -> dict[str, object]:
    """The public names with what they stand for."""
    found = {name: getattr(library, name) for name in sorted(library.__all__, key=str.lower)}
    for name, thing in found.items():
        if not (inspect.isclass(thing) or inspect.isroutine(thing)):
            raise BookError(f"{library.__name__}.{name} is neither class nor function")
        if not (getattr(thing, "__doc__", None) or "").strip():
            raise BookError(f"{library.__name__}.{name} has no docstring")
    return found


def chapters(thing: object) -> list[str]:
    """The chapters that a docstring names, in order."""
    return _CHAPTER.findall(inspect.getdoc(thing) or "")


def _entry(name: str, thing: object, names: Mapping, pages: Collection[str]) -> str:
    """An object description, with the methods that sotlib itself defines."""
    kind = "class" if inspect.isclass(thing) else "function"
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        kind = "exception"
    lines = [f".. py:{kind}:: sotlib.{name}{_signature(thing)}", ""]
    lines += _indented(_body(thing, names, pages))
    for method, member in _methods(thing):
        property_ = isinstance(member, property | functools.cached_property)
        signature = "" if property_ else _signature(member)
        directive = "property" if property_ else "method"
        lines += ["", f"   .. py:{directive}:: {method}{signature}", ""]
        lines += _indented(_indented(_body(member, names, pages)))
    return "\n".join(lines) + "\n"


def _methods(thing: object) -> Iterator[tuple[str, object]]:
    """Public methods and properties with a docstring, also inherited ones of this library."""
    seen = set()
    for base in thing.__mro__ if inspect.isclass(thing) else ():
        if base.__module__.split(".")[0] != thing.__module__.split(".")[0]:
            continue
        for name, member in vars(base).items():
            described = inspect.isroutine(member) or hasattr(member, "__get__")
            # The docstring of an instance of a field's type is not the field's.
            own = getattr(member, "__doc__", None) and not name.startswith("_")
            if described and own and name not in seen:
                seen.add(name)
                yield name, member


def _signature(thing: object) -> str:
    """Arguments with their defaults, without annotations; nothing for what others return."""
    if inspect.isclass(thing):
        if "__init__" not in vars(thing) or hasattr(thing, "__dataclass_fields__"):
            return ""
        thing = thing.__init__
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    parameters = [
        p.replace(annotation=inspect.Parameter.empty)
        for p in signature.parameters.values()
        if p.name != "self"
    ]
    text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    return re.sub(r"<(?:built-in )?(?:function |class ')?([\w.]+)[^>]*>", r"\1", text)


def _body(thing: object, names: Mapping, pages: Collection[str]) -> list[str]:
    """The docstring's sections as reStructuredText that Sphinx shows well."""
    from sphinx.ext.napoleon import Config, NumpyDocstring

    text = inspect.getdoc(thing) or ""
    attributes = re.search(r"^Attributes\n-{10}$", text, re.M)
    text = re.sub(r"^Attributes\n-{10}$", "Parameters\n----------", text, flags=re.M)
    text = _CHAPTER.sub(lambda m: "chapter " + _link(m[1], pages, ":doc:`/{0}`"), text)
    # References are plain: as footnotes those of different entries would clash.
    text = re.sub(r"\[(\d+)\]_", r"[\1]", text)
    text = re.sub(r"^\.\. \[(\d+)\] ", r"* [\1] ", text, flags=re.M)
    # A name in single backticks is a link where it is public, code elsewhere.
    text = re.sub(
        r"(?<![`:\w])`([^`\n<>]+)`(?![`_])",
        lambda m: f":py:obj:`{m[1]} <sotlib.{m[1]}>`" if m[1] in names else f"``{m[1]}``",
        text,
    )
    settings = Config(napoleon_use_param=False, napoleon_use_rtype=False)
    lines = str(NumpyDocstring(text, settings)).splitlines()
    if attributes:  # numpydoc's order: they come after the parameters
        last = max(number for number, line in enumerate(lines) if ":Parameters:" in line)
        lines[last] = lines[last].replace(":Parameters:", ":Attributes:", 1)
    return _raises(lines)


def _raises(lines: list[str]) -> list[str]:
    """Gather ``:raises X:`` fields in one list, without links to Python's own documentation."""
    found, inside, begun = [], False, False
    for line in lines:
        match = re.match(r":raises ([^:]+): ?(.*)", line)
        if match:
            found += [] if begun else [":Raises:", ""]
            found.append(f"   * **{match[1]}** -- {match[2]}")
            inside = begun = True
        else:
            inside = inside and line.startswith(" ")
            found.append(f"  {line}" if inside else line)
    return found


def _indented(lines: list[str]) -> list[str]:
    return [f"   {line}".rstrip() for line in lines]


def _link(chapter: str, pages: Collection[str], form: str) -> str:
    return form.format(chapter) if chapter in pages else f"``{chapter}``"


def _place(folder: str) -> tuple[int, str]:
    """What one comes for first: losses, and what they are made of."""
    first = ("losses", "transport", "transforms", "scattering", "synths", "datasets", "pitch")
    name = folder.split(".")[-1]
    return first.index(name) if name in first else len(first), name


def _heading(module: str) -> str:
    """The first sentence of a folder's docstring."""
    text = inspect.getdoc(importlib.import_module(module)) or module
    return re.split(r"\.(?:\s|$)|:\s", text, maxsplit=1)[0].replace("\n", " ")


def _summary(thing: object) -> str:
    """The docstring's first paragraph up to its first full stop, for a table of Markdown."""
    paragraph = inspect.getdoc(thing).split("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"[.;](?:\s|$)", paragraph, maxsplit=1)[0]
    return re.sub(r":math:`([^`]+)`", r"$\1$", sentence).replace("|", "\\|")

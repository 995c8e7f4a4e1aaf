"""Every public name is on the library's page and leads to the chapter that explains it."""

import inspect
import re
import types
from pathlib import Path

import pytest

import sotlib
from sotlib.companion.book import BookError, library
from sotlib.companion.book._common import Layout
from sotlib.companion.book.chapters import read_pages
from sotlib.companion.book.generated import PAGES


@pytest.fixture(scope="module")
def pages():
    root = Path(__file__).parents[2]
    return {page.name for page in read_pages(Layout(root, root / "_build"), tuple(PAGES))}


@pytest.fixture(scope="module")
def page():
    return library.page()


@pytest.mark.parametrize("name", sotlib.__all__)
def test_public_name_is_explained_in_a_chapter(name, page, pages):
    found = library.chapters(getattr(sotlib, name))
    assert found, f'{name}: say "Explained in chapter ``…``" in its docstring'
    for chapter in found:
        assert chapter in pages, f"{name} names {chapter}, which _toc.yml lacks"
    assert page.count(f":: sotlib.{name}\n") == 1
    (row,) = [line for line in page.splitlines() if f"| {{py:obj}}`{name} <" in line]
    assert row.endswith(f"| {{doc}}`/{found[0]}` |")


def _public_functions(name):
    """The function, or the constructor, methods and getters that sotlib's own classes define."""
    thing = getattr(sotlib, name)
    if not inspect.isclass(thing):
        yield name, thing
        return
    for base in thing.__mro__:
        if not base.__module__.startswith("sotlib."):
            continue
        for member, value in vars(base).items():
            if member.startswith("_") and member != "__init__":
                continue
            value = getattr(value, "fget", None) or getattr(value, "func", None) or value
            value = getattr(value, "__func__", value)  # of class and static methods
            if inspect.isfunction(value):
                yield f"{base.__name__}.{member}", value


@pytest.mark.parametrize("name", sotlib.__all__)
def test_public_signature_is_annotated(name):
    missing = []
    for label, function in _public_functions(name):
        signature = inspect.signature(function)
        missing += [
            f"{label}({parameter.name})"
            for parameter in signature.parameters.values()
            if parameter.annotation is inspect.Parameter.empty
            and parameter.name not in ("self", "cls")
        ]
        if signature.return_annotation is signature.empty and not label.endswith(".__init__"):
            missing.append(f"{label} -> ?")
    assert not missing, f"py.typed promises annotations, which lack: {', '.join(missing)}"


def rewritten(docstring):
    lines = inspect.cleandoc(docstring).splitlines()
    library.rewrite(None, "class", "", None, None, lines)
    return "\n".join(lines)


def test_docstring_becomes_sections_with_links():
    text = rewritten(
        r"""Measures :math:`x`; with `STFT` and `other`.

        Parameters
        ----------
        size : int, default 2
            How many, see `other`.

        Attributes
        ----------
        value : float
            In Hz.

        Raises
        ------
        TypeError, ValueError
            On bad input
            of two lines.

        Notes
        -----
        As in [1]_. Explained in chapter
        ``sot/why``.

        References
        ----------
        .. [1] Somebody.
        """
    )
    assert "with :py:obj:`STFT <sotlib.STFT>` and ``other``." in text
    assert ":Parameters: **size** (*int, default 2*)" in text
    assert ":Attributes: **value** (*float*)" in text
    assert ":Raises: **TypeError, ValueError** -- On bad input" in text
    assert "Explained in chapter :doc:`/sot/why`." in text
    assert "As in [1]." in text
    assert "* [1] Somebody." in text


class Thing:
    r"""Measures :math:`x`; no more. Explained in chapter ``sot/why``."""

    __module__ = "sotlib.synths.tones"


def test_page_has_a_section_for_each_folder():
    text = library.page(types.SimpleNamespace(__all__=["Thing"], Thing=Thing))
    assert "| Measures $x$ | {doc}`/sot/why` |" in text
    assert re.search(r"\n## \w.*\n\n```{eval-rst}\n.. autoclass:: sotlib.Thing\n", text)


@pytest.mark.parametrize("thing", [3, lambda: None])
def test_names_that_lead_to_no_chapter_are_refused(thing):
    with pytest.raises(BookError, match=r'Thing: say "Explained in chapter'):
        library.page(types.SimpleNamespace(__all__=["Thing"], Thing=thing))

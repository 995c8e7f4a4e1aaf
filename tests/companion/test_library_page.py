"""Every public name is on the library's page and leads to the chapter that explains it."""

import functools
import inspect
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
def page(pages):
    return library.page(sotlib, pages)


@pytest.mark.parametrize("name", sotlib.__all__)
def test_public_name_is_explained_in_a_chapter(name, page, pages):
    found = library.chapters(getattr(sotlib, name))
    assert found, f'{name}: say "Explained in chapter ``…``" in its docstring'
    for chapter in found:
        assert chapter in pages, f"{name} names {chapter}, which _toc.yml lacks"
    assert f":: sotlib.{name}" in page
    assert f"{{py:obj}}`{name} <sotlib.{name}>`" in page
    if found[0] in pages:
        assert f":doc:`/{found[0]}`" in page


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


class Thing:
    r"""Measures :math:`x`; with `Thing` and `other`.

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

    Examples
    --------
    >>> 1 + 1
    2
    """

    def __init__(self, size: int = 2, *, function=len):
        pass

    @functools.cached_property
    def half(self):
        """Half of it."""

    def method(self, x: float):
        """Do it."""

    def _private(self):
        """Not shown."""


@pytest.fixture
def module():
    """A library of one class."""
    Thing.__module__ = "sotlib.synths.tones"
    return types.SimpleNamespace(__name__="lib", __all__=["Thing"], Thing=Thing)


def test_docstring_becomes_sections_with_links(module):
    text = library.page(module, {"sot/why"})
    assert ".. py:class:: sotlib.Thing(size=2, *, function=len)" in text
    assert "   .. py:property:: half\n" in text
    assert "   .. py:method:: method(x)\n" in text
    assert "_private" not in text
    assert "with :py:obj:`Thing <sotlib.Thing>` and ``other``." in text
    assert "* **TypeError, ValueError** -- On bad input" in text
    assert ":Parameters: **size** (*int, default 2*)" in text
    assert ":Attributes: **value** (*float*)" in text
    assert "Explained in chapter :doc:`/sot/why`." in text
    assert "As in [1]." in text
    assert "* [1] Somebody." in text
    assert "| Measures $x$ | {doc}`/sot/why` |" in text


def test_chapter_that_is_no_page_is_named_without_a_link(module):
    text = library.page(module, set())
    assert "Explained in chapter ``sot/why``." in text
    assert "{doc}" not in text


def test_names_that_cannot_be_shown_are_refused(module):
    module.Thing = 3
    with pytest.raises(BookError, match=r"lib\.Thing is neither class nor function"):
        library.page(module, set())
    module.Thing = lambda: None
    with pytest.raises(BookError, match=r"lib\.Thing has no docstring"):
        library.page(module, set())


def test_page_is_the_same_every_time(page, pages):
    assert library.page(sotlib, pages) == page
    assert " at 0x" not in page

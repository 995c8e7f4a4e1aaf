"""Every public name has a page that leads to the chapter which explains it."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

import sotlib
from sotlib.companion.book import BookError, library
from sotlib.companion.book._common import Layout
from sotlib.companion.book.chapters import read_pages
from sotlib.companion.book.generated import PAGES


@pytest.fixture(scope="module")
def pages():
    root = Path(__file__).parents[2]
    return {page.name for page in read_pages(Layout(root, root / "_build"), tuple(PAGES))}


@pytest.mark.parametrize("name", sotlib.__all__)
def test_public_name_is_explained_in_a_chapter(name, pages):
    found = library.chapters(name)
    assert found, f'{name}: say "Explained in chapter ``…``" in its docstring'
    assert set(found) <= pages, f"{name} names a chapter which _toc.yml lacks"


def test_page_has_each_name_once_below_its_folder():
    sections = library.page().split("\n## ")[1:]
    assert len(sections) == len(library._GROUPS)
    listed = [re.findall(r"^   (\w+)$", section, re.M) for section in sections]
    assert sorted(name for names in listed for name in names) == sorted(sotlib.__all__)
    assert sections[0].startswith("Losses between sounds")
    assert "Wasserstein1DLoss" in listed[0]
    for names in listed:
        assert len({getattr(sotlib, name).__module__.split(".")[1] for name in names}) == 1


def test_every_type_that_a_user_meets_is_public():
    """What public names return, and the base classes of what they are."""
    met = {"PathTable", "Reconstruction", "EncoderOutput", "SinkhornResult", "ExactTransport"}
    assert met | {"Damping", "Transform", "ConvergenceWarning"} <= set(sotlib.__all__)


def test_neighbours_share_a_chapter_or_mention_each_other():
    assert library.neighbours("arpeggio") == ["Arpeggio", "Arpeggios"]
    assert "SlicedSpectrogramLoss" in library.neighbours("SinkhornSpectrogramLoss")
    assert "wasserstein_1d" in library.neighbours("Wasserstein1DLoss")
    assert all(library.neighbours(name) for name in sotlib.__all__)


def test_no_two_pages_have_names_that_differ_by_case_alone(root):
    """On macOS and Windows these are one file."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    renamed = config["autosummary_filename_map"]
    files = [renamed.get(f"sotlib.{name}", f"sotlib.{name}") for name in sotlib.__all__]
    assert len({file.lower() for file in files}) == len(files)


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


def rewritten(docstring, name=""):
    lines = inspect.cleandoc(docstring).splitlines()
    library.rewrite(None, "class", name, None, None, lines)
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
    # Indented, the second line belongs to the first.
    assert re.search(r":raises TypeError, ValueError: On bad input\n +of two lines\.", text)
    assert "Explained in chapter :doc:`/sot/why`." in text


def test_neighbours_stand_at_the_end_of_public_names_alone():
    links = ":py:obj:`Arpeggio <sotlib.Arpeggio>`, :py:obj:`Arpeggios <sotlib.Arpeggios>`"
    assert rewritten("A sound.", "sotlib.arpeggio").rstrip().endswith(f".. seealso:: {links}")
    assert "seealso" not in rewritten("A method.", "sotlib.CQT.forward")


@pytest.mark.parametrize("thing", [3, lambda: None])
def test_names_that_lead_to_no_chapter_are_refused(thing, monkeypatch):
    monkeypatch.setattr(sotlib, "Thing", thing, raising=False)
    monkeypatch.setattr(sotlib, "__all__", ["Thing"])
    with pytest.raises(BookError, match=r'Thing: say "Explained in chapter'):
        library.page()

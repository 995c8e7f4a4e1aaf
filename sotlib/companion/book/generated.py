"""The pages that the build writes: which there are, and what they are written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nbformat

from sotlib.companion.book import benchmarks, library, reproduction, status, teachers
from sotlib.companion.book._common import Layout, read_text
from sotlib.companion.book.chapters import Page


@dataclass(frozen=True)
class Context:
    """What a generated page may depend on.

    Parameters
    ----------
    layout : Layout
        Where the book lies and where this build goes.
    pages : sequence of Page
        All pages of the table of contents.
    notebooks : mapping
        Executed chapters by page name.
    manifest : mapping
        The manifest, from :func:`sotlib.companion.book.manifest.load`.
    scale : str
        The scale at which the chapters were executed.
    """

    layout: Layout
    pages: Sequence[Page]
    notebooks: Mapping[str, nbformat.NotebookNode]
    manifest: Mapping
    scale: str


def _reproduction(context: Context) -> dict[str, str]:
    text = reproduction.page(context.manifest, context.notebooks, scale=context.scale)
    return {reproduction.NAME: text}


def _library(context: Context) -> dict[str, str]:
    return {library.NAME: library.page()}


def _benchmarks(context: Context) -> dict[str, str]:
    return benchmarks.files(context.layout.root / "results" / "benchmarks")


def _status(context: Context) -> dict[str, str]:
    folder = context.layout.executed(context.scale)
    names = [page.name for page in context.pages if page.is_notebook]
    return {status.NAME: status.page(names, folder, scale=context.scale)}


def _teachers(context: Context) -> dict[str, str]:
    source = context.layout.source / f"{teachers.NAME}.md"
    return {teachers.NAME: teachers.page(read_text(source, teachers.NAME), context.pages)}


# By page name. A page that _toc.yml does not list is not written.
PAGES = {
    reproduction.NAME: _reproduction,
    library.NAME: _library,
    benchmarks.NAME: _benchmarks,
    status.NAME: _status,
    teachers.NAME: _teachers,
}


def generate(context: Context) -> dict[str, str]:
    """Text of the generated pages by name, and of files beside them by path."""
    listed = {page.name for page in context.pages}
    found = {}
    for name, write in PAGES.items():
        if name in listed:
            found |= write(context)
    return found

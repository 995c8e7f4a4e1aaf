"""The pages that the build writes: which there are, and what they are written from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import nbformat

from sotlib.companion.book import (
    benchmarks,
    front,
    library,
    reproduction,
    status,
    teachers,
    trainings,
)
from sotlib.companion.book._common import Layout, read_text
from sotlib.companion.book.alone import repository
from sotlib.companion.book.chapters import Page


@dataclass(frozen=True)
class Context:
    """What a generated page may depend on."""

    layout: Layout
    pages: Sequence[Page]
    notebooks: Mapping[str, nbformat.NotebookNode]  # executed chapters by page name
    manifest: Mapping
    scale: str


def _status(context: Context) -> str:
    names = [page.name for page in context.pages if page.is_notebook]
    return status.page(names, context.layout.executed(context.scale), scale=context.scale)


def _teachers(context: Context) -> str:
    source = context.layout.source / f"{teachers.NAME}.md"
    address = repository(context.layout)["url"]
    return teachers.page(read_text(source, teachers.NAME), context.pages, address=address)


def _trainings(context: Context) -> str:
    source = context.layout.source / f"{trainings.NAME}.md"
    return trainings.page(read_text(source, trainings.NAME), context.layout.root / "results")


# By page name: the page's text, or with those of files beside it by path.
PAGES: dict[str, Callable[[Context], str | dict[str, str]]] = {
    reproduction.NAME: lambda c: reproduction.files(c.manifest, c.notebooks, scale=c.scale),
    library.NAME: lambda _: library.page(),
    benchmarks.NAME: lambda c: benchmarks.files(c.layout.root / "results" / "benchmarks"),
    status.NAME: _status,
    teachers.NAME: _teachers,
    trainings.NAME: _trainings,
}


def generate(context: Context) -> dict[str, str]:
    """Text of the generated pages that _toc.yml lists by name, and of files beside them."""
    listed = {page.name for page in context.pages}
    found: dict[str, str] = {}
    for name, write in PAGES.items():
        if name in listed:
            written = write(context)
            found |= {name: written} if isinstance(written, str) else written
    return found | front.files(context.manifest, context.notebooks, scale=context.scale)

"""What can be built: the whole book, one chapter, assignments made of it, and zips."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat

from sotlib.companion.book import manifest
from sotlib.companion.book._common import BookError, Layout
from sotlib.companion.book.assignment import write_assignment
from sotlib.companion.book.chapters import Page, read_pages
from sotlib.companion.book.execute import execute_chapters
from sotlib.companion.book.generated import PAGES, Context, generate
from sotlib.companion.book.plain import read_names
from sotlib.companion.book.site import build_site
from sotlib.companion.book.zips import write_zip
from sotlib.companion.files import locked


def build_book(layout: Layout, *, scale: str = "laptop", jobs: int = 2) -> Path:
    """Execute all chapters and build the website; return its first page."""
    content = manifest.load(layout.manifest)
    pages = read_pages(layout, tuple(PAGES))
    chapters = [page for page in pages if page.is_notebook]
    with _only_build(layout):
        notebooks = execute_chapters(layout, chapters, parameters={"scale": scale}, jobs=jobs)
        manifest.check_labels(content["entries"].values(), notebooks)
        generated = generate(Context(layout, pages, notebooks, content, scale))
        changed = build_site(layout, pages, notebooks, generated)
    print("the site is built" if changed else "nothing has changed since the last build")
    return layout.html / f"{pages[0].name}.html"


def build_chapter(
    layout: Layout, name: str, *, scale: str = "laptop", parameters: Mapping[str, object]
) -> Path:
    """Execute one chapter; return its executed notebook."""
    page = find_chapter(layout, name)
    with _only_build(layout):
        parameters = {"scale": scale, **parameters}
        execute_chapters(layout, [page], parameters=parameters, jobs=1)
    return layout.executed(str(parameters["scale"])) / f"{page.name}.ipynb"


def build_assignment(layout: Layout, name: str, *, scale: str = "laptop") -> list[Path]:
    """Execute one chapter for the numbers in its text, and make assignments of it."""
    page, names = find_chapter(layout, name), read_names(layout, read_pages(layout, tuple(PAGES)))
    path = build_chapter(layout, page.name, scale=scale, parameters={})
    executed = nbformat.read(path, as_version=4)
    return write_assignment(layout, page, names, executed=executed)


def build_zips(
    layout: Layout, *, chapter: str = "", scale: str = "laptop", jobs: int = 2
) -> list[Path]:
    """Execute all chapters, or one, and write a zip for each."""
    pages = read_pages(layout, tuple(PAGES))
    names = read_names(layout, pages)
    wanted = [find_chapter(layout, chapter)] if chapter else [p for p in pages if p.is_notebook]
    with _only_build(layout):
        notebooks = execute_chapters(layout, wanted, parameters={"scale": scale}, jobs=jobs)
        return [write_zip(layout, page, names, notebooks[page.name]) for page in wanted]


def find_chapter(layout: Layout, name: str) -> Page:
    """The notebook of this name, also given as ``book/sot/why.md``."""
    chapters = {p.name: p for p in read_pages(layout, tuple(PAGES)) if p.is_notebook}
    name = name.removeprefix("book/").removesuffix(".md")
    if name not in chapters:
        raise BookError(f"there is no chapter {name!r}; choose one of {', '.join(chapters)}")
    return chapters[name]


@contextlib.contextmanager
def _only_build(layout: Layout) -> Iterator[None]:
    """Keep a second build out of the same folder, and clean up after a killed one."""
    layout.out.mkdir(parents=True, exist_ok=True)
    refusal = BookError(f"another build is running in {layout.out}")
    with locked(layout.out / "lock", refusal):
        for leftover in layout.out.rglob("*.tmp"):
            leftover.unlink(missing_ok=True)
        yield

"""A tiny book, as it is and as if its chapter had been executed."""

import nbformat
import pytest
from tiny_book import (
    CELL,
    ENTRY,
    FIGURE,
    HEADER,
    NOT_BUILT,
    PARAMETERS,
    manifest_text,
    page_of,
    toc,
)

from sotlib.companion.book import chapters
from sotlib.companion.book._common import Layout
from sotlib.companion.files import write_atomically


@pytest.fixture
def book(tmp_path):
    """A tiny book; returns its layout."""
    layout = Layout(tmp_path, tmp_path / "_build")
    files = {
        "_config.yml": "title: Tiny\nonly_build_toc_files: true\n"
        'execute: {execute_notebooks: "off"}\n',
        "_toc.yml": toc("part/one", "appendix/reproduction"),
        "requirements.lock": "a==1\n",
        "book/intro.md": "# Intro\n",
        "book/part/one.md": HEADER + PARAMETERS + CELL + FIGURE,
        "book/data/numbers.csv": "1,2\n",
        "book/manifest.yml": manifest_text(ENTRY, NOT_BUILT),
    }
    for name, text in files.items():
        write_atomically(tmp_path / name, text)
    return layout


@pytest.fixture
def executed():
    """The tiny book's chapter, as it looks after its execution."""
    notebook = chapters.read_notebook(page_of(HEADER + PARAMETERS + FIGURE))
    output = nbformat.v4.new_output(
        "display_data",
        data={"application/papermill.record/text/plain": "0.0002"},
        metadata={"scrapbook": {"name": "error", "mime_prefix": "application/papermill.record/"}},
    )
    picture = nbformat.v4.new_output(
        "display_data", data={"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"/>'}
    )
    notebook.cells[-1].outputs = [output, picture]
    return {"part/one": notebook}

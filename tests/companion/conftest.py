"""A tiny book, as it is and as if its chapter had been executed; and smoke runs, once for all."""

import contextlib

import nbformat
import pytest
import torch
from smoke import ROWS, numbers
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
from sotlib.companion.experiments.pnp import data as pnp_data
from sotlib.companion.experiments.pnp import drum as pnp_drum
from sotlib.companion.experiments.sot import table as sot_table
from sotlib.companion.files import write_atomically


@pytest.fixture
def book(tmp_path):
    """A tiny book; returns its layout. What is built goes to a folder with a space in its name."""
    layout = Layout(tmp_path, tmp_path / "my build")
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


@contextlib.contextmanager
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread():
    """The number of threads decides the last bits."""
    with _one_thread():
        yield


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """The folder of the smoke runs of two rows, carried out in this process on one thread."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with _one_thread():
        for row in ROWS:
            sot_table.run(row, 1, budget="smoke", folder=folder)
    return folder


@pytest.fixture(scope="session")
def expected(uninterrupted):
    """What the first of them found."""
    return numbers(uninterrupted / f"{ROWS[0]}-1.json")


@pytest.fixture(scope="session")
def pnp_folder(tmp_path_factory):
    """Results of the drums' smoke budget, named as in the repository, with its prepared data."""
    folder = tmp_path_factory.mktemp("pnp") / "pnp_drum" / "smoke"
    with _one_thread():
        _prepared_drums(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(pnp_folder):
    return _prepared_drums(pnp_folder)


def _prepared_drums(folder):
    folder = pnp_data.shards_folder(folder, "pnp_drum", "smoke")
    return pnp_data.load(pnp_drum.MATCHING.shards, "smoke", folder)

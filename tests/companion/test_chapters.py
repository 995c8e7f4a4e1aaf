"""The pages of the book, and the parameters of chapters."""

import nbformat
import pytest
from tiny_book import CELL, HEADER, PARAMETERS, page_of, toc

from sotlib.companion.book import BookError, chapters, reproduction


def parameters(text, **values):
    notebook = chapters.read_notebook(page_of(text))
    chapters.set_parameters(notebook, "part/one", values)
    return next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))


def test_pages_in_order_and_which_are_notebooks(book):
    pages = chapters.read_pages(book, (reproduction.NAME,))
    assert [page.name for page in pages] == ["intro", "part/one", "appendix/reproduction"]
    assert [page.is_notebook for page in pages] == [False, True, False]


def test_page_without_source_is_named(book):
    book.toc.write_text(toc("part/one", "part/nowhere"))
    with pytest.raises(BookError, match=r"part/nowhere, but there is no .*nowhere\.md"):
        chapters.read_pages(book)


@pytest.mark.parametrize("name", ["../evil", "../../evil", "/evil", "part/../../evil", "a//b", ""])
def test_pages_outside_the_book_are_refused(book, name):
    (book.root / "evil.md").write_text("# Evil\n")
    for text in (toc("part/one", name), toc("part/one").replace("root: intro", f"root: '{name}'")):
        book.toc.write_text(text)
        with pytest.raises(BookError, match=f"_toc.yml lists '{name}', which is no page's path"):
            chapters.read_pages(book, (reproduction.NAME,))


@pytest.mark.parametrize("name", ["secret.md", "folder", "gone"])
def test_links_out_of_the_book_are_refused(book, name):
    (book.root / "folder").mkdir()
    (book.root / "secret.md").write_text("# Secret\n")
    (book.source / "part" / "link.md").symlink_to(book.root / name)
    with pytest.raises(BookError, match=r"part/link\.md is a link that leads out of .*book: put"):
        chapters.read_pages(book, (reproduction.NAME,))
    (book.source / "part" / "link.md").unlink()
    (book.source / "part" / "link.md").symlink_to("one.md")
    assert len(chapters.read_pages(book, (reproduction.NAME,))) == 3


def test_parameters_are_written_in_place():
    source = parameters(HEADER + PARAMETERS, scale="smoke", gain=-2)
    assert source == 'scale = "smoke"  # smoke, laptop or paper\ngain = -2'


def test_parameters_on_one_line_and_beyond_ascii():
    text = PARAMETERS.replace("gain = 1.0", 'a = "é"; b = [1,\n  2]')
    assert parameters(HEADER + text, b=3, a="ß").endswith('a = "ß"; b = 3')


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        (CELL, {}, "part/one: no cell is tagged 'parameters'"),
        (PARAMETERS * 2, {}, "part/one: 2 cells are tagged 'parameters'"),
        (PARAMETERS.replace("scale =", "size ="), {}, "part/one: .* does not set `scale`"),
        (PARAMETERS.replace("scale =", "scale = ="), {}, "part/one: .* does not parse"),
        (PARAMETERS, {"volume": 1}, "part/one: unknown parameter 'volume'; .* sets scale, gain"),
        (PARAMETERS, {"scale": "huge"}, "scale is 'huge'; choose one of smoke, laptop, paper"),
    ],
)
def test_bad_parameters_are_named(text, values, message):
    with pytest.raises(BookError, match=message):
        parameters(HEADER + text, **values)


def test_notebooks_have_the_same_bytes_every_time():
    one, two = (nbformat.writes(chapters.read_notebook(page_of(HEADER + CELL))) for _ in "ab")
    assert one == two

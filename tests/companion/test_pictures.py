"""What the site does with a notebook's pictures, and what it leaves out."""

import nbformat
import pytest
from tiny_book import CELL, HEADER, page_of

from sotlib.companion.book import chapters
from sotlib.companion.book.pictures import prepared
from sotlib.companion.book.slim import slim

_IMAGE = '<svg><image href="data:"/></svg>'


def _with(data):
    notebook = chapters.read_notebook(page_of(HEADER + CELL))
    notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", data=data)]
    return notebook


@pytest.mark.parametrize(
    ("svg", "heat"),
    [(_IMAGE, True), ('<svg><g id="QuadMesh_1"/></svg>', True), ("<svg><path/></svg>", False)],
)
def test_heat_maps_are_marked(svg, heat):
    notebook = _with({"image/svg+xml": svg})
    classes = prepared(notebook).cells[-1].metadata.get("mystnb", {}).get("image", {})
    assert ("heat" in classes.get("classes", "")) == heat
    assert "mystnb" not in notebook.cells[-1].metadata  # the executed notebook stays as it is


def test_alternative_text_stays():
    notebook = _with({"image/svg+xml": _IMAGE})
    notebook.cells[-1].metadata["mystnb"] = {"image": {"alt": "A map."}}
    image = prepared(notebook).cells[-1].metadata["mystnb"]["image"]
    assert image == {"alt": "A map.", "classes": "heat"}


def test_svg_is_smaller_and_other_text_is_not_touched():
    text = (
        '<p>1.23456</p>  <svg id="a1.23456"> <use x="-0.001" transform="scale(0.015625)"/> </svg>'
    )
    (output,) = prepared(_with({"text/html": text})).cells[-1].outputs
    expected = '<svg id="a1.23456"><use x="0" transform="scale(0.015625)"/></svg>'
    assert output.data["text/html"] == f"<p>1.23456</p>  {expected}"


def test_site_is_slimmed(tmp_path):
    files = {
        "_static/locales/de.po": "x",
        "_static/mathjax/tex-chtml.js": "x",
        "_static/mathjax/tex-svg.js": "x",
        "_static/mathjax/sre/mathmaps/hi.json": "x",
        "_static/mathjax/a11y/sre.js": "x",
        "_static/scripts/a.js": "run()\n//# sourceMappingURL=a.js.map",
        "_static/scripts/a.js.map": "x",
        "_static/styles/b.css": "a{}\n/*# sourceMappingURL=b.css.map*/",
        "_static/styles/b.css.map": "x",
        "_images/a.svg": "same",
        "_images/b.svg": "same",
        "_images/c.svg": "other",
        "part/one.html": "<img src='../_images/b.svg'><img src='../_images/c.svg'>",
        "part/two.html": '<p role="doc-biblioentry"><summary aria-label="Toggle hidden content">',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    slim(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    gone = {name for name in files if name.endswith((".po", ".map", "tex-svg.js", "hi.json"))}
    assert left == set(files) - gone - {"_images/b.svg"}
    assert (tmp_path / "_static/scripts/a.js").read_text() == "run()\n"
    assert (tmp_path / "_static/styles/b.css").read_text() == "a{}\n"
    page = "<img src='../_images/a.svg'><img src='../_images/c.svg'>"
    assert (tmp_path / "part/one.html").read_text() == page
    assert (tmp_path / "part/two.html").read_text() == '<p role="listitem"><summary>'

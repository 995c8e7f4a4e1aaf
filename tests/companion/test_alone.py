"""A chapter alone: its text needs no MyST, its first cell finds files, its zip has all it needs."""

import json
import subprocess
import sys
import zipfile

import nbformat
import pytest
from tiny_book import CELL, FIGURE, HEADER, PARAMETERS, page_of

from sotlib.companion.book import BookError
from sotlib.companion.book.alone import alone
from sotlib.companion.book.build import build_chapter, build_zips
from sotlib.companion.book.plain import Names, plain, read_names, references
from sotlib.companion.files import write_atomically

NAMES = Names(
    titles={"part/one": "One", "b": "B"},
    numbers={"fig-one": "Fig. 7", "eq-a": "(3)"},
    cited={"x": ("X", "1999", "X (1999). T"), "y": ("Y and Z", "2001", "Y, Z (2001). U")},
)
READS = """
```{code-cell} ipython3
from pathlib import Path
text = Path("../results/kind/a.json").read_text()
data = ["sound.flac"]
```
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{doc}`one`, {doc}`this <../b>`", "*One*, *this*"),
        ("{numref}`fig-one`, {eq}`eq-a`", "Fig. 7, (3)"),
        ("{ref}`b` and {ref}`the one\n<b>`", "B and the one"),
        ("{cite:t}`x,y`", "X [1999], Y and Z [2001]"),
        ("{cite}`x, y`", "[X, 1999; Y and Z, 2001]"),
        ("{glue:text}`a:.1f` {glue:text}`a` {glue:text}`word`", "2.5 2.46 ten"),
        ("{glue:text}`n:d` {glue:text}`n:.1f`", "-12 -12.0"),
        ("$$\na\n$$ (eq-a)\n", "$$\na\n\\tag{3}\n$$\n"),
        ("```{admonition} In short\nOne.\n\nTwo.\n```", "> **In short**\n>\n> One.\n>\n> Two."),
        ("(label)=\n# Title", "# Title"),
        ("{py:obj}`~sotlib.STFT`", "`sotlib.STFT`"),
        ("`{glue}` $a < b$", "`{glue}` $a < b$"),
    ],
)
def test_text_without_myst(text, expected):
    assert plain(text, "part/two", NAMES, {"a": "2.46", "word": "ten", "n": "-12"}) == expected


@pytest.mark.parametrize("role", ["doc", "numref", "eq", "ref", "cite", "glue:text"])
def test_what_the_book_lacks_is_named(role):
    with pytest.raises(BookError, match="chapter part/two: nothing in the book is called"):
        plain(f"{{{role}}}`nothing`", "part/two", NAMES, {})


def test_references_are_listed_once():
    text = references(["{cite}`y`", "{cite:t}`x,y`"], NAMES)
    assert text == "## References\n\n- X (1999). T\n- Y, Z (2001). U"
    assert references(["none"], NAMES) == ""


def test_labels_are_numbered_in_order_of_the_pages(book):
    pages = [
        page_of("# A\n$$ (eq-b)\n    name: fig-b\n"),
        page_of("# B\n    name: fig-a\n$$ (eq-a)\n"),
    ]
    numbers = {"eq-b": "(1)", "fig-b": "Fig. 1", "fig-a": "Fig. 2", "eq-a": "(2)"}
    assert read_names(book, pages).numbers == numbers


@pytest.fixture
def zipped(book):
    """The zip of a chapter that reads a record and names a data file."""
    root = book.root
    write_atomically(root / "results/kind/a.json", "{}")
    write_atomically(root / "results/kind/b.json", "{}")
    write_atomically(book.source / "part/data/sound.flac", "x")
    write_atomically(book.source / "part/one.md", HEADER + PARAMETERS + CELL + READS + FIGURE)
    extras = '[project]\ndependencies = ["numpy>1"]\n[project.optional-dependencies]\n'
    write_atomically(root / "pyproject.toml", f'{extras}book = ["ipykernel"]\nexperiments = []\n')
    write_atomically(root / "requirements.lock", "a==1 \\\n    --hash=sha256:0\nb==2 ; x\n")
    (path,) = build_zips(book, chapter="part/one", scale="smoke")
    return path


def test_zip_has_what_the_chapter_reads(zipped, book):
    with zipfile.ZipFile(zipped) as file:
        names = {name.removeprefix("part-one/") for name in file.namelist()}
        pins = file.read("part-one/requirements.txt").decode()
        constraints = file.read("part-one/constraints.txt").decode()
    ours = {name for name in names if name.startswith("sotlib/")}
    assert names - ours == {
        *("README.md", "requirements.txt", "constraints.txt", "book/one.ipynb"),
        *("book/part/data/sound.flac", "results/kind/a.json"),
    }
    assert {"sotlib/__init__.py", "sotlib/companion/show/table.py"} < ours
    assert "sotlib/companion/book/site.py" not in ours
    assert "numpy==" in pins
    assert "ipykernel==" in pins
    assert constraints == "a==1\nb==2 ; x\n"
    before = zipped.read_bytes()
    build_zips(book, chapter="part/one", scale="smoke")
    assert zipped.read_bytes() == before, "the same bytes every time"


def run(notebook, folder):
    """Run a notebook's first cell and the one that reads, where nothing is installed."""
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    code = "\n\n".join([cells[0], "print(os.getcwd())", cells[3]])
    command = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_notebook_finds_its_files_or_says_what_is_missing(zipped, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fresh")
    with zipfile.ZipFile(zipped) as file:
        notebook = nbformat.reads(file.read("part-one/book/one.ipynb").decode(), as_version=4)
        first = notebook.cells[0]
        # What is installed is another matter.
        first.source = first.source.replace('    "torch",\n', "").replace('    "IPython",\n', "")
        first.source = first.source.replace('    "myst_nb",\n', "")
        alone_there = run(notebook, folder)
        assert "FileNotFoundError: not found from" in alone_there.stderr
        assert "sotlib/companion, book" in alone_there.stderr
        assert "Put part-one.zip here and unzip it. It comes from `make zips`" in alone_there.stderr
        file.extractall(folder)
    for place in (folder, folder / "part-one", folder / "part-one/book"):
        found = run(notebook, place)
        assert (found.returncode, found.stdout) == (0, f"{folder / 'part-one/book'}\n"), found
    (folder / "part-one/results/kind/a.json").unlink()
    (folder / "part-one/results/kind").rmdir()
    assert "results/kind. Put" in run(notebook, folder).stderr


def test_missing_packages_are_named_together(book):
    path = build_chapter(book, "part/one", scale="smoke", parameters={})
    executed = nbformat.read(path, as_version=4)
    assert executed.metadata["reads"] == []
    notebook = alone(executed, page_of("# A"), NAMES, address="https://example.org/a")
    assert json.dumps("https://example.org/a/releases")[1:-1] in notebook.cells[0].source
    write_atomically(book.root / "sotlib/companion/__init__.py", "")
    said = run(notebook, book.root).stderr
    assert "ModuleNotFoundError: not installed: IPython, myst_nb, torch" in said


def test_captions_follow_their_figures(book):
    path = build_chapter(book, "part/one", scale="smoke", parameters={})
    notebook = alone(nbformat.read(path, as_version=4), page_of("# A"), NAMES)
    assert notebook.cells[-1].source == "**Fig. 7.** One."
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "mystnb" not in nbformat.writes(notebook)

"""Notebooks are exported with the library and pushed."""

import re
import subprocess

import nbformat
import pytest
from test_generated import CHAPTER

from sotlib.companion.book import BookError, cache, chapters, notebooks, site
from sotlib.companion.book.__main__ import main
from sotlib.companion.book._common import Layout
from sotlib.companion.files import write_atomically


@pytest.fixture
def book(tmp_path):
    """An executed one-chapter book in a git checkout with a remote."""
    layout = Layout(tmp_path / "checkout", tmp_path / "checkout/_build")
    files = {
        "_config.yml": "repository: {url: https://example.org/a/b, branch: n, path_to_book: book}",
        "_toc.yml": "format: jb-book\nroot: intro\nchapters:\n- file: part/one\n",
        "book/intro.md": "# Intro\n",
        "book/part/one.md": CHAPTER,
        "book/manifest.yml": "papers: {}\n",
        "sotlib/__init__.py": "",
        "sotlib/__pycache__/a.pyc": "",
        "pyproject.toml": "",
        ".gitignore": "_build/\n",
    }
    for name, text in files.items():
        write_atomically(layout.root / name, text)
    cell = nbformat.v4.new_code_cell("1", execution_count=1)
    metadata = {"kernelspec": {"name": "python3", "display_name": "P", "language": "python"}}
    executed = nbformat.v4.new_notebook(cells=[cell], metadata=metadata)
    cache.store(layout.executed("smoke"), "part/one", "key", nbformat.writes(executed))
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "remote")], check=True)
    subprocess.run(["git", "init", "--quiet", str(layout.root)], check=True)
    git = ["git", "-C", str(layout.root), "remote", "add", "origin", str(tmp_path / "remote")]
    subprocess.run(git, check=True)
    return layout


EXPORTED = {
    "book/part/one.ipynb",
    "book/manifest.yml",
    "sotlib/__init__.py",
    "pyproject.toml",
}


def test_export_has_notebooks_and_library(book):
    folder = notebooks.export(book, scale="smoke")
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert names == EXPORTED
    notebook = nbformat.read(folder / "book/part/one.ipynb", as_version=4)
    nbformat.validate(notebook)
    first = notebook.cells[0].source
    assert 'if "google.colab" in sys.modules:' in first
    assert "--branch n https://example.org/a/b " in first
    assert "find_files()" in notebook.cells[1].source
    assert notebook.cells[2].source == "1"
    assert notebook.cells[2].execution_count == 1


def test_buttons_lead_to_exported_notebooks(book):
    # Colab knows notebooks on GitHub only.
    text = book.config.read_text().replace("example.org", "github.com")
    settings = "title: Tiny\nonly_build_toc_files: true\nexecute: {execute_notebooks: 'off'}\n"
    book.config.write_text(settings + text)
    pages = chapters.read_pages(book)
    executed = nbformat.read(book.executed("smoke") / "part/one.ipynb", as_version=4)
    executed.cells.insert(0, nbformat.v4.new_markdown_cell("# One"))
    site.build_site(book, pages, {"part/one": executed}, {})
    html = (book.html / "part/one.html").read_text()
    (colab,) = re.findall(r'href="(https://colab\.research\.google\.com/[^"]*)"', html)
    path = colab.split("/github/a/b/blob/n/")[1]
    assert (notebooks.export(book, scale="smoke") / path).is_file()
    (binder,) = re.findall(r'href="(https://mybinder\.org/[^"]*)"', html)
    assert "/v2/gh/a/b/n?" in binder
    assert binder.endswith("book/part/one.ipynb")


def test_first_cell_does_nothing_elsewhere(book):
    folder = notebooks.export(book, scale="smoke")
    notebook = nbformat.read(folder / "book/part/one.ipynb", as_version=4)
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(notebook.cells[0].source)
    exec(compile(code, "cell", "exec"), {})
    assert "get_ipython" in code


def test_published_branch_is_one_commit(book, tmp_path):
    for _ in "ab":
        notebooks.export(book, scale="smoke")
        commit = notebooks.publish(book)
    git = ["git", "-C", str(tmp_path / "remote")]
    run = {"check": True, "capture_output": True, "text": True}
    assert subprocess.run([*git, "rev-parse", "n"], **run).stdout.strip() == commit
    assert subprocess.run([*git, "rev-list", "--count", "n"], **run).stdout.strip() == "1"
    tree = subprocess.run([*git, "ls-tree", "-r", "--name-only", "n"], **run).stdout
    assert set(tree.split()) == EXPORTED
    status = subprocess.run(["git", "-C", str(book.root), "status", "--short"], **run).stdout
    assert "notebooks" not in status


def test_nothing_outside_is_published(book, tmp_path):
    (tmp_path / "secret").write_text("")
    (book.root / "results").symlink_to(tmp_path)
    with pytest.raises(BookError, match="results is a link that leads out"):
        notebooks.export(book, scale="smoke")
    (book.root / "results").unlink()
    book.config.write_text(
        book.config.read_text().replace("path_to_book: book", "path_to_book: ../x")
    )
    with pytest.raises(BookError, match=r"path_to_book leads out of it: \.\./x"):
        notebooks.export(book, scale="smoke")
    assert not (book.out / "x").exists()


def test_faults_of_publishing_are_messages(book, capsys):
    arguments = ["--root", str(book.root), "--out", str(book.out)]
    assert main(["notebooks", "--scale", "paper", *arguments]) == 1
    assert "the executed chapter part/one (run make book) is missing" in capsys.readouterr().err
    notebooks.export(book, scale="smoke")
    with pytest.raises(BookError, match="git push failed"):
        notebooks.publish(book, remote="nowhere")
    book.config.write_text("title: a\n")
    assert main(["notebooks", "--scale", "smoke", *arguments]) == 1
    assert "repository: url is not set in _config.yml" in capsys.readouterr().err
    assert main(["notebooks", "--scale", "smoke", "--publish", *arguments]) == 0
    assert "nothing is published" in capsys.readouterr().out

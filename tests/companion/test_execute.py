"""Chapters are executed, and what fails is named."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from tiny_book import CELL, HEADER, PARAMETERS, set_chapter

from sotlib.companion.book import BookError, chapters, manifest, reproduction
from sotlib.companion.book.__main__ import main
from sotlib.companion.book.build import build_chapter
from sotlib.companion.book.execute import execute_chapters


def test_execution_cache_and_clean_notebooks(book, capsys):
    (page,) = (p for p in chapters.read_pages(book, (reproduction.NAME,)) if p.is_notebook)
    first = execute_chapters(book, [page], parameters={"scale": "smoke"}, jobs=2)
    assert "part/one: run in" in capsys.readouterr().out
    notebook = first["part/one"]
    text = nbformat.writes(notebook)
    assert "ran at smoke 1.0" in text
    assert "papermill" not in notebook.metadata
    assert not any("papermill" in c.metadata or "execution" in c.metadata for c in notebook.cells)
    assert [c.execution_count for c in notebook.cells if c.cell_type == "code"] == [1, 2, 3]
    second = execute_chapters(book, [page], parameters={"scale": "smoke"})
    assert "part/one: cached" in capsys.readouterr().out
    assert nbformat.writes(second["part/one"]) == text


def test_kernel_is_this_interpreter_in_the_book_folder(book):
    code = "```{code-cell} ipython3\nimport os, sys\nprint(sys.executable, os.getcwd())\n```\n"
    set_chapter(book, HEADER + PARAMETERS + code)
    path = build_chapter(book, "part/one", parameters={"gain": 3})
    assert f"{sys.executable} {book.source}" in path.read_text()
    assert "gain = 3" in path.read_text()


def test_failing_cell_is_named_and_its_notebook_kept(book, capsys):
    set_chapter(book, HEADER + PARAMETERS + CELL.replace("print(", "1 / 0\nprint("))
    arguments = ["--root", str(book.root), "--out", str(book.out), "--scale", "smoke"]
    assert main(["build", *arguments]) == 1
    error = capsys.readouterr().err
    assert "chapter part/one, cell 2: ZeroDivisionError: division by zero" in error
    assert "Traceback" not in error
    assert "ZeroDivisionError" in (book.failed / "part/one.log").read_text()
    assert "ZeroDivisionError" in (book.failed / "part/one.ipynb").read_text()
    assert not list(book.executed("smoke").rglob("*.ipynb"))
    assert not book.html.exists()


def test_a_name_that_is_glued_twice_is_named(book):
    code = "from myst_nb import glue\nfor k in (1, 2):\n    glue('value', k)\n"
    set_chapter(book, HEADER + PARAMETERS + f"```{{code-cell}} ipython3\n{code}```\n")
    with pytest.raises(BookError, match="chapter part/one: glued more than once: value"):
        build_chapter(book, "part/one", parameters={})


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited for 30 s"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into Linux's /proc")
def test_killed_build_leaves_nothing_that_the_next_one_trusts(book):
    begun = book.root / "begun"
    code = f"import os, time; os.symlink(str(os.getpid()), {str(begun)!r}); time.sleep(60)"
    set_chapter(book, HEADER + PARAMETERS + f"```{{code-cell}} ipython3\n{code}\n```\n")
    command = [sys.executable, "-m", "sotlib.companion.book", "chapter", "part/one"]
    command += ["--root", str(book.root), "--out", str(book.out)]
    library = str(Path(manifest.__file__).parents[3])
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": library})
    try:
        wait_until(begun.is_symlink)
        with pytest.raises(BookError, match="another build is running"):
            build_chapter(book, "part/one", parameters={})
    finally:
        process.kill()
        process.wait()
    kernel = Path("/proc", os.readlink(begun))
    wait_until(lambda: not kernel.exists() or "\nState:\tZ" in (kernel / "status").read_text())
    assert not list(book.executed("laptop").rglob("*.ipynb"))
    set_chapter(book, HEADER + PARAMETERS + CELL)
    path = build_chapter(book, "part/one", parameters={})
    assert "ran at laptop 1.0" in path.read_text()


def test_unknown_chapter_lists_the_known_ones(book):
    with pytest.raises(BookError, match="no chapter 'part/two'; choose one of part/one"):
        build_chapter(book, "part/two", parameters={})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chapter", "part/one", "-p", "volume=1"], "unknown parameter 'volume'"),
        (["chapter", "part/one", "-p", "volume"], "-p takes name=value, but got 'volume'"),
        (["serve"], "there is no site in"),
        (["build", "--out", "{root}/_toc.yml"], "File exists"),
        (["build", "--out", "{root}/_toc.yml/a"], "Not a directory"),
        (["chapter", "part/one", "--root", "{root}/_toc.yml"], "Not a directory"),
    ],
)
def test_command_line_faults_are_messages(book, capsys, arguments, message):
    places = ["--root", str(book.root), "--out", str(book.out)]
    command, *rest = (argument.format(root=book.root) for argument in arguments)
    assert main([command, *places, *rest]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_missing_extra_is_named(book, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "sotlib.companion.book.build", raising=False)
    monkeypatch.setitem(sys.modules, "jupytext", None)
    monkeypatch.delitem(sys.modules, "sotlib.companion.book.chapters", raising=False)
    assert main(["build", "--root", str(book.root), "--out", str(book.out)]) == 1
    error = capsys.readouterr().err
    assert error == "error: jupytext is missing: pip install 'sotlib[book]'\n"

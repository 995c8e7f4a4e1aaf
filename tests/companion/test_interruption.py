"""Builds that are interrupted or killed, whole or in parts."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tiny_book import CELL, FIGURE, HEADER, PARAMETERS, set_chapter, toc

from sotlib.companion.book import BookError, cache, chapters, manifest, site
from sotlib.companion.book.execute import execute_chapters

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
LIBRARY = str(Path(manifest.__file__).parents[3])


def cell(code):
    return f"```{{code-cell}} ipython3\n{code}\n```\n"


def begin(book, out=None):
    """Begin to build in a process."""
    command = [sys.executable, "-m", "sotlib.companion.book", "build", "--scale", "smoke"]
    command += ["--root", str(book.root), "--out", str(out or book.out)]
    return subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": LIBRARY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited for {seconds} s"
        time.sleep(0.02)


def test_killed_process_is_the_fault_of_its_chapter_alone(book):
    kill = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"  # the kernel's parent
    for name, code in (("one", kill), ("two", "import time\ntime.sleep(2)"), ("three", "1")):
        (book.source / f"part/{name}.md").write_text(HEADER + PARAMETERS + cell(code))
    book.toc.write_text(toc("part/one", "part/two", "part/three"))
    pages = [page for page in chapters.read_pages(book) if page.is_notebook]
    with pytest.raises(BookError) as caught:
        execute_chapters(book, pages, parameters={"scale": "smoke"}, jobs=2)
    message = "chapter part/one: its process was killed (out of memory?)"
    assert str(caught.value) == message
    kept = book.executed("smoke")
    times = {page.name: cache.seconds_of(kept, page.name) for page in pages}
    assert times.pop("part/one") is None
    assert all(times.values())


@pytest.mark.parametrize(
    ("moment", "number", "status"),
    [
        ("chapter", signal.SIGINT, 130),
        pytest.param("chapter", signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param("render", signal.SIGINT, 130, marks=pytest.mark.slow),
        ("render", signal.SIGTERM, 143),
    ],
)
def test_interrupted_build_ends_with_its_processes(book, moment, number, status):
    """A signal to the main process alone, and to nothing below it."""
    begun = book.root / "begun"
    slow = f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(300)"
    set_chapter(book, HEADER + PARAMETERS + (cell(slow) if moment == "chapter" else CELL + FIGURE))
    process = begin(book)
    below = []
    try:
        if moment == "chapter":
            wait_until(begun.exists)
        else:
            wait_until(lambda: list(book.out.glob("render-*")))
            wait_until(psutil.Process(process.pid).children)
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert below
    assert psutil.wait_procs(below, timeout=30)[1] == []
    assert process.returncode == status
    assert "Traceback" not in error
    assert not book.html.exists()
    assert not (book.out / "html.stamp").exists()
    if moment == "chapter":
        assert not list(book.executed("smoke").rglob("*.ipynb"))


@pytest.mark.slow
def test_killed_ten_times_the_site_is_that_of_a_build_in_peace(book):
    """Killed at random moments, each time after a change, and begun again at once."""
    text, moments = HEADER + PARAMETERS + CELL + FIGURE, random.Random(0)
    out = book.root / "peace"
    for _ in "ab":  # the first one also fills the system's caches
        set_chapter(book, text)
        start = time.monotonic()
        finish(begin(book, out))
        lasted = time.monotonic() - start
        expected = site._contents(out / "html")
        out = book.root / "war"
    assert expected == site._contents(book.root / "peace" / "html")
    for attempt in range(10):
        set_chapter(book, f"{text}\nAttempt {attempt}.\n")
        process = begin(book, out)
        time.sleep(moments.uniform(0.1, 1) * lasted)
        process.kill()
        process.communicate()
        if (out / "html").exists():  # old or new, but whole
            assert set(site._contents(out / "html")) == set(expected)
    set_chapter(book, text)
    finish(begin(book, out))
    assert site._contents(out / "html") == expected
    wait_until(lambda: not [*out.glob("render-*"), *out.rglob("*.tmp"), *out.glob("*.old")])
    assert "nothing has changed" in finish(begin(book, out))


def finish(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out

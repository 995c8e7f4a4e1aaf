"""When an executed chapter may be used again."""

import itertools
import re

import pytest
from tiny_book import (
    page_of,
)

from sotlib.companion.book import cache
from sotlib.companion.files import write_atomically


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    write_atomically(folder / "losses.py", "a = 1\n")
    write_atomically(folder / "book" / "site.py", "b = 1\n")
    return folder


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("library/losses.py", "a = 2\n"),
        ("library/new.py", ""),
        ("library/losses.py", "not python"),
        ("library/companion/book/execute.py", "b = 1\n"),
        ("library/companion/records.py", "b = 1\n"),
        ("results/table.json", "{}"),
        ("book/data/numbers.csv", "1,3\n"),
        ("book/manifest.yml", "other"),
        ("requirements.lock", "a==2\n"),
    ],
)
def test_environment_key_follows_what_chapters_read(book, library, path, text):
    before = cache.environment_key(book, library)
    assert cache.environment_key(book, library) == before
    write_atomically(book.root / path, text)
    assert cache.environment_key(book, library) != before


@pytest.mark.parametrize(
    "path",
    [
        "library/companion/book/site.py",
        "library/companion/runner/sweep.py",
        "book/part/two.md",
        "book/_static/custom.css",
        "README.md",
    ],
)
def test_environment_key_ignores_what_they_do_not(book, library, path):
    before = cache.environment_key(book, library)
    write_atomically(book.root / path, "changed")
    assert cache.environment_key(book, library) == before


def test_environment_key_ignores_comments(book, library):
    before = cache.environment_key(book, library)
    write_atomically(library / "losses.py", "# why\na = 1  # so\n")
    assert cache.environment_key(book, library) == before


def test_what_the_key_ignores_is_imported_by_no_chapter(root):
    """Nor by the library, nor by what executes chapters."""
    library = [path.relative_to(root / "sotlib") for path in (root / "sotlib").rglob("*.py")]
    files = [root / "sotlib" / path for path in library if cache.runs(path.as_posix())]
    files += (root / "book").rglob("*.md")
    found = set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        for module, names in re.findall(r"^ *from sotlib\.([\w.]+) import ([\w, ]*)", text, re.M):
            found |= {module, *(f"{module}.{name}" for name in names.split(", "))}
        found |= set(re.findall(r"^ *import sotlib\.([\w.]+)", text, re.M))
    found.remove("companion.book.cache")  # which makes the key
    modules = {name.replace(".", "/") + ".py" for name in found} & {p.as_posix() for p in library}
    assert "companion/records.py" in modules
    assert not [name for name in modules if not cache.runs(name)]


def test_environment_key_follows_the_python_version(book, library, monkeypatch):
    before = cache.environment_key(book, library)
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert cache.environment_key(book, library) != before


def test_chapter_key_follows_source_parameters_and_environment():
    variants = itertools.product(["a", "b"], [{"scale": "smoke"}, {"scale": "paper"}], ["x", "y"])
    keys = {cache.chapter_key(page_of(text), values, env) for text, values, env in variants}
    assert len(keys) == 8


def test_stored_notebook_is_found_under_its_key_only(tmp_path):
    cache.store(tmp_path, "part/one", "key", "text")
    assert cache.load(tmp_path, "part/one", "key") == "text"
    assert cache.load(tmp_path, "part/one", "other") is None
    assert cache.load(tmp_path, "part/two", "key") is None


@pytest.mark.parametrize("damage", [b'{"seconds": "x"}', b"\xff", b"[" * 10**5])
def test_damaged_time_is_unknown(tmp_path, damage):
    (tmp_path / "one.json").write_bytes(damage)
    assert cache.seconds_of(tmp_path, "one") is None


@pytest.mark.parametrize("name", ["one.json", "one.ipynb"])
@pytest.mark.parametrize("damage", ["", '{"key": "key"}', None])
def test_half_written_files_are_not_trusted(tmp_path, name, damage):
    cache.store(tmp_path, "one", "key", "a notebook")
    (tmp_path / name).unlink()
    if damage is not None:
        (tmp_path / name).write_text(damage)
    assert cache.load(tmp_path, "one", "key") is None


def test_kill_between_notebook_and_record_is_noticed(tmp_path, monkeypatch):
    cache.store(tmp_path, "one", "old", "old notebook")

    def killed(path, data):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write_atomically(path, data)

    monkeypatch.setattr(cache, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.store(tmp_path, "one", "new", "new notebook")
    assert cache.load(tmp_path, "one", "old") is None
    assert cache.load(tmp_path, "one", "new") is None

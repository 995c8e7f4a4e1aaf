"""Executed chapters become a site."""

import pytest
import yaml

from sotlib.companion.book import BookError, chapters, reproduction, site
from sotlib.companion.book.build import build_book


def test_whole_book_is_rendered_once(book, executed, monkeypatch, capsys):
    monkeypatch.setattr("sotlib.companion.book.build.execute_chapters", lambda *a, **k: executed)
    index = build_book(book, scale="smoke")
    assert index.read_text().count("Intro") > 0
    page = (book.html / "appendix/reproduction.html").read_text()
    assert "reproduced" in page
    assert 'href="../part/one.html#fig-one"' in page
    monkeypatch.setattr("sotlib.companion.book.site._render", lambda layout: pytest.fail("again"))
    build_book(book, scale="smoke")
    assert "nothing has changed" in capsys.readouterr().out
    # No damage is papered over by the stamp, nor a damaged stamp believed.
    stamp, script = book.out / "html.stamp", next(book.html.rglob("_static/*.js"))
    monkeypatch.setattr("sotlib.companion.book.site._render", lambda layout: book.root / "empty")
    for path, damage in (
        (book.html / "part/one.html", None),
        (book.html / "part/one.html", page.replace("e", "f", 1).encode()),
        (script, None),
        (book.html / "searchindex.js", (book.html / "searchindex.js").read_bytes()[:-1]),
        (book.html / "planted.html", b""),
        *((stamp, damage) for damage in (None, b"", b"\xff", b"null", b"[" * 10**5)),
    ):
        whole = path.read_bytes() if path.exists() else None
        kept = stamp.read_bytes()
        path.unlink(missing_ok=True)
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(BookError, match="no HTML was written for: intro, part/one, appendix/r"):
            build_book(book, scale="smoke")
        stamp.write_bytes(kept)
        path.unlink(missing_ok=True)
        if whole is not None:
            path.write_bytes(whole)
    build_book(book, scale="smoke")
    assert "nothing has changed" in capsys.readouterr().out


def test_warnings_of_jupyter_book_are_errors(book, executed, monkeypatch):
    monkeypatch.setattr("sotlib.companion.book.build.execute_chapters", lambda *a, **k: executed)
    (book.source / "intro.md").write_text("# Intro\n\n{doc}`nowhere`\n")
    with pytest.raises(BookError, match=r"(?s)jupyter-book failed: .*intro\.md.*nowhere"):
        build_book(book, scale="smoke")
    assert not book.html.exists()
    assert not (book.out / "html.stamp").exists()


def test_what_sphinx_calls_critical_is_the_cause():
    log = ["reading"] * 30 + ["a.md:1: CRITICAL: Duplicate ID [docutils]"] + ["writing"] * 30
    assert site._faults("\n".join(log)) == "a.md:1: CRITICAL: Duplicate ID [docutils]"


def test_leftovers_of_killed_builds_are_cleaned(book, executed, monkeypatch):
    monkeypatch.setattr("sotlib.companion.book.build.execute_chapters", lambda *a, **k: executed)
    for name in ("render-abc/_build", "html.old"):
        (book.out / name).mkdir(parents=True)
    build_book(book, scale="smoke")
    assert {path.name for path in book.out.iterdir() if path.is_dir()} == {"html", "stage"}


def test_stage_has_no_sources_of_other_pages(book, executed):
    (book.source / "draft.md").write_text("# Draft\n")
    pages = chapters.read_pages(book, (reproduction.NAME,))
    files = site.staged_files(book, pages, executed, {reproduction.NAME: "# R\n"})
    assert {"_config.yml", "_toc.yml", "intro.md", "part/one.ipynb"} <= set(files)
    assert files["appendix/reproduction.md"] == b"# R\n"
    assert not {"draft.md", "part/one.md"} & set(files)


def test_buttons_appear_with_the_repository_address_only():
    without = yaml.safe_load(site.site_config('repository: {url: "", branch: n}\n'))
    assert without == {}
    config = yaml.safe_load(site.site_config("repository: {url: https://e.org/a, branch: n}\n"))
    assert config["html"]["use_repository_button"] is True
    assert {"colab_url", "binderhub_url"} == set(config["launch_buttons"])

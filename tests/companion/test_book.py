"""The build of the book: bad books are loud, good ones are built once."""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml

from sotlib.companion.book import BookError, cache, chapters, manifest, reproduction, site
from sotlib.companion.book.__main__ import main
from sotlib.companion.book._common import Layout
from sotlib.companion.book.build import build_book, build_chapter
from sotlib.companion.book.execute import execute_chapters
from sotlib.companion.book.generated import PAGES
from sotlib.companion.files import write_atomically

HEADER = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

"""
PARAMETERS = """\
```{code-cell} ipython3
:tags: [parameters]

scale = "laptop"  # smoke, laptop or paper
gain = 1.0
```

"""
CELL = """\
```{code-cell} ipython3
print("ran at", scale, gain)
```
"""
FIGURE = """
```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-one
    caption: One.
  image:
    alt: A square.
---
from IPython.display import SVG
from myst_nb import glue
glue("error", 2e-4, display=False)
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M1 1h7v7z"/></svg>')
```
"""
ENTRY = {
    "id": "one",
    "paper": "sot",
    "label": "Figure",
    "title": "one",
    "chapter": "part/one",
    "produced_by": "nothing",
    "published": {"peak": 1},
    "standing": "published",
    "figure": "fig-one",
    "scale": "smoke",
    "checks": [{"glue": "error", "tolerance": 1e-3, "what": "error"}],
}
NOT_BUILT = {k: v for k, v in ENTRY.items() if k not in ("figure", "checks")} | {"id": "two"}


def toc(*names):
    chapters = [{"file": name} for name in names]
    return yaml.safe_dump({"format": "jb-book", "root": "intro", "chapters": chapters})


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


def manifest_text(*entries):
    papers = {"sot": {"title": "SOT", "citation": "Somebody."}}
    return yaml.safe_dump({"papers": papers, "entries": list(entries)})


def set_chapter(layout, text):
    (layout.source / "part/one.md").write_text(text)


def page_of(text):
    return chapters.Page("part/one", Path("one.md"), text)


def parameters(text, **values):
    notebook = chapters.read_notebook(page_of(text))
    chapters.set_parameters(notebook, "part/one", values)
    return next(c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", []))


# Pages and parameters -------------------------------------------------------------------------


def test_pages_in_order_and_which_are_notebooks(book):
    pages = chapters.read_pages(book, (reproduction.NAME,))
    assert [page.name for page in pages] == ["intro", "part/one", "appendix/reproduction"]
    assert [page.is_notebook for page in pages] == [False, True, False]


def test_page_without_source_is_named(book):
    book.toc.write_text(toc("part/one", "part/nowhere"))
    with pytest.raises(BookError, match=r"part/nowhere, but there is no .*nowhere\.md"):
        chapters.read_pages(book)


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


# The cache ------------------------------------------------------------------------------------


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
    ["library/companion/book/site.py", "book/part/two.md", "book/_static/custom.css", "README.md"],
)
def test_environment_key_ignores_what_they_do_not(book, library, path):
    before = cache.environment_key(book, library)
    write_atomically(book.root / path, "changed")
    assert cache.environment_key(book, library) == before


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


# Execution ------------------------------------------------------------------------------------


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
    ],
)
def test_command_line_faults_are_messages(book, capsys, arguments, message):
    assert main([*arguments, "--root", str(book.root), "--out", str(book.out)]) == 1
    assert message in capsys.readouterr().err


# Staging and rendering ------------------------------------------------------------------------


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
    # A page that has gone, or a change, is not papered over by the stamp.
    (book.html / "part/one.html").unlink()
    monkeypatch.setattr("sotlib.companion.book.site._render", lambda layout: book.root / "empty")
    with pytest.raises(BookError, match="no HTML was written for: intro, part/one, appendix/rep"):
        build_book(book, scale="smoke")


def test_warnings_of_jupyter_book_are_errors(book, executed, monkeypatch):
    monkeypatch.setattr("sotlib.companion.book.build.execute_chapters", lambda *a, **k: executed)
    (book.source / "intro.md").write_text("# Intro\n\n{doc}`nowhere`\n")
    with pytest.raises(BookError, match=r"(?s)jupyter-book failed: .*intro\.md.*nowhere"):
        build_book(book, scale="smoke")
    assert not book.html.exists()
    assert not (book.out / "html.stamp").exists()


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


# The manifest ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "measured", "scale", "expected"),
    [
        ({}, {"error": 2e-4}, "smoke", "reproduced"),
        ({}, {"error": -2e-4}, "smoke", "reproduced"),
        ({}, {"error": 2e-3}, "smoke", "differs"),
        ({}, {"error": float("nan")}, "smoke", "differs"),
        ({"scale": "paper"}, {"error": 2e-4}, "laptop", "reduced"),
        ({"scale": "paper"}, {"error": 2e-4}, "paper", "reproduced"),
        ({"budget": "reduced"}, {"error": 2e-4}, "paper", "reduced"),
        ({"published": "unknown", "standing": "unknown"}, {}, "paper", "published value unknown"),
        ({"figure": None}, {}, "paper", "not yet"),
        ({"figure": None, "published": "unknown"}, {}, "paper", "not yet"),
        (
            {"checks": [{"glue": "paths", "expected": 10, "tolerance": 0, "what": "paths"}]},
            {"paths": 10},
            "smoke",
            "reproduced",
        ),
        (
            {"checks": [{"glue": "paths", "expected": 10, "tolerance": 0, "what": "paths"}]},
            {"paths": 11},
            "smoke",
            "differs",
        ),
    ],
)
def test_status_is_computed(change, measured, scale, expected):
    assert manifest.status(ENTRY | change, measured, scale=scale) == expected
    assert expected in manifest.STATUSES


def test_status_needs_every_check_to_hold():
    other = {"glue": "other", "tolerance": 1, "what": "other"}
    entry = ENTRY | {"checks": [*ENTRY["checks"], other]}
    assert manifest.status(entry, {"error": 0.0, "other": 0.5}, scale="smoke") == "reproduced"
    assert manifest.status(entry, {"error": 0.0, "other": 1.5}, scale="smoke") == "differs"


def test_number_that_no_chapter_glues_is_named():
    with pytest.raises(BookError, match="no chapter glues the number 'error'"):
        manifest.status(ENTRY, {}, scale="smoke")


def test_figure_without_its_label_is_named(executed):
    manifest.check_labels([ENTRY, NOT_BUILT], executed)
    with pytest.raises(BookError, match=r"one names the figure 'fig-x', but chapter part/one"):
        manifest.check_labels([ENTRY | {"figure": "fig-x"}], executed)
    with pytest.raises(BookError, match="one is in chapter part/gone, which is not a notebook"):
        manifest.check_labels([ENTRY | {"chapter": "part/gone"}], executed)


def test_tables_and_targets_are_labels_too():
    text = "(sec-a)=\n## A\n\n```{figure} a.svg\n:name: fig-b\n```\n"
    notebook = chapters.read_notebook(page_of(HEADER + text + CELL))
    table = {"text/markdown": "```{table} T\n:name: tab-c\n```"}
    notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", data=table)]
    assert manifest.labels(notebook) == {"sec-a", "fig-b", "tab-c"}


@pytest.mark.parametrize(
    "text", ["0.25", "np.float64(0.25)", "tensor(0.25)", "tensor(0.25, dtype=torch.float64)"]
)
def test_glued_numbers_are_read(text):
    notebook = chapters.read_notebook(page_of(HEADER + CELL))
    for name, value in (("number", text), ("word", "'text'")):
        output = nbformat.v4.new_output(
            "display_data", data={"text/plain": value}, metadata={"scrapbook": {"name": name}}
        )
        notebook.cells[-1].outputs.append(output)
    assert manifest.glued_numbers(notebook) == {"number": 0.25}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({k: v for k, v in ENTRY.items() if k != "title"}, "one lacks 'title'"),
        (ENTRY | {"status": "reproduced"}, "one has unknown fields .'status'."),
        (ENTRY | {"paper": "x"}, "one: paper is 'x', not one of"),
        (ENTRY | {"standing": "sure"}, "one: standing is 'sure', not one of"),
        (ENTRY | {"scale": "big"}, "one: scale is 'big', not one of"),
        (ENTRY | {"published": "unknown"}, "both unknown or neither"),
        (ENTRY | {"checks": []}, "one is built and published, so it needs checks"),
        (ENTRY | {"checks": [{"glue": "error"}]}, "a check of one lacks"),
        ("one", "an entry must be a mapping"),
    ],
)
def test_bad_manifest_is_named(tmp_path, entry, message):
    write_atomically(tmp_path / "manifest.yml", manifest_text(entry))
    with pytest.raises(BookError, match=message):
        manifest.load(tmp_path / "manifest.yml")


def test_ids_are_unique(tmp_path):
    write_atomically(tmp_path / "manifest.yml", manifest_text(ENTRY, ENTRY))
    with pytest.raises(BookError, match="the id one is used twice"):
        manifest.load(tmp_path / "manifest.yml")


def test_the_books_manifest_lists_all_three_papers(root):
    content = manifest.load(root / "book/manifest.yml")
    assert set(content["papers"]) == {"sot", "tfot", "pnp"}
    assert {entry["paper"] for entry in content["entries"].values()} == {"sot", "tfot", "pnp"}
    curves = content["entries"]["sot-tuning"]["published"]
    assert {len(curve) for curve in curves.values()} == {8}
    assert len(content["entries"]["sot-table"]["published"]) == 7 + 2


def test_built_figures_of_the_books_manifest_are_in_its_chapters(root):
    layout = Layout(root, root / "_build")
    pages = chapters.read_pages(layout, tuple(PAGES))
    notebooks = {p.name: chapters.read_notebook(p) for p in pages if p.is_notebook}
    entries = manifest.load(layout.manifest)["entries"].values()
    built = [entry for entry in entries if entry.get("figure")]
    for entry in built:
        text = json.dumps(notebooks[entry["chapter"]].cells)
        assert entry["figure"] in text, f"{entry['id']}: no {entry['figure']}"
    assert built


def test_no_line_begins_with_what_myst_takes_for_something_else():
    """A line with "%" in front is a comment, one with "1." the beginning of a list."""
    book = Path(__file__).parents[2] / "book"
    swallowed = [
        f"{path.name}:{number}: {line}"
        for path in book.rglob("*.md")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.match(r"%|\d+\. ", line)
    ]
    assert not swallowed

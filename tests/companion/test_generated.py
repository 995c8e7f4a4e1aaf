"""The pages on this build and for teachers, and which pages are written at all."""

import re
from pathlib import Path

import pytest

from sotlib.companion.book import cache, status, teachers, trainings
from sotlib.companion.book._common import Layout
from sotlib.companion.book.chapters import Page, read_notebook, read_pages
from sotlib.companion.book.exercises import pieces
from sotlib.companion.book.generated import PAGES, Context, generate
from sotlib.companion.files import write_atomically
from sotlib.companion.records import write_record

CHAPTER = """\
---
kernelspec: {name: python3, display_name: Python 3, language: python}
---

# A chapter

**You need** a little, as in {doc}`other`.
**Afterwards** you know more.

```{code-cell} ipython3
:tags: [parameters]
scale = "laptop"
```

```{exercise}
:label: ex-a

Do it.
```

````{solution-start} ex-a
````
```{code-cell} ipython3
a = 1
```
```{code-cell} ipython3
:tags: [self-check]
assert a == 1, "one"
```
````{solution-end}
````
"""
WORDS = "word " * 1500


def page_of(text, name="part/one"):
    return Page(name, Path("one.md"), text)


def test_status_has_the_time_of_each_chapter(tmp_path):
    cache.store(tmp_path, "part/one", "key", "text", 41.26)
    cache.store(tmp_path, "part/two", "key", "text", 240.0)
    text = status.page(["part/one", "part/two", "part/three"], tmp_path, scale="smoke")
    assert "| {doc}`/part/one` | 41 s |" in text
    assert "| {doc}`/part/two` | 4.0 min |" in text
    assert "| {doc}`/part/three` | unknown |" in text
    assert "| **together** | **4.7 min** |" in text
    assert "Scale: **smoke**" in text
    assert "| torch | " in text
    assert text == status.page(["part/one", "part/two", "part/three"], tmp_path, scale="smoke")


def test_time_of_a_chapter_is_kept_with_it(tmp_path):
    cache.store(tmp_path, "part/one", "key", "text", 1.26)
    assert cache.seconds_of(tmp_path, "part/one") == 1.3
    assert cache.load(tmp_path, "part/one", "key") == "text"
    (tmp_path / "part/one.json").write_text("{")
    assert cache.seconds_of(tmp_path, "part/one") is None


def test_trainings_say_what_is_recorded_and_where_it_was(root, tmp_path):
    empty = trainings.page(f"before\n{trainings.MARK}\nafter", tmp_path)
    lines = [line for line in empty.splitlines() if line.startswith("| `")]
    assert empty.startswith("before\n| experiment |")
    assert empty.endswith("\nafter")
    assert all("| 0 of " in line and "| – | – |" in line for line in lines)
    pages = read_pages(Layout(root, tmp_path), tuple(PAGES))
    chapters = {page.name for page in pages if page.is_notebook}
    assert {re.search(r"\{doc\}`/(.*)`", line)[1] for line in lines} <= chapters
    write_record(
        tmp_path / "sot_table/paper/SOT-2048-42.json",
        kind="sot_table",
        configuration={"row": "SOT-2048", "device": "cuda from step 0, cpu from step 3"},
        results={},
        seconds=90,
    )
    text = trainings.page(trainings.MARK, tmp_path)
    (line,) = [line for line in text.splitlines() if " 1 of " in line]
    assert line.startswith("| `sot_table` | paper | 1 of ")
    assert "| 1.5 | a GPU, ended on " in line


def test_teachers_see_needs_goals_time_and_exercises():
    text = teachers.page(f"before\n{teachers.MARK}\nafter", [page_of(CHAPTER)])
    assert text.startswith("before\n### A chapter\n")
    assert "**You need** a little, as in {doc}`/part/other`.\n**Afterwards** you know" in text
    assert "{doc}`/part/one`: about 15 minutes; 1 exercise, 1 with a self-check; `make" in text
    assert text.endswith("after")


def test_teachers_see_what_exercises_take_and_where_the_zip_is():
    chapter = CHAPTER.replace("Do it.", "*Derive (hard, 25 min).* Do it.")
    text = teachers.page(teachers.MARK, [page_of(chapter)], address="https://a.org/b")
    assert "1 with a self-check: Derive (hard, 25 min); `make" in text
    assert "[part-one.zip](https://a.org/b/releases/latest/download/part-one.zip)." in text
    assert "zip" not in teachers.page(teachers.MARK, [page_of(chapter)])
    assert teachers.minutes(page_of(chapter)) == 25


def test_minutes_of_the_plans_add_up(chapters):
    root = Path(__file__).parents[2]
    source = (root / "book/appendix/for-teachers.md").read_text()
    plans = re.findall(r"\*\*\w+, (\d+) (min|hours)\.\*\*(.*?)(?=\n\*\*|\n##)", source, re.S)
    assert len(plans) == 9
    for total, unit, text in plans:
        parts = re.findall(rf"\((\d+)\s+{unit}\)", text)
        assert sum(map(int, parts)) == int(total), text
    pages = {page.name: page for page in chapters}
    asked = re.findall(r"exercise (\d) of\s+\{doc\}`/([\w/-]+)`\s+\((\d+)\s+min\)", source)
    assert len(asked) >= 9
    for number, name, minutes in asked:
        found = list(teachers.tasks(pieces(read_notebook(pages[name]), name)).values())
        assert found[int(number) - 1].minutes == int(minutes), (name, number)


def test_time_grows_with_words_but_not_with_solutions():
    short = teachers.minutes(page_of(CHAPTER))
    assert teachers.minutes(page_of(CHAPTER + WORDS)) == short + 10
    solution = CHAPTER.replace("````{solution-end}", f"{WORDS}\n\n````{{solution-end}}")
    assert teachers.minutes(page_of(solution)) == short


def test_only_listed_pages_are_written(tmp_path):
    layout = Layout(tmp_path, tmp_path / "_build")
    pages = [page_of(CHAPTER), Page("appendix/status", None, "")]
    context = Context(layout, pages, {}, {"papers": {}}, "smoke")
    assert set(generate(context)) == {"appendix/status"}
    pages.append(Page("appendix/for-teachers", None, ""))
    write_atomically(layout.source / "appendix/for-teachers.md", teachers.MARK)
    write_atomically(layout.config, "title: T\n")
    assert "part/one" in generate(context)["appendix/for-teachers"]


@pytest.fixture(scope="module")
def chapters():
    root = Path(__file__).parents[2]
    pages = read_pages(Layout(root, root / "_build"), tuple(PAGES))
    return [p for p in pages if teachers.is_chapter(p)]


def test_every_chapter_says_what_it_needs_and_gives(chapters):
    assert chapters
    for chapter in chapters:
        text = teachers.goals(chapter)
        assert text, f'{chapter.name} lacks its "**You need** … **Afterwards** …" paragraph'
        assert "**Afterwards**" in text

"""The page for teachers: what each chapter needs, gives and takes, read from the chapters."""

import re
from collections.abc import Sequence

from sotlib.companion.book.alone import archive
from sotlib.companion.book.assignment import checks
from sotlib.companion.book.chapters import Page, read_notebook
from sotlib.companion.book.exercises import Piece, Task, pieces, task

NAME = "appendix/for-teachers"
MARK = "<!-- chapters -->"
# Minutes: reading 150 words, a cell of code, an exercise that does not say how many it takes.
_WORDS, _CELL, _EXERCISE = 150, 1.5, 12


def page(text: str, pages: Sequence[Page], *, address: str = "") -> str:
    """Write a section for each chapter where the page's source has ``<!-- chapters -->``.

    With the repository's address each has a link to its zip, among the files of the last release.
    """
    chapters = [chapter for chapter in pages if is_chapter(chapter)]
    return text.replace(MARK, "\n".join(_section(chapter, address) for chapter in chapters))


def is_chapter(page: Page) -> bool:
    """Whether a page is a chapter of one of the papers, not the introduction or an appendix."""
    folder, _, _ = page.name.rpartition("/")
    return page.is_notebook and folder not in ("", "appendix")


def heading(chapter: Page) -> str:
    """The title of a chapter."""
    match = re.search(r"^# (.+)$", chapter.text, re.M)
    return match[1] if match else chapter.name


def goals(chapter: Page) -> str:
    """The paragraph of a chapter that begins with **You need**; empty where there is none."""
    match = re.search(r"^\*\*You need\*\* .*?(?=\n\n)", chapter.text, re.M | re.S)
    return match[0] if match else ""


def minutes(chapter: Page) -> int:
    """An estimate from the chapter's length, rounded to five minutes."""
    parts = pieces(read_notebook(chapter), chapter.name)
    words = sum(len(p.cell.source.split()) for p in parts if not p.is_code and not p.solution)
    cells = sum(p.is_code and not p.solution for p in parts)
    time = sum(found.minutes if found else _EXERCISE for found in tasks(parts).values())
    return 5 * max(1, round((words / _WORDS + cells * _CELL + time) / 5))


def tasks(parts: Sequence[Piece]) -> dict[str, Task | None]:
    """What each exercise asks for, by label."""
    stated = {p.exercise: p.cell.source for p in parts if p.exercise and not p.solution}
    return {label: task(text) for label, text in stated.items()}


def _section(chapter: Page, address: str) -> str:
    parts = pieces(read_notebook(chapter), chapter.name)
    exercises = len({p.exercise for p in parts if p.exercise})
    folder = chapter.name.rpartition("/")[0]
    # Links of the chapter are relative to its folder.
    text = re.sub(r"\{doc\}`(?!/)([\w./-]+)`", rf"{{doc}}`/{folder}/\1`", goals(chapter))
    count = f"{exercises} exercise{'s' * (exercises != 1)}, {checks(parts)} with a self-check"
    command = f"`make assignment CHAPTER={chapter.name}`" if exercises else ""
    facts = [f"about {minutes(chapter)} minutes", count if exercises else "no exercises", command]
    if address:
        name = f"{archive(chapter.name)}.zip"
        facts.append(f"[{name}]({address}/releases/latest/download/{name})")
    told = [f"{t.kind} ({t.difficulty}, {t.minutes} min)" for t in tasks(parts).values() if t]
    if told:
        facts[1] += f": {', '.join(told)}"
    # Not a link as the heading: the list of contents would show its address.
    link = f"{{doc}}`/{chapter.name}`"
    return f"### {heading(chapter)}\n\n{text}\n\n{link}: {'; '.join(filter(None, facts))}.\n"

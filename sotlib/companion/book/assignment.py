"""A chapter as an assignment: for students alone, for teachers, for nbgrader and Otter-Grader.

In a chapter, a solution lies between ``{solution-start}`` and ``{solution-end}``. A code cell in it
that is tagged ``self-check`` asserts something about names that the solution defines, each
assertion with a hint as its message. In the assignment these names stand in an empty cell.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from sotlib.companion.book import grading
from sotlib.companion.book._common import BookError, Layout
from sotlib.companion.book.alone import archive, first_cell, notebook_of, written
from sotlib.companion.book.chapters import Page, read_notebook, set_parameters
from sotlib.companion.book.exercises import Piece, defined, pieces, task, used
from sotlib.companion.book.glue import glued_texts
from sotlib.companion.book.plain import Names
from sotlib.companion.files import write_atomically

_INTRO = (
    "*An assignment made from the chapter `{name}`. Fill in the cells that say so; the cell below "
    "each of them checks what you did and gives a hint where it does not hold.*"
)
_SOLVED = "*The chapter `{name}` with its solutions, for teachers.*"
_OTTER = "# ASSIGNMENT CONFIG\nname: {name}\nexport_cell: false"

_HOME = "import os\n\nhome = os.getcwd()"
_BACK = "os.chdir(home)  # where Otter looks for the tests of the exercises below"


def write_assignment(
    layout: Layout,
    page: Page,
    names: Names,
    *,
    scale: str = "laptop",
    executed: nbformat.NotebookNode | None = None,
) -> list[Path]:
    """Write the notebooks into ``assignments`` of the build's folder; return their paths.

    They are that for students, that with solutions, the source of an nbgrader assignment and the
    master of an Otter assignment. Numbers in the text are those of the executed chapter.
    """
    notebook = read_notebook(page) if executed is None else executed
    if executed is None:
        set_parameters(notebook, page.name, {"scale": scale})
    glued = None if executed is None else glued_texts(executed)
    parts = written(pieces(notebook, page.name), page.name, names, glued)
    if not any(part.exercise for part in parts):
        raise BookError(f"chapter {page.name} has no exercises")
    _check_independent(parts, page.name)
    first = first_cell(notebook, page)

    def as_nbgrader(solved: bool) -> list[nbformat.NotebookNode]:
        return _cells(parts, page.name, lambda found, _: grading.nbgrader(found, solved=solved))

    course, last = archive(page.name), page.name.rpartition("/")[2]
    intro, solved, config = (text.format(name=page.name) for text in (_INTRO, _SOLVED, _OTTER))
    made = {
        f"{page.name}.ipynb": [_text(intro), first, *as_nbgrader(False)],
        f"{page.name}-solutions.ipynb": [_text(solved), first, *(part.cell for part in parts)],
        f"nbgrader/source/{course}/{last}.ipynb": [_text(intro), first, *as_nbgrader(True)],
        f"otter/{course}.ipynb": [
            nbformat.v4.new_raw_cell(config),
            *(_text(intro), nbformat.v4.new_code_cell(_HOME), first),
            *_at_home(_cells(parts, page.name, grading.otter, stated=True)),
        ],
    }
    paths = []
    for name, cells in made.items():
        paths.append(layout.out / "assignments" / name)
        copies = [nbformat.from_dict(cell) for cell in cells]
        write_atomically(paths[-1], nbformat.writes(notebook_of(copies)))
    return paths


def checks(parts: Sequence[Piece]) -> int:
    """How many exercises check themselves."""
    return len({part.exercise for part in parts if part.is_check})


def _cells(
    parts: Sequence[Piece],
    name: str,
    solve: Callable[[grading.Exercise, nbformat.NotebookNode], list[nbformat.NotebookNode]],
    *,
    stated: bool = False,
) -> list[nbformat.NotebookNode]:
    """All cells, with what `solve` makes for a solution; or, with its text, for an exercise."""
    cells: list[nbformat.NotebookNode] = []
    stand = {part.exercise: part.cell for part in parts if part.exercise and not part.solution}
    for index, part in enumerate(parts):
        if not part.exercise or not (part.solution or stated):
            cells.append(part.cell)
        elif part.solution:
            before = parts[index - 1]
            if not (before.solution and before.exercise == part.exercise):
                cells += solve(_exercise(parts, part.exercise, name), stand[part.exercise])
    return cells


def _at_home(cells: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The cells, with the way back to Otter's files before the first question."""
    begins = [index for index, cell in enumerate(cells) if cell.source.startswith(grading.BEGIN)]
    return [*cells[: begins[0]], nbformat.v4.new_code_cell(_BACK), *cells[begins[0] :]]


def _exercise(parts: Sequence[Piece], label: str, name: str) -> grading.Exercise:
    own = [part for part in parts if part.exercise == label]
    solution = [part for part in own if part.solution]
    text = "\n\n".join(part.cell.source for part in own if not part.solution)
    words = [part.cell.source for part in solution if not part.is_code]
    code = [part.cell.source for part in solution if part.is_code and not part.is_check]
    return grading.Exercise(
        label=label,
        task=task(text),
        names=_asked(solution, label, name),
        words="\n\n".join(text for text in words if text != "**Solution.**"),
        code="\n\n\n".join(code),
        checks=[part.cell for part in solution if part.is_check],
    )


def _asked(solution: Sequence[Piece], exercise: str, name: str) -> list[str]:
    """Names that the solution defines and its checks read."""
    code = [part for part in solution if part.is_code]
    own = [n for p in code if not p.is_check for n in defined(p.cell.source)]
    asked: list[str] = []
    for part in code:
        if part.is_check:
            read = used(part.cell.source) - set(defined(part.cell.source))
            if not read & set(own):
                raise BookError(
                    f"chapter {name}: a self-check of {exercise} reads nothing that its solution "
                    "defines, so it would hold without one"
                )
            asked += [n for n in own if n in read and n not in asked]
    return asked


def _check_independent(parts: Sequence[Piece], name: str) -> None:
    """Raise where the text goes on with a name that only a solution defines."""
    solved: dict[str, str] = {}
    elsewhere: set[str] = set()
    for part in parts:
        if part.is_code and part.solution and not part.is_check:
            solved |= {n: part.exercise for n in defined(part.cell.source) if n not in elsewhere}
        elif part.is_code and not part.solution:
            elsewhere |= set(defined(part.cell.source))
            if needed := sorted(used(part.cell.source) & set(solved) - elsewhere):
                raise BookError(
                    f"chapter {name}: a cell after {solved[needed[0]]} uses {needed[0]!r}, which "
                    "only the solution defines"
                )


def _text(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(text)

"""A chapter as an assignment: solutions taken out, self-checks kept; and a second with solutions.

In a chapter, a solution lies between ``{solution-start}`` and ``{solution-end}``. A code cell in it
that is tagged ``self-check`` asserts something about names that the solution defines, each
assertion with a hint as its message. In the assignment these names stand in an empty cell.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import nbformat

from sotlib.companion.book._common import BookError, Layout, digest
from sotlib.companion.book.chapters import Page, read_notebook, set_parameters
from sotlib.companion.book.exercises import Piece, defined, pieces, used
from sotlib.companion.files import write_atomically

_INTRO = {
    False: "*An assignment made from the chapter `{name}`. Fill in the cells that say so; the "
    "cell below each of them checks what you did and gives a hint where it does not hold. "
    "It needs `sotlib` with the extra `book`.*",
    True: "*The chapter `{name}` with its solutions, for teachers.*",
}


def write_assignment(layout: Layout, page: Page, *, scale: str = "laptop") -> tuple[Path, Path]:
    """Write the assignment and the notebook with solutions; return both paths."""
    notebook = read_notebook(page)
    set_parameters(notebook, page.name, {"scale": scale})
    parts = pieces(notebook, page.name)
    if not any(part.exercise for part in parts):
        raise BookError(f"chapter {page.name} has no exercises")
    folder = layout.out / "assignments"
    paths = folder / f"{page.name}.ipynb", folder / f"{page.name}-solutions.ipynb"
    for path, cells, solved in (
        (paths[0], _without_solutions(parts, page.name), False),
        (paths[1], [part.cell for part in parts], True),
    ):
        intro = nbformat.v4.new_markdown_cell(_INTRO[solved].format(name=page.name))
        write_atomically(path, nbformat.writes(_notebook(notebook, [intro, *cells])))
    return paths


def checks(parts: Sequence[Piece]) -> int:
    """How many exercises check themselves."""
    return len({part.exercise for part in parts if part.is_check})


def _without_solutions(parts: Sequence[Piece], name: str) -> list[nbformat.NotebookNode]:
    """Cells of the assignment: the solution's code becomes one cell to fill in."""
    _check_independent(parts, name)
    cells = []
    for index, part in enumerate(parts):
        if not part.solution:
            cells.append(part.cell)
            continue
        begins = not (parts[index - 1].solution and parts[index - 1].exercise == part.exercise)
        if begins:
            names = _asked(parts, part.exercise, name)
            cells.append(_to_fill_in(names))
        if part.is_check:
            cells.append(_check(part, _asked(parts, part.exercise, name)))
    return cells


def _asked(parts: Sequence[Piece], exercise: str, name: str) -> list[str]:
    """Names that the solution defines and its checks read."""
    solution = [p for p in parts if p.solution and p.is_code and p.exercise == exercise]
    own = [n for p in solution if not p.is_check for n in defined(p.cell.source)]
    asked = []
    for part in solution:
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
    solved, elsewhere = {}, set()
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


def _to_fill_in(names: Sequence[str]) -> nbformat.NotebookNode:
    lines = ["# Your solution here.", *(f"{name} = ...  # replace the dots" for name in names)]
    return nbformat.v4.new_code_cell("\n".join(lines))


def _check(part: Piece, names: Sequence[str]) -> nbformat.NotebookNode:
    """The check as it stands, after one that something was filled in at all.

    The tag lets "run all" go on after a check that fails.
    """
    read = [name for name in names if name in used(part.cell.source)]
    lines = [
        f'assert {name} is not ..., "`{name}` is still to be defined: see the cell above"'
        for name in read
    ]
    cell = nbformat.v4.new_code_cell("\n".join([*lines, part.cell.source]))
    cell.metadata["tags"] = [*part.cell.metadata["tags"], "raises-exception"]
    return cell


def _notebook(original: nbformat.NotebookNode, cells) -> nbformat.NotebookNode:
    """A notebook of these cells with the same bytes every time, readable without MyST."""
    notebook = nbformat.v4.new_notebook(metadata=original.metadata)
    for index, cell in enumerate(cells):
        source = _plain(cell.source) if cell.cell_type == "markdown" else cell.source
        copy = nbformat.from_dict(dict(cell) | {"source": source})
        copy["id"] = f"cell-{index}-{digest(source)[:8]}"
        notebook.cells.append(copy)
    return notebook


def _plain(text: str) -> str:
    """Markdown whose roles and labels are plain text: Jupyter alone does not know them."""
    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.M)
    text = re.sub(r"\{glue:\w+\}`[^`]*`", "…", text)
    return re.sub(
        r"\{[\w:-]+\}`(?:([^`<]+?)\s*<[^`>]*>|([^`]+))`", lambda m: f"*{m[1] or m[2]}*", text
    )

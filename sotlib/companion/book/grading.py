"""Exercises as nbgrader and Otter-Grader read them: cells to fill in, tests, points, hidden tests.

Of a self-check with several assertions the last one is a hidden test. What is derived or designed
is also answered in words, which a person grades.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import nbformat

from sotlib.companion.book.exercises import Task, used

WORDS = ("Derive", "Design")  # kinds that are answered in words, too
BEGIN = "# BEGIN QUESTION"  # of Otter
_GUARD = "is still to be defined"
_MANUAL = {"grade": True, "solution": True, "locked": False}
_ANSWER = {"grade": False, "solution": True, "locked": False}
_TEST = {"grade": True, "solution": False, "locked": True}


@dataclass(frozen=True)
class Exercise:
    """One exercise of a chapter, as it is solved and graded."""

    label: str
    task: Task | None
    names: Sequence[str]
    """What the checks read, which the solution is to define."""
    words: str
    code: str
    checks: Sequence[nbformat.NotebookNode]

    @property
    def points(self) -> int:
        """Of the answer in words, and of each check."""
        return self.task.points if self.task else 1

    @property
    def in_words(self) -> bool:
        """Whether it is answered in words."""
        return self.task is not None and self.task.kind in WORDS

    def guarded(self, check: nbformat.NotebookNode) -> str:
        """The check as it stands, after one that something was filled in at all."""
        read = [name for name in self.names if name in used(check.source)]
        lines = [
            f'assert {name} is not ..., "`{name}` {_GUARD}: see the cell above"' for name in read
        ]
        return "\n".join([*lines, check.source])

    def placeholder(self) -> str:
        """What stands where the solution was: the names to define."""
        return "\n".join([f"{name} = ...  # replace the dots" for name in self.names])


def nbgrader(exercise: Exercise, *, solved: bool) -> list[nbformat.NotebookNode]:
    """Cells in nbgrader's format: `solved` as its source has them, else as students get them."""
    cells = []
    if exercise.in_words:
        text = exercise.words if solved else "YOUR ANSWER HERE"
        cells.append(_marked(_markdown(text), f"{exercise.label}-words", exercise.points, _MANUAL))
    if exercise.code:
        empty = "\n".join(["# Your solution here.", exercise.placeholder()]).strip()
        asked = f"# To define: {', '.join(exercise.names)}\n" if exercise.names else ""
        full = f"{asked}### BEGIN SOLUTION\n{exercise.code}\n### END SOLUTION"
        answer = _code(full if solved else empty)
        cells.append(_marked(answer, f"{exercise.label}-answer", None, _ANSWER))
    for index, check in enumerate(exercise.checks):
        cell, (seen, hidden) = _code(exercise.guarded(check)), split(exercise.guarded(check))
        if solved and hidden:
            cell.source = f"{seen}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
        if not solved:  # "run all" goes on after a check that fails
            cell.metadata["tags"] = [*check.metadata.get("tags", ()), "raises-exception"]
        name = f"{exercise.label}-check{f'-{index + 1}' * (index > 0)}"
        cells.append(_marked(cell, name, exercise.points, _TEST))
    return cells


def otter(exercise: Exercise, statement: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Cells of one exercise, with its text, in the format of ``otter assign``."""
    name, cells = exercise.label.replace("-", "_"), []
    if exercise.in_words:
        begin = f"{BEGIN}\nname: {name}_words\nmanual: true\npoints: {exercise.points}"
        solution = [_raw("# BEGIN SOLUTION"), _markdown(exercise.words), _raw("# END SOLUTION")]
        cells += [_raw(begin), statement, *solution, _raw("# END QUESTION")]
        statement = _markdown("The code that goes with it:")
    if exercise.code:
        points = exercise.points * len(exercise.checks)
        begin = f"{BEGIN}\nname: {name}\npoints: {points}"
        prompt = f'""" # BEGIN PROMPT\n{exercise.placeholder() or "..."}\n"""; # END PROMPT'
        code = f"# BEGIN SOLUTION NO PROMPT\n{exercise.code}\n# END SOLUTION\n{prompt}"
        solution = [_raw("# BEGIN SOLUTION"), _code(code), _raw("# END SOLUTION")]
        cells += [_raw(begin), statement, *solution, _raw("# BEGIN TESTS")]
        for check in exercise.checks:
            seen, hidden = split(exercise.guarded(check))
            # A test sees nothing of the others.
            cells += [_code(seen), *[_code(f"# HIDDEN\n{seen}\n{hidden}")] * bool(hidden)]
        cells += [_raw("# END TESTS"), _raw("# END QUESTION")]
    return [nbformat.from_dict(cell) for cell in cells]


def split(check: str) -> tuple[str, str]:
    r"""A check's part that students see, and its hidden tests, where it has more than one.

    Hidden is the last of several assertions, or a loop of assertions over all but its first input.

    Examples
    --------
    >>> split("a = 1\nassert x > a\nb = 2\nassert x < b")
    ('a = 1\nassert x > a', 'b = 2\nassert x < b')
    >>> split("for n in (1, 2, 3):\n    assert f(n) > 0")
    ('for n in (1,):\n    assert f(n) > 0', 'for n in (2, 3,):\n    assert f(n) > 0')
    """
    lines, body = check.splitlines(), ast.parse(check).body
    asserting = [node for node in body if _asserts(node) and _GUARD not in ast.unparse(node)]
    if len(asserting) > 1:
        end = asserting[-2].end_lineno
        return "\n".join(lines[:end]), "\n".join(lines[end:]).strip("\n")
    loop = asserting[0] if asserting else None
    if (
        not isinstance(loop, ast.For)
        or not isinstance(loop.iter, ast.Tuple | ast.List)
        or len(loop.iter.elts) < 2
        or loop.iter.lineno != loop.iter.end_lineno
    ):
        return check, ""
    first, *others = (ast.get_source_segment(check, node) for node in loop.iter.elts)
    head = f"for {ast.get_source_segment(check, loop.target)} in "
    inside = lines[loop.iter.lineno : loop.end_lineno]
    before = lines[: loop.lineno - 1]
    return (
        "\n".join([*before, f"{head}({first},):", *inside]),
        "\n".join([f"{head}({', '.join(map(str, others))},):", *inside]),
    )


def _asserts(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Assert) for part in ast.walk(node))


def _marked(cell, name: str, points: int | None, how: dict) -> nbformat.NotebookNode:
    """The cell with what nbgrader knows it by."""
    marks = {"schema_version": 3, "task": False, "grade_id": name, **how}
    cell.metadata["nbgrader"] = marks | ({} if points is None else {"points": points})
    return cell


def _markdown(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(text)


def _code(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(text)


def _raw(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_raw_cell(text)

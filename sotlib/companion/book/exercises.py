"""Where a chapter's exercises and their solutions lie, cell by cell."""

import ast
import re
from dataclasses import dataclass
from typing import NamedTuple

import nbformat

from sotlib.companion.book._common import BookError

SELF_CHECK = "self-check"
_DIRECTIVE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<kind>(?:exercise|solution)(?:-start|-end)?)\}[ \t]*"
    r"(?P<argument>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ \t]*$\n?",
    re.M | re.S,
)
_OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)\n?", re.M)
KINDS, DIFFICULTIES = ("Compute", "Derive", "Explore", "Design"), ("easy", "medium", "hard")
_TASK = re.compile(rf"^\*({'|'.join(KINDS)}) \(({'|'.join(DIFFICULTIES)}), (\d+) min\)\.\* ", re.M)


class Task(NamedTuple):
    """What an exercise asks for, as its first words say."""

    kind: str
    difficulty: str
    minutes: int

    @property
    def points(self) -> int:
        """Of each part that is graded: 1 to 3, by difficulty."""
        return 1 + DIFFICULTIES.index(self.difficulty)


def task(text: str) -> Task | None:
    """Read the words that an exercise begins with; None where it does not.

    Examples
    --------
    >>> task("*Derive (hard, 25 min).* Show that").points
    3
    """
    match = _TASK.search(text)
    return Task(match[1], match[2], int(match[3])) if match else None


@dataclass(frozen=True)
class Piece:
    """A cell, or a part of a Markdown cell."""

    cell: nbformat.NotebookNode
    """Of a directive, a Markdown cell with its text."""
    exercise: str = ""
    """Label of the exercise that this states or solves; empty elsewhere."""
    solution: bool = False
    """Whether it belongs to the solution."""

    @property
    def is_code(self) -> bool:
        """Whether it is a code cell."""
        return self.cell.cell_type == "code"

    @property
    def is_check(self) -> bool:
        """Whether it is a code cell that checks the solution."""
        return self.is_code and SELF_CHECK in self.cell.metadata.get("tags", [])


def pieces(notebook: nbformat.NotebookNode, name: str) -> list[Piece]:
    """Split a chapter at its exercises and solutions."""
    found, inside = [], ""
    known: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            found.append(Piece(cell, inside, bool(inside)))
            continue
        position = 0
        for match in _DIRECTIVE.finditer(cell.source):
            found += _text(cell.source[position : match.start()], inside)
            position = match.end()
            kind, argument = match["kind"], match["argument"].strip()
            options = dict(_OPTION.findall(match["body"]))
            body = _OPTION.sub("", match["body"]).strip()
            if kind.startswith("exercise"):
                if kind != "exercise-end":
                    label = options.get("label", f"exercise-{len(known) + 1}")
                    known.add(label)
                    title = f"### Exercise {len(known)} {argument}".strip()
                    found.append(Piece(_markdown(f"{title}\n\n{body}".strip()), label))
                continue
            if kind != "solution-end" and argument not in known:
                raise BookError(f"chapter {name}: a solution solves {argument!r}, not an exercise")
            if (kind == "solution-end") != bool(inside):
                raise BookError(f"chapter {name}: {kind} of {argument or inside!r} is out of place")
            inside = argument if kind == "solution-start" else ""
            if kind != "solution-end":
                found += [Piece(_markdown("**Solution.**"), argument, True)]
            found += _text(body, argument if kind == "solution" else inside)
        found += _text(cell.source[position:], inside)
    if inside:
        raise BookError(f"chapter {name}: the solution of {inside!r} does not end")
    if [p for p in found if p.is_check and not p.solution]:
        raise BookError(f"chapter {name}: a cell is tagged {SELF_CHECK} outside of a solution")
    return found


def defined(source: str) -> list[str]:
    r"""Names that a cell assigns, defines or imports at its top level, in order.

    Examples
    --------
    >>> defined("import math as m; a, b = 1, 2\ndef f(): c = 1\nfor i in (1,): d = i")
    ['m', 'a', 'b', 'f', 'i', 'd']
    """
    found: dict[str, None] = {}
    for statement in parsed(source).body:
        for node in _own(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = None
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = None
            elif isinstance(node, ast.alias):
                found[(node.asname or node.name).split(".")[0]] = None
    return list(found)


def used(source: str) -> set[str]:
    """Names that a cell reads anywhere.

    Examples
    --------
    >>> sorted(used("a = b + f(c)"))
    ['b', 'c', 'f']
    """
    nodes = ast.walk(parsed(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _own(node: ast.AST):
    """The nodes of a statement, without what only functions and comprehensions see."""
    yield node
    hidden = ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.GeneratorExp
    if not isinstance(node, hidden | ast.ListComp | ast.SetComp | ast.DictComp):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)


def parsed(source: str) -> ast.Module:
    """Python without the lines that only a notebook understands."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M))


def _text(source: str, inside: str) -> list[Piece]:
    text = source.strip()
    return [Piece(_markdown(text), inside, bool(inside))] if text else []


def _markdown(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(text)

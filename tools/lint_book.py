"""Say where the book's text or code would look wrong on its pages: file, line and what to do.

``make lint`` calls this without arguments. Code is *in view* unless a tag of its cell folds it.
Colours may be named where they are none: in front of a word of ``NOT_A_COLOUR``.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CODE_WIDTH, CODE_LINES, PROSE_WIDTH = 88, 25, 120
FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell", "self-check"}
PROSE_FENCES = {"exercise", "solution", "admonition", "note", "tip", "warning", "important"}
COLOUR = (
    "blue|red|orange|green|yellow|purple|violet|pink|brown|cyan|magenta|gr[ae]y|white|black|dark"
)
NOT_A_COLOUR = "noise|box|mode"
COLOURED = re.compile(rf"\b(({COLOUR})(er|est|s|ish)?)\b(?![\s-]+({NOT_A_COLOUR}))", re.I)
E_NUMBER = re.compile(r"(?<![\w.])\d+(\.\d+)?e[-+]?\d+\b")
E_GLUE = re.compile(r"\{glue:text\}`[^`]*:[^`]*e`")
SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:(?!\n\n).)+?(?<!`)\1(?!`)", re.S)
LIST_MARK = re.compile(r"(\d+[.)]|[-+*])\s")

Fault = tuple[int, str]


def split(lines: list[str]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Prose, with all other lines emptied, and code cells with the index of their first line."""
    prose, cells = [""] * len(lines), []
    fences: list[tuple[str, str, int]] = []
    header, formula = lines[:1] == ["---"], False
    for i, line in enumerate(lines):
        fence = re.match(r"\s*(`{3,}|:{3,})(?:\{([\w-]+)\})?(.*)", line)
        if header:
            header = i == 0 or line != "---"
        elif fences and line.strip() == fences[-1][0]:
            _, name, start = fences.pop()
            if name == "code-cell":
                cells.append((start, lines[start:i]))
        elif fence and (not fences or fences[-1][1] in PROSE_FENCES):
            fences.append((fence[1], fence[2] or "", i + 1))
        elif not fences or (fences[-1][1] in PROSE_FENCES and not re.match(r":[\w-]+:", line)):
            inside, formula = formula, formula ^ bool(line.count("$$") % 2)
            prose[i] = "" if inside or formula else line
    return prose, cells


def written(text: str) -> Iterator[Fault]:
    """What a reader should not meet in a text; code and roles in it are left alone."""
    plain = SPAN.sub(lambda span: re.sub(r"[^\n]", " ", span[0]), text)
    for searched, pattern, what in (
        (plain, COLOURED, "is another colour in dark mode: name a line style, marker or place"),
        (plain, E_NUMBER, "is a computer's number: glue show.power(value, digits)"),
        (text, E_GLUE, "is a computer's number: glue show.power(value, digits)"),
    ):
        for match in pattern.finditer(searched):
            yield text.count("\n", 0, match.start()), f"'{match[0]}' {what}"


def prose_faults(prose: list[str]) -> Iterator[Fault]:
    yield from written("\n".join(prose))
    paragraph = listed = False
    for i, line in enumerate(prose):
        text = line.strip()
        if text.startswith("%"):
            yield i, "a line that begins with % is a comment and vanishes: break it elsewhere"
        if len(line) > PROSE_WIDTH and not text.startswith("|"):
            yield i, f"{len(line)} characters: break the line at {PROSE_WIDTH} or before"
        mark = LIST_MARK.match(text)
        if mark and not listed and (paragraph or mark[1][:-1] not in ("", "1")):
            yield i, f"'{mark[1]}' at a line's beginning makes a list: break it elsewhere"
        listed = bool(mark) or (listed and (not text or line[:1] == " " or paragraph))
        paragraph = bool(text)


def cell_faults(lines: list[str]) -> Iterator[Fault]:
    first = lines.index("---", 1) + 1 if lines[:1] == ["---"] else 0
    while first < len(lines) and (lines[first].startswith(":") or not lines[first]):
        first += 1
    header, code = "\n".join(lines[:first]), "\n".join(lines[first:]).rstrip()
    tags = re.search(r"^:?tags: \[(.*)\]", header, re.M)
    in_view = not (tags and FOLDED & set(re.split(r",\s*", tags[1])))
    yield from written(header)
    if "figure:" in header and shows_a_value(code):
        yield len(lines) - 1, "the cell shows a value beside its figure: end the line with ;"
    for i, what in code_faults(code, in_view):
        yield first + i, what


def code_faults(code: str, in_view: bool) -> Iterator[Fault]:
    if in_view:
        for i, line in enumerate(code.split("\n")):
            if len(line) > CODE_WIDTH:
                yield i, f"{len(line)} characters of code: at most {CODE_WIDTH} are seen"
        if (count := code.count("\n") + 1) > CODE_LINES:
            yield 0, f"{count} lines of code: split the cell or fold a part (hide-input)"
    nodes = list(ast.walk(ast.parse(code)))
    printed = {
        id(part)
        for node in nodes
        if isinstance(node, ast.Assert) or called(node) == "print"
        for part in ast.walk(node)
    }
    for node in nodes:
        if isinstance(node, ast.keyword) and node.arg in ("caption", "alt"):
            for i, what in written(ast.get_source_segment(code, node) or ""):
                yield node.lineno - 1 + i, what
        elif isinstance(node, ast.FormattedValue) and node.format_spec and id(node) not in printed:
            if re.search(r"\de'$", ast.unparse(node.format_spec)):
                yield node.lineno - 1, "a computer's number: write show.power(value, digits)"
        elif in_view and isinstance(node, ast.Call) and called(node) == "glue":
            yield node.lineno - 1, "glue in view: move it to a cell with the tag remove-cell"


def shows_a_value(code: str) -> bool:
    """Whether code ends with the call of a method, as most of matplotlib's return something."""
    last = ast.parse(code).body[-1:]
    call = last[0].value if last and isinstance(last[0], ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and code[-1] != ";"


def called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def faults(text: str) -> list[Fault]:
    """Numbers of lines, from 1, and what to do there."""
    prose, cells = split(text.split("\n"))
    found = list(prose_faults(prose))
    for start, lines in cells:
        found += [(start + i, what) for i, what in cell_faults(lines)]
    return sorted({(i + 1, what) for i, what in found})


def main(*folders: str) -> int:
    count = 0
    for path in sorted(p for folder in folders or ["book"] for p in Path(folder).rglob("*.md")):
        for number, what in faults(path.read_text(encoding="utf-8")):
            print(f"{path}:{number}: {what}")
            count += 1
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

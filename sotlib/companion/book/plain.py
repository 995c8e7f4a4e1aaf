"""A chapter's text as Jupyter alone shows it: numbers, references and citations written out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sotlib.companion.book._common import BookError, Layout
from sotlib.companion.book.chapters import Page

_Known = TypeVar("_Known")
# Labels of what the site numbers, in the order of the pages: figures, tables, equations.
_LABEL = re.compile(
    r"^[: ]+name: (?P<fig>fig-[\w-]+)|\bname[:=] ?\"?(?P<tab>tab-[\w-]+)|^\$\$ \((?P<eq>[\w-]+)\)",
    re.M,
)
_NUMBERED = {"fig": "Fig. {}", "tab": "Table {}", "eq": "({})"}
_ROLE = re.compile(
    r"\{(?P<role>[\w:]+)\}`(?:(?P<title>[^`<]+?)\s*<(?P<of>[^`>]+)>|(?P<all>[^`]+))`"
)
_BOX = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?:admonition|note|tip|warning|important)\}[ \t]*(?P<title>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Names:
    """What the pages of a book call each other, and what their labels are on the site."""

    titles: Mapping[str, str] = field(default_factory=dict)
    """Of pages, by name and by the label above the title."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Such as ``Fig. 3``, by label."""
    cited: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Authors, year and the whole reference, by key."""


def read_names(layout: Layout, pages: Sequence[Page]) -> Names:
    """Read titles and labels of all pages, which are numbered in their order, and references.

    A page that the build writes is called by its name, and nothing is numbered from there on.
    """
    titles: dict[str, str] = {}
    numbers: dict[str, str] = {}
    counts = dict.fromkeys(_NUMBERED, 0)
    written = False
    for page in pages:
        if page.path is None:
            written, name = True, page.name.rpartition("/")[2]
            titles |= dict.fromkeys((page.name, name), name.replace("-", " ").capitalize())
        title = re.search(r"(?:^\(([\w-]+)\)=\n)?^# (.+)$", page.text, re.M)
        if title:
            titles |= dict.fromkeys(filter(None, (page.name, title[1])), title[2])
        for match in () if written else _LABEL.finditer(page.text):
            kind = match.lastgroup or ""
            counts[kind] += 1
            numbers[match[kind]] = _NUMBERED[kind].format(counts[kind])
    return Names(titles, numbers, _references(layout))


def plain(text: str, page: str, names: Names, glued: Mapping[str, str] | None = None) -> str:
    """Write Markdown without MyST; a number that is not given becomes an ellipsis.

    Raises BookError where the text refers to something that the book does not have.
    """

    def write(match: re.Match) -> str:
        role, title = match["role"], match["title"]
        target = " ".join((match["of"] or match["all"]).split())
        if role.startswith("glue:"):
            return _number(target, glued, page)
        if role.startswith("cite"):
            return _citation(target, names, page, textual=role == "cite:t")
        if role == "doc":
            return f"*{title or _of(names.titles, _absolute(target, page), page)}*"
        if role in ("numref", "eq", "ref"):
            return title or _of({**names.titles, **names.numbers}, target, page)
        return f"`{title or target.lstrip('~!')}`"

    text = re.sub(r"^\([\w-]+\)=\n", "", text, flags=re.M)
    text = _BOX.sub(lambda m: _quoted(f"**{m['title'].strip()}**\n\n{m['body'].strip()}"), text)
    text = _ROLE.sub(write, text)
    # The number of an equation.
    return re.sub(
        r"^\$\$ \(([\w-]+)\)",
        lambda m: rf"\tag{{{_of(names.numbers, m[1], page).strip('()')}}}" + "\n$$",
        text,
        flags=re.M,
    )


def references(texts: Sequence[str], names: Names) -> str:
    """A list of all that these texts cite, in Markdown; empty where they cite nothing."""
    found = {
        key.strip()
        for text in texts
        for match in _ROLE.finditer(text)
        if match["role"].startswith("cite")
        for key in match["all"].split(",")
    }
    lines = sorted(names.cited[key][2] for key in found if key in names.cited)
    return "## References\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _of(known: Mapping[str, _Known], label: str, page: str) -> _Known:
    try:
        return known[label]
    except KeyError:
        raise BookError(f"chapter {page}: nothing in the book is called {label!r}") from None


def _absolute(target: str, page: str) -> str:
    """A page's name, of one given relative to another page."""
    if target.startswith("/"):
        return target[1:]
    parts = page.split("/")[:-1]
    for part in target.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _number(target: str, glued: Mapping[str, str] | None, page: str) -> str:
    if glued is None:
        return "…"
    name, _, form = target.partition(":")
    text = _of(glued, name, page)
    whole = re.fullmatch(r"-?\d+", text)
    return format(int(text) if whole else float(text), form) if form else text


def _citation(keys: str, names: Names, page: str, *, textual: bool) -> str:
    found = [_of(names.cited, key.strip(), page) for key in keys.split(",")]
    if textual:
        return ", ".join(f"{authors} [{year}]" for authors, year, _ in found)
    return f"[{'; '.join(f'{authors}, {year}' for authors, year, _ in found)}]"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _references(layout: Layout) -> dict[str, tuple[str, str, str]]:
    """Authors, year and the whole reference of every entry of the bibliography."""
    path = layout.source / "references.bib"
    if not path.is_file():
        return {}
    from pybtex.database import parse_file

    found = {}
    for key, entry in parse_file(str(path)).entries.items():
        people = [
            " ".join(map(_tex, (*person.prelast_names, *person.last_names)))
            for person in entry.persons.get("author", ())
        ]
        match people:
            case [one]:
                authors = one
            case [one, other]:
                authors = f"{one} and {other}"
            case _:
                authors = f"{people[0]} *et al.*" if people else key
        fields = {name: _tex(value) for name, value in entry.fields.items()}
        year = fields.get("year", "")
        place = fields.get("journal") or fields.get("booktitle") or fields.get("note", "")
        doi = fields.get("doi")
        address = fields.get("url", f"https://doi.org/{doi}" if doi else "")
        parts = [f"{', '.join(people)} ({year})", fields.get("title", key), place and f"*{place}*"]
        whole = ". ".join(filter(None, [*parts, address and f"<{address}>"]))
        found[key] = authors, year, whole
    return found


def _tex(text: str) -> str:
    """Text of a bibliography without its braces and accents of TeX."""
    from pybtex.richtext import Text

    return str(Text.from_latex(text))

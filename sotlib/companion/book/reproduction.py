"""The page that says what of the papers is reproduced, written from the manifest."""

import re
from collections.abc import Mapping

import nbformat

from sotlib.companion.book import manifest
from sotlib.companion.book.glue import glued_numbers
from sotlib.companion.book.pictures import HEAT, compact, is_heat_map
from sotlib.companion.show.table import markdown_table
from sotlib.companion.show.text import plain

NAME = "appendix/reproduction"
_CLAIMS = ("claim", "holds", "published", "ours", "where")
_COLUMNS = ("what", "status", "published", "ours", "tolerance", "where")

_INTRO = """\
(reproduction)=
# What is reproduced

{summary}

## Claims

What the papers say, and what came out here; ✓ and ✗ follow from numbers that the chapters compute
or read from records. "Reduced" says that these come from a smaller budget than the paper's.

{claims}

## Figures and tables

Every figure and table of the papers, also what the book does not have. ✓ or ✗ stands at each
compared number; a row without a published number holds a difference from published values. This
build ran the chapters at scale `{scale}`; "reduced" is less than the comparison asks for.
"""


def files(content: Mapping, notebooks: Mapping[str, nbformat.NotebookNode], *, scale: str) -> dict:
    """The page as MyST Markdown, and its small pictures, by path."""
    pictures = {
        f"{NAME}-{entry['figure']}.svg": svg
        for entry in content["entries"].values()
        if (svg := picture(notebooks, entry["chapter"], entry.get("figure")))
    }
    return {NAME: page(content, notebooks, scale=scale), **pictures}


def picture(notebooks: Mapping, chapter: str, label: str | None) -> str | None:
    """The SVG of a chapter's figure; None where it has none, as a slider or a table."""
    for cell in notebooks[chapter].cells if chapter in notebooks else ():
        if label and cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == label:
            for output in cell.get("outputs", ()):
                if svg := output.get("data", {}).get("image/svg+xml"):
                    return compact(svg)
    return None


def page(content: Mapping, notebooks: Mapping[str, nbformat.NotebookNode], *, scale: str) -> str:
    """Write the page as MyST Markdown, from the manifest and the executed chapters."""
    measured = {name: glued_numbers(notebook) for name, notebook in notebooks.items()}
    rows = [
        _claim(claim, measured.get(claim["chapter"], {})) for claim in content.get("claims", ())
    ]
    parts = [
        _INTRO.format(
            summary=summary(content, notebooks, scale=scale),
            claims=_stacked(_CLAIMS, rows) if rows else "",
            scale=scale,
        )
    ]
    for paper, title in content["papers"].items():
        entries = [e for e in content["entries"].values() if e["paper"] == paper]
        parts += [f"### {plain(title['title'])}", f"{_citation(title['citation'])}\n"]
        found = (
            row
            for entry in entries
            for row in _rows(entry, measured.get(entry["chapter"], {}), notebooks, scale)
        )
        parts += [_stacked(_COLUMNS, found)]
        notes = [
            f"- {plain(e['label'])}, {plain(e['title'])}: {plain(e['note'])}"
            for e in entries
            if e.get("note")
        ]
        parts += ["", *notes, ""]
    return "\n".join(parts)


def summary(content: Mapping, notebooks: Mapping, *, scale: str) -> str:
    """What is reproduced, in one line."""
    measured = {name: glued_numbers(notebook) for name, notebook in notebooks.items()}
    claims, entries = content.get("claims", ()), content["entries"].values()
    verdicts = [manifest.verdict(c, measured.get(c["chapter"], {})) for c in claims]
    statuses = [manifest.status(e, measured.get(e["chapter"], {}), scale=scale) for e in entries]
    return (
        f"Of {len(verdicts)} claims: {_counts(verdicts, manifest.VERDICTS)}. "
        f"Of {len(statuses)} figures and tables: {_counts(statuses, manifest.STATUSES)}."
    )


def _counts(values: list[str], known) -> str:
    return ", ".join(f"{values.count(word)} {word}" for word in known if word in values)


def _stacked(columns, rows) -> str:
    """A table whose rows stand one below the other on a phone."""
    return f"```{{table}}\n:class: stacked\n\n{markdown_table(columns, rows)}\n```\n"


def _claim(claim: Mapping, numbers: Mapping[str, float]) -> list[str]:
    found = manifest.verdict(claim, numbers)
    reduced = " (reduced)" if claim.get("budget") == "reduced" and found in ("✓", "✗") else ""
    mark = f"<span class='{manifest.VERDICTS[found] or 'open'}'>{found}{reduced}</span>"
    ours = plain(manifest.filled(claim["ours"], numbers))
    return [plain(claim["claim"]), mark, plain(claim["published"]), ours, _where(claim)]


def _where(entry: Mapping) -> str:
    if entry.get("figure"):
        return f"{{numref}}`{entry['figure']}`"
    return f"{{doc}}`/{entry['chapter']}`" if "claim" in entry else f"`{entry['chapter']}`"


def _rows(entry: Mapping, numbers: Mapping[str, float], notebooks: Mapping, scale: str) -> list:
    """A row for the entry, and one for each of its checks."""
    status = manifest.status(entry, numbers, scale=scale)
    checks = entry.get("checks", []) if entry.get("figure") else []
    made = [manifest.holds(c, numbers) for c in checks if manifest.compared(c, numbers)]
    text = f"{status}, {sum(made)} of {len(made)} checks hold" if made else status
    mark = f"<span class='status' data-status='{status}'>{text}</span>"
    title = f"**{plain(entry['label'])}:** {plain(entry['title'])}"
    if svg := picture(notebooks, entry["chapter"], entry.get("figure")):
        heat = f" .{HEAT}" if is_heat_map(svg) else ""
        file = f"/{NAME}-{entry['figure']}.svg"
        title += f" ![{plain(entry['title'])}]({file}){{.thumbnail{heat}}}"
    rows = [[title, mark, entry["standing"], "", "", _where(entry)]]
    for check in checks:
        expected = check.get("expected")
        published = "" if expected is None else f"{expected:g}"
        number, ours, mark = numbers[check["glue"]], "", "not compared here"
        if manifest.compared(check, numbers):
            ours = f"{number:.0f}" if float(number).is_integer() else f"{number:.2g}"
            mark = "✓" if manifest.holds(check, numbers) else "✗"
            mark = f"<span class='{manifest.VERDICTS[mark]}'>{mark}</span>"
        # A rightwards arrow in front marks what belongs to the row above.
        what = f"→ {plain(check['what'])}"
        rows.append([what, mark, published, ours, f"{check['tolerance']:g}", ""])
    return rows


def _citation(text: str) -> str:
    """The one place for a role: ``{cite:t}`` with keys."""
    parts = re.split(r"(\{cite:t\}`[\w:,-]+`)", text)
    parts[::2] = [part and plain(f"x{part}x")[1:-1] for part in parts[::2]]
    return "".join(parts)

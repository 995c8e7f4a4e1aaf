"""The page that says what of the papers is reproduced, written from the manifest."""

import math
import re
from collections.abc import Mapping

import nbformat

from sotlib.companion.book import manifest
from sotlib.companion.show.table import markdown_table
from sotlib.companion.show.text import plain

NAME = "appendix/reproduction"
_COLUMNS = ("what", "where", "published", "ours", "tolerance", "status")

_INTRO = """\
(reproduction)=
# What is reproduced

Every figure and table of the three papers is listed here, also those that the book does not have
yet. This page is written when the book is built: the numbers under "ours" come from the executed
chapters, and each status follows from them and from nothing else. Where "published" holds no
number, "ours" is a difference from the published values. The word there says where these come
from: "published" is printed by the authors, "config" is read in their public code.

| status | meaning |
|---|---|
| reproduced | every compared number is within its tolerance |
| differs | at least one is not |
| reduced | computed with less resolution or a smaller budget than the comparison asks for |
| published value unknown | rebuilt, but the authors' numbers are not public |
| not yet | not in the book so far |

This build ran the chapters at scale `{scale}`.

{counts}
"""


def page(content: Mapping, notebooks: Mapping[str, nbformat.NotebookNode], *, scale: str) -> str:
    """Write the page as MyST Markdown, from the manifest and the executed chapters."""
    measured = {name: manifest.glued_numbers(notebook) for name, notebook in notebooks.items()}
    statuses = {
        key: manifest.status(entry, measured.get(entry["chapter"], {}), scale=scale)
        for key, entry in content["entries"].items()
    }
    values = list(statuses.values())
    counts = ", ".join(f"{values.count(s)} {s}" for s in manifest.STATUSES if s in values)
    parts = [_INTRO.format(scale=scale, counts=f"In numbers: {counts}.")]
    for paper, title in content["papers"].items():
        entries = [e for e in content["entries"].values() if e["paper"] == paper]
        parts += [f"## {plain(title['title'])}", f"{_citation(title['citation'])}\n"]
        rows = (
            row
            for entry in entries
            for row in _rows(entry, measured.get(entry["chapter"], {}), statuses[entry["id"]])
        )
        parts += [markdown_table(_COLUMNS, rows)]
        notes = [
            f"- {plain(e['label'])}, {plain(e['title'])}: {plain(e['note'])}"
            for e in entries
            if e.get("note")
        ]
        parts += ["", *notes, ""]
    return "\n".join(parts)


def _rows(entry: Mapping, numbers: Mapping[str, float], status: str) -> list[list[str]]:
    """A row for the entry, and one for each of its checks."""
    where = f"{{numref}}`{entry['figure']}`" if entry.get("figure") else f"`{entry['chapter']}`"
    mark = f"<span class='status' data-status='{status}'>{status}</span>"
    title = f"**{plain(entry['label'])}:** {plain(entry['title'])}"
    rows = [[title, where, entry["standing"], "", "", mark]]
    for check in entry.get("checks", []) if entry.get("figure") else []:
        expected = check.get("expected")
        published = "" if expected is None else f"{expected:g}"
        number = numbers[check["glue"]]
        ours = f"{number:.0f}" if float(number).is_integer() else f"{number:.2g}"
        if math.isnan(number):  # what a chapter glues for a row without a record
            ours = "not recorded yet"
        tolerance = f"{check['tolerance']:g}"
        # A rightwards arrow in front marks what belongs to the row above.
        rows.append([f"→ {plain(check['what'])}", "", published, ours, tolerance, ""])
    return rows


def _citation(text: str) -> str:
    """The one place for a role: ``{cite:t}`` with keys."""
    parts = re.split(r"(\{cite:t\}`[\w:,-]+`)", text)
    parts[::2] = [part and plain(f"x{part}x")[1:-1] for part in parts[::2]]
    return "".join(parts)

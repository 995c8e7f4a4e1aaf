"""Numbered tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import Markdown


def table(
    rows: Iterable, *, name: str, caption: str, columns: Sequence[str] | None = None
) -> "Markdown":
    """Make a numbered, captioned table, for a cell with ``mystnb: {markdown_format: myst}``.

    Parameters
    ----------
    rows : iterable of sequences or of mappings
        The cells, Markdown, written with ``str``; pass strings to choose how numbers look, and
        text of a record through `plain`.
    name : str
        Label for ``{numref}``, for instance ``tab-settings``.
    caption : str
        One line of Markdown.
    columns : sequence of str, optional
        Headings, and for mappings their keys, which are taken by default.

    Returns
    -------
    IPython.display.Markdown
        A MyST ``{table}`` block.

    Raises
    ------
    TypeError, ValueError
        If there are no rows, a row has another length than the headings, a heading is empty, or a
        key is missing.

    Examples
    --------
    >>> print(table([[1, 2]], name="tab-a", caption="Two.", columns=["x", "y"]).data)
    ```{table} Two.
    :name: tab-a
    <BLANKLINE>
    | x | y |
    |---|---|
    | 1 | 2 |
    ```
    """
    from IPython.display import Markdown

    rows = list(rows)
    if not rows:
        raise ValueError("rows is empty: a table needs at least one")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"name must be of a-z, 0-9 and -, but is {name!r}")
    if not caption.strip() or "\n" in caption:
        raise ValueError("caption must be one line that is not empty")
    if columns is None:
        if not isinstance(rows[0], Mapping):
            raise TypeError("columns is needed unless the rows are mappings")
        columns = list(rows[0])
    if not all(str(column).strip() for column in columns):
        raise ValueError(f"columns has an empty heading, which nobody can read out: {columns}")
    text = markdown_table(columns, [_cells(row, columns) for row in rows])
    return Markdown(f"```{{table}} {caption}\n:name: {name}\n\n{text}\n```")


def markdown_table(columns: Sequence, rows: Iterable[Sequence], *, numbers: int = 0) -> str:
    r"""Write cells as a table of Markdown; the last `numbers` columns are aligned to the right.

    Examples
    --------
    >>> print(markdown_table(["a", "b"], [["x|y", 2]], numbers=1))
    | a | b |
    |---|--:|
    | x\|y | 2 |
    """
    lines = [" | ".join(map(_escape, line)) for line in (columns, *rows)]
    head, *body = [f"| {line} |" for line in lines]
    rule = "|" + "---|" * (len(columns) - numbers) + "--:|" * numbers
    return "\n".join([head, rule, *body])


def _cells(row, columns: Sequence[str]) -> list:
    """A row in the order of the headings."""
    if isinstance(row, Mapping):
        if missing := [column for column in columns if column not in row]:
            raise ValueError(f"a row has no {missing[0]!r}; it has {', '.join(map(str, row))}")
        return [row[column] for column in columns]
    if isinstance(row, str) or len(row) != len(columns):
        raise ValueError(f"a row must have {len(columns)} cells, but is {row!r}")
    return list(row)


def _escape(cell) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")

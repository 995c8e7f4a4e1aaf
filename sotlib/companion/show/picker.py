"""A table whose rows are sorted by what the reader ticks."""

import html
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.display import HTML

_ids = itertools.count()


def picker(
    rows: Mapping[str, Sequence[float]],
    columns: Sequence[str],
    *,
    costs: Mapping[str, float],
    limits: Mapping[str, float],
    legend: str,
    caption: str,
) -> "HTML":
    """Make a table of percentages with a box to tick for each column: works on a static page.

    Rows are sorted by their least value in the ticked columns, then by the sum of these; rows that
    cost more than the chosen limit are hidden. Without JavaScript it is the table of all rows.

    Parameters
    ----------
    rows : mapping
        Percentages in each column, by the name of the row.
    columns : sequence of str
        Headings.
    costs : mapping
        What each row costs, in the unit of the limits.
    limits : mapping
        Limits of the cost by how they are called, the first one chosen at first.
    legend : str
        Heading of the boxes.
    caption : str
        Caption of the table.

    Returns
    -------
    IPython.display.HTML
        The form with its table.

    Raises
    ------
    ValueError
        If a row has another length than the headings, a number outside 0 to 100, or no cost.
    """
    from IPython.display import HTML

    for name, values in rows.items():
        if len(values) != len(columns):
            raise ValueError(f"rows[{name!r}] must have {len(columns)} values; got {len(values)}")
        if not all(0 <= value <= 100 for value in values):
            raise ValueError(f"rows[{name!r}] must lie between 0 and 100; got {list(values)}")
        if name not in costs:
            raise ValueError(f"costs must have an entry for the row {name!r}")
    if not rows or not limits:
        raise ValueError("rows and limits must not be empty")
    boxes = "".join(
        f'<label><input type="checkbox" value="{k}"> {html.escape(column)}</label> '
        for k, column in enumerate(columns)
    )
    choices = "".join(
        f'<option value="{limit:g}">{html.escape(name)}</option>' for name, limit in limits.items()
    )
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr data-cost="{costs[name]:.4g}"><th scope="row">{html.escape(name)}</th>'
        + "".join(f'<td data-value="{value:.6g}">{value:.0f}</td>' for value in values)
        + "</tr>"
        for name, values in rows.items()
    )
    return HTML(
        _PICKER.format(
            name=f"sot-picker-{next(_ids)}",
            legend=html.escape(legend),
            caption=html.escape(caption),
            boxes=boxes,
            choices=choices,
            head=head,
            body=body,
        )
    )


# A few lines of JavaScript, no library: sort rows by their least ticked value, hide the dear ones.
_PICKER = """<form class="sot-picker" id="{name}" onsubmit="return false">
<fieldset><legend>{legend}</legend>{boxes}
<label>at most <select>{choices}</select></label></fieldset>
<p><output></output></p>
<div class="pst-scrollable-table-container"><table class="table"><caption>{caption}</caption>
<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div></form>
<script>(() => {{
  const root = document.getElementById("{name}"), body = root.querySelector("tbody");
  const rows = [...body.rows], limit = root.querySelector("select");
  const show = () => {{
    const ticked = [...root.querySelectorAll("input:checked")].map((box) => Number(box.value));
    const values = (row) => ticked.map((k) => Number(row.cells[k + 1].dataset.value));
    const least = (row) => Math.min(100, ...values(row));
    const sum = (row) => values(row).reduce((a, b) => a + b, 0);
    rows.forEach((row) => {{
      row.hidden = Number(row.dataset.cost) > Number(limit.value);
      [...row.cells].forEach((cell, k) => {{
        cell.style.opacity = ticked.length && k && !ticked.includes(k - 1) ? 0.7 : 1;
      }});
    }});
    const order = [...rows].sort((a, b) => least(b) - least(a) || sum(b) - sum(a) ||
      a.dataset.cost - b.dataset.cost);
    if (ticked.length) body.append(...order); else body.append(...rows);
    const first = order.filter((row) => !row.hidden).slice(0, 3);
    root.querySelector("output").textContent = !ticked.length ? "Nothing is ticked." :
      first.map((row) => `${{row.cells[0].textContent}} (${{least(row).toFixed()}} %)`).join(", ");
  }};
  root.addEventListener("change", show);
  show();
}})();</script>"""

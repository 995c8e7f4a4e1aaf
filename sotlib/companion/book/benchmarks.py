"""The page of benchmarks, written from the records under ``results/benchmarks/``."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sotlib.companion.benchmarks import QUANTITIES, check_results
from sotlib.companion.book import headlines
from sotlib.companion.book._common import BookError
from sotlib.companion.book._drawings import svg
from sotlib.companion.book.status import describe
from sotlib.companion.records import RecordError, read_records
from sotlib.companion.show.table import markdown_table
from sotlib.companion.show.text import plain

NAME = "appendix/benchmarks"
ONE_THREAD = "one-thread"  # the folder of records made so

_INTRO = """\
(benchmarks)=
# Benchmarks

What the library costs beside what one would take instead. This page is written from the results
that `make bench` records under `results/benchmarks/`; nothing is typed in.

All contestants of a task are called before and then take turns in one process; a time is the median
of their turns, and a turn of something fast is the mean of many calls. The number is the quotient
to sotlib's: **3 × means that it takes three times as long**, below 1 it is faster. Milliseconds are
those of the machine named below each table. `make bench` runs everything as a plain script: torch's
defaults, no variable set, and then once more with one thread for each contestant, which is the
column *one thread*. To get numbers for your machine, run `make bench` and `make book`.

"""
_NONE = "Nothing is recorded so far: run `make bench`.\n"


def files(folder: Path) -> dict[str, str]:
    """The page, and its figures as SVG, by name in the stage."""
    try:
        records = read_records(folder, kind="benchmark")
        alone = read_records(Path(folder) / ONE_THREAD, kind="benchmark")
    except RecordError as error:
        raise BookError(str(error)) from None
    sections, found = [], {}
    for name, record in records.items():
        if not re.fullmatch(r"[\w-]+", name):
            raise BookError(f"{folder / name}.json: a name is of letters, digits, - and _")
        try:
            check_results(record["results"])
            single = alone[name]["results"]["rows"] if name in alone else []
            sections.append(_section(name, record, single))
            if record["results"].get("growth"):
                found[f"{NAME}-{name}.svg"] = _plot(record["results"]["growth"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BookError(f"the record {folder / name}.json is damaged: {error}") from None
    intro = [_INTRO]
    if bars := headlines.found(records):
        found[f"{NAME}-headlines.svg"] = headlines.picture(bars)
        words = "; ".join(f"{label}: {ratio:.3g} times" for label, ratio in bars)
        intro.append(
            _image("headlines", f"Bars. {words}.", "Work by sotlib beside the package named.")
        )
    return {NAME: "\n".join([*intro, *(sections or [_NONE])]), **found}


def _section(name: str, record: Mapping, single: Sequence[Mapping]) -> str:
    results = record["results"]
    lines = [f"(bench-{name})=", f"## {plain(results['title'])}", ""]
    lines += [plain(results["measures"]), ""]
    lines += [_table(results, single), ""]
    if results.get("growth"):
        lines += _figure(name, results["growth"])
    return "\n".join([*lines, _provenance(record), ""])


def _table(results: Mapping, single: Sequence[Mapping]) -> str:
    """A row for each contestant, its task named once; ``single`` has rows of one thread."""
    ratios = {(row["task"], row["name"]): row["ratio"] for row in single if "seconds" in row}
    quantities = {key for row in results["rows"] for key in QUANTITIES if key in row}
    columns = ["task", "what", "relative to sotlib"]
    columns += ["one thread"] if ratios else []
    columns += ["milliseconds"] if "seconds" in quantities else []
    columns += ["megabytes"] if "megabytes" in quantities else []
    rows, task = [], None
    for row in results["rows"]:
        cells = [plain(row["task"]) if row["task"] != task else "", plain(row["name"])]
        cells.append(_times(row["ratio"]))
        if ratios:
            cells.append(_times(ratios.get((row["task"], row["name"]))))
        if "seconds" in quantities:
            cells.append(_milliseconds(row["seconds"]) if "seconds" in row else "")
        if "megabytes" in quantities:
            cells.append(f"{row['megabytes']:.0f}" if "megabytes" in row else "")
        rows.append(cells)
        task = row["task"]
    return markdown_table(columns, rows, numbers=len(columns) - 2)


def _figure(name: str, growth: Mapping) -> list[str]:
    series = [s for s in growth["series"] if s["sizes"]]
    words = "; ".join(f"{s['name']}: {_factor(s)}" for s in series)
    caption = (
        f"How cost grows with the {plain(growth['size'])}, relative to sotlib's at the smallest "
        "size. In brackets: the exponent, the slope of a line through the larger half of the sizes."
    )
    return [_image(name, f"Time against {growth['size']}. {words}.", caption)]


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return "1" if ratio == 1 else f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.2g} ×"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.0f}" if seconds >= 1 else f"{1e3 * seconds:.3g}"


def _image(name: str, alt: str, caption: str) -> str:
    lines = [
        f"```{{figure}} {Path(NAME).name}-{name}.svg",
        f":name: fig-bench-{name}",
        ":class: drawn",
        f":alt: {json.dumps(' '.join(alt.split()), ensure_ascii=False)}",  # plain text already
        "",
        caption,
        "```",
        "",
    ]
    return "\n".join(lines)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of the logarithms, by least squares over the larger half of the sizes.

    Examples
    --------
    >>> round(exponent([1, 2, 4, 8], [5, 4, 16, 64]), 6)
    2.0
    """
    half = min(len(sizes) // 2, len(sizes) - 2)
    return float(np.polyfit(np.log(sizes[half:]), np.log(seconds[half:]), 1)[0])


def _factor(series: Mapping) -> str:
    times = series["seconds"][-1] / series["seconds"][0]
    return f"{times:.3g} times as long at {series['sizes'][-1]} as at {series['sizes'][0]}"


def _plot(growth: Mapping) -> str:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    unit = growth["series"][0]["seconds"][0]

    def draw(figure):
        axes = figure.add_subplot()
        for series, marker in zip(growth["series"], "osD^vP*X" * 4, strict=False):
            relative = [seconds / unit for seconds in series["seconds"]]
            label = _label(series["name"])
            if len(series["sizes"]) > 1:
                label += f" ({exponent(series['sizes'], series['seconds']):.2f})"
            axes.loglog(series["sizes"], relative, marker=marker, label=label)
        sizes = sorted({size for series in growth["series"] for size in series["sizes"]})
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(_label(growth["size"]))
        axes.set_ylabel("time, relative")
        axes.legend()

    return svg(draw)


def _label(text: str) -> str:
    """Text for matplotlib: no mathematics, and with room left for the figure."""
    return textwrap.shorten(text, 60).replace("$", r"\$")


def _provenance(record: Mapping) -> str:
    """Machine, versions and commit in one folded block."""
    source = record["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in source["versions"].items())
    commit = _code(source["commit"][:10]) if source["commit"] else "unknown"
    changed = " with uncommitted changes" if source["dirty"] else ""
    threads = source["machine"]["torch_threads"]
    lines = [
        f"- Machine: {plain(describe(source['machine']))}; {plain(threads)} threads of torch.",
        f"- Versions: {plain(versions)}.",
        f"- Recorded on {plain(source['date'])} at commit {commit}{changed}, by "
        f"{_code('benchmarks/' + record['configuration']['script'])}.",
    ]
    return "\n".join([":::{dropdown} Machine and versions", *lines, ":::"])


def _code(text: str) -> str:
    return plain("`" + text.replace("`", "'") + "`")

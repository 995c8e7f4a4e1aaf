"""The page on running the trainings: what is recorded of each experiment, and what a run takes."""

import re
from pathlib import Path
from statistics import median

from sotlib.companion.book.status import describe
from sotlib.companion.records import read_records
from sotlib.companion.runner import Task, experiment, queue
from sotlib.companion.runner.folders import under
from sotlib.companion.show.table import markdown_table

NAME = "appendix/trainings"
MARK = "<!-- trainings -->"
_COLUMNS = ("experiment", "budget", "recorded", "minutes of a run", "on", "chapter")


def page(text: str, results: Path) -> str:
    """Write a table of the experiments where the page's source has ``<!-- trainings -->``."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in queue():
        groups.setdefault((task.experiment, task.budget), []).append(task)
    rows = [_row(*key, tasks, results) for key, tasks in groups.items()]
    return text.replace(MARK, markdown_table(_COLUMNS, rows))


def _row(name: str, budget: str, tasks: list[Task], results: Path) -> tuple[str, ...]:
    folder = under(results)(tasks[0])
    records = read_records(folder, kind=name) if folder.exists() else {}
    found = [records[task.name] for task in tasks if task.name in records]
    times: dict[str, list[float]] = {}
    for record in found:
        times.setdefault(_place(record), []).append(record["provenance"]["seconds"] / 60)
    return (
        f"`{name}`",
        budget,
        f"{len(found)} of {len(tasks)}",
        "; ".join(f"{median(minutes):.1f}" for minutes in times.values()) or "–",
        "; ".join(times) or "–",
        f"{{doc}}`/{chapter(name)}`",
    )


def _place(record) -> str:
    place = describe(record["provenance"]["machine"])
    begun = record["configuration"].get("device", "").startswith("cuda from step 0,")
    return f"a GPU, ended on {place}" if begun else place


def chapter(name: str) -> str:
    """The chapter that an experiment's module names first."""
    text = experiment(name).__doc__ or ""
    match = re.search(r"chapters?\s+``([\w/-]+)``", text)
    if match is None:
        raise LookupError(f"the module of the experiment {name} names no chapter")
    return match[1]

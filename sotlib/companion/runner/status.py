"""How far runs have come, as their folders tell."""

from collections.abc import Sequence
from pathlib import Path

from sotlib.companion.runner.folders import Folder, folders_of
from sotlib.companion.runner.tasks import Task


def status(tasks: Sequence[Task], folder: Folder) -> str:
    """How far each row has come: one line for each, under its folder where there are several."""
    rows: dict[Path, dict[str, list[Task]]] = {}
    for task, place in folders_of(tasks, folder).items():
        rows.setdefault(place, {}).setdefault(task.row, []).append(task)
    width = max(len(task.row) for task in tasks)
    lines = []
    for place, groups in rows.items():
        if len(rows) > 1:
            lines.append(f"{place.parent.name}, budget {place.name}:")
        for row, group in groups.items():
            faults = [fault(task, place) for task in group if is_recorded(task, place)]
            recorded = faults.count(None)
            begun = sum((place / f"{t.name}.checkpoint.safetensors").exists() for t in group)
            lines.append(f"{row:<{width}}  {recorded} of {len(group)} recorded, {begun} begun")
            lines += [f"  {found}" for found in faults if found]
    return "\n".join(lines)


def fault(task: Task, folder: Path) -> str | None:
    """What is wrong with its record, or with what lies beside it."""
    try:
        task.run_in(folder).recorded(task.verify)
    except (ValueError, OSError) as error:  # RecordError, CheckpointError, a missing file
        return str(error)
    return None


def is_recorded(task: Task, folder: Path) -> bool:
    """Whether there is a record; whether it is intact, a sweep looks once, when it begins."""
    return (folder / f"{task.name}.json").exists()


def steps_done(task: Task, folder: Path) -> int:
    """Of a run that is recorded or in progress."""
    if is_recorded(task, folder):
        return task.steps
    try:
        return int((folder / f"{task.name}.progress").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # not begun, or damaged
        return 0

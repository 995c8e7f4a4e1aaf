"""How benchmarks measure and record: ``make bench``, or ``python -m sotlib.companion.benchmarks``.

Each ``benchmarks/bench_<topic>.py`` has a function ``run()``, or ``run(device)`` where it can also
measure on a GPU (``--device cuda``), that returns a mapping with

title
    A few words.
measures
    What is timed, on which input, beside what, and how: a sentence or two.
device
    ``cpu`` or ``cuda``.
rows
    From `compare` and `beside`, one list for all tasks: mappings with ``task``, ``name``,
    ``seconds`` (or ``megabytes``, from `added_megabytes`) and ``ratio``, the quotient to the first
    row of the same task, which is ours.
growth
    Optional, from `grow`: ``size`` (what grows, with its unit) and ``series``, each with
    ``name``, ``sizes`` and ``seconds``.

Whatever else the mapping holds is recorded too. The book's page of benchmarks shows what was
recorded under ``results/benchmarks/``.
"""

import argparse
import ctypes
import gc
import inspect
import math
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from sotlib.companion.records import write_record

QUANTITIES = ("seconds", "megabytes")
TURN = 0.05  # seconds: the state that another's turn left behind counts for little in it


def compare(task: str, contestants: Mapping[str, Callable], *, repeats: int = 7) -> list[dict]:
    """Time functions beside each other: rows with medians and ratios to the first.

    Each is called twice before. Then all take turns, so that a slow moment hits all of them; a
    turn repeats what is faster than `TURN` until it has lasted about so long, and counts the mean.

    Parameters
    ----------
    task : str
        What they do.
    contestants : mapping
        Functions without arguments by name; the first is ours.
    repeats : int
        How often each is timed.

    Examples
    --------
    >>> rows = compare("add", {"ours": lambda: 1 + 1, "sum": lambda: sum([1, 1])}, repeats=3)
    >>> [row["name"] for row in rows], rows[0]["ratio"]
    (['ours', 'sum'], 1.0)
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    calls = {}
    for name, function in contestants.items():
        function()
        calls[name] = math.ceil(TURN / _timed(function, 1))
    gc.collect()
    for _ in range(repeats):
        for name, function in contestants.items():
            times[name].append(_timed(function, calls[name]))
    return beside(task, {name: statistics.median(values) for name, values in times.items()})


def beside(task: str, values: Mapping[str, float], quantity: str = "seconds") -> list[dict]:
    """Rows of what was measured otherwise, by name, ours first."""
    ours = next(iter(values.values()))
    return [
        {"task": task, "name": name, quantity: value, "ratio": value / ours}
        for name, value in values.items()
    ]


def grow(
    size: str,
    sizes: Sequence[int],
    contestants: Mapping[str, Callable[[int], Callable | None]],
    *,
    repeats: int = 5,
) -> dict:
    """Time functions over growing sizes.

    Parameters
    ----------
    size : str
        What grows, with its unit.
    sizes : sequence of int
        At least two.
    contestants : mapping
        ``make(n)`` by name, the first ours; it returns the function to time at size n, or None
        where this contestant is left out.
    repeats : int
        How often each is timed.
    """
    series: dict[str, dict] = {n: {"name": n, "sizes": [], "seconds": []} for n in contestants}
    for number in sizes:
        made = {name: make(number) for name, make in contestants.items()}
        present = {name: function for name, function in made.items() if function is not None}
        for row in compare(str(number), present, repeats=repeats):
            series[row["name"]]["sizes"].append(number)
            series[row["name"]]["seconds"].append(row["seconds"])
    return {"size": size, "series": list(series.values())}


def added_megabytes(function: Callable, device: str = "cpu") -> float | None:
    """Most memory in MB that a call holds beside what was held before; None where unknown.

    On a CPU it is resident memory as Linux counts it, after one call that is not counted (other
    systems do not let a process set back the peak that they report); on a GPU what torch has given
    to tensors.
    """
    function()
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        function()
        return (torch.cuda.max_memory_allocated() - held) / 1e6
    try:
        # What was freed but kept for later would hide what the call takes.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _resident("VmRSS")
        function()
        return _resident("VmHWM") - before
    except (OSError, TypeError):
        return None


def check_results(results: Mapping) -> None:
    """Raise ValueError where what a benchmark returned is not as the module's text says."""
    for field in ("title", "measures", "device", "rows"):
        if not results.get(field):
            raise ValueError(f"run() must return {field!r} (see sotlib.companion.benchmarks)")
    if results["device"] not in ("cpu", "cuda"):
        raise ValueError(f"device must be 'cpu' or 'cuda', but is {results['device']!r}")
    first: dict[str, float] = {}
    for row in results["rows"]:
        if missing := [key for key in ("task", "name", "ratio") if key not in row]:
            raise ValueError(f"the row {row} lacks {missing[0]!r}")
        quantity = [key for key in QUANTITIES if row.get(key, 0) > 0]
        if len(quantity) != 1:
            raise ValueError(f"the row {row} must have one of {QUANTITIES}, above 0")
        value = row[quantity[0]]
        expected = value / first.setdefault(row["task"], value)
        if abs(row["ratio"] - expected) > 1e-6 * expected:
            raise ValueError(f"the row {row} has not the ratio {expected:g} to its task's first")
    growth = results.get("growth")
    for series in growth["series"] if growth else ():
        if len(series["sizes"]) != len(series["seconds"]) or not series["sizes"]:
            raise ValueError(f"growth of {series['name']}: as many seconds as sizes, at least one")


def record(script: Path, folder: Path, device: str = "cpu") -> dict:
    """Run one benchmark script, and record and return what it returns."""
    run = runpy.run_path(str(script))["run"]
    options = {} if device == "cpu" else {"device": device}
    if options and not inspect.signature(run).parameters:
        raise ValueError("it measures on a CPU only: leave out --device")
    begin = time.perf_counter()
    results = run(**options)
    seconds = time.perf_counter() - begin
    check_results(results)
    write_record(
        folder / f"{script.stem.removeprefix('bench_')}.json",
        kind="benchmark",
        configuration={"script": script.name},
        results=results,
        seeds=results.get("seeds", ()),
        seconds=seconds,
    )
    return results


def show(results: Mapping) -> str:
    """The rows as text for a terminal."""
    lines, width = [results["title"]], max(len(row["name"]) for row in results["rows"])
    task = None
    for row in results["rows"]:
        if row["task"] != task:
            task = row["task"]
            lines.append(f"  {task}")
        quantity = next(key for key in QUANTITIES if key in row)
        lines.append(
            f"    {row['name']:{width}}  {row[quantity]:10.4g} {quantity}  {row['ratio']:8.2f} ×"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Record the scripts given, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m sotlib.companion.benchmarks", description="Benchmark."
    )
    parser.add_argument("script", type=Path, nargs="*", help="default: benchmarks/bench_*.py")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args(arguments)
    if options.out.exists() and not options.out.is_dir():
        parser.error(f"--out {options.out} is a file: give a folder")
    torch.set_num_threads(options.threads)
    scripts = options.script or sorted(Path("benchmarks").glob("bench_*.py"))
    faults = []
    for script in scripts:
        try:
            print(show(record(script, options.out, options.device)), flush=True)
        except Exception as error:
            faults.append(f"{script}: {type(error).__name__}: {error}")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return int(bool(faults) or not scripts)


def _resident(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def _timed(function: Callable, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / calls


if __name__ == "__main__":
    sys.exit(main())

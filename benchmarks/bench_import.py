"""What `import sotlib` costs beside `import torch`, which it needs: time of new processes."""

import resource
import statistics
import subprocess
import sys

from sotlib.companion.benchmarks import beside

REPEATS = 9


def processor_seconds(module: str) -> float:
    """User and system time of a process that imports the module."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run() -> dict:
    """Measure it; see `sotlib.companion.benchmarks` for what is returned."""
    modules = ("sotlib", "torch")
    for module in modules:  # byte code is written, files are in memory
        processor_seconds(module)
    turns = [[processor_seconds(module) for module in modules] for _ in range(REPEATS)]
    medians = map(statistics.median, zip(*turns, strict=True))
    names = [f"import {module}" for module in modules]
    return {
        "title": "Import",
        "measures": f"Processor time of a new process that imports the library beside one that "
        f"imports torch only: medians of {REPEATS}, in turns.",
        "device": "cpu",
        "rows": beside("import", dict(zip(names, medians, strict=True))),
    }

"""Executes chapters with papermill, a few at a time, each in a process of its own."""

import itertools
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import nbformat
from tqdm import tqdm

from sotlib.companion.book import cache
from sotlib.companion.book._common import READS, BookError, Layout, python_path
from sotlib.companion.book.chapters import Page, read_notebook, set_parameters
from sotlib.companion.book.glue import glued_twice, plain_number
from sotlib.companion.files import write_atomically
from sotlib.companion.processes import cores, worker_pool

_THREADS = ("OMP", "MKL", "OPENBLAS", "NUMBA")


def execute_chapters(
    layout: Layout,
    pages: Sequence[Page],
    *,
    parameters: Mapping[str, object],
    jobs: int = 2,
) -> dict[str, nbformat.NotebookNode]:
    """Execute notebooks, or take them from the cache where nothing has changed.

    The parameters, ``scale`` and others, are set in each chapter's parameters cell. The processor's
    cores are divided among `jobs` chapters at a time. Returns the notebooks by page name; raises
    BookError where a chapter lacks a parameter or a cell fails, when all have been tried.
    """
    environment = cache.environment_key(layout)
    folder = layout.executed(str(parameters["scale"]))
    done, waiting, keys = {}, {}, {}
    for page in pages:
        notebook = read_notebook(page)
        set_parameters(notebook, page.name, parameters)
        keys[page.name] = cache.chapter_key(page, parameters, environment)
        text = cache.load(folder, page.name, keys[page.name])
        if text is None:
            waiting[page.name] = notebook
        else:
            done[page.name] = nbformat.reads(text, as_version=4)
    faults = []
    count = itertools.count(1)
    # On a terminal a bar, elsewhere the lines alone.
    with tqdm(total=len(pages), unit="chapter", leave=False, file=sys.stdout, disable=None) as bar:

        def line(text: str) -> None:
            bar.update()
            tqdm.write(f"[{next(count)}/{len(pages)}] {text}", file=sys.stdout)
            sys.stdout.flush()

        for name in done:
            line(f"{name}: cached")
        for name, text, seconds, fault in _run_all(layout, waiting, jobs):
            if fault:
                faults.append(fault)
                line(f"{name}: FAILED after {seconds:.1f} s")
                continue
            cache.store(folder, name, keys[name], text, seconds)
            done[name] = nbformat.reads(text, as_version=4)
            line(f"{name}: run in {seconds:.1f} s")
    if faults:
        raise BookError("\n".join(faults))
    return done


def _run_all(layout: Layout, notebooks: Mapping[str, nbformat.NotebookNode], jobs: int):
    """Yield ``(name, text, seconds, fault)`` as chapters finish."""
    if not notebooks:
        return
    jobs = max(1, min(jobs, len(notebooks)))
    environment = _kernel_environment(layout, jobs)
    with worker_pool(jobs) as pool:
        futures = {
            pool.submit(_run, name, nbformat.writes(notebook), layout, environment): name
            for name, notebook in notebooks.items()
        }
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                name = futures[future]
                yield name, None, 0.0, f"chapter {name}: its process was killed (out of memory?)"


def _kernel_environment(layout: Layout, jobs: int) -> dict[str, str]:
    """Environment of the kernels: this interpreter, this library, a fair share of the cores."""
    kernels = layout.out / "kernels"
    kernel = str(Path(__file__).with_name("kernel.py"))
    options = ["-Xfrozen_modules=off", kernel, "-f", "{connection_file}", "--log-level=50"]
    write_atomically(
        kernels / "kernels" / "python3" / "kernel.json",
        json.dumps(
            {
                "argv": [sys.executable, *options],
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
            }
        ),
    )
    share = str(max(1, cores() // jobs))
    return {
        "JUPYTER_PATH": str(kernels.resolve()),
        "PYTHONPATH": python_path(),
        "PYTHONHASHSEED": "0",
        # A frontend's or a user's settings must not change the pictures.
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        **{f"{name}_NUM_THREADS": share for name in _THREADS},
        # Threads that wait asleep: spinning ones made a busy machine ten times slower.
        "OMP_WAIT_POLICY": "PASSIVE",
        # librosa and nnAudio bring a progress bar that asks for widgets, which no page has.
        "PYTHONWARNINGS": "ignore:IProgress not found",
    }


def _run(name: str, text: str, layout: Layout, environment: Mapping[str, str]):
    """Execute one notebook (in a worker process)."""
    os.environ.update(environment)
    import papermill

    failed = layout.failed / f"{name}.ipynb"
    failed.parent.mkdir(parents=True, exist_ok=True)
    opened = failed.with_suffix(".reads")
    opened.unlink(missing_ok=True)
    os.environ["SOTLIB_READS"] = str(opened)
    begin = time.monotonic()
    try:
        notebook = papermill.execute_notebook(
            nbformat.reads(text, as_version=4),
            str(failed),
            cwd=str(layout.source),
            kernel_name="python3",
            progress_bar=False,
            request_save_on_cell_execute=False,
        )
    except Exception as error:
        seconds = time.monotonic() - begin
        return name, None, seconds, _describe(name, error, failed)
    if twice := glued_twice(notebook):
        fault = f"chapter {name}: glued more than once: {', '.join(twice)}"
        return name, None, time.monotonic() - begin, fault
    notebook.metadata[READS] = _read(opened, notebook, layout)
    for leftover in (failed, failed.with_suffix(".log"), opened):
        leftover.unlink(missing_ok=True)
    return name, nbformat.writes(_cleaned(notebook)), time.monotonic() - begin, None


def _read(opened: Path, notebook: nbformat.NotebookNode, layout: Layout) -> list[str]:
    """Records and data that a notebook has read, by path in the repository.

    Libraries open files unseen, too: a data file of the book that the code names counts.
    """
    lines = opened.read_text(encoding="utf-8").splitlines() if opened.is_file() else []
    found = {Path(line) for line in set(lines)}
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    data = layout.source.glob("*/data/*")
    found |= {path for path in data if path.name in code}
    folders = layout.root / "results", layout.source
    return sorted(
        path.relative_to(layout.root).as_posix()
        for path in found
        if path.is_file() and any(path.is_relative_to(folder) for folder in folders)
    )


def _describe(name: str, error: Exception, failed: Path) -> str:
    """The message of a failed chapter; the whole traceback goes into its log."""
    log = failed.with_suffix(".log")
    write_atomically(log, re.sub(r"\x1b\[[0-9;]*m", "", str(error)))
    where = getattr(error, "exec_count", None)
    if hasattr(error, "ename") and hasattr(error, "evalue"):
        summary = f"{error.ename}: {error.evalue}"
    else:
        summary = f"{type(error).__name__}: {str(error).strip()[:500]}"
    cell = f", cell {where}" if where else ""
    return f"chapter {name}{cell}: {summary}\n  notebook: {failed}\n  log: {log}"


def _cleaned(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what papermill adds: its copy of the input, and times that differ at every run."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            cell.metadata.pop("tags")
        for output in cell.get("outputs", ()):
            if "scrapbook" in output.get("metadata", {}):
                output["data"] = {k: plain_number(v) for k, v in output["data"].items()}
    return notebook

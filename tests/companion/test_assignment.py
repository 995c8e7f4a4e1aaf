"""A chapter becomes an assignment that runs, whose checks fail until it is solved."""

import copy
import re

import nbformat
import pytest
from nbclient import NotebookClient

from sotlib.companion.book import BookError
from sotlib.companion.book._common import Layout
from sotlib.companion.book.assignment import write_assignment
from sotlib.companion.book.chapters import Page, read_notebook, read_pages
from sotlib.companion.book.exercises import pieces, task
from sotlib.companion.book.generated import PAGES
from sotlib.companion.book.plain import Names, read_names
from sotlib.companion.files import write_atomically

HEADER = """\
---
kernelspec: {name: python3, display_name: Python 3, language: python}
---

# A chapter {cite:t}`somebody`, see {doc}`other`

```{code-cell} ipython3
:tags: [parameters]

scale = "laptop"
start = 2
```

```{exercise}
:label: ex-double

Double `start`; call it `double`.
```

````{solution-start} ex-double
:class: dropdown
````

Multiply it by two.

"""
SOLUTION = """\
```{code-cell} ipython3
double = 2 * start
```
"""
CHECK = """
```{code-cell} ipython3
:tags: [self-check]

assert double == 4, "Hint: twice two"
```
"""
END = """
````{solution-end}
````

"""
SECOND = """\
Between the exercises.

```{exercise} With a title
:label: ex-function

Write `add(a, b)`.
```

````{solution-start} ex-function
````
```{code-cell} ipython3
def add(a, b):
    return a + b
```

```{code-cell} ipython3
:tags: [self-check]

assert add(1, 2) == 3, "Hint: plus"
```
````{solution-end}
````

```{code-cell} ipython3
print("the end", start)
```
"""
CHAPTER = HEADER + SOLUTION + CHECK + END + SECOND


NAMES = Names(
    titles={"part/other": "Another chapter"},
    cited={"somebody": ("Some and Body", "1999", "Some, Body (1999). A title")},
)


@pytest.fixture
def layout(tmp_path):
    (tmp_path / "book").mkdir()
    library = tmp_path / "sotlib/companion"
    write_atomically(library / "__init__.py", "")
    write_atomically(library.parent / "__init__.py", "")
    return Layout(tmp_path, tmp_path / "_build")


def assign(layout, text=CHAPTER, **options):
    page = Page("part/one", layout.source / "part/one.md", text)
    paths = write_assignment(layout, page, NAMES, **options)
    return [nbformat.read(path, as_version=4) for path in paths]


def run(notebook):
    """Execute all that can be; returns the errors' texts and what was printed."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [c for c in notebook.cells if "find_files" not in c.source]
    client = NotebookClient(notebook, timeout=60, kernel_name="python3")
    client.execute()
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    errors = [f"{o.ename}: {o.evalue}" for o in outputs if o.output_type == "error"]
    return errors, "".join(o.text for o in outputs if o.output_type == "stream")


def fill_in(notebook, **solutions):
    """Solve exercises as a student does."""
    for cell in notebook.cells:
        for name, code in solutions.items():
            if cell.source.startswith("# Your solution") and f"{name} = ..." in cell.source:
                cell.source = re.sub(rf"^{name} = \.\.\..*$", code, cell.source, flags=re.M)


def test_round_trip(layout):
    assignment, solutions, *_ = assign(layout)
    text = nbformat.writes(assignment)
    assert "2 * start" not in text
    assert "Multiply it by two" not in text
    assert "return a + b" not in text
    errors, printed = run(assignment)
    assert len(errors) == 2
    assert all(re.match("AssertionError: `(double|add)` is still to be def", e) for e in errors)
    assert "the end 2" in printed
    # A wrong answer gets the hint, a right one passes; the other exercise is still open.
    fill_in(assignment, double="double = 5")
    assert run(assignment)[0][0] == "AssertionError: Hint: twice two"
    assignment = assign(layout)[0]
    fill_in(assignment, double="double = 4")
    (error,) = run(assignment)[0]
    assert "`add` is still" in error
    fill_in(assignment, add="def add(a, b): return b + a")
    assert run(assignment)[0] == []
    assert run(solutions)[0] == []


def test_notebooks_read_well_without_myst(layout):
    for notebook in assign(layout):
        notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        text = "\n".join(cell.source for cell in notebook.cells)
        assert "{exercise}" not in text
        assert "solution-start" not in text
        assert "# A chapter Some and Body [1999], see *Another chapter*" in text
        assert "## References\n\n- Some, Body (1999). A title" in text
        assert "### Exercise 1\n\nDouble `start`" in text
        assert "### Exercise 2 With a title" in text
        nbformat.validate(notebook)


def test_same_bytes_every_time_and_at_the_scale_asked_for(layout):
    first = [nbformat.writes(notebook) for notebook in assign(layout, scale="smoke")]
    assert first == [nbformat.writes(notebook) for notebook in assign(layout, scale="smoke")]
    assert 'scale = \\"smoke\\"' in first[0]


def test_exercise_without_check_gets_an_empty_cell(layout):
    assignment, *_ = assign(layout, HEADER + SOLUTION + END)
    assert [c.source for c in assignment.cells if c.source.startswith("# Your")] == [
        "# Your solution here."
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.split("```{exercise}")[0], "part/one has no exercises"),
        (HEADER + SOLUTION, "the solution of 'ex-double' does not end"),
        (HEADER.replace("-start} ex-double", "-start} ex-half") + END, "solves 'ex-half', not an"),
        (HEADER + SOLUTION + END + END, "solution-end of '' is out of place"),
        (HEADER + END + CHECK, "tagged self-check outside of a solution"),
        (HEADER + SOLUTION + CHECK.replace("double", "start") + END, "reads nothing that its sol"),
        (
            HEADER + SOLUTION + END + SOLUTION.replace("double =", "x = double;"),
            "a cell after ex-double uses 'double', which only the solution defines",
        ),
    ],
)
def test_chapters_that_cannot_be_assigned_are_named(layout, text, message):
    with pytest.raises(BookError, match=message):
        assign(layout, text)


def _chapters():
    from pathlib import Path

    root = Path(__file__).parents[2]
    layout = Layout(root, root / "_build")
    pages = read_pages(layout, tuple(PAGES))
    chapters = [p for p in pages if p.is_notebook]
    names = read_names(layout, pages)
    return names, [p for p in chapters if any(x.exercise for x in pieces(read_notebook(p), p.name))]


BOOK, CHAPTERS = _chapters()


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.name)
def test_every_chapter_can_be_assigned(page, layout):
    write_atomically(layout.source / f"{page.name}.md", page.text)
    for path in write_assignment(layout, page, BOOK):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        marks = [c.metadata["nbgrader"] for c in notebook.cells if "nbgrader" in c.metadata]
        assert len({mark["grade_id"] for mark in marks}) == len(marks)
        text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
        assert not re.search(r"\{[\w:-]+\}`|^`{3,}\{|^\([\w-]+\)=", text, re.M)


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.name)
def test_exercises_compute_derive_and_explore(page):
    """One of each kind, named first; all but a design check what the reader wrote."""
    parts = pieces(read_notebook(page), page.name)
    checked = {part.exercise for part in parts if part.is_check}
    stated = {p.exercise: p.cell.source for p in parts if p.exercise and not p.solution}
    kinds = {}
    for label, text in stated.items():
        found = task(text.partition("\n\n")[2])
        assert found, f"{label}: begin with its kind, as in *Derive (easy, 10 min).*"
        assert 5 <= found.minutes <= 30, f"{label}: split an exercise that takes longer"
        kinds[label] = found.kind
    assert {"Compute", "Derive"} < set(kinds.values()), f"kinds: {kinds}"
    unchecked = {label for label, kind in kinds.items() if kind != "Design"} - checked
    assert not unchecked, f"without a self-check: {sorted(unchecked)}"


def test_there_are_chapters_to_assign():
    assert len(CHAPTERS) >= 2

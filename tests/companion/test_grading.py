"""nbgrader and Otter take assignments as they are: all points for the solutions, none for nothing.

Neither is among the requirements: `NBGRADER=folder/bin/nbgrader OTTER=folder/bin/otter` name those
that are installed.
"""

import ast
import csv
import json
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from test_assignment import CHECK, HEADER, SOLUTION, assign, layout

from sotlib.companion.book.grading import split

__all__ = ["layout"]
END = "\n````{solution-end}\n````\n"
TWO = """
```{code-cell} ipython3
:tags: [self-check]

assert double > 3, "more"
assert double == 4, "exactly"
```
"""
DERIVE = HEADER.replace("Double `start`", "*Derive (hard, 20 min).* Double `start`")

GRADED = DERIVE + SOLUTION + CHECK.replace("assert", "assert double > 3\nassert", 1) + END


def test_tests_have_points_and_the_last_is_hidden(layout):
    student, solutions, source, otter = assign(layout, DERIVE + SOLUTION + TWO + END)
    for notebook, words in ((student, "YOUR ANSWER HERE"), (source, "Multiply it by two.")):
        marked = [c for c in notebook.cells if "nbgrader" in c.metadata]
        marks = {c.metadata["nbgrader"]["grade_id"]: c for c in marked}
        assert list(marks) == ["ex-double-words", "ex-double-answer", "ex-double-check"]
        points = [c.metadata["nbgrader"].get("points") for c in marks.values()]
        assert points == [3, None, 3]
        assert marks["ex-double-words"].source == words
    shown, hidden = marks["ex-double-check"].source.split("### BEGIN HIDDEN TESTS\n")
    assert "double > 3" in shown
    assert "exactly" not in shown
    assert hidden == 'assert double == 4, "exactly"\n### END HIDDEN TESTS'
    assert "2 * start" not in nbformat.writes(student)
    assert "BEGIN" not in nbformat.writes(solutions)
    raw = [c.source.splitlines()[0] for c in otter.cells if c.cell_type == "raw"]
    assert [raw.count(f"# {word} QUESTION") for word in ("BEGIN", "END")] == [2, 2]
    tests = [c.source for c in otter.cells if c.source.startswith("# HIDDEN")]
    assert len(tests) == 1
    assert "exactly" in tests[0]


@pytest.mark.parametrize("check", ["assert a", "a = 1\nassert a, (\n  'b'\n)\nprint(a)"])
def test_one_assertion_is_seen(check):
    assert split(check) == (check, "")


def test_hidden_inputs_are_the_rest_of_a_loop():
    check = "b = 1\nfor i, j in [(1, 2), (3, 4)]:\n    c = b\n    assert f(i) == j * c"
    seen, hidden = split(check)
    ran: list = []
    for text in (seen, hidden):
        ast.parse(text)
        exec(text, {"f": lambda i: ran.append(i) or i + 1, "b": 1})
    assert ran == [1, 3]


@pytest.fixture
def grade(monkeypatch, request):
    """Run the program that a variable of the environment names."""
    program = os.environ.get(request.param)
    if not program:
        pytest.skip(f"{request.param} names no program")
    program = Path(program).absolute()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def run(folder, *arguments):
        command = [str(program), *map(str, arguments)]
        found = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert found.returncode == 0, found.stdout + found.stderr

    return run


@pytest.mark.parametrize("grade", ["NBGRADER"], indirect=True)
def test_nbgrader_gives_points_for_solutions_alone(layout, grade):
    assign(layout, GRADED)
    course = layout.out / "assignments/nbgrader"
    grade(course, "generate_assignment", "part-one")
    release = course / "release/part-one/one.ipynb"
    assert "2 * start" not in release.read_text()
    assert "HIDDEN" not in release.read_text()
    for student, notebook in (
        ("full", course / "source/part-one/one.ipynb"),
        ("empty", release),
        ("seen", layout.out / "assignments/part/one.ipynb"),
    ):
        target = course / "submitted" / student / "part-one/one.ipynb"
        target.parent.mkdir(parents=True)
        # What is hidden counts: 5 passes what students see.
        target.write_text(notebook.read_text().replace("double = ...", "double = 5"))
    grade(course, "autograde", "part-one")
    grade(course, "export")
    rows = csv.DictReader((course / "grades.csv").read_text().splitlines())
    scores = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in rows}
    assert scores == {"full": (3, 6), "empty": (0, 6), "seen": (0, 6)}


@pytest.mark.parametrize("grade", ["OTTER"], indirect=True)
def test_otter_gives_points_for_solutions_alone(layout, grade):
    assign(layout, GRADED)
    folder = layout.out / "assignments/otter"
    grade(folder, "assign", "part-one.ipynb", "dist")
    (program,) = (folder / "dist/autograder").glob("*.zip")
    assert "2 * start" not in (folder / "dist/student/part-one.ipynb").read_text()
    for who, points in (("autograder", 3), ("student", 0)):
        (folder / who).mkdir()
        grade(folder, "run", "-a", program, "-o", who, f"dist/{who}/part-one.ipynb")
        tests = json.loads((folder / who / "results.json").read_text())["tests"]
        assert [t["score"] for t in tests if t["name"] == "ex_double"] == [points]

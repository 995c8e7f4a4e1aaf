"""What `make lint` says of the book: each rule, what it leaves alone, and the book itself."""

import sys

import pytest


@pytest.fixture(scope="module")
def lint(root):
    sys.path.insert(0, str(root / "tools"))
    try:
        import lint_book
    finally:
        sys.path.remove(str(root / "tools"))
    return lint_book


def cell(code, header=""):
    return f"Text.\n\n```{{code-cell}} ipython3\n{header}{code}\n```\n"


FOLDED = ":tags: [hide-input]\n\n"
YAML = "---\nmystnb:\n  figure:\n    caption: >-\n      {}\ntags: [hide-input]\n---\n"
WIDE = "x = '" + "x" * 84 + "'"
LONG = "\n".join(["x = 1"] * 26)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("About half, 4\n% of all.", 2, "comment"),
        ("    deeper\n\n  % of all.", 3, "comment"),
        ("All ratios are above\n1. The statement holds.", 2, "makes a list"),
        ("It was in\n\n2023. The year", 3, "makes a list"),
        ("This is a\n- b", 2, "makes a list"),
        ("x " * 61, 1, "122 characters"),
        ("The blue line.", 1, "'blue'"),
        ("A lone `\n\nred, another `", 3, "'red'"),
        ("one\n\nDarker is higher.", 3, "'Darker'"),
        ("white\nnoise, black\nbread", 2, "'black'"),
        ("A factor of 2e+04 more.", 1, "'2e+04'"),
        ("By {glue:text}`ratio-a:.1e` more.", 1, "show.power"),
        ("By `a` and {glue:text}`b:.0e`.", 1, "show.power"),
        ("````{exercise}\n:label: ex-black\n\nThe red one.\n````", 4, "'red'"),
        (cell(WIDE), 4, "90 characters of code"),
        (cell(LONG), 4, "26 lines of code"),
        (cell(LONG, "---\nmystnb:\n  a: 1\n---\n"), 8, "26 lines of code"),
        (cell("a = 1\nglue('a', a, display=False)"), 5, "glue in view"),
        (cell("for a in b:\n    glue('a', a)"), 5, "glue in view"),
        (cell("x", YAML.format("Grey: theirs.")), 8, "'Grey'"),
        (cell("show.table(rows,\n  caption='Blue: ours')", FOLDED), 7, "'Blue'"),
        (cell("rows = [f'{a:.1e}']", FOLDED), 6, "show.power"),
        (cell("plt.plot(x)\nplt.legend()", YAML.format("Two.")), 12, "end the line with ;"),
    ],
)
def test_faults_are_named_by_line(lint, text, line, what):
    ((found, message),) = lint.faults(text)
    assert found == line
    assert what in message


@pytest.mark.parametrize(
    "text",
    [
        "- one\n- two\n  goes on\n- three\n\n1. first\n2. second",
        "All 4 % of\nthe 1.5 semitones.",
        "$$\na\n+ b\n$$ (eq-a)\n\nText.",
        "| a | " + "b" * 130 + " |",
        "White noise, a black box, in dark mode; `blue` and `1e-3` are code; too bright.",
        "By {glue:text}`ratio-1e3`.",
        "```python\nglue('a', 1)  # 1. the red one, 2e4\n% magic\n```",
        cell(WIDE, FOLDED),
        cell(LONG, ":tags: [self-check]\n\n"),
        cell("glue('a', 1)", ":tags: [remove-cell]\n\n"),
        cell("print(f'{a:.1e}')\nassert a < 1e-3, f'{a:.1e}'\nplt.plot(x, color='blue')"),
        cell("x", YAML.format("Dashed: theirs.")),
        cell("plt.legend();", YAML.format("Two.")),
        cell("draw(x)", YAML.format("Two.")),
        cell("plt.legend()", FOLDED),
        "---\njupytext:\n  blue: 1e3\n---\n\nText.",
    ],
)
def test_what_is_right_is_left_alone(lint, text):
    assert lint.faults(text) == []


def test_a_folder_is_read_and_the_status_says_whether_all_is_well(lint, tmp_path, capsys):
    (tmp_path / "part").mkdir()
    page = tmp_path / "part/one.md"
    page.write_text("The blue line.\n")
    assert lint.main(str(tmp_path)) == 1
    assert capsys.readouterr().out.startswith(f"{page}:1: 'blue'")
    page.write_text("The dashed line.\n")
    assert lint.main(str(tmp_path)) == 0


def test_the_book_is_clean(lint, root, capsys):
    assert lint.main(str(root / "book")) == 0, capsys.readouterr().out

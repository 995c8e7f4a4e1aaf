"""The figures and tables of the papers, and how far the book has come with each."""

import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from tiny_book import CELL, ENTRY, HEADER, NOT_BUILT, manifest_text, page_of

from sotlib.companion.book import BookError, chapters, front, manifest, reproduction
from sotlib.companion.book._common import Layout
from sotlib.companion.book.generated import PAGES
from sotlib.companion.book.glue import glued_numbers
from sotlib.companion.files import write_atomically


@pytest.mark.parametrize(
    ("change", "measured", "scale", "expected"),
    [
        ({}, {"error": 2e-4}, "smoke", "reproduced"),
        ({}, {"error": -2e-4}, "smoke", "reproduced"),
        ({}, {"error": 2e-3}, "smoke", "differs"),
        ({}, {"error": float("nan")}, "smoke", "differs"),
        (
            {"checks": [ENTRY["checks"][0] | {"optional": True}]},
            {"error": float("nan")},
            "smoke",
            "not compared here",
        ),
        ({"scale": "paper"}, {"error": 2e-4}, "laptop", "reduced"),
        ({"scale": "paper"}, {"error": 2e-4}, "paper", "reproduced"),
        ({"budget": "reduced"}, {"error": 2e-4}, "paper", "reduced"),
        ({"published": "unknown", "standing": "unknown"}, {}, "paper", "published value unknown"),
        ({"figure": None}, {}, "paper", "not yet"),
        ({"figure": None, "published": "unknown"}, {}, "paper", "not yet"),
        (
            {"checks": [{"glue": "paths", "expected": 10, "tolerance": 0, "what": "paths"}]},
            {"paths": 10},
            "smoke",
            "reproduced",
        ),
        (
            {"checks": [{"glue": "paths", "expected": 10, "tolerance": 0, "what": "paths"}]},
            {"paths": 11},
            "smoke",
            "differs",
        ),
    ],
)
def test_status_is_computed(change, measured, scale, expected):
    assert manifest.status(ENTRY | change, measured, scale=scale) == expected
    assert expected in manifest.STATUSES


CLAIM = {
    "id": "better",
    "paper": "sot",
    "claim": "a is better.",
    "published": "no numbers",
    "ours": "{a:.1f} against {b:.1f}",
    "chapter": "part/one",
    "checks": [{"glue": "a", "above": "b"}],
}


@pytest.mark.parametrize(
    ("change", "measured", "expected"),
    [
        ({}, {"a": 2.0, "b": 1.0}, "✓"),
        ({}, {"a": 1.0, "b": 1.0}, "✗"),
        ({}, {"a": float("nan"), "b": 1.0}, "✗"),
        ({"checks": [{"glue": "a", "below": 3}]}, {"a": 2.0}, "✓"),
        ({"checks": [{"glue": "a", "below": "b"}]}, {"a": 2.0, "b": 1.0}, "✗"),
        ({"checks": [{"glue": "a", "expected": 2, "tolerance": 0}]}, {"a": 2.0}, "✓"),
        ({"checks": [*CLAIM["checks"], {"glue": "a", "above": 5}]}, {"a": 2.0, "b": 1.0}, "✗"),
        (
            {"checks": [{"glue": "a", "above": 1, "optional": True}]},
            {"a": float("nan")},
            "not compared here",
        ),
        ({"checks": []}, {}, "not testable"),
    ],
)
def test_verdict_on_a_claim_is_computed(change, measured, expected):
    assert manifest.verdict(CLAIM | change, measured) == expected
    assert expected in manifest.VERDICTS


def test_page_says_what_holds(executed):
    """A claim with its numbers, the status with the count of checks, and each check's mark."""
    record = {"error": 5e-3, "other": 1.0, "a": 2.0, "b": 3.0, "gone": float("nan")}
    outputs = executed["part/one"].cells[-1].outputs
    for name, value in record.items():
        outputs.append(
            nbformat.v4.new_output(
                "display_data",
                data={"text/plain": str(value)},
                metadata={"scrapbook": {"name": name}},
            )
        )
    checks = [
        ENTRY["checks"][0],
        {"glue": "other", "expected": 1, "tolerance": 0, "what": "other"},
        {"glue": "gone", "tolerance": 1, "what": "gone", "optional": True},
    ]
    content = {
        "papers": {"sot": {"title": "SOT", "citation": "S."}},
        "entries": {"one": ENTRY | {"budget": "reduced", "checks": checks}},
        "claims": [CLAIM | {"budget": "reduced"}],
    }
    text = reproduction.page(content, executed, scale="smoke")
    claim, entry, *rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert "against 3.0" in claim
    assert "✗ (reduced)" in claim
    rows = [entry, *rows][1:]
    assert "reduced, 1 of 2 checks hold" in rows[0]
    assert "reproduction-fig-one.svg" in rows[0]
    assert ["✗" in rows[1], "✓" in rows[2], "not compared here" in rows[3]] == [True] * 3
    assert "nan" not in text
    assert "Of 1 claims: 1 ✗. Of 1 figures and tables: 1 reduced." in text


def test_first_page_has_a_card_with_its_number(executed):
    executed["part/one"].cells[-1].outputs.append(
        nbformat.v4.new_output(
            "display_data", data={"text/plain": "7"}, metadata={"scrapbook": {"name": "a"}}
        )
    )
    card = {
        "idea": "I.",
        "chapter": "part/one",
        "picture": "fig-one",
        "alt": "A.",
        "of": "part/one",
    }
    card |= {"result": "Found {a:.0f}.", "start": "part/one"}
    papers = {"sot": {"title": "SOT", "citation": "S.", "card": card}}
    content = {"papers": papers, "entries": {}, "claims": []}
    found = front.files(content, executed, scale="smoke")
    assert "**Found 7.**" in found["front.txt"]
    assert "<svg" in found["front-sot.svg"]
    for change, message in (({"picture": "fig-x"}, "no picture fig-x"), ({"result": "{b}"}, "b")):
        papers["sot"]["card"] = card | change
        with pytest.raises(BookError, match=message):
            front.files(content, executed, scale="smoke")


def test_claims_of_the_book_are_of_its_chapters(root):
    content = manifest.load(root / "book/manifest.yml")
    for claim in content["claims"]:
        assert (root / "book" / f"{claim['chapter']}.md").is_file()
        # No number of ours is typed.
        bare = re.sub(r"\{[^}]*\}", "", claim["ours"])
        assert not re.search(r"\d+(\.\d+)? ?%|\d\.\d", bare)


@pytest.mark.parametrize(
    "change", [{"paper": "x"}, {"verdict": "✓"}, {"checks": [{"glue": "a"}]}, {"ours": None}]
)
def test_bad_claim_is_named(tmp_path, change):
    claim = {key: value for key, value in (CLAIM | change).items() if value is not None}
    text = manifest_text(ENTRY) + yaml.safe_dump({"claims": [claim]})
    write_atomically(tmp_path / "manifest.yml", text)
    with pytest.raises(BookError, match="claim"):
        manifest.load(tmp_path / "manifest.yml")


def test_status_needs_every_check_to_hold():
    other = {"glue": "other", "tolerance": 1, "what": "other"}
    entry = ENTRY | {"checks": [*ENTRY["checks"], other]}
    assert manifest.status(entry, {"error": 0.0, "other": 0.5}, scale="smoke") == "reproduced"
    assert manifest.status(entry, {"error": 0.0, "other": 1.5}, scale="smoke") == "differs"


def test_number_that_no_chapter_glues_is_named():
    with pytest.raises(BookError, match="no chapter glues the number 'error'"):
        manifest.status(ENTRY, {}, scale="smoke")


def test_figure_without_its_label_is_named(executed):
    manifest.check_labels([ENTRY, NOT_BUILT], executed)
    with pytest.raises(BookError, match=r"one names the figure 'fig-x', but chapter part/one"):
        manifest.check_labels([ENTRY | {"figure": "fig-x"}], executed)
    with pytest.raises(BookError, match="one is in chapter part/gone, which is not a notebook"):
        manifest.check_labels([ENTRY | {"chapter": "part/gone"}], executed)


def test_tables_and_targets_are_labels_too():
    text = "(sec-a)=\n## A\n\n```{figure} a.svg\n:name: fig-b\n```\n"
    notebook = chapters.read_notebook(page_of(HEADER + text + CELL))
    table = {"text/markdown": "```{table} T\n:name: tab-c\n```"}
    notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", data=table)]
    assert manifest.labels(notebook) == {"sec-a", "fig-b", "tab-c"}


@pytest.mark.parametrize(
    "text", ["0.25", "np.float64(0.25)", "tensor(0.25)", "tensor(0.25, dtype=torch.float64)"]
)
def test_glued_numbers_are_read(text):
    notebook = chapters.read_notebook(page_of(HEADER + CELL))
    for name, value in (("number", text), ("word", "'text'")):
        output = nbformat.v4.new_output(
            "display_data", data={"text/plain": value}, metadata={"scrapbook": {"name": name}}
        )
        notebook.cells[-1].outputs.append(output)
    assert glued_numbers(notebook) == {"number": 0.25}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({k: v for k, v in ENTRY.items() if k != "title"}, "one lacks 'title'"),
        (ENTRY | {"status": "reproduced"}, "one has unknown fields .'status'."),
        (ENTRY | {"paper": "x"}, "one: paper is 'x', not one of"),
        (ENTRY | {"standing": "sure"}, "one: standing is 'sure', not one of"),
        (ENTRY | {"scale": "big"}, "one: scale is 'big', not one of"),
        (ENTRY | {"published": "unknown"}, "both unknown or neither"),
        (ENTRY | {"checks": []}, "one is built and published, so it needs checks"),
        (ENTRY | {"checks": [{"glue": "error"}]}, "a check of one lacks"),
        (ENTRY | {"figure": "a`<b>"}, "one: figure is no name"),
        (ENTRY | {"chapter": "a`<b>"}, "one: chapter is no name"),
        (ENTRY | {"checks": [ENTRY["checks"][0] | {"expected": "1"}]}, "a number that is none"),
        ("one", "an entry must be a mapping"),
    ],
)
def test_bad_manifest_is_named(tmp_path, entry, message):
    write_atomically(tmp_path / "manifest.yml", manifest_text(entry))
    with pytest.raises(BookError, match=message):
        manifest.load(tmp_path / "manifest.yml")


def test_ids_are_unique(tmp_path):
    write_atomically(tmp_path / "manifest.yml", manifest_text(ENTRY, ENTRY))
    with pytest.raises(BookError, match="the id one is used twice"):
        manifest.load(tmp_path / "manifest.yml")


def test_the_books_manifest_lists_all_three_papers(root):
    content = manifest.load(root / "book/manifest.yml")
    assert set(content["papers"]) == {"sot", "tfot", "pnp"}
    assert {entry["paper"] for entry in content["entries"].values()} == {"sot", "tfot", "pnp"}
    curves = content["entries"]["sot-tuning"]["published"]
    assert {len(curve) for curve in curves.values()} == {8}
    assert len(content["entries"]["sot-table"]["published"]) == 7 + 2


def test_built_figures_of_the_books_manifest_are_in_its_chapters(root):
    layout = Layout(root, root / "_build")
    pages = chapters.read_pages(layout, tuple(PAGES))
    notebooks = {p.name: chapters.read_notebook(p) for p in pages if p.is_notebook}
    entries = manifest.load(layout.manifest)["entries"].values()
    built = [entry for entry in entries if entry.get("figure")]
    for entry in built:
        text = json.dumps(notebooks[entry["chapter"]].cells)
        assert entry["figure"] in text, f"{entry['id']}: no {entry['figure']}"
    assert built


def test_no_line_begins_with_what_myst_takes_for_something_else():
    """A line with "%" in front is a comment, one with "1." the beginning of a list."""
    book = Path(__file__).parents[2] / "book"
    swallowed = [
        f"{path.name}:{number}: {line}"
        for path in book.rglob("*.md")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.match(r"%|\d+\. ", line)
    ]
    assert not swallowed

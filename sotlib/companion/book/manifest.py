"""Every figure and table of the papers, and how far the book has come with each.

``book/manifest.yml`` holds what is published and what is compared; what came out is read from
the numbers that the executed chapters glue. The status follows from both and is stored nowhere.
"""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import nbformat
import yaml

from sotlib.companion.book._common import PACKAGE, SCALES, BookError, read_text
from sotlib.companion.book.glue import outputs

STATUSES = (
    "reproduced",
    "differs",
    "reduced",
    "not compared here",
    "published value unknown",
    "not yet",
)
VERDICTS = {"✓": "holds", "✗": "fails", "not compared here": "", "not testable": ""}
STANDINGS = ("published", "config", "unknown")
_REQUIRED = ("id", "paper", "label", "title", "chapter", "produced_by", "published", "standing")
_OPTIONAL = ("figure", "checks", "scale", "budget", "note")
_CLAIM = {"id", "paper", "claim", "published", "ours", "chapter", "figure", "budget", "checks"}
_CLAIM_MAY = {"figure", "budget", "checks"}


def load(path: str | Path | None = None) -> dict:
    """Read and check the manifest: ``papers`` by key, ``entries`` by ``id``, and ``claims``.

    By default it is that of the checkout that the working directory, or else the library, lies in.
    """
    path = Path(path) if path is not None else _find()
    try:
        content = yaml.safe_load(read_text(path, "the manifest"))
    except yaml.YAMLError as error:
        raise BookError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict) or not {"papers", "entries"} <= set(content):
        raise BookError(f"{path} must have the keys 'papers' and 'entries'")
    entries = {}
    for entry in content["entries"]:
        _check_entry(entry, content["papers"])
        if entry["id"] in entries:
            raise BookError(f"manifest: the id {entry['id']} is used twice")
        entries[entry["id"]] = entry
    for claim in (claims := content.get("claims", [])):
        _check_claim(claim, content["papers"])
    return {"papers": content["papers"], "entries": entries, "claims": claims}


def status(entry: Mapping, measured: Mapping[str, float], *, scale: str = "laptop") -> str:
    """How far the book has come with one figure or table, by the numbers that its chapter glued.

    ``"not yet"`` without a figure in the book; ``"published value unknown"`` where there is nothing
    to compare with; ``"not compared here"`` where no check could be made; ``"reduced"`` where the
    run was smaller than the comparison asks for; otherwise
    ``"reproduced"`` if every check holds and ``"differs"`` if not.

    Examples
    --------
    >>> entry = {"figure": "fig-a", "published": {"peak": 0.3}, "scale": "smoke",
    ...          "checks": [{"glue": "error", "tolerance": 1e-3}]}
    >>> status(entry, {"error": 2e-4})
    'reproduced'
    """
    if not entry.get("figure"):
        return "not yet"
    if entry["published"] == "unknown":
        return "published value unknown"
    made = [holds(c, measured) for c in entry["checks"] if compared(c, measured)]
    if not made:
        return "not compared here"
    if entry.get("budget") == "reduced":
        return "reduced"
    if SCALES.index(scale) < SCALES.index(entry.get("scale", "laptop")):
        return "reduced"
    return "reproduced" if all(made) else "differs"


def verdict(claim: Mapping, measured: Mapping[str, float]) -> str:
    """Whether a published statement holds here: one of `VERDICTS`, from its checks alone."""
    if not claim.get("checks"):
        return "not testable"
    if not all(compared(check, measured) for check in claim["checks"]):
        return "not compared here"
    return "✓" if all(holds(check, measured) for check in claim["checks"]) else "✗"


def compared(check: Mapping, measured: Mapping[str, float]) -> bool:
    """Whether there is a number: what is `optional` may be NaN where its data are not at hand."""
    return not (check.get("optional") and math.isnan(_number(check["glue"], measured)))


def holds(check: Mapping, measured: Mapping[str, float]) -> bool:
    """Whether a glued number is within its tolerance of what is published.

    ``expected`` is the published number; without it the glued number is itself an error. Instead a
    check may ask for more (``above``) or less (``below``) than a number, or than a glued one.
    A number that is not finite never holds.
    """
    value = _number(check["glue"], measured)
    if "above" in check:
        return value > _number(check["above"], measured)
    if "below" in check:
        return value < _number(check["below"], measured)
    return math.isfinite(value) and abs(value - check.get("expected", 0)) <= check["tolerance"]


def _number(name: str | float, measured: Mapping[str, float]) -> float:
    if isinstance(name, int | float):
        return name
    try:
        return measured[name]
    except KeyError:
        raise BookError(f"manifest: no chapter glues the number {name!r}") from None


class _Missing:
    def __format__(self, _: str) -> str:
        return "not recorded yet"


def filled(template: str, measured: Mapping[str, float]) -> str:
    """Text with glued numbers in place of their names; NaN is what is not recorded yet.

    Examples
    --------
    >>> filled("{rpa-best:.0f} % of them", {"rpa-best": 44.3})
    '44 % of them'
    >>> filled("error: {error:.2f}", {"error": math.nan})
    'error: not recorded yet'
    """
    try:
        return template.format_map({k: _Missing() if v != v else v for k, v in measured.items()})
    except (KeyError, ValueError, IndexError) as error:
        raise BookError(f"manifest: {template!r} cannot be filled: {error}") from None


def labels(notebook: nbformat.NotebookNode) -> set[str]:
    """Labels of figures and tables that an executed notebook defines."""
    found: set[str] = set()
    for cell in notebook.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        found.update(filter(None, [figure.get("name")]))
        if cell.cell_type == "markdown":
            found.update(re.findall(r"^\s*:name:\s*(\S+)", cell.source, re.M))
            found.update(re.findall(r"^\s*\(([^)\s]+)\)=\s*$", cell.source, re.M))
    for output in outputs(notebook):
        text = output.get("data", {}).get("text/markdown", "")
        found.update(re.findall(r"^\s*:name:\s*(\S+)", text, re.M))
    return found


def check_labels(entries: Iterable[Mapping], notebooks: Mapping[str, nbformat.NotebookNode]):
    """Raise where a figure of the manifest has no label in its chapter."""
    for entry in entries:
        if not entry.get("figure"):
            continue
        if entry["chapter"] not in notebooks:
            raise BookError(
                f"manifest: {entry['id']} is in chapter {entry['chapter']}, which is not a "
                "notebook of _toc.yml"
            )
        if entry["figure"] not in labels(notebooks[entry["chapter"]]):
            raise BookError(
                f"manifest: {entry['id']} names the figure {entry['figure']!r}, but chapter "
                f"{entry['chapter']} defines no such label"
            )


def _find() -> Path:
    """Look for the manifest from the working directory upwards, then beside the library."""
    here = Path.cwd()
    for folder in (here, *here.parents, PACKAGE.parent):
        for candidate in (folder / "manifest.yml", folder / "book" / "manifest.yml"):
            if candidate.is_file():
                return candidate
    raise BookError(f"book/manifest.yml was not found from {here} upwards: run in a checkout")


def _check_claim(claim: object, papers: Mapping) -> None:
    """Raise where a claim is incomplete."""
    if not isinstance(claim, dict):
        raise BookError(f"manifest: a claim must be a mapping, but there is {claim!r}")
    if lacking := _CLAIM - _CLAIM_MAY - set(claim):
        raise BookError(f"manifest: claim {claim.get('id')} lacks {sorted(lacking)}")
    if claim["paper"] not in papers or set(claim) - _CLAIM:
        raise BookError(f"manifest: claim {claim['id']}: unknown paper or field")
    for check in claim.get("checks", []):
        if "glue" not in check or len({"above", "below", "tolerance"} & set(check)) != 1:
            raise BookError(
                f"manifest: claim {claim['id']}: a check is above, below or a tolerance"
            )


def _check_entry(entry: object, papers: Mapping) -> None:
    """Raise where an entry is incomplete or contradicts itself."""
    name = entry.get("id", entry) if isinstance(entry, dict) else entry
    if not isinstance(entry, dict):
        raise BookError(f"manifest: an entry must be a mapping, but there is {name!r}")
    for field in _REQUIRED:
        if field not in entry:
            raise BookError(f"manifest: {name} lacks {field!r}")
    if unknown := set(entry) - {*_REQUIRED, *_OPTIONAL}:
        raise BookError(f"manifest: {name} has unknown fields {sorted(unknown)}")
    for field, known in (("paper", tuple(papers)), ("standing", STANDINGS)):
        if entry[field] not in known:
            raise BookError(f"manifest: {name}: {field} is {entry[field]!r}, not one of {known}")
    if entry.get("scale", "laptop") not in SCALES:
        raise BookError(f"manifest: {name}: scale is {entry['scale']!r}, not one of {SCALES}")
    if (entry["published"] == "unknown") != (entry["standing"] == "unknown"):
        raise BookError(f"manifest: {name}: 'published' and 'standing' are both unknown or neither")
    for field in ("chapter", "figure"):
        if not re.fullmatch(r"[\w/-]+", str(entry.get(field) or "none")):
            raise BookError(f"manifest: {name}: {field} is no name: {entry[field]!r}")
    for check in entry.get("checks", []):
        if not {"glue", "tolerance", "what"} <= set(check):
            raise BookError(f"manifest: a check of {name} lacks 'glue', 'tolerance' or 'what'")
        if not all(isinstance(check.get(key, 0), int | float) for key in ("expected", "tolerance")):
            raise BookError(f"manifest: a check of {name} has a number that is none: {check}")
    if entry.get("figure") and entry["standing"] != "unknown" and not entry.get("checks"):
        raise BookError(f"manifest: {name} is built and published, so it needs checks")

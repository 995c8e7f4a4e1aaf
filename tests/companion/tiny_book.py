"""The parts of a book of one chapter, which tests build."""

from pathlib import Path

import yaml

from sotlib.companion.book import chapters

HEADER = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

"""
PARAMETERS = """\
```{code-cell} ipython3
:tags: [parameters]

scale = "laptop"  # smoke, laptop or paper
gain = 1.0
```

"""
CELL = """\
```{code-cell} ipython3
print("ran at", scale, gain)
```
"""
FIGURE = """
```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-one
    caption: One.
  image:
    alt: A square.
---
from IPython.display import SVG
from myst_nb import glue
glue("error", 2e-4, display=False)
SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M1 1h7v7z"/></svg>')
```
"""
ENTRY = {
    "id": "one",
    "paper": "sot",
    "label": "Figure",
    "title": "one",
    "chapter": "part/one",
    "produced_by": "nothing",
    "published": {"peak": 1},
    "standing": "published",
    "figure": "fig-one",
    "scale": "smoke",
    "checks": [{"glue": "error", "tolerance": 1e-3, "what": "error"}],
}
NOT_BUILT = {k: v for k, v in ENTRY.items() if k not in ("figure", "checks")} | {"id": "two"}


def toc(*names):
    chapters = [{"file": name} for name in names]
    return yaml.safe_dump({"format": "jb-book", "root": "intro", "chapters": chapters})


def manifest_text(*entries):
    papers = {"sot": {"title": "SOT", "citation": "Somebody."}}
    return yaml.safe_dump({"papers": papers, "entries": list(entries)})


def set_chapter(layout, text):
    (layout.source / "part/one.md").write_text(text)


def page_of(text):
    return chapters.Page("part/one", Path("one.md"), text)

"""Whatever a record or the manifest says is shown as text, and does nothing."""

import html.parser
import re

import pytest
from tiny_book import ENTRY, NOT_BUILT, toc

from sotlib.companion.book import BookError, benchmarks, manifest, site
from sotlib.companion.book.chapters import read_pages
from sotlib.companion.book.generated import PAGES, Context, generate
from sotlib.companion.records import write_record
from sotlib.companion.show import plain

EVIL = """\
<script>alert(7)</script> <img src=x onerror=alert(7)> [a](javascript:alert(7)) <javascript:alert>
{include}`SECRET` {raw html}`<b>` {{ 6 * 7 }} $x$ \\(x\\) **bold** `code` | cell &lt; \\ ![i](j.png)

```{include} SECRET
```

:::{include} SECRET
:::

<!-- gone -->

# Heading

(evil)=
% gone
+++
[^1]: gone
[ref]: javascript:alert(7)"""
BEGINNINGS = (
    "% a",
    "# a",
    "1. a",
    "2) a",
    "- a",
    "+ a",
    "> a",
    "(a)=",
    ":::{note}",
    "~~~ a",
    "= a",
)


def evil(value, secret):
    """Every text of what JSON or YAML holds, replaced; not the words that are checked."""
    if isinstance(value, dict):
        kept = ("device", "id", "paper", "chapter", "figure", "scale", "standing", "glue")
        return {k: v if k in kept else evil(v, secret) for k, v in value.items()}
    if isinstance(value, list):
        return [evil(item, secret) for item in value]
    return f"{value} {EVIL.replace('SECRET', str(secret))}" if isinstance(value, str) else value


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.md"
    path.write_text("A file of this machine.\n")
    return path


@pytest.fixture
def pages(book, executed, secret, monkeypatch):
    """The generated pages of a book with evil data, rendered: HTML by name."""
    rows = [{"task": "t", "name": n, "seconds": 1.0, "ratio": 1.0} for n in "ab"]
    growth = {"size": "n", "series": [{"name": "a", "sizes": [1, 10], "seconds": [1.0, 2.0]}]}
    results = {"title": "T", "measures": "M", "device": "cpu", "rows": rows, "growth": growth}
    path, configuration = book.root / "a.json", {"script": "bench.py"}
    record = write_record(path, kind="benchmark", configuration=configuration, results=results)
    record = {k: evil(v, secret) if isinstance(v, dict) else v for k, v in record.items()}
    record["provenance"]["versions"][EVIL] = "1"
    record["provenance"]["commit"] = "`<b>`"
    monkeypatch.setattr(
        "sotlib.companion.book.benchmarks.read_records", lambda *a, **k: {"a": record}
    )
    entries = [evil(entry | {"note": "N"}, secret) for entry in (ENTRY, NOT_BUILT)]
    papers = {"sot": evil({"title": "SOT", "citation": "S"}, secret)}
    content = manifest.load(book.manifest) | {"papers": papers}
    content["entries"] = {entry["id"]: entry for entry in entries}
    names = ("appendix/benchmarks", "appendix/reproduction", "appendix/status")
    book.toc.write_text(toc("part/one", *names))
    listed = read_pages(book, tuple(PAGES))
    generated = generate(Context(book, listed, executed, content, "smoke"))
    generated["appendix/status"] = "# S\n\n" + "\n\n".join(map(plain, BEGINNINGS))
    site.build_site(book, listed, executed, generated)
    return {name: (book.html / f"{name}.html").read_text() for name in names}


class Reader(html.parser.HTMLParser):
    """The text of a page, and what in it would act."""

    def __init__(self, page):
        super().__init__()
        self.inside, self.text, self.acts = None, "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        for name, value in attributes:
            link = name in ("href", "src") and value in ("x", "j.png")
            runs = name.startswith("on") and "alert" in value
            if link or runs or (value or "").startswith("javascript:"):
                self.acts.append((tag, name, value))
        if tag in ("b", "iframe"):
            self.acts.append(tag)

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside != "script":
            self.text += data
        elif "alert" in data:
            self.acts.append(data)


def test_data_is_text(pages, secret):
    # Smart dashes, and code without its backticks.
    shown = EVIL.replace("SECRET", str(secret)).replace("`", "").replace("--", "–")
    shown = " ".join(shown.split())
    for name, page in pages.items():
        article = re.search(r"(?s)<article.*?</article>", page)[0]
        assert not Reader(page).acts
        assert "A file of this machine" not in page
        text = " ".join(Reader(article).text.replace("`", "").split())
        if name == "appendix/status":
            assert not [beginning for beginning in BEGINNINGS if beginning not in text]
        else:
            assert text.count(shown) >= 7
    assert "<code" in pages["appendix/benchmarks"]


def test_names_of_records_are_checked(tmp_path):
    write_record(tmp_path / "a)=`b.json", kind="benchmark", configuration={}, results={})
    with pytest.raises(BookError, match="a name is of letters"):
        benchmarks.files(tmp_path)

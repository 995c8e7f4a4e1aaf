"""The built site in a real browser. ``make site-test`` builds it and sets SITE."""

import json
import os
import posixpath
import re
import urllib.parse
from pathlib import Path

import pytest
from accessible import violations
from browser import BROWSERS, anchors, browser, find_browser, page_names, served, settle

import sotlib
from sotlib.companion.book import library
from sotlib.companion.book.generated import PAGES

pytestmark = pytest.mark.site

SITE = Path(os.environ["SITE"]).resolve() if os.environ.get("SITE") else None
NAMES = page_names(SITE) if SITE else []
HAVING = {
    mark: [name for name in NAMES if mark in (SITE / name).read_text(encoding="utf-8")]
    for mark in ("<audio", 'class="sot-slider"', '.ipynb"')
}


@pytest.fixture(scope="session")
def chromium():
    if SITE is None:
        pytest.skip("SITE is not set: run `make site-test`")
    if find_browser() is None:
        message = f"no browser ({', '.join(BROWSERS)}): apt-get install chromium"
        # Where the tests must count, a missing browser is a fault.
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with browser() as instance:
        yield instance


@pytest.fixture(scope="session")
def address(chromium):
    with served(SITE) as url:
        yield url


@pytest.fixture
def visit(chromium, address):
    """Open pages; every request and console message of theirs is watched."""
    contexts = []

    def visit(name, width=1280, scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            # No colour is caught on its way to another.
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: m.type == "error" and page.faults.append(m.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("requestfailed", lambda r: _blame(page, r.url, r.failure))
        page.on("response", lambda r: r.status >= 400 and _blame(page, r.url, r.status))
        page.on("request", lambda r: _is_foreign(r.url, address) and _blame(page, r.url, "foreign"))
        page.goto(f"{address}/{name}")
        settle(page)
        return page

    yield visit
    for context in contexts:
        context.close()


def _blame(page, url, what):
    page.faults.append(f"{what}: {url[:200]}")


def _is_foreign(url, address):
    return not url.startswith((address, "data:", "blob:"))


def test_site_has_pages():
    if SITE is None:
        pytest.skip("SITE is not set: run `make site-test`")
    generated = {f"{name}.html" for name in PAGES}
    assert {"intro.html", "appendix/notation.html", *generated} <= set(NAMES)
    # Each of these has tests of its own below, which would otherwise pass by being empty.
    assert all(HAVING.values())


_PICTURES = """() => [...document.images].filter(i => i.checkVisibility())
  .filter(i => !(i.complete && i.naturalWidth > 0 && i.alt.trim()))
  .map(i => i.outerHTML.slice(0, 200))"""
_RAW_MATH = """() => [...document.querySelectorAll('.math')].filter(m => m.checkVisibility())
  .filter(m => !m.querySelector('mjx-container') || m.querySelector('mjx-merror'))
  .map(m => m.textContent.slice(0, 200))"""
_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return ['page', ...[...document.querySelectorAll('.bd-content *')]
    .filter(e => e.getBoundingClientRect().right > width + 1).slice(0, 5)
    .map(e => e.outerHTML.slice(0, 160))];
}"""


# Figures have no box of their own, and dark mode inverts their ink; heat maps stay, on paper.
_FIGURES = """scheme =>
  [...document.querySelectorAll('div.cell_output img, .sot-frame:not([hidden]) svg')]
  .filter(f => f.checkVisibility()).filter(f => {
    const style = getComputedStyle(f), heat = f.matches('img.heat')
      || (f.matches('svg') && f.querySelector('image, [id*="QuadMesh"]'));
    const paper = heat && scheme === 'dark' ? 'rgb(255, 255, 255)' : 'rgba(0, 0, 0, 0)';
    return style.filter.includes('invert(1)') !== (scheme === 'dark' && !heat)
      || style.backgroundColor !== paper;
  }).map(f => f.outerHTML.slice(0, 200))"""
# Room for a line of code, in characters; a scroll bar of the page may take 15 pixels.
_COLUMNS = """() => {
  const code = [...document.querySelectorAll('.cell_input pre')].find(e => e.checkVisibility());
  const probe = document.createElement('span');
  probe.textContent = 'x'.repeat(100);
  code.append(probe);
  const one = probe.getBoundingClientRect().width / 100, style = getComputedStyle(code);
  probe.remove();
  return (code.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 15)
    / one;
}"""


_REACHED = """() => [...document.querySelectorAll('pre')]
  .every(e => e.scrollWidth <= e.clientWidth || e.tabIndex >= 0)"""
LIBRARY = [name for name in NAMES if "/library/" in name]
WIDTHS = {1280: ("light", "dark"), 375: ("dark", "light")}


@pytest.mark.parametrize(
    ("name", "width", "schemes"),
    [
        (name, width, schemes)
        for name in NAMES
        for width, schemes in WIDTHS.items()
        # The many pages of the library are much alike, and the narrow one is the harder test.
        if width == min(WIDTHS) or name not in LIBRARY
    ],
)
def test_page_is_whole(visit, name, width, schemes):
    page = visit(name, width, schemes[0])
    assert page.title()
    # Folded parts count too.
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("document.querySelectorAll('.toggle-button').forEach(b => b.click())")
    # The keyboard reaches all code that scrolls, after a moment.
    page.wait_for_function(_REACHED)
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(
            "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
        )
        settle(page)
        assert page.evaluate(_PICTURES) == []
        assert page.evaluate(_RAW_MATH) == []
        assert page.evaluate(_FIGURES, scheme) == []
        assert page.evaluate(_WIDE) == [], f"scrolls sideways at {width} px"
        assert page.faults == []
        if name not in LIBRARY or name in LIBRARY[::10]:
            # Colours are all that a scheme changes.
            assert violations(page, contrast_only=scheme != schemes[0]) == []


def test_code_of_88_columns_fits(visit):
    assert visit("sot/why.html").evaluate(_COLUMNS) >= 88


def test_code_is_whole_on_paper(visit):
    page = visit("pnp/damping.html", width=700)
    cut = "[...document.querySelectorAll('pre')].filter(p => p.scrollWidth > p.clientWidth).length"
    assert page.evaluate(cut) > 0
    page.emulate_media(media="print")
    assert page.evaluate(cut) == 0
    assert not page.locator("details.hide:not([open])").first.is_visible()


def test_a_tap_opens_a_picture_large_on_a_phone(visit):
    page = visit("sot/transport.html", 375)
    picture = page.locator("div.cell_output img").first
    small = picture.bounding_box()["width"]
    picture.click()
    assert page.locator("dialog.picture img").bounding_box()["width"] > 2 * small
    page.locator("dialog.picture img").click()
    assert page.locator("dialog.picture").count() == 0
    wide = visit("sot/transport.html")
    wide.locator("div.cell_output img").first.click()
    assert wide.locator("dialog.picture").count() == 0


def test_captions_stay_in_view(visit):
    for name in ("sot/table.html", "tfot/sinusoids.html"):
        page = visit(name, 375)
        widths = page.evaluate(
            "[...document.querySelectorAll('table caption')].filter(c => c.checkVisibility())"
            ".map(c => c.getBoundingClientRect().width)"
        )
        assert widths
        assert max(widths) <= 375


def test_site_is_light():
    if SITE is None:
        pytest.skip("SITE is not set: run `make site-test`")
    files = [path for path in SITE.rglob("*") if path.is_file()]
    chapters = len(HAVING['.ipynb"'])
    assert sum(path.stat().st_size for path in files) <= 1.1e6 * chapters
    media = re.compile(r"data:[\w/+-]+;base64,[\w+/=]+|<svg\b.*?</svg>", re.S)
    pages = {name: media.sub("", (SITE / name).read_text(encoding="utf-8")) for name in NAMES}
    assert {name for name, text in pages.items() if len(text.encode()) > 500e3} == set()


def test_what_mathjax_fetches_later_is_there(visit):
    page = visit("sot/transport.html")
    page.evaluate("MathJax.loader.load('a11y/explorer', '[tex]/mhchem').then(() => null)")
    settle(page)
    assert page.faults == []


@pytest.mark.parametrize("name", HAVING["<audio"])
def test_sounds_have_a_duration_and_a_label(visit, name):
    page = visit(name)
    sounds = page.evaluate(
        """() => Promise.all([...document.querySelectorAll('audio')].map(a => new Promise(done => {
          const result = () => done([a.duration, a.getAttribute('aria-label')]);
          if (a.readyState > 0) result();
          a.onloadedmetadata = result; a.onerror = result; a.preload = 'metadata'; a.load();
        })))"""
    )
    for duration, label in sounds:
        assert duration is not None, f"{label} cannot be played"
        assert duration > 0.05
        assert label


def _target(name, link):
    """File and fragment that an internal link leads to; None for other sites."""
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = (SITE / name).parent / urllib.parse.unquote(parts.path) if parts.path else SITE / name
    return path.resolve(), urllib.parse.unquote(parts.fragment)


@pytest.mark.parametrize("name", NAMES)
def test_links_and_anchors_resolve(name):
    targets = {link: _target(name, link) for link in anchors(SITE / name).links}
    assert targets
    for link, target in targets.items():
        if target is None:
            continue
        path, fragment = target
        assert path.is_relative_to(SITE)
        assert path.is_file(), f"{name} links to {link}"
        if fragment and path.suffix == ".html":
            assert fragment in anchors(path).ids, f"{name} links to {link}"


@pytest.mark.parametrize("name", HAVING['class="sot-slider"'])
def test_sliders_move_by_keyboard(visit, name):
    page = visit(name)
    for slider in page.locator(".sot-slider").all():
        assert slider.locator(".sot-frame:visible").count() == 1
        control, output = slider.locator("input"), slider.locator("output")
        control.focus()
        page.keyboard.press("Home")
        first = output.inner_text()
        shown = slider.locator(".sot-frame:visible").get_attribute("data-text")
        page.keyboard.press("ArrowRight")
        assert output.inner_text() != first
        assert slider.locator(".sot-frame:visible").get_attribute("data-text") != shown
        assert control.get_attribute("aria-valuetext") == output.inner_text()
        assert slider.locator(".sot-frame:visible").count() == 1


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_prints_a_warning(name):
    text = (SITE / name).read_text(encoding="utf-8")
    printed = re.findall(r'<div class="output [^"]*stderr.*?</div>', text, re.DOTALL)
    assert "Warning:" not in "".join(printed)


def test_the_picker_sorts_by_the_least_of_what_is_ticked(visit):
    page = visit("compare/choose.html")
    picker = page.locator("form.sot-picker")
    rows = picker.locator("tbody tr")
    values = {
        row.locator("th").inner_text(): row.locator("td").evaluate_all(
            "cells => cells.map(c => Number(c.dataset.value))"
        )
        for row in rows.all()
    }
    ticked = 2, 6
    for k in ticked:
        picker.locator("input").nth(k).check()
    least = [min(values[name][k] for k in ticked) for name in rows.locator("th").all_inner_texts()]
    assert least == sorted(least, reverse=True)
    assert least[0] > least[-1]
    first = rows.first.locator("th").inner_text()
    assert picker.locator("output").inner_text().startswith(f"{first} ({least[0]:.0f} %)")
    picker.locator("select").select_option(label="5 ms")
    hidden = rows.evaluate_all("rows => rows.map(r => [r.hidden, Number(r.dataset.cost)])")
    assert all(gone == (cost > 5) for gone, cost in hidden)
    assert {gone for gone, _ in hidden} == {True, False}


# The controls of an audio element are the browser's own.
_RING = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' || style.boxShadow !== 'none'
    || document.activeElement.matches('audio');
}"""


@pytest.mark.parametrize("width", WIDTHS)
def test_what_the_keyboard_reaches_is_seen(visit, width):
    page = visit("sot/why.html", width)
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(_RING), page.evaluate("document.activeElement.outerHTML")[:200]


def test_search_finds_a_term(visit):
    page = visit("search.html?q=transport")
    page.wait_for_selector("ul.search li a", timeout=10_000)
    assert page.locator("ul.search li a").count() >= 1
    assert violations(page) == []
    assert page.faults == []


def test_search_finds_a_public_name(visit):
    page = visit("search.html?q=MultiResolutionSOTLoss")
    link = page.wait_for_selector("ul.search li a[href*='library/sotlib.']", timeout=10_000)
    link.click()
    page.wait_for_url("**/appendix/library/sotlib.*")
    assert page.faults == []


@pytest.mark.parametrize("name", sotlib.__all__)
def test_library_has_a_page_with_source_chapter_and_neighbours(name):
    """Sphinx writes one file of the other name where case is all that differs."""
    overview = anchors(SITE / "appendix/library.html")
    (link,) = {link for link in overview.links if link.endswith(f"#sotlib.{name}")}
    path = _target("appendix/library.html", link)[0]
    page = anchors(path)
    assert f"sotlib.{name}" in page.ids
    chapter = posixpath.relpath(library.chapters(name)[0], "appendix/library")
    assert f"{chapter}.html" in page.links
    assert any(link.startswith("../../_modules/sotlib/") for link in page.links)
    neighbours = {link.rpartition("#sotlib.")[2] for link in page.links}
    assert set(library.neighbours(name)) <= neighbours


def test_folded_machine_and_versions_open_by_keyboard(visit):
    page = visit("appendix/benchmarks.html")
    folded = page.locator("article details").first
    assert not folded.evaluate("d => d.open")
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    assert folded.evaluate("d => d.open")
    assert "torch" in folded.inner_text()


def test_drawn_figures_are_turned_in_dark_mode(visit):
    for scheme in ("light", "dark"):
        page = visit("appendix/benchmarks.html", scheme=scheme)
        filters = page.evaluate(
            "[...document.querySelectorAll('img.drawn')].map(i => getComputedStyle(i).filter)"
        )
        assert filters
        assert all(("invert(1)" in text) == (scheme == "dark") for text in filters)


@pytest.mark.parametrize("name", HAVING['.ipynb"'])
def test_downloaded_notebook_can_be_run(name):
    (link,) = {link for link in anchors(SITE / name).links if link.endswith(".ipynb")}
    notebook = json.loads(_target(name, link)[0].read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    assert "find_files()" in "".join(cells[0]["source"])
    words = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "markdown"]
    assert not re.search(r"\{[\w:-]+\}`|^`{3,}\{", "\n".join(words), re.M)
    metadata = [notebook["metadata"], *(cell["metadata"] for cell in cells)]
    assert "papermill" not in json.dumps(metadata)


@pytest.mark.parametrize("name", HAVING['.ipynb"'])
def test_downloaded_notebook_numbers_its_figures_as_the_page_does(name):
    (link,) = {link for link in anchors(SITE / name).links if link.endswith(".ipynb")}
    notebook = json.loads(_target(name, link)[0].read_text(encoding="utf-8"))
    text = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"])
    page = (SITE / name).read_text(encoding="utf-8")
    figures = re.findall(r'caption-number">(Fig\. \d+)', page)
    assert re.findall(r"^\*\*(Fig\. \d+)\.\*\*", text, re.M) == figures
    equations = re.findall(r'class="eqno">\((\d+)\)', page)
    assert re.findall(r"\\tag\{(\d+)\}", text) == equations


def test_mode_can_be_switched(visit):
    page = visit("intro.html")
    page.evaluate("document.querySelector('button.theme-switch-button').click()")
    assert page.evaluate("document.documentElement.dataset.mode") in {"light", "dark"}
    assert page.faults == []

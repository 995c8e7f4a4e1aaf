"""The built site in a real browser. ``make site-test`` builds it and sets SITE."""

import json
import os
import urllib.parse
from pathlib import Path

import pytest
from browser import BROWSERS, browser, find_browser, page_names, served, settle

pytestmark = pytest.mark.site

SITE = Path(os.environ["SITE"]).resolve() if os.environ.get("SITE") else None
NAMES = page_names(SITE) if SITE else []
VIEWS = [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")]


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
            viewport={"width": width, "height": 800}, color_scheme=scheme
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
    assert {"intro.html", "appendix/reproduction.html"} <= set(NAMES)


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


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
@pytest.mark.parametrize("name", NAMES)
def test_page_is_whole(visit, name, width, scheme):
    page = visit(name, width, scheme)
    assert page.faults == []
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert page.title()
    # Folded parts count too.
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    settle(page)
    assert page.evaluate(_PICTURES) == []
    assert page.evaluate(_RAW_MATH) == []
    assert page.evaluate(_WIDE) == [], f"scrolls sideways at {width} px"
    assert page.faults == []


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", NAMES)
def test_links_and_anchors_resolve(visit, address, name):
    page = visit(name)
    targets = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    anchors = {}
    for target in set(targets):
        if _is_foreign(target, address):
            continue
        parts = urllib.parse.urlsplit(target)
        path = SITE / urllib.parse.unquote(parts.path).lstrip("/")
        assert path.is_file() or (path / "index.html").is_file(), f"{name} links to {target}"
        if parts.fragment and path.suffix == ".html":
            if path not in anchors:
                anchors[path] = path.read_text(encoding="utf-8")
            fragment = urllib.parse.unquote(parts.fragment)
            assert f'id="{fragment}"' in anchors[path], f"{name} links to {target}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_figures_stand_out_from_the_page(visit, name, scheme):
    """Figures have no box of their own, and dark mode inverts their ink."""
    page = visit(name, scheme=scheme)
    for picture in page.locator("div.cell_output img, .sot-frame:not([hidden]) svg").all():
        if not picture.is_visible():
            continue
        filters = picture.evaluate("e => getComputedStyle(e).filter")
        assert ("invert(1)" in filters) == (scheme == "dark")
        paper = picture.evaluate("e => getComputedStyle(e).backgroundColor")
        assert paper == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("name", NAMES)
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


def test_search_finds_a_term(visit):
    page = visit("search.html?q=transport")
    page.wait_for_selector("ul.search li a", timeout=10_000)
    assert page.locator("ul.search li a").count() >= 1
    assert page.faults == []


@pytest.mark.parametrize("name", NAMES)
def test_downloaded_notebook_is_executed(visit, name):
    page = visit(name)
    links = page.evaluate(
        "[...document.querySelectorAll('a[href$=\".ipynb\"]')].map(a => a.getAttribute('href'))"
    )
    source = SITE / "_sources" / Path(name).with_suffix(".ipynb")
    assert bool(links) == source.exists()
    for link in links:
        notebook = json.loads((SITE / Path(name).parent / link).resolve().read_text())
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert cells
        assert all(cell["execution_count"] for cell in cells)
        assert "papermill" not in json.dumps(
            [notebook["metadata"], *(c["metadata"] for c in cells)]
        )


def test_mode_can_be_switched(visit):
    page = visit("intro.html")
    page.evaluate("document.querySelector('button.theme-switch-button').click()")
    assert page.evaluate("document.documentElement.dataset.mode") in {"light", "dark"}
    assert page.faults == []

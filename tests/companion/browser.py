"""What the site's tests and the screenshots share: a browser, a server, pages, their links."""

import contextlib
import functools
import html.parser
import http.server
import shutil
import threading
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Pages that Sphinx adds by itself.
_ADDED = {"genindex.html", "search.html", "index.html", "prf-prf.html"}


def find_browser() -> str | None:
    """Path of an installed chromium; none is downloaded."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def page_names(site: Path) -> list[str]:
    """Pages of the book, relative to the site; the library's source is no page of it."""
    pages = (p.relative_to(site) for p in site.rglob("*.html"))
    pages = (p for p in pages if p.parts[0] not in ("_static", "_modules"))
    return sorted(p.as_posix() for p in pages if p.as_posix() not in _ADDED)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(site: Path):
    """Serve a folder on loopback; yields its address."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def browser():
    """A headless chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=_ARGUMENTS)
        yield chromium
        chromium.close()


def settle(page) -> None:
    """Wait until the page has loaded and its mathematics is typeset."""
    page.wait_for_load_state("networkidle")
    page.evaluate("window.MathJax?.startup?.promise")
    # Lazily loaded pictures are loaded when they come near.
    page.evaluate("document.querySelectorAll('img[loading=lazy]').forEach(i => i.loading='eager')")
    page.evaluate(
        "Promise.all([...document.images].filter(i => !i.complete).map(i => new Promise(done => {"
        "i.addEventListener('load', done); i.addEventListener('error', done)})))"
    )


class _Anchors(html.parser.HTMLParser):
    """Collects a page's links and the ids that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])


@functools.cache
def anchors(path):
    return _Anchors(path)

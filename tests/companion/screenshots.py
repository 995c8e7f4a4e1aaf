"""Picture every page of a built site at two widths, light and dark (a tool, not a test).

``python tests/companion/screenshots.py _build/html _build/screenshots``, or ``make screenshots``.
"""

import sys
from pathlib import Path

from browser import browser, find_browser, page_names, served, settle

WIDTHS = (1280, 375)


def main(site: Path, folder: Path) -> None:
    if find_browser() is None:
        sys.exit("error: chromium is missing: apt-get install chromium")
    if not page_names(site):
        sys.exit(f"error: there are no pages in {site}: build the book first")
    with served(site) as address, browser() as chromium:
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                size = {"width": width, "height": 900}
                context = chromium.new_context(viewport=size, color_scheme=scheme)
                for name in page_names(site):
                    page = context.new_page()
                    page.goto(f"{address}/{name}")
                    settle(page)
                    path = folder / f"{name.removesuffix('.html')}-{width}-{scheme}.png"
                    page.screenshot(path=path, full_page=True)
                    page.close()
                    print(path)
                context.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tests/companion/screenshots.py SITE FOLDER")
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))

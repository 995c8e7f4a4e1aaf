"""What axe, which needs no network, says against a page."""

import functools
from importlib import resources

# WCAG 2 up to AA, and what axe calls best practices.
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Spans of code of one kind look alike, and contrast takes most of axe's time: one of each stays.
_THIN = """() => {
  const seen = new Set();
  for (const span of document.querySelectorAll('.highlight span:not(:has(*))')) {
    if (seen.has(span.className)) span.replaceWith(span.textContent);
    seen.add(span.className);
  }
}"""
# A heading that is a formula counts as empty for axe; screen readers read MathJax's MathML in it.
_RUN = """async rules => {
  const options =
    {runOnly: rules, resultTypes: ['violations'], elementRef: true, preload: false};
  return (await axe.run(options)).violations.flatMap(rule => rule.nodes
    .filter(node => rule.id !== 'empty-table-header' || !node.element.querySelector('math'))
    .map(node => `${rule.id}: ${node.html.slice(0, 200)} (${node.failureSummary})`));
}"""


@functools.cache
def _axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page, *, contrast_only: bool = False) -> list[str]:
    """Rules that a loaded page breaks, each with the element; thins the code of the page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(_axe())
        page.evaluate(_THIN)
    return page.evaluate(_RUN, ["color-contrast"] if contrast_only else _TAGS)

"""Takes out of a rendered site what no page needs, most of its bytes, and mends its markup."""

import fnmatch
import re
import shutil
from pathlib import Path

from sotlib.companion.book._common import digest

_STATIC = Path("_static")
# Of MathJax: the one bundle that pages load, and what it fetches when a formula or a screen reader
# asks for it.
_MATHJAX = (
    "tex-chtml.js",
    "a11y/*",
    "input/mml*",
    "input/tex/extensions/[!a]*",
    "input/tex/extensions/a[!l]*",  # without all-packages.js
    "output/chtml/fonts/woff-v2/*",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
    "sre/mathmaps/nemeth.json",
)
_SOURCE_MAP = re.compile(r"\n?(//|/\*)# sourceMappingURL=\S+?( ?\*/)?\s*$")
_THUMBNAIL = re.compile(r'<img (?=[^>]*class="[^"]*thumbnail)(?![^>]*loading=)')
_IMAGE = re.compile(r"(?<=_images/)[\w.-]+")
_MENDED = {
    # A list may hold nothing but items, and entries as a role of their own are deprecated.
    'role="doc-biblioentry"': 'role="listitem"',
    # Whoever opens folded code by voice says what stands there.
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def slim(html: Path) -> None:
    """Slim a site in place: static files, pictures that are there twice, pages."""
    # Translations of the theme, which its templates have used already.
    shutil.rmtree(html / _STATIC / "locales", ignore_errors=True)
    _keep_only(html / _STATIC / "mathjax", _MATHJAX)
    for path in (html / _STATIC).rglob("*.ttf"):
        if path.with_suffix(".woff2").is_file():  # which every browser takes first
            path.unlink()
    for path in (html / _STATIC).rglob("*.map"):
        _drop_source_map(path)
    _rewrite_pages(html)


def _keep_only(folder: Path, patterns: tuple[str, ...]) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        name = path.relative_to(folder).as_posix()
        if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _drop_source_map(path: Path) -> None:
    """Delete a map from minified code to its source, and the line that leads to it."""
    path.unlink()
    code = path.with_suffix("")
    if code.is_file():
        code.write_text(_SOURCE_MAP.sub("\n", code.read_text(encoding="utf-8")), encoding="utf-8")


def _rewrite_pages(html: Path) -> None:
    first: dict[str, str] = {}
    instead = {}
    for path in sorted((html / "_images").glob("*")):
        kept = first.setdefault(digest(path.read_bytes()), path.name)
        if kept != path.name:
            instead[path.name] = kept
            path.unlink()
    for page in html.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        merged = _IMAGE.sub(lambda match: instead.get(match[0], match[0]), text)
        merged = _THUMBNAIL.sub('<img loading="lazy" ', merged)
        for old, new in _MENDED.items():
            merged = merged.replace(old, new)
        if merged != text:
            page.write_text(merged, encoding="utf-8")

"""What a page does with the pictures of a notebook: smaller SVG, and heat maps marked as such."""

import copy
import re

import nbformat

HEAT = "heat"  # class of pictures whose colours mean numbers: dark mode leaves them as they are
_SVG = "image/svg+xml"
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_COORDINATES = re.compile(r'(?<=[ \n])(d|x|y|points)="([^"]*)"|translate\(([^)]*)\)')


def prepared(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy of an executed notebook whose pictures are as the site shows them."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            for kind in {_SVG, "text/html"} & set(data):
                data[kind] = compact(data[kind])
            if is_heat_map(data.get(_SVG, "")):
                image = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
                if HEAT not in str(image.get("classes", "")).split():
                    image["classes"] = f"{image.get('classes', '')} {HEAT}".strip()
    return notebook


def is_heat_map(svg: str) -> bool:
    """Whether matplotlib drew an image or a mesh of coloured cells into this SVG."""
    return "<image " in svg or 'id="QuadMesh' in svg


def compact(text: str) -> str:
    r"""Text with its SVG elements in fewer bytes: coordinates to a hundredth of a point.

    Examples
    --------
    >>> compact('<svg><!-- a -->\n <path d="M 1.23456 2 \nL 3.000001 -4.5 "/>\n</svg>')
    '<svg><path d="M 1.23 2 L 3 -4.5 "/></svg>'
    """
    return re.sub(r"<svg\b.*?</svg>", lambda match: _compact_svg(match[0]), text, flags=re.S)


def _compact_svg(svg: str) -> str:
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = _COORDINATES.sub(lambda m: _NUMBER.sub(_rounded, re.sub(r"\s+", " ", m[0])), svg)
    return re.sub(r">\s+<", "><", svg)


def _rounded(number: re.Match) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text

"""What the first page takes from the chapters: a card for each paper, and what is reproduced."""

from collections.abc import Mapping

import nbformat

from sotlib.companion.book import manifest, reproduction
from sotlib.companion.book._common import BookError
from sotlib.companion.book.glue import glued_numbers
from sotlib.companion.book.pictures import HEAT, is_heat_map
from sotlib.companion.show.text import plain

NAME = "front.txt"  # intro.md includes it
_CARD = """\
:::{{grid-item-card}} {title}
:img-top: {picture}
:img-alt: {alt}
:class-img-top: {kind}

{idea} **{result}**

Start: {{doc}}`/{start}`
:::
"""


def files(content: Mapping, notebooks: Mapping[str, nbformat.NotebookNode], *, scale: str) -> dict:
    """The text that the first page includes, and the pictures of its cards, by path.

    A paper of the manifest has a card where it has a ``card``.
    """
    found, cards = {}, []
    for key, paper in content["papers"].items():
        if not (card := paper.get("card")):
            continue
        chapter = card["chapter"]
        svg = reproduction.picture(notebooks, chapter, card["picture"])
        if svg is None:
            raise BookError(
                f"manifest: the card of {key}: {chapter} has no picture {card['picture']}"
            )
        found[f"front-{key}.svg"] = svg
        numbers = glued_numbers(notebooks[card["of"]])
        words = {name: plain(card[name]) for name in ("idea", "alt")} | {"start": card["start"]}
        words["result"] = plain(manifest.filled(card["result"], numbers))
        kind = HEAT if is_heat_map(svg) else "ink"
        picture, title = f"front-{key}.svg", plain(paper["title"])
        cards.append(_CARD.format(kind=kind, title=title, picture=picture, **words))
    if not cards:
        return {}
    grid = "\n".join(
        ["::::{grid} 1 1 3 3", ":gutter: 2", ":class-container: front", "", *cards, "::::"]
    )
    line = f"**Reproduced:** {reproduction.summary(content, notebooks, scale=scale)}"
    return found | {NAME: f"{grid}\n\n{line}\n"}

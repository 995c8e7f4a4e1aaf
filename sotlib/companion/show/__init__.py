"""What the chapters share to show things: the style of figures, sounds, sliders, tables and text.

Needs the ``book`` extra; matplotlib, soundfile and IPython are imported when first used.
"""

from sotlib.companion.show.picker import picker
from sotlib.companion.show.slider import slider
from sotlib.companion.show.sound import play
from sotlib.companion.show.style import COLOURS, FAMILIES, use_style
from sotlib.companion.show.table import table
from sotlib.companion.show.text import plain, power

__all__ = [
    "COLOURS",
    "FAMILIES",
    "picker",
    "plain",
    "play",
    "power",
    "slider",
    "table",
    "use_style",
]

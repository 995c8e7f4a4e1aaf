"""What the chapters share to show things: the style of figures, sounds, sliders and tables.

Needs the ``book`` extra; matplotlib, soundfile and IPython are imported when first used.
"""

from sotlib.show.slider import slider
from sotlib.show.sound import play
from sotlib.show.style import COLOURS, use_style
from sotlib.show.table import table

__all__ = ["COLOURS", "play", "slider", "table", "use_style"]

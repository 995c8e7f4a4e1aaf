"""Figures of pages that are written and not executed."""

import io
from collections.abc import Callable


def svg(draw: Callable) -> str:
    """What `draw` does to a figure, as SVG, with the same bytes every time."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from sotlib.companion.show.style import settings

    with mpl.rc_context(settings()):
        figure = Figure()
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()

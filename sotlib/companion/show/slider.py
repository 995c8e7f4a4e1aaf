"""Sliders over figures drawn beforehand."""

import html
import io
import itertools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sotlib.companion.show.sound import audio_element

if TYPE_CHECKING:
    from IPython.display import HTML

_ids = itertools.count()


def slider(
    draw: Callable,
    values: Sequence,
    *,
    label: str,
    format: Callable[[object], str] | str = "{:g}",
    start: int | None = None,
    sound: Callable | None = None,
    sample_rate: float | None = None,
) -> "HTML":
    """Make a slider over figures that are drawn beforehand: works on a static page.

    Parameters
    ----------
    draw : callable
        ``draw(value)`` draws into matplotlib's current figure, or returns a figure.
    values : sequence
        The positions, 2 to 100 of them. Each adds a few kilobytes to the page.
    label : str
        What is changed, with its unit: ``"detuning (Hz)"``.
    format : callable or str
        How a value is written: a function, or a format string such as ``"{:.0f} Hz"``.
    start : int, optional
        Position shown first, by default the middle one.
    sound : callable, optional
        ``sound(value)`` returns the signal to play at this position.
    sample_rate : float, optional
        In Hz, needed with ``sound``.

    Returns
    -------
    IPython.display.HTML
        The slider with its frames. The arrow keys move it.

    Raises
    ------
    TypeError, ValueError
        If there are too few or too many values, or an argument is of the wrong kind.
    """
    from IPython.display import HTML

    values = list(values)
    if not callable(draw):
        raise TypeError(f"draw must be a function of one value, but is {type(draw).__name__}")
    if not 2 <= len(values) <= 100:
        raise ValueError(f"values must have 2 to 100 positions, but has {len(values)}")
    start = len(values) // 2 if start is None else start
    if not 0 <= start < len(values):
        raise ValueError(f"start must be in 0 ... {len(values) - 1}, but is {start}")
    if (sound is None) != (sample_rate is None):
        raise ValueError("sound and sample_rate belong together: give both or neither")
    texts = [format(v) if callable(format) else format.format(v) for v in values]
    name = f"sot-slider-{next(_ids)}"
    frames = []
    for index, (value, text) in enumerate(zip(values, texts, strict=True)):
        title = f"{label}: {text}"
        body = _svg(draw(value), prefix=f"{name}-{index}-", title=title)
        if sound is not None and sample_rate is not None:
            body += audio_element(sound(value), sample_rate, title, 0.005)
        hidden = "" if index == start else " hidden"
        frames.append(
            f'<div class="sot-frame" data-text="{html.escape(text)}"{hidden}>{body}</div>'
        )
    return HTML(
        _SLIDER.format(
            name=name,
            label=html.escape(label),
            frames="".join(frames),
            last=len(values) - 1,
            start=start,
            text=html.escape(texts[start]),
        )
    )


# A few lines of JavaScript, no library: show the frame that the slider stands at.
_SLIDER = """<figure class="sot-slider" id="{name}">{frames}
<label>{label} <input type="range" min="0" max="{last}" step="1" value="{start}" \
aria-valuetext="{text}"> <output>{text}</output></label></figure>
<script>(() => {{
  const root = document.getElementById("{name}"), input = root.querySelector("input");
  const frames = root.querySelectorAll(".sot-frame");
  const show = () => {{
    frames.forEach((frame, index) => {{ frame.hidden = index !== Number(input.value); }});
    const text = frames[input.value].dataset.text;
    root.querySelector("output").textContent = text;
    input.setAttribute("aria-valuetext", text);
    root.querySelectorAll("audio").forEach((audio) => audio.pause());
  }};
  input.addEventListener("input", show);
  show();
}})();</script>"""


def _svg(figure, *, prefix: str, title: str) -> str:
    """A figure as an SVG element whose ids clash with no other on the page; the figure closes."""
    import matplotlib.pyplot as plt

    figure = figure if hasattr(figure, "savefig") else plt.gcf()
    buffer = io.StringIO()
    # Not cropped, so that frames have one size and nothing jumps.
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    plt.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1)

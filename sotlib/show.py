"""What the chapters share to show things: the style of figures, sounds, sliders and tables.

Needs the ``book`` extra; matplotlib, soundfile and IPython are imported when first used.
"""

import base64
import html
import io
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

__all__ = ["play", "slider", "table", "use_style"]

# Okabe and Ito's palette, told apart with every common colour vision, also after the inversion
# of lightness that dark mode applies.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#666666")
_ids = itertools.count()


def use_style() -> None:
    """Set matplotlib up for the book: transparent SVG, readable fonts, the same bytes every time.

    Call it once at the top of a chapter, with the folded imports.
    """
    import matplotlib as mpl
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    mpl.rcParams.update(
        {
            "figure.figsize": (7.0, 3.2),
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "font.size": 11.0,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "savefig.facecolor": "none",
            "svg.fonttype": "path",
            "svg.hashsalt": "sotlib",
        }
    )
    set_matplotlib_formats("svg", metadata={"Date": None}, facecolor="none", bbox_inches="tight")


def play(signal, sample_rate: float, *, title: str, fade: float = 0.005):
    """Make a sound that can be played on the page, as a small MP3.

    Parameters
    ----------
    signal : array_like or Tensor, shape (samples,)
        The sound; made quieter where its peak exceeds 0.9, never louder.
    sample_rate : float
        In Hz; 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 or 48000.
    title : str
        Caption, also read by screen readers.
    fade : float
        Fade-in and fade-out in seconds, which prevents clicks; 0 for none.

    Returns
    -------
    IPython.display.HTML
        An audio player with its caption.

    Raises
    ------
    TypeError, ValueError
        If the signal is not a finite, real, one-dimensional array, or an argument is out of range.
    """
    from IPython.display import HTML

    return HTML(
        f'<figure class="sot-sound">{_audio(signal, sample_rate, title, fade)}'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
    )


def slider(
    draw: Callable,
    values: Sequence,
    *,
    label: str,
    format: Callable[[object], str] | str = "{:g}",
    start: int | None = None,
    sound: Callable | None = None,
    sample_rate: float | None = None,
):
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
        if sound is not None:
            body += _audio(sound(value), sample_rate, title, 0.005)
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


def table(rows: Iterable, *, name: str, caption: str, columns: Sequence[str] | None = None):
    """Make a numbered, captioned table, for a cell with ``mystnb: {markdown_format: myst}``.

    Parameters
    ----------
    rows : iterable of sequences or of mappings
        The cells, written with ``str``; pass strings to choose how numbers look.
    name : str
        Label for ``{numref}``, for instance ``tab-settings``.
    caption : str
        One line of Markdown.
    columns : sequence of str, optional
        Headings, and for mappings their keys, which are taken by default.

    Returns
    -------
    IPython.display.Markdown
        A MyST ``{table}`` block.

    Raises
    ------
    TypeError, ValueError
        If there are no rows, a row has another length than the headings, or a key is missing.

    Examples
    --------
    >>> print(table([[1, 2]], name="tab-a", caption="Two.", columns=["x", "y"]).data)
    ```{table} Two.
    :name: tab-a
    <BLANKLINE>
    | x | y |
    |---|---|
    | 1 | 2 |
    ```
    """
    from IPython.display import Markdown

    rows = list(rows)
    if not rows:
        raise ValueError("rows is empty: a table needs at least one")
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise ValueError(f"name must be of a-z, 0-9 and -, but is {name!r}")
    if not caption.strip() or "\n" in caption:
        raise ValueError("caption must be one line that is not empty")
    if columns is None:
        if not isinstance(rows[0], Mapping):
            raise TypeError("columns is needed unless the rows are mappings")
        columns = list(rows[0])
    lines = [columns, *(_cells(row, columns) for row in rows)]
    text = [f"| {' | '.join(_escape(cell) for cell in line)} |" for line in lines]
    text.insert(1, "|" + "---|" * len(columns))
    return Markdown("\n".join([f"```{{table}} {caption}", f":name: {name}", "", *text, "```"]))


def _cells(row, columns: Sequence[str]) -> list:
    """A row in the order of the headings."""
    if isinstance(row, Mapping):
        if missing := [column for column in columns if column not in row]:
            raise ValueError(f"a row has no {missing[0]!r}; it has {', '.join(map(str, row))}")
        return [row[column] for column in columns]
    if isinstance(row, str) or len(row) != len(columns):
        raise ValueError(f"a row must have {len(columns)} cells, but is {row!r}")
    return list(row)


def _escape(cell) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")


def _audio(signal, sample_rate: float, title: str, fade: float) -> str:
    """An audio element that carries its MP3."""
    import soundfile

    signal = _samples(signal)
    known = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
    if sample_rate not in known:
        raise ValueError(f"sample_rate must be one of {known} for MP3, but is {sample_rate}")
    if fade < 0:
        raise ValueError(f"fade must be at least 0 seconds, but is {fade}")
    if not title.strip():
        raise ValueError("title is empty: say what is to be heard")
    signal = signal / max(1.0, np.abs(signal).max() / 0.9)
    length = min(round(fade * sample_rate), len(signal) // 2)
    if length:
        ramp = np.sin(np.linspace(0, np.pi / 2, length)) ** 2
        signal[:length] *= ramp
        signal[-length:] *= ramp[::-1]
    buffer = io.BytesIO()
    soundfile.write(buffer, signal, int(sample_rate), format="MP3")
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<audio controls aria-label="{html.escape(title)}" src="data:audio/mpeg;base64,{data}">'
        "</audio>"
    )


def _samples(signal) -> np.ndarray:
    """A copy of the signal as a NumPy array in double precision."""
    if hasattr(signal, "detach"):
        signal = signal.detach().cpu().numpy()
    signal = np.asarray(signal)
    if signal.dtype.kind not in "fiu":
        raise TypeError(f"signal must be real numbers, but its dtype is {signal.dtype}")
    if signal.ndim != 1 or signal.size == 0:
        raise ValueError(f"signal must have shape (samples,), but has {signal.shape}")
    if not np.isfinite(signal).all():
        raise ValueError("signal has values that are not finite")
    return signal.astype(np.float64)


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

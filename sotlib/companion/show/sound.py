"""Sounds as small MP3 players."""

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

if TYPE_CHECKING:
    from IPython.display import HTML


def play(
    signal: Tensor | ArrayLike, sample_rate: float, *, title: str, fade: float = 0.005
) -> "HTML":
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
        f'<figure class="sot-sound">{audio_element(signal, sample_rate, title, fade)}'
        f"<figcaption>{html.escape(title)}</figcaption></figure>"
    )


def audio_element(signal: Tensor | ArrayLike, sample_rate: float, title: str, fade: float) -> str:
    """An audio element that carries its MP3."""
    import soundfile

    samples = _samples(signal)
    known = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
    if sample_rate not in known:
        raise ValueError(f"sample_rate must be one of {known} for MP3, but is {sample_rate}")
    if fade < 0:
        raise ValueError(f"fade must be at least 0 seconds, but is {fade}")
    if not title.strip():
        raise ValueError("title is empty: say what is to be heard")
    samples = samples / max(1.0, np.abs(samples).max() / 0.9)
    length = min(round(fade * sample_rate), len(samples) // 2)
    if length:
        ramp = np.sin(np.linspace(0, np.pi / 2, length)) ** 2
        samples[:length] *= ramp
        samples[-length:] *= ramp[::-1]
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, int(sample_rate), format="MP3")
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

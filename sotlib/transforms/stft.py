"""The short-time Fourier transform, as magnitudes or powers.

Magnitudes have a finite gradient everywhere, 0 where they vanish.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.precision import full_precision
from sotlib.transforms._stft.spectrogram import spectrogram
from sotlib.transforms.base import Transform

PADDINGS = ("reflect", "end", "none")


class STFT(Transform):
    """Magnitude of the short-time Fourier transform.

    Parameters
    ----------
    fft_size : int, default 1024
        Length of a frame in samples.
    hop_length : int, default 256
        Samples between frames.
    win_length : int, optional
        Length of the window, centred in the frame. Default: `fft_size`.
    window : str, float or tuple, default 'flattop'
        A periodic window as named by `scipy.signal.get_window`.
    sample_rate : float, default 22050
        In Hz; only positions depend on it.
    padding : {'reflect', 'end', 'none'}, default 'reflect'
        'reflect': frames centred on their hop, the signal reflected at both ends. 'end': frames
        start at their hop, zeros after the end so that ``ceil(samples / hop_length)`` frames
        exist, the convention of DDSP. 'none': only frames within the signal.
    normalized : bool, default False
        Divide by the square root of `fft_size`.
    square_magnitude : bool, default False
        Power instead of magnitude.

    Raises
    ------
    ValueError
        On unknown options, and when a signal is too short for the first frame.

    Notes
    -----
    Explained in chapter ``sot/why``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import STFT, sinusoid
    >>> stft = STFT(fft_size=512, hop_length=128, window="hann", sample_rate=16000)
    >>> spectrum = stft(sinusoid(1000.0, samples=4096, sample_rate=16000))
    >>> spectrum.shape
    torch.Size([257, 33])
    >>> stft.positions("absolute")[spectrum[:, 16].argmax()]
    tensor(1000.)
    """

    cure = "take a smaller fft_size"

    def __init__(
        self,
        *,
        fft_size: int = 1024,
        hop_length: int = 256,
        win_length: int | None = None,
        window: str | float | tuple = "flattop",
        sample_rate: float = 22050,
        padding: Literal["reflect", "end", "none"] = "reflect",
        normalized: bool = False,
        square_magnitude: bool = False,
    ):
        super().__init__(sample_rate)
        self.fft_size = check.count("fft_size", fft_size)
        self.hop_length = check.count("hop_length", hop_length)
        self.win_length = check.count("win_length", fft_size if win_length is None else win_length)
        if self.win_length > fft_size:
            raise ValueError(f"win_length must not exceed fft_size={fft_size}; got {win_length}.")
        self.padding = check.one_of("padding", padding, PADDINGS)
        self.square_magnitude = check.flag("square_magnitude", square_magnitude)
        frame = np.zeros(fft_size)
        start = (fft_size - self.win_length) // 2
        frame[start : start + self.win_length] = scipy_window(window, self.win_length)
        if check.flag("normalized", normalized):
            frame = frame / fft_size**0.5
        self.add_table("frame", frame)
        self.add_table("frequencies", np.fft.rfftfreq(fft_size, 1 / sample_rate))
        self.shortest = {"reflect": fft_size // 2 + 1, "end": 1, "none": fft_size}[padding]

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        """Magnitude (or power) `(..., fft_size // 2 + 1, frames)` of signals `(..., samples)`."""
        self._check_input(x)
        spectrum = spectrogram(x.reshape(-1, x.shape[-1]), self)
        return spectrum.reshape(*x.shape[:-1], *spectrum.shape[-2:]).transpose(-1, -2)

    def shape(self, x: Tensor) -> tuple[int, ...]:
        """Shape `(..., bins, frames)` of what `forward` gives for signals like `x`."""
        self._check_input(x)
        length = sum(self._padding(x.shape[-1])) + x.shape[-1]
        frames = (length - self.fft_size) // self.hop_length + 1
        return (*x.shape[:-1], self.fft_size // 2 + 1, frames)

    def window(self, dtype: torch.dtype) -> Tensor:
        """What frames are multiplied by, `(fft_size,)`."""
        return self.tables(check.dtype("dtype", dtype))("frame")

    def windowed(self, x: Tensor) -> Tensor:
        """Windowed frames `(batch, frames, fft_size)` of signals `(batch, samples)`."""
        return self.pad(x).unfold(-1, self.fft_size, self.hop_length) * self.window(x.dtype)

    def pad(self, x: Tensor) -> Tensor:
        """Signals `(batch, samples)` with what `padding` adds before and after them."""
        mode = "reflect" if self.padding == "reflect" else "constant"
        return nn.functional.pad(x[:, None], self._padding(x.shape[-1]), mode=mode)[:, 0]

    def unpad(self, x: Tensor, samples: int) -> Tensor:
        """The adjoint of `pad`: what was added is folded back, or dropped."""
        before, after = self._padding(samples)
        inner = x[:, before : before + samples]
        if self.padding == "reflect":
            inner = inner.clone()
            inner[:, 1 : before + 1] += x[:, :before].flip(-1)
            inner[:, samples - after - 1 : samples - 1] += x[:, before + samples :].flip(-1)
        return inner

    def _padding(self, samples):
        """Samples that are added before and after a signal."""
        if self.padding == "reflect":
            return self.fft_size // 2, self.fft_size // 2
        if self.padding == "end":
            last = (-(-samples // self.hop_length) - 1) * self.hop_length
            return 0, max(last + self.fft_size - samples, 0)
        return 0, 0


def scipy_window(name, length):
    """A periodic window of SciPy as an array."""
    import scipy.signal  # takes half a second, so only where it is needed

    try:
        if isinstance(name, bool):
            raise TypeError("a bool")
        with np.errstate(all="ignore"):
            window = scipy.signal.get_window(name, length, fftbins=True)
        if not (np.isfinite(window).all() and window.any()):
            raise ValueError("its values are not finite, or all 0")
        return window
    except Exception as error:  # SciPy raises that very class, too
        raise ValueError(
            f"window must be a name known to scipy.signal.get_window, such as 'flattop', 'hann' or "
            f"'boxcar'; got {name!r} ({error})."
        ) from None

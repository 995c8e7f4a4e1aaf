"""Two spectrograms as masses on a plane: what losses over the plane begin with."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._representations import sound_pair
from sotlib.losses._signals import Reduction, checked_reduction, reduced, squared_once
from sotlib.transforms.base import Transform

Axis = Tensor | Sequence[float] | None

# Mass of a silent spectrogram beside one that is not, where masses are not made equal.
SILENCE = 1e-6


class SpectrogramTransport(PrintedModule):
    """What these losses share: sounds to masses on a plane in Hz and seconds."""

    def __init__(
        self,
        transform: Transform | Literal["identity"] | None,
        *,
        square_magnitude: bool,
        time_scale: float,
        unit: float,
        reduction: Reduction,
    ):
        super().__init__()
        self.reduction = checked_reduction(reduction)
        if isinstance(transform, str) and transform == "identity":
            transform = None
        if not (transform is None or isinstance(transform, Transform)):
            raise TypeError(
                f"transform must be one of the library's transforms, such as STFT(…, "
                f"sample_rate=…), which give the bins their frequencies, or 'identity'; got "
                f"{transform!r}."
            )
        self.transform = transform
        self.balanced = True
        self.square_magnitude = squared_once(transform, square_magnitude)
        self.time_scale = check.positive("time_scale", time_scale)
        self.unit = check.positive("unit", unit)

    def forward(self, x: Tensor, y: Tensor, *, freqs: Axis = None, times: Axis = None) -> Tensor:
        """Compare two batches of sounds.

        Parameters
        ----------
        x, y : Tensor, shape (samples,), (batch, samples) or (batch, channels, samples)
            Signals; with ``transform='identity'``, representations (batch, bins, frames).
        freqs : Tensor or sequence, shape (bins,), optional
            Increasing frequencies of the bins in Hz, by default those of the transform; needed with
            ``transform='identity'``.
        times : Tensor or sequence, shape (frames,), optional
            Increasing times of the frames in seconds, likewise.

        Returns
        -------
        Tensor
            A scalar, or one value for each sound, as `reduction` says.
        """
        x, y, sounds = sound_pair(self.transform, x, y)
        with torch.autocast(x.device.type, enabled=False):
            if self.transform is not None:
                x, y = self.transform(x), self.transform(y)
            elif x.shape != y.shape:
                raise ValueError(
                    f"x and y must have the same bins and frames; got shapes {tuple(x.shape)} and "
                    f"{tuple(y.shape)}."
                )
            plane = self._plane(x, freqs, times)
            a, b = self._masses(x, y)
            values = self._transport(a, b, plane)
        return reduced(values, self.reduction, sounds)

    def _transport(self, a: Tensor, b: Tensor, plane: dict[str, Any]) -> Tensor:
        raise NotImplementedError

    def _plane(self, x, freqs, times):
        """The axes of a spectrogram in units, and the time scale that fits them."""
        transform = self.transform
        if transform is not None:
            framing: Any = getattr(transform, "stft", transform)
            seconds = framing.hop_length / transform.sample_rate
            frames = torch.arange(x.shape[-1], dtype=torch.float64, device=x.device)
            freqs = transform.positions("absolute").double() if freqs is None else freqs
            times = frames * seconds if times is None else times
        elif freqs is None or times is None:
            raise ValueError(
                f"{'freqs' if freqs is None else 'times'} is needed with transform='identity': Hz "
                "of the bins, and seconds of the frames."
            )
        freqs = check.real_numbers("freqs", freqs, x.device) / self.unit
        return {"freqs": freqs, "times": times, "time_scale": self.time_scale / self.unit}

    def _masses(self, x, y):
        if self.square_magnitude:
            x, y = x.square(), y.square()
        mass_x, mass_y = (s.sum((-2, -1), keepdim=True) for s in (x, y))
        tiny = torch.finfo(x.dtype).tiny * x[0].numel()
        silent_x, silent_y = mass_x <= tiny, mass_y <= tiny
        if self.balanced:
            return _scaled(x, mass_x, silent_x, 1.0), _scaled(y, mass_y, silent_y, 1.0)
        scale = torch.where(silent_y, mass_x, mass_y).detach()
        instead = torch.where(silent_x & silent_y, 1.0, SILENCE)
        return _scaled(x, scale, silent_x, instead), _scaled(y, scale, silent_y, instead)


def _scaled(spectrogram, scale, silent, instead):
    """Divide by the scale; where silent, return a uniform mass of that sum ``instead``."""
    scaled = spectrogram / torch.where(silent, 1.0, scale)
    return torch.where(silent, instead / spectrogram[0].numel(), scaled)

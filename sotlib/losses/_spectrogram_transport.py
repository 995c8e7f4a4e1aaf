"""The spectrograms of two signals as masses on a plane: what losses over the plane begin with."""

import torch
from torch import nn

from sotlib._core import check
from sotlib.losses._signals import Reduction, checked_reduction, squared_once
from sotlib.transforms.base import Transform

# Mass of a silent spectrogram beside one that is not, where masses are not made equal.
SILENCE = 1e-6


class SpectrogramTransport(nn.Module):
    """What these losses share: signals to masses on a plane in Hz and seconds."""

    def __init__(
        self,
        transform: Transform,
        *,
        square_magnitude: bool,
        time_scale: float,
        unit: float,
        reduction: Reduction,
    ):
        super().__init__()
        self.reduction = checked_reduction(reduction)
        if not isinstance(transform, Transform):
            raise TypeError(
                f"transform must be one of the library's transforms, such as STFT(…, "
                f"sample_rate=…), which give the bins their frequencies; got {transform!r}."
            )
        self.transform = transform
        self.square_magnitude = squared_once(transform, square_magnitude)
        self.time_scale = check.positive("time_scale", time_scale)
        self.unit = check.positive("unit", unit)

    def _plane(self, frames):
        """The axes of the transform in units, and the time scale that fits them."""
        framing = getattr(self.transform, "stft", self.transform)
        seconds = framing.hop_length / self.transform.sample_rate
        freqs = self.transform.positions("absolute").double() / self.unit
        times = torch.arange(frames, dtype=torch.float64, device=freqs.device) * seconds
        return {"freqs": freqs, "times": times, "time_scale": self.time_scale / self.unit}

    def _masses(self, x, y, *, balanced):
        x, y = self.transform(x), self.transform(y)
        if self.square_magnitude:
            x, y = x.square(), y.square()
        mass_x, mass_y = (s.sum((-2, -1), keepdim=True) for s in (x, y))
        tiny = torch.finfo(x.dtype).tiny * x[0].numel()
        silent_x, silent_y = mass_x <= tiny, mass_y <= tiny
        if balanced:
            return _scaled(x, mass_x, silent_x, 1.0), _scaled(y, mass_y, silent_y, 1.0)
        scale = torch.where(silent_y, mass_x, mass_y).detach()
        instead = torch.where(silent_x & silent_y, 1.0, SILENCE)
        return _scaled(x, scale, silent_x, instead), _scaled(y, scale, silent_y, instead)


def _scaled(spectrogram, scale, silent, instead):
    """Divide by the scale; where silent, return a uniform mass of that sum ``instead``."""
    scaled = spectrogram / torch.where(silent, 1.0, scale)
    return torch.where(silent, instead / spectrogram[0].numel(), scaled)

"""Filtered noise: magnitudes of a filter for each frame in, noise of that colour out."""

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.precision import full_precision
from sotlib._core.printed import PrintedModule


class FilteredNoise(PrintedModule):
    r"""White noise through a filter that changes from frame to frame.

    .. math:: y(t) = \sum_n w_n(t)\, (h_n * e)(t),

    where e is Gaussian noise of variance 1, :math:`h_n` the impulse response of linear phase whose
    magnitudes at `bands` frequencies from 0 to half the sample rate are those of frame n, tapered
    by a Hann window, and :math:`w_n` a Hann window around the beginning of frame n. The windows add
    up to 1, so that constant magnitudes give stationary noise. All frames filter the same noise;
    the last one is held.

    Parameters
    ----------
    samples : int, default 4096
        Length of the sound; a multiple of the number of frames.
    seed : int, default 0
        Of the noise where no generator is given: then every call has the same.

    Raises
    ------
    TypeError, ValueError
        On magnitudes of another shape, negative, not finite, or not float32 or float64.

    Notes
    -----
    The noise branch of Engel et al., *DDSP* (ICLR 2020). A magnitude constant c over all bands
    gives noise of standard deviation c. Explained in chapter ``sot/instruments``, beside
    `HarmonicSynth`.

    Examples
    --------
    >>> import torch
    >>> from sotlib import FilteredNoise
    >>> noise = FilteredNoise(samples=4096)
    >>> low = torch.zeros(1, 16, 33)
    >>> low[..., :4] = 1  # of 33 bands, up to half the sample rate
    >>> sound = noise(low)
    >>> sound.shape
    torch.Size([1, 4096])
    >>> power = torch.fft.rfft(sound).abs().square()[0]
    >>> bool(power[:256].sum() > 100 * power[512:].sum())
    True
    """

    def __init__(self, *, samples: int = 4096, seed: int = 0):
        super().__init__()
        self.samples = check.count("samples", samples)
        self.seed = check.seed("seed", seed)

    @full_precision
    def forward(self, magnitudes: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Make noise.

        Parameters
        ----------
        magnitudes : Tensor, shape (batch, frames, bands)
            At least 0, for at least 2 frequencies from 0 to half the sample rate.
        generator : torch.Generator, optional
            Draws the noise, on its own device; default: a new one with `seed` at every call.

        Returns
        -------
        Tensor, shape (batch, samples)
            Sounds in the dtype of `magnitudes`.
        """
        self._check(magnitudes)
        check.generator("generator", generator)
        batch, frames, bands = magnitudes.shape
        hop, taps = self.samples // frames, 2 * (bands - 1)
        held = torch.cat([magnitudes, magnitudes[:, -1:]], dim=1)
        taper = torch.hann_window(taps, dtype=torch.float64).to(magnitudes)
        responses = torch.fft.irfft(held, n=taps).roll(taps // 2, -1) * taper
        fade = torch.hann_window(2 * hop, dtype=torch.float64).to(magnitudes)
        # Frame n is heard from one hop before its beginning to one hop after.
        noise = self._noise((batch, self.samples + 2 * hop + taps), generator).to(magnitudes)
        pieces = noise.unfold(1, 2 * hop + taps, hop)[:, : frames + 1]
        size = 2 * hop + 2 * taps
        spectrum = torch.fft.rfft(pieces, n=size) * torch.fft.rfft(responses, n=size)
        filtered = torch.fft.irfft(spectrum, n=size)
        heard = filtered[..., taps : taps + 2 * hop] * fade
        rising, falling = heard.split(hop, dim=-1)
        return (falling[:, :-1] + rising[:, 1:]).flatten(1)

    def _noise(self, shape, generator):
        if generator is None:
            generator = torch.Generator().manual_seed(self.seed)
        return torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)

    def _check(self, magnitudes):
        check.floating("magnitudes", magnitudes)
        shape = tuple(magnitudes.shape)
        if magnitudes.ndim != 3 or shape[2] < 2 or 0 in shape:
            raise ValueError(
                "magnitudes must have shape (batch, frames, bands) with at least 2 bands; got "
                f"{shape}."
            )
        if self.samples % shape[1]:
            raise ValueError(
                f"magnitudes must have a number of frames that divides the {self.samples} samples; "
                f"got {shape[1]}."
            )
        check.finite("magnitudes", magnitudes)
        if check.holds_anywhere(magnitudes.detach() < 0):
            low = float(magnitudes.detach().min())
            raise ValueError(
                f"magnitudes must not be negative; the least is {low:.3g}. Pass them through "
                "softplus or a squared value first."
            )

"""The pitch encoder of the SOT paper's autoencoder."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.autograd import batched
from sotlib._core.printed import PrintedModule
from sotlib.pitch._layers import pitch_layers

CHANNELS = (40, 30, 30, 10, 3)
KERNEL = 15
CACHE = 1 << 15  # random numbers that are drawn at once


class EncoderOutput(NamedTuple):
    """What `PitchEncoder` says about a batch of spectra.

    Explained in chapter ``sot/autoencoder``.
    """

    logits: Tensor
    """Scores of the pitch bins, (batch, bins)."""
    amplitudes: Tensor
    """Amplitudes of the harmonics, (batch, harmonics)."""


class PitchEncoder(PrintedModule):
    """From one frame of a constant-Q spectrum to pitch logits and harmonic amplitudes.

    Layer normalisation, a convolution from 1 to 40 channels, a residual one on these (both of 15
    bins), three pointwise ones down to 10, dropout, one to 3 channels; then a Toeplitz matrix
    without bias gives the pitch logits, so that a transposed spectrum gives transposed logits, and
    a linear layer the amplitudes through an exponentiated sigmoid.

    Parameters
    ----------
    n_bins : int, default 285
        Bins of the spectrum, and of the pitch logits.
    harmonics : int, default 20
        Number of amplitudes.
    dropout : float, default 0.5
        Probability of a channel's value being dropped before the last pointwise convolution.

    Raises
    ------
    TypeError, ValueError
        On sizes that are not positive, a dropout out of range, or input of another size or dtype.

    Notes
    -----
    46 012 parameters with the defaults, as in Torres, Peeters and Richard (ICASSP 2024), after
    PESTO (Riou et al., ISMIR 2023). Explained in chapter ``sot/autoencoder``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import PitchEncoder
    >>> encoder = PitchEncoder()
    >>> sum(p.numel() for p in encoder.parameters())
    46012
    >>> logits, amplitudes = encoder(torch.rand(2, 285))
    >>> logits.shape, amplitudes.shape
    (torch.Size([2, 285]), torch.Size([2, 20]))
    """

    def __init__(self, *, n_bins: int = 285, harmonics: int = 20, dropout: float = 0.5):
        super().__init__()
        self.n_bins = n_bins = check.count("n_bins", n_bins)
        harmonics = check.count("harmonics", harmonics)
        self.dropout = check.number("dropout", dropout, least=0, below=1)
        first, second, third, fourth, last = CHANNELS
        self.norm = nn.LayerNorm(n_bins)
        self.spread = nn.Conv1d(1, first, KERNEL, padding="same")
        self.residual = nn.Conv1d(first, first, KERNEL, padding="same")
        self.pointwise = nn.ModuleList(
            nn.Conv1d(a, b, 1) for a, b in ((first, second), (second, third), (third, fourth))
        )
        self.to_features = nn.Conv1d(fourth, last, 1)
        features = last * n_bins
        self.toeplitz = nn.Parameter(torch.empty(features + n_bins - 1))
        nn.init.uniform_(self.toeplitz, -1, 1)
        self.toeplitz.data /= math.sqrt(self.toeplitz.numel())
        self.to_amplitudes = nn.Linear(features, harmonics)

    def forward(
        self, spectra: Tensor, *, generator: torch.Generator | None = None
    ) -> EncoderOutput:
        """Encode spectra.

        Parameters
        ----------
        spectra : Tensor, shape (batch, bins)
            Magnitudes, linear in amplitude, in the dtype of the parameters.
        generator : torch.Generator, optional
            Random numbers for dropout while training; default: torch's own.

        Returns
        -------
        EncoderOutput
            ``logits`` (batch, bins) and ``amplitudes`` (batch, harmonics), the latter between 0
            and 2; under autocast in the dtype of `spectra` too.
        """
        check.finite("spectra", check.floating("spectra", spectra))
        check.generator("generator", generator)
        if spectra.ndim != 2 or spectra.shape[1] != self.n_bins:
            raise ValueError(
                f"spectra must have shape (batch, {self.n_bins}); got {tuple(spectra.shape)}. Put "
                "the frames of a spectrogram into the batch."
            )
        if spectra.dtype != self.toeplitz.dtype:
            raise TypeError(
                f"spectra must have the encoder's dtype, {self.toeplitz.dtype}; got "
                f"{spectra.dtype}. Convert one of them with .float() or .double()."
            )
        x = pitch_layers(self.norm(spectra), (self.spread, self.residual, *self.pointwise))
        x = self.to_features(self._drop(x, generator)).flatten(1)
        # Row i of the Toeplitz matrix holds the parameters from bins - 1 - i on.
        logits = (x @ self.toeplitz.unfold(0, x.shape[1], 1).T).flip(-1)
        amplitudes = 2 * torch.sigmoid(self.to_amplitudes(x)) ** math.log(10) + 1e-7
        return EncoderOutput(logits.to(spectra.dtype), amplitudes.to(spectra.dtype))

    def _drop(self, x, generator):
        if not self.training or self.dropout == 0:
            return x
        return x * _mask(x, 1 - self.dropout, generator)


def _mask(x, keep, generator):
    """Like `x`, ``1 / keep`` with probability `keep`, else 0.

    On most CPUs this is how torch's bernoulli_ draws, number by number, yet three times faster.
    """
    mask = torch.empty_like(x, memory_format=torch.contiguous_format)
    if x.device.type != "cpu" or batched(x):
        return mask.bernoulli_(keep, generator=generator).div_(keep)
    drawn = x.new_empty(min(x.numel(), CACHE), dtype=torch.float64)
    for part in mask.view(-1).split(CACHE):
        torch.lt(drawn[: len(part)].uniform_(generator=generator), keep, out=part).div_(keep)
    return mask

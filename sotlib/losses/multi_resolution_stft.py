"""The multi-resolution STFT loss of audio synthesis: spectral convergence and log magnitudes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._convergence_terms import ConvergenceTerms
from sotlib.losses._signals import Reduction, checked_reduction, reduced, signal_pair
from sotlib.losses._spectral_difference import spectral_difference
from sotlib.transforms.mel import MelSpectrogram
from sotlib.transforms.stft import STFT

TERMS = ConvergenceTerms(floor=1e-8)


class MultiResolutionSTFTLoss(PrintedModule):
    r"""Spectral convergence and distance of log magnitudes, averaged over resolutions.

    .. math:: \frac{1}{|\Gamma|} \sum_{\gamma}
       \frac{\| |Y_\gamma| - |X_\gamma| \|_F}{\| |Y_\gamma| \|_F}
       + \mathrm{mean} \, | \log |Y_\gamma| - \log |X_\gamma| |

    for each sound. With its defaults this is the loss of that name in the package auraloss, for
    one sound; some of its versions take the norms over all sounds of a batch together. With
    `n_mels` it is its mel variant, with as many bands as each resolution can fill.

    Parameters
    ----------
    fft_sizes, hop_lengths : sequence of int, default (1024, 2048, 512) and (120, 240, 50)
        One entry per resolution.
    win_lengths : sequence of int, default (600, 1200, 240)
        The same.
    n_mels : sequence of int, optional
        Numbers of mel bands, one for each resolution; without them, all bins are compared. The
        bands add up magnitudes (see `MelSpectrogram`).
    sample_rate : float, optional
        In Hz, needed with `n_mels`.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each, `(batch,)` or `(batch, channels)`.

    Raises
    ------
    TypeError, ValueError
        On unknown options; when called, on signals that are not floating point, not finite, of
        different shapes, or too short.

    Notes
    -----
    After Yamamoto, Song and Kim (ICASSP 2020). Periodic Hann windows, frames centred, the signal
    reflected at its ends; powers are floored at 1e-8. It is not symmetric: y is the target.
    The spectral loss of Han, Lostanlen and Lagrange (ICASSP 2023). Explained in chapter
    ``pnp/matching``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import MultiResolutionSTFTLoss
    >>> x = torch.randn(2, 4096)
    >>> loss = MultiResolutionSTFTLoss(reduction="none")
    >>> loss(x, x)
    tensor([0., 0.])
    >>> loss(2 * x, x).round(decimals=2)  # 1 + log 2
    tensor([1.6900, 1.6900])
    """

    def __init__(
        self,
        *,
        fft_sizes: Sequence[int] = (1024, 2048, 512),
        hop_lengths: Sequence[int] = (120, 240, 50),
        win_lengths: Sequence[int] = (600, 1200, 240),
        n_mels: Sequence[int] | None = None,
        sample_rate: float | None = None,
        reduction: Reduction = "mean",
    ):
        super().__init__()
        self.reduction = checked_reduction(reduction)
        resolutions = check.resolutions(fft_sizes, hop_lengths, win_lengths)
        self.in_bands = n_mels is not None
        if n_mels is not None:
            transforms = _in_bands(resolutions, n_mels, sample_rate)
        elif sample_rate is not None:
            raise ValueError("sample_rate is of use with n_mels alone; give n_mels, too.")
        else:
            transforms = [
                STFT(
                    fft_size=size,
                    hop_length=hop,
                    win_length=width,
                    window="hann",
                    square_magnitude=True,
                )
                for size, hop, width in resolutions
            ]
        self.transforms = nn.ModuleList(transforms)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare signals `(samples,)`, `(batch, samples)` or `(batch, channels, samples)`."""
        a, b = signal_pair(x, y)
        with torch.autocast(x.device.type, enabled=False):
            values = [self._compare(a, b, transform) for transform in self.transforms]
        total = torch.stack(values).mean(0)
        return reduced(total, self.reduction, x.shape[:-1])

    def _compare(self, a, b, transform):
        if self.in_bands:
            return TERMS.difference(transform(a).square(), transform(b).square())
        return spectral_difference(a, transform(b), transform, TERMS)


def _in_bands(resolutions, n_mels, sample_rate):
    n_mels = check.counts("n_mels", n_mels)
    if len(n_mels) != len(resolutions):
        raise ValueError(
            f"n_mels must have an entry for each of the {len(resolutions)} resolutions; "
            f"got {len(n_mels)}."
        )
    if sample_rate is None:
        raise ValueError("sample_rate is needed with n_mels, in Hz.")
    return [
        MelSpectrogram(
            fft_size=size,
            hop_length=hop,
            win_length=width,
            n_mels=bands,
            sample_rate=sample_rate,
            square_magnitude=False,
        )
        for (size, hop, width), bands in zip(resolutions, n_mels, strict=True)
    ]

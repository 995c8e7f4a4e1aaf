"""Spectral optimal transport at several resolutions."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib.losses.sot import Wasserstein1DLoss
from sotlib.transforms.base import Transform


class MultiResolutionSOTLoss(nn.Module):
    """Sum of `Wasserstein1DLoss` over several STFT resolutions.

    Parameters
    ----------
    transform : {'stft', 'mel', 'cqt', 'vqt', 'identity'} or Transform, default 'stft'
        As for `Wasserstein1DLoss`.
    fft_sizes, hop_lengths : sequence of int, default (1024, 2048, 512) and (256, 512, 128)
        One entry per resolution.
    win_lengths : sequence of int, optional
        Default: `fft_sizes`.
    **kwargs
        All other arguments of `Wasserstein1DLoss`, for every resolution.

    Raises
    ------
    TypeError, ValueError
        As `Wasserstein1DLoss`, and if the sequences differ in length.

    Notes
    -----
    A drop-in replacement for the class of this name in ``sot-loss``. Explained in chapter
    ``sot/transport``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import MultiResolutionSOTLoss
    >>> loss = MultiResolutionSOTLoss(sample_rate=16000, square_magnitude=True)
    >>> x, y = torch.randn(4, 16000), torch.randn(4, 16000)
    >>> bool(loss(x, y) > 0), loss(x, x)
    (True, tensor(0.))
    """

    def __init__(
        self,
        transform: Literal["stft", "mel", "cqt", "vqt", "identity"] | Transform | None = "stft",
        fft_sizes: Sequence[int] = (1024, 2048, 512),
        hop_lengths: Sequence[int] = (256, 512, 128),
        win_lengths: Sequence[int] | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        for name in ("reduce", "return_quantiles"):
            if check.flag(name, kwargs.get(name, name == "reduce")) != (name == "reduce"):
                raise ValueError(
                    f"{name}={kwargs[name]} does not fit several resolutions, whose frames differ "
                    "in number; use one Wasserstein1DLoss for each."
                )
        win_lengths = fft_sizes if win_lengths is None else win_lengths
        self.loss_modules = nn.ModuleList(
            Wasserstein1DLoss(transform, fft_size=size, hop_length=hop, win_length=length, **kwargs)
            for size, hop, length in check.resolutions(fft_sizes, hop_lengths, win_lengths)
        )

    def forward(self, x: Tensor, y: Tensor, **kwargs: Tensor | None) -> Tensor:
        """Compare two batches of signals, as `Wasserstein1DLoss.forward`."""
        return torch.stack([loss(x, y, **kwargs) for loss in self.loss_modules]).sum(0)

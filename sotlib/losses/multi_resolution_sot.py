"""Spectral optimal transport at several resolutions."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses.sot import Wasserstein1DLoss
from sotlib.transforms.base import Transform


class MultiResolutionSOTLoss(PrintedModule):
    """Sum of `Wasserstein1DLoss` over several STFT resolutions.

    Parameters
    ----------
    transform : {'stft', 'mel', 'cqt', 'vqt', 'identity'} or Transform, default 'stft'
        As for `Wasserstein1DLoss`. With 'identity', lists of representations, one a resolution.
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

    Representations of one's own, at two resolutions:

    >>> loss = MultiResolutionSOTLoss("identity")
    >>> fine, coarse = torch.rand(2, 4, 60, 50), torch.rand(2, 4, 30, 100)
    >>> axes = [torch.linspace(0, 1, 60), torch.linspace(0, 1, 30)]
    >>> loss([fine[0], coarse[0]], [fine[1], coarse[1]], x_positions=axes) > 0
    tensor(True)
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

    def forward(
        self,
        x: Tensor | Sequence[Tensor],
        y: Tensor | Sequence[Tensor],
        **kwargs: Tensor | Sequence[Tensor] | None,
    ) -> Tensor:
        """Compare two batches of signals, as `Wasserstein1DLoss.forward`.

        With ``transform='identity'`` `x`, `y` and positions may be lists, with an entry for each
        resolution, as many as there are.
        """
        if not isinstance(x, list | tuple):
            return torch.stack([loss(x, y, **kwargs) for loss in self.loss_modules]).sum(0)
        alone = self.loss_modules[0]
        if alone.transform is not None:
            raise TypeError("x must be a tensor; lists of representations need the 'identity'.")
        given = {"x": x, "y": y, **{k: v for k, v in kwargs.items() if v is not None}}
        for name, values in given.items():
            if not isinstance(values, list | tuple) or len(values) != len(x) or not x:
                raise ValueError(
                    f"{name} must be a list with an entry for each of the {len(x)} resolutions in "
                    f"x, of which there must be at least one."
                )
        resolutions = [{name: each[k] for name, each in given.items()} for k in range(len(x))]
        return torch.stack([alone(**resolution) for resolution in resolutions]).sum(0)

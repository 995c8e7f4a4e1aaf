"""A loss of signals of different lengths, padded into one batch."""

import torch
from torch import Tensor, nn

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._signals import Reduction, checked_reduction, reduced


class VariableLengthLoss(PrintedModule):
    """A loss of signals of different lengths that were padded to form a batch.

    Equal to the loop over the signals, each cut to its length: nothing of the padding is seen, and
    frames at the end of a signal are what they would be without it. Signals of equal length are
    compared together.

    Parameters
    ----------
    loss : Module
        Any loss of two signals that gives one value for each sound, made with
        ``reduction="none"``.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds, each of which counts the same; 'none' gives one value for each, `(batch,)` or
        `(batch, channels)`.

    Raises
    ------
    TypeError, ValueError
        For a loss of another reduction; when called, for lengths that are not as many integers as
        there are sounds, from 1 to the length of the batch, and for what `loss` raises, such as a
        signal too short for its frames.

    Notes
    -----
    Explained in chapter ``sot/options``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import SpectralLoss, VariableLengthLoss
    >>> x, y = torch.randn(2, 2, 8192)
    >>> loss = VariableLengthLoss(SpectralLoss(reduction="none"), reduction="none")
    >>> values = loss(x, y, lengths=[8192, 5000])
    >>> bool(torch.isclose(values[1], SpectralLoss()(x[1, :5000], y[1, :5000])))
    True
    """

    def __init__(self, loss: nn.Module, *, reduction: Reduction = "mean"):
        super().__init__()
        self.loss = check.instance("loss", loss, nn.Module, ", one of the losses")
        if getattr(loss, "reduction", "none") != "none":
            raise ValueError(
                f"loss must give one value for each sound; it was made with reduction="
                f"{loss.reduction!r}. Make it with reduction='none', and say here how to reduce."
            )
        self.reduction = checked_reduction(reduction)

    def forward(self, x: Tensor, y: Tensor, *, lengths: Tensor | list[int]) -> Tensor:
        """Compare two batches of signals.

        Parameters
        ----------
        x, y : Tensor, shape (batch, samples) or (batch, channels, samples)
            Signals, padded at their ends with anything.
        lengths : Tensor of int or list of int, shape (batch,)
            How many samples of each count.

        Returns
        -------
        Tensor
            A scalar, or what `reduction` says.
        """
        for name, signals in (("x", x), ("y", y)):
            if check.audio(name, signals, half=True).ndim not in (2, 3):
                raise ValueError(
                    f"{name} must have shape (batch, samples) or (batch, channels, samples); got "
                    f"{tuple(signals.shape)}."
                )
        if x.shape != y.shape:
            raise ValueError(
                f"x and y must have the same shape; got {tuple(x.shape)} and {tuple(y.shape)}."
            )
        groups = _by_length(lengths, x)
        order = torch.tensor([place for places in groups.values() for place in places])
        found = [
            self.loss(x[places, ..., :length], y[places, ..., :length])
            for length, places in groups.items()
        ]
        values = torch.cat(found)[order.argsort().to(x.device)]
        return reduced(values, self.reduction, x.shape[:-1])


def _by_length(lengths, x: Tensor) -> dict[int, list[int]]:
    """Which signals have a length, for each that there is."""
    known = lengths
    if isinstance(lengths, Tensor):
        known = check.tensor("lengths", lengths).tolist()
    if not isinstance(known, list | tuple) or len(known) != len(x) or not len(x):
        got = tuple(lengths.shape) if isinstance(lengths, Tensor) else repr(lengths)
        raise ValueError(
            f"lengths must hold one integer for each of the {len(x)} sounds of x; got {got}."
        )
    groups: dict[int, list[int]] = {}
    for place, length in enumerate(known):
        length = check.count(f"lengths[{place}]", length, most=x.shape[-1])
        groups.setdefault(length, []).append(place)
    return groups

"""The parameters of a physical synthesiser: their order, units, and what it can be computed for."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sotlib._core import check

SLACK = 1e-6  # a limit itself, rounded to single precision, is allowed


@dataclass(frozen=True)
class Parameters:
    """What each number in the last axis of ``theta`` is, one entry per parameter in every field.

    ``ranges`` are in physical values; ``log10`` says which parameters a published data set, or its
    scaling, has as log10.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    log10: tuple[bool, ...]

    def physical(
        self, theta: torch.Tensor, *, log10: bool, limits: Mapping[str, tuple[float, str]] = {}
    ) -> tuple[torch.Tensor, ...]:
        """Checked parameters in double precision, each of the shape (...) of theta (..., n).

        ``limits`` lowers the upper end of a range: to a number, with what it is called.
        """
        check.floating("theta", theta)
        if theta.ndim == 0 or theta.shape[-1] != len(self.names):
            raise ValueError(
                f"theta must have shape (..., {len(self.names)}) for {', '.join(self.names)}; "
                f"got {tuple(theta.shape)}."
            )
        log10 = check.flag("log10", log10)
        columns = [
            10**column if log10 and is_log else column
            for column, is_log in zip(theta.double().unbind(-1), self.log10, strict=True)
        ]
        self._check_ranges(torch.stack([column.detach() for column in columns], -1), limits)
        return tuple(columns)

    def _check_ranges(self, values, limits):
        called = dict.fromkeys(self.names, "")
        bounds = dict(zip(self.names, self.ranges, strict=True))
        for name, (most, meaning) in limits.items():
            if most < bounds[name][1]:
                bounds[name], called[name] = (bounds[name][0], most), f" ({meaning})"
        low, high = values.new_tensor(list(bounds.values())).unbind(-1)
        # NaN lies between no limits.
        fault = ~((values >= low * (1 - SLACK)) & (values <= high * (1 + SLACK)))
        if not check.holds_anywhere(fault):
            return
        *item, number = fault.nonzero()[0].tolist()
        name, value = self.names[number], values[(*item, number)].item()
        least, most = bounds[name]
        in_log = [name for name, is_log in zip(self.names, self.log10, strict=True) if is_log]
        raise ValueError(
            f"{name} = theta[..., {number}] must lie between {least:g} and {most:g}{called[name]} "
            f"{self.units[number]}; got {value:g} at item {tuple(item)}. "
            f"Does `log10` say how {', '.join(in_log[:-1])} and {in_log[-1]} are stored?"
        )

"""The time-frequency plane: grids of bins and frames, and the masses that lie on them."""

from dataclasses import dataclass

import torch

from sotlib._core import check

# Masses that ought to be equal may differ by this fraction: sums in single precision do.
MASS_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Grid:
    """Where the bins of a spectrogram lie, with both axes in Hz.

    ``freqs`` are the frequencies of the bins and ``stretched`` the times of the frames multiplied
    by ``time_scale`` (Hz per second), so that squared distances along both axes add up.
    """

    freqs: torch.Tensor
    stretched: torch.Tensor
    time_scale: float

    @property
    def shape(self):
        """Number of bins and of frames."""
        return len(self.freqs), len(self.stretched)

    @classmethod
    def of(cls, mass, *, freqs, times, time_scale, suffix=""):
        """Check the axes of ``mass`` (..., bins, frames); None stands for bin or frame indices."""
        time_scale = check.positive("time_scale", time_scale)
        bins, frames = mass.shape[-2:]
        freqs = _axis(f"freqs{suffix}", freqs, bins, "bins", mass.device)
        times = _axis(f"times{suffix}", times, frames, "frames", mass.device)
        return cls(freqs, time_scale * times, float(time_scale))


def _axis(name, values, size, noun, device):
    if values is None:
        return torch.arange(size, dtype=torch.float64, device=device)
    values = check.real_numbers(name, values, device).detach()
    if values.shape != (size,):
        raise ValueError(
            f"{name} must have one value for each of the {size} {noun} of the mass, "
            f"got shape {tuple(values.shape)}"
        )
    if check.holds_anywhere(values.diff() <= 0):
        raise ValueError(f"{name} must increase strictly; sort it and the mass along with it")
    return values


def ground_cost_parts(grid, other):
    """Squared distances along frequency and along stretched time; the ground cost is their sum."""
    along_frequency = (grid.freqs[:, None] - other.freqs) ** 2
    along_time = (grid.stretched[:, None] - other.stretched) ** 2
    return along_frequency, along_time


def largest_cost(grid, other):
    """The largest ground cost between two grids, in Hz² (1 where both are the same single bin)."""
    axes = (grid.freqs, other.freqs), (grid.stretched, other.stretched)
    reach = [torch.maximum((y[-1] - x[0]).abs(), (x[-1] - y[0]).abs()) for x, y in axes]
    return float(reach[0] ** 2 + reach[1] ** 2) or 1.0  # axes increase


def check_masses(a, b):
    """Check two masses (..., bins, frames) that are to be compared item by item."""
    for name, mass in (("a", a), ("b", b)):
        check.floating(name, mass)
        if mass.ndim < 2 or mass.numel() == 0:
            raise ValueError(
                f"{name} must have shape (bins, frames) or (batch, bins, frames) and hold at "
                f"least one bin, got {tuple(mass.shape)}"
            )
        check.finite(name, mass)
        if check.holds_anywhere(mass < 0):
            raise ValueError(
                f"{name} holds negative mass (smallest {float(mass.min()):.3g}); pass a magnitude "
                f"or power spectrogram, not decibels or a complex one"
            )
        if check.holds_anywhere(mass.flatten(-2).amax(-1) <= 0):
            raise ValueError(
                f"{name} is empty: at least one item of the batch has no mass; leave silent "
                f"items out or give them a floor"
            )
    if a.shape[:-2] != b.shape[:-2]:
        raise ValueError(
            f"a and b must have the same batch shape, got {tuple(a.shape[:-2])} and "
            f"{tuple(b.shape[:-2])}"
        )
    if a.dtype != b.dtype or a.device != b.device:
        raise TypeError(
            f"a and b must share dtype and device, got {a.dtype} on {a.device} and {b.dtype} "
            f"on {b.device}"
        )


def check_balance(a, b, remedy):
    """Raise a ValueError where the masses of a and b differ by more than rounding."""
    mass_a, mass_b = a.detach().sum((-2, -1)), b.detach().sum((-2, -1))
    if check.holds_anywhere(
        (mass_a - mass_b).abs() > MASS_TOLERANCE * torch.maximum(mass_a, mass_b)
    ):
        worst = torch.maximum(mass_a / mass_b, mass_b / mass_a).max()
        raise ValueError(
            f"a and b must have equal mass, but one is {float(worst):.6g} times the other; {remedy}"
        )

r"""Transport on projections of the time-frequency plane.

A direction :math:`\varphi` maps the bin at time :math:`t` and frequency :math:`\omega` to the point
:math:`z = \kappa t \cos\varphi + \omega \sin\varphi` of a line, where exact transport is a merge of
two sorted lists. :math:`\kappa`, the ``time_scale`` in Hz per second, is the k of Fabiani, Schlecht
and Elvander's sliced distance and the square root of the k of their ground cost.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.apart import apart
from sotlib._core.autograd import uncompiled
from sotlib.transport._plane import Grid, check_balance, check_masses
from sotlib.transport.line import checked_order, wasserstein_1d

# Positions closer than this fraction of their range are one: cos and sin round differently.
MERGE_TOLERANCE = 1e-12


def sliced_wasserstein(
    a: Tensor,
    b: Tensor,
    *,
    freqs: Tensor | Sequence[float] | None = None,
    times: Tensor | Sequence[float] | None = None,
    time_scale: float = 1.0,
    n_projections: int = 10,
    half_circle: bool = False,
    generator: torch.Generator | None = None,
    p: float = 2,
    apply_root: bool = False,
) -> Tensor:
    r"""Sliced Wasserstein distance between two spectrograms on the same grid.

    .. math:: \frac1N \sum_{i=0}^{N-1} W_p^p(a_{\varphi_i}, b_{\varphi_i}),
              \qquad \varphi_i = 2\pi i / N,

    where :math:`a_\varphi` is the mass of a projected to :math:`\kappa t \cos\varphi + \omega
    \sin\varphi`.

    Parameters
    ----------
    a, b : Tensor, shape (bins, frames) or (batch, bins, frames)
        Masses, non-negative, of equal sum (up to 1e-4 of it).
    freqs : Tensor or sequence, shape (bins,), optional
        Increasing frequencies of the bins in Hz. Default: bin indices.
    times : Tensor or sequence, shape (frames,), optional
        Increasing times of the frames in seconds. Default: frame indices.
    time_scale : float, default 1.0
        Hz that cost as much as one second.
    n_projections : int, default 10
        Number N of directions.
    half_circle : bool, default False
        Spread the directions over [0, π) instead of [0, 2π). Opposite directions have the same
        distance, so that an even N on the full circle has N / 2 distinct ones (only these are
        computed); on the half circle all N differ.
    generator : torch.Generator, optional
        Draw the directions uniformly from it instead, anew at each call.
    p : float, default 2
        Order of the distance on the line.
    apply_root : bool, default False
        Average :math:`W_p` instead of :math:`W_p^p`. The paper averages "distances" and does not
        say which.

    Returns
    -------
    Tensor, shape () or (batch,)
        The mean over directions, in Hz**p (Hz with `apply_root`) times mass. Differentiable in a
        and b.

    Raises
    ------
    TypeError
        If a mass is not a floating-point tensor, or a and b differ in dtype or device.
    ValueError
        If masses are negative, empty, not finite, or differ in sum or shape; if axes do not
        increase or do not fit; if a number is out of range.

    Notes
    -----
    Fabiani, Schlecht and Elvander (Asilomar 2024). Averaged over all directions, a translation
    by :math:`\Delta` has :math:`W_2^2 = |\Delta|^2 / 2`. For a mass m, a and b are scaled to 1 and
    :math:`W_p^p` multiplied by m. Positions are sorted, and equal ones merged, once for each grid.
    Explained in chapter ``tfot/sliced``.

    Examples
    --------
    A bin that moves by 4 frames, seen from four directions, two of which do not see it move:

    >>> import torch
    >>> from sotlib import sliced_wasserstein
    >>> a, b = torch.zeros(3, 6), torch.zeros(3, 6)
    >>> a[1, 0] = b[1, 4] = 1
    >>> sliced_wasserstein(a, b, n_projections=4)
    tensor(8.)
    """
    check_masses(a, b)
    if a.shape != b.shape:
        raise ValueError(
            f"a and b must lie on the same grid, got shapes {tuple(a.shape)} and {tuple(b.shape)}"
        )
    check_balance(
        a, b, "normalise both; for different loudness see sinkhorn_grid(marginal_penalty=…)"
    )
    n_projections, p = check.count("n_projections", n_projections), checked_order(p)
    half_circle = check.flag("half_circle", half_circle)
    apply_root = check.flag("apply_root", apply_root)
    check.generator("generator", generator)

    def lines():
        grid = Grid.of(a, freqs=freqs, times=times, time_scale=time_scale)
        on_f, on_t = (np.ascontiguousarray(t.cpu().numpy()) for t in (grid.freqs, grid.stretched))
        if generator is None:
            angles = directions(n_projections, half_circle=half_circle)
            return _cached_lines(on_f.tobytes(), on_t.tobytes(), angles, a.device)
        angles = _random_directions(n_projections, half_circle, generator)
        return _lines(on_f, on_t, angles, a.device)

    positions, index = apart(lines)

    mass_a, mass_b = a.sum((-2, -1)), b.sum((-2, -1))
    on_a = _project(a / mass_a[..., None, None], index, positions.shape)
    on_b = _project(b / mass_b[..., None, None], index, positions.shape)
    mass = mass_a.sqrt() * mass_b.sqrt()  # their product may not be a number
    cost = mass[..., None] * wasserstein_1d(on_a, on_b, positions, p=p)
    return (_root(cost, p) if apply_root else cost).mean(-1)


def directions(n_projections, *, half_circle=False):
    """Return the distinct ones of the angles 2πi/N (or πi/N) in radians, as a tuple."""
    if half_circle:
        return tuple(math.pi * i / n_projections for i in range(n_projections))
    distinct = n_projections // 2 if n_projections % 2 == 0 else n_projections
    return tuple(2 * math.pi * i / n_projections for i in range(distinct))


def _random_directions(n_projections, half_circle, generator):
    draw = torch.rand(
        n_projections, generator=generator, device=generator.device, dtype=torch.float64
    )
    return tuple(((1 if half_circle else 2) * math.pi * draw).tolist())


@uncompiled
@lru_cache(maxsize=16)
@torch.inference_mode(False)  # what is kept must serve training too
def _cached_lines(freqs, stretched, angles, device):
    return _lines(np.frombuffer(freqs), np.frombuffer(stretched), angles, device)


def _lines(freqs, stretched, angles, device):
    """Distinct positions (directions, places) on each line, and each bin's place on it.

    Lines with fewer places than the longest repeat their last position, which holds no mass.
    """
    lines = [project_grid(freqs, stretched, angle) for angle in angles]
    longest = max(len(positions) for positions, _ in lines)
    padded = [np.pad(positions, (0, longest - len(positions)), "edge") for positions, _ in lines]
    index = [place + i * longest for i, (_, place) in enumerate(lines)]
    return (
        torch.from_numpy(np.stack(padded)).to(device),
        torch.from_numpy(np.concatenate(index)).to(device),
    )


def project_grid(freqs, stretched, angle):
    """Project a grid to the line of a direction.

    Parameters
    ----------
    freqs, stretched : array, shape (bins,) and (frames,)
        Frequencies, and times multiplied by the time scale, in Hz.
    angle : float
        Direction in radians.

    Returns
    -------
    positions : array, shape (places,)
        The distinct positions, increasing.
    place : array of int, shape (bins * frames,)
        Where each bin lies among them.
    """
    z = np.add.outer(freqs * math.sin(angle), stretched * math.cos(angle)).ravel()
    order = np.argsort(z, kind="stable")
    scale = max(np.abs(freqs).max(), np.abs(stretched).max())
    starts = np.diff(z[order], prepend=-np.inf) > MERGE_TOLERANCE * scale
    place = np.empty(z.size, dtype=np.int64)
    place[order] = np.cumsum(starts) - 1
    return z[order][starts], place


def _project(mass, index, shape):
    """Add up the mass (..., bins, frames) at each place: (..., directions, places)."""
    flat = mass.reshape(-1, 1, mass.shape[-2] * mass.shape[-1]).expand(-1, shape[0], -1)
    lines = mass.new_zeros(len(flat), shape.numel())
    lines = lines.index_add(1, index, flat.reshape(len(flat), -1))
    return lines.reshape(*mass.shape[:-2], *shape)


def _root(cost, p):
    """cost^(1/p), with gradient zero where cost is zero."""
    positive = cost > 0
    return torch.where(positive, torch.where(positive, cost, 1.0) ** (1 / p), 0.0)

"""Exact transport between small spectrograms, as an oracle and for figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sotlib.transport._plane import check_balance, check_masses, ground_cost_parts
from sotlib.transport.sinkhorn import plane_grids

# Pairs of bins with mass: 2e7 are 160 MB of costs and a network simplex of minutes.
MAX_PAIRS = 20_000_000


@dataclass(frozen=True)
class ExactTransport:
    """An optimal plan between two spectrograms.

    Attributes
    ----------
    value : Tensor, shape ()
        Transport cost ⟨C, P⟩ in Hz² times mass; with the square root, W_2.
    moves : Tensor of int64, shape (n, 4)
        Where mass goes: bin and frame of a, bin and frame of b. At most as many as bins hold mass.
    masses : Tensor, shape (n,)
        How much goes there.
    shape : tuple of int
        ``(bins, frames, bins', frames')``.

    Notes
    -----
    Explained in chapter ``tfot/ground-cost``.
    """

    value: Tensor
    moves: Tensor
    masses: Tensor
    shape: tuple[int, ...]

    @cached_property
    def plan(self) -> Tensor:
        """The mass from each bin of a to each bin of b, (bins, frames, bins', frames'): all pairs.

        Of two spectrograms of 1025 by 200 bins these are 4e10; `moves` and `masses` are small.
        """
        plan = self.masses.new_zeros(self.shape)
        plan[tuple(self.moves.T)] = self.masses
        return plan


def exact_grid_transport(
    a: Tensor,
    b: Tensor,
    *,
    freqs: Tensor | Sequence[float] | None = None,
    times: Tensor | Sequence[float] | None = None,
    freqs_b: Tensor | Sequence[float] | None = None,
    times_b: Tensor | Sequence[float] | None = None,
    time_scale: float = 1.0,
) -> ExactTransport:
    """Transport between two small spectrograms without regularisation, by the network simplex.

    Parameters
    ----------
    a, b : Tensor, shape (bins, frames)
        Masses of equal sum (up to 1e-4 of it); bins without mass cost nothing.
    freqs, times, freqs_b, times_b, time_scale
        The grids and the ground cost, as in `sinkhorn_grid`.

    Returns
    -------
    ExactTransport
        The cost and the plan, in the dtype and on the device of a. Not differentiable.

    Raises
    ------
    ImportError
        If POT is not installed.
    TypeError, ValueError
        As `sinkhorn_grid`; also for batches and for more than 2e7 pairs of bins with mass.
    RuntimeError
        If POT finds no optimum.

    Notes
    -----
    ``ot.emd`` of POT does the work. Explained in chapter ``tfot/ground-cost``.

    Examples
    --------
    Half of the mass stays, the other half moves by 3 frames:

    >>> import torch
    >>> from sotlib import exact_grid_transport
    >>> a = torch.tensor([[0.5, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]])
    >>> b = torch.tensor([[0.5, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.5]])
    >>> exact_grid_transport(a, b).value
    tensor(4.5000)
    """
    check_masses(a, b)
    if a.ndim != 2:
        raise ValueError(
            f"a must be one mass (bins, frames), got {tuple(a.shape)}; loop over the batch"
        )
    check_balance(a, b, "normalise both")
    grid_a, grid_b = plane_grids(a, b, freqs, times, freqs_b, times_b, time_scale)
    along_f, along_t = (part.cpu() for part in ground_cost_parts(grid_a, grid_b))
    bin_a, frame_a = a.detach().cpu().nonzero(as_tuple=True)
    bin_b, frame_b = b.detach().cpu().nonzero(as_tuple=True)
    if len(bin_a) * len(bin_b) > MAX_PAIRS:
        raise ValueError(
            f"a and b have {len(bin_a)} and {len(bin_b)} bins with mass, too many pairs for the "
            f"network simplex (at most {MAX_PAIRS}); use sinkhorn_grid or a coarser grid"
        )
    try:
        import ot
    except ImportError as error:
        raise ImportError(
            "exact_grid_transport needs POT, the package of ot.emd: pip install POT"
        ) from error
    cost = along_f[bin_a][:, bin_b] + along_t[frame_a][:, frame_b]
    mass_a = a.detach().cpu().double()[bin_a, frame_a]
    mass_b = b.detach().cpu().double()[bin_b, frame_b]
    mass, unit = mass_a.sum(), cost.max().clamp(min=torch.finfo(cost.dtype).tiny)
    # POT's tolerances are absolute, so it is given masses that add up to 1 and costs up to 1.
    arguments = mass_a / mass, mass_b / mass_b.sum(), cost / unit
    moved, log = ot.emd(*(t.numpy() for t in arguments), 1_000_000, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"ot.emd found no optimum: {log['warning']}")
    moved = torch.from_numpy(moved)
    from_a, to_b = moved.nonzero(as_tuple=True)
    moves = torch.stack([bin_a[from_a], frame_a[from_a], bin_b[to_b], frame_b[to_b]], dim=1)
    value = (moved * cost).sum() * mass
    masses = moved[from_a, to_b] * mass
    return ExactTransport(value.to(a), moves.to(a.device), masses.to(a), (*a.shape, *b.shape))

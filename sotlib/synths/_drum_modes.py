"""The rectangular drum's modes: how fast each one vibrates, decays, and how loud it is struck."""

import math
from collections.abc import Sequence

import torch

from sotlib._core import check
from sotlib.synths._parameters import Parameters

DRUM = Parameters(
    names=("omega", "tau", "p", "D", "alpha"),
    units=("rad/s", "s", "(no unit)", "(no unit)", "(no unit)"),
    # Far wider than the data set.
    ranges=((1e-9, 1e9), (1e-9, 1e9), (0.0, 1e9), (0.0, 1e9), (1e-9, 1e9)),
    log10=(True, False, True, True, False),
)
PARAMETERS, LOG10 = DRUM.names, DRUM.log10

STRIKE = 0.4  # where the drum is struck and heard, on both axes, as a fraction of the side
STRENGTH = 0.03  # of the strike; without effect on a normalised sound


def modal_frequencies(
    theta: torch.Tensor, *, modes: tuple[int, int] = (10, 10), log10: bool = False
) -> torch.Tensor:
    r"""Frequency of each mode of the drum, in Hz.

    The published constants S, c give the squared angular frequency as a difference,
    :math:`S^4 n^2 + c^2 n - \sigma^2`. Written out, with :math:`\beta = \alpha + 1 / \alpha`,
    :math:`u = \alpha n = \alpha m_1^2 + m_2^2 / \alpha` and :math:`v = u - \beta \ge 0`, it is

    .. math:: \omega_m^2 = \omega^2 u \left(\frac{1}{\beta} + D^2 v\right)
        + \frac{(1 - p \beta)^2}{\beta \tau^2} v,

    a sum of terms that are never negative: every mode of this drum is underdamped, and nothing
    is lost to cancellation.

    Parameters
    ----------
    theta : Tensor (..., 5), float32 or float64
        As for `rectangular_drum`.
    modes : (int, int), default (10, 10)
        How many modes along each side.
    log10 : bool, default False
        Whether omega, p and D are given as log10.

    Returns
    -------
    Tensor (..., modes[0], modes[1]), float64
        In Hz. The first, omega / 2 pi, is the lowest.

    Raises
    ------
    ValueError
        Where a parameter is not finite or out of range; the message names it.

    Notes
    -----
    Explained in chapter ``pnp/drum``.

    Examples
    --------
    >>> theta = torch.tensor([[200 * torch.pi, 0.4, 0.0, 0.0, 1.0]])
    >>> modal_frequencies(theta, modes=(2, 2)).round(decimals=1)
    tensor([[[100.0000, 158.1000],
             [158.1000, 200.0000]]], dtype=torch.float64)
    """
    angular, _ = modal_rates(physical_parameters(theta, log10=log10), modes)
    return angular / (2 * math.pi)


def modal_decays(
    theta: torch.Tensor, *, modes: tuple[int, int] = (10, 10), log10: bool = False
) -> torch.Tensor:
    r"""Decay rate of each mode of the drum, in 1/s: :math:`\sigma_m = (1 + p v) / \tau`.

    Parameters
    ----------
    theta : Tensor (..., 5), float32 or float64
        As for `rectangular_drum`.
    modes : (int, int), default (10, 10)
        How many modes along each side.
    log10 : bool, default False
        Whether omega, p and D are given as log10.

    Returns
    -------
    Tensor (..., modes[0], modes[1]), float64
        In 1/s. The first, 1 / tau, is the slowest. For v see `modal_frequencies`.

    Raises
    ------
    ValueError
        Where a parameter is not finite or out of range; the message names it.

    Notes
    -----
    Explained in chapter ``pnp/drum``.

    Examples
    --------
    >>> theta = torch.tensor([[1000.0, 0.5, 0.1, 0.0, 1.0]])
    >>> modal_decays(theta, modes=(2, 2)).round(decimals=4)
    tensor([[[2.0000, 2.6000],
             [2.6000, 3.2000]]], dtype=torch.float64)
    """
    _, decay = modal_rates(physical_parameters(theta, log10=log10), modes)
    return decay


def modal_rates(
    physical: tuple[torch.Tensor, ...], modes: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Angular frequencies and decay rates, each (..., modes[0], modes[1])."""
    omega, tau, p, dispersion, alpha = physical
    first, second = mode_numbers(checked_modes(modes), omega.device)
    beta = alpha + 1 / alpha
    u = alpha * first**2 + second**2 / alpha
    v = alpha * (first**2 - 1) + (second**2 - 1) / alpha
    elastic = omega**2 * u * (1 / beta + dispersion**2 * v)
    damped = (1 - p * beta) ** 2 / (beta * tau**2) * v
    return (elastic + damped).sqrt(), (1 + p * v) / tau


def modal_amplitudes(angular: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Amplitudes h K² / (omega_m N), in the shape of `angular`."""
    first, second = mode_numbers(angular.shape[-2:], angular.device)
    shape = torch.sin(math.pi * STRIKE * first) * torch.sin(math.pi * STRIKE * second)
    return STRENGTH * shape**2 / (angular * (math.pi**2 * alpha / 4))


def without_nodes(grid: torch.Tensor) -> torch.Tensor:
    """Only the modes that move where the drum is struck: (..., m1, m2) to (..., modes).

    At 0.4 of a side, every fifth mode has a node: of 10 by 10 modes, 64 sound.
    """
    first, second = (
        torch.tensor(
            [i for i in range(size) if abs(math.sin(math.pi * STRIKE * (i + 1))) > 1e-9],
            device=grid.device,
        )
        for size in grid.shape[-2:]
    )
    return grid.index_select(-2, first).index_select(-1, second).flatten(-2)


def mode_numbers(modes: Sequence[int], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers 1, 2, … along both axes of the mode grid, as a column and as a row."""
    first, second = (torch.arange(1, m + 1, dtype=torch.float64, device=device) for m in modes)
    return first[:, None], second[None, :]


def checked_modes(modes: tuple[int, int]) -> tuple[int, int]:
    """`modes` if it is a pair of whole numbers of at least 1, else a ValueError."""
    if not isinstance(modes, tuple | list) or len(modes) != 2:
        raise ValueError(f"modes must be a pair such as (10, 10); got {modes!r}.")
    first, second = check.counts("modes", modes)
    return first, second


def physical_parameters(
    theta: torch.Tensor, *, log10: bool, sample_rate: float = math.inf
) -> tuple[torch.Tensor, ...]:
    """Checked omega, tau, p, D and alpha in double precision, each (..., 1, 1)."""
    limits = {"omega": (math.pi * sample_rate, "pi * sample_rate")}
    columns = DRUM.physical(theta, log10=log10, limits=limits)
    return tuple(column[..., None, None] for column in columns)

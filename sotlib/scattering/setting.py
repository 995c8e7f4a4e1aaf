"""The arguments of a scattering transform, checked."""

import operator
from dataclasses import dataclass
from typing import Literal

from sotlib._core.check import one_of
from sotlib.scattering.filters import (
    Wavelet,
    filterbank,
    frequential_bank,
    padded_channels,
    time_padding,
)

MOST = 64  # octaves, or wavelets in each: beyond what any signal has


@dataclass(frozen=True)
class Setting:
    """What a transform is asked for, and the filters and paddings that follow from it."""

    samples: int
    J: int
    Q: tuple[int, int]
    J_fr: int
    Q_fr: int
    T: int | Literal["global"]
    F: int | Literal["global"]
    padding: str
    psi1: list[Wavelet]
    psi2: list[Wavelet]
    psi_fr: list[Wavelet]
    padded: int
    left: int
    padded_fr: int

    def channels(self, n2: int) -> int:
        """How many first-order wavelets are faster than the second-order wavelet n2."""
        return sum(wavelet.j < self.psi2[n2].j for wavelet in self.psi1)


def checked_setting(samples, J, Q, J_fr, Q_fr, T, F, padding) -> Setting:
    """Build a Setting, or raise an error that names the argument to change."""
    J = _integer("J", J, 1, MOST)
    samples = _integer("samples", samples, 1)
    if samples < 2**J:
        raise ValueError(
            f"samples must be at least 2**J = {2**J}, the largest scale; got {samples}. "
            f"Use a longer signal, pad it, or lower J to {samples.bit_length() - 1} or less."
        )
    Q = _pair("Q", Q)
    psi1, psi2 = filterbank(J, Q[0]), filterbank(J, Q[1])
    if not any(fast.j < slow.j for fast in psi1 for slow in psi2):
        raise ValueError(
            f"J = {J} with Q = {Q} leaves no second-order wavelet slower than a first-order one. "
            "Raise J, or lower Q."
        )
    J_fr, Q_fr = _integer("J_fr", J_fr, 1, MOST), _integer("Q_fr", Q_fr, 1, MOST)
    F = _width("F", F, 0, 2**J_fr, "2**J_fr")
    padded_fr = padded_channels(J, Q[0], J_fr, 2**J_fr if F in (0, "global") else F)
    if padded_fr < len(psi1):
        raise ValueError(
            f"J_fr = {J_fr} with F = {F} pads the {len(psi1)} first-order channels to only "
            f"{padded_fr}: lower J_fr, or raise F."
        )
    T = _width("T", T, 1, 4 * samples, "the padded length")
    padded, left = time_padding(samples, 2**J if T == "global" else T)
    _width("T", T, 1, padded, "the padded length")
    padding = one_of("padding", padding, ("reflect", "zeros"))
    psi_fr = frequential_bank(J_fr, Q_fr)
    return Setting(
        samples, J, Q, J_fr, Q_fr, T, F, padding, psi1, psi2, psi_fr, padded, left, padded_fr
    )


def _integer(name: str, value, least: int, most: int = 2**31 - 1) -> int:
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}.")
    if number > most:
        raise ValueError(f"{name} must be at most {most}; got {number}.")
    return number


def _pair(name: str, value) -> tuple[int, int]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(
            f"{name} must be a pair of integers, wavelets per octave of the first and of the "
            f"second order, such as (8, 1); got {value!r}."
        )
    first, second = (_integer(f"{name}[{k}]", of, 1, MOST) for k, of in enumerate(value))
    return first, second


def _width(name: str, value, least: int, most: int, meaning: str):
    if isinstance(value, str):
        one_of(name, value, ("global",))
        return value
    number = _integer(name, value, least)
    if number > most:
        raise ValueError(f"{name} must be at most {meaning} = {most}, or 'global'; got {number}.")
    return number

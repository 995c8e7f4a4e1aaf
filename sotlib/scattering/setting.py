"""The arguments of a scattering transform, checked."""

import operator
from dataclasses import dataclass
from typing import Literal

from sotlib._core.check import one_of
from sotlib.scattering.filters import (
    CONVENTIONS,
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
    convention: Literal["dafx", "pnp"]
    psi1: list[Wavelet]
    psi2: list[Wavelet]
    psi_fr: list[Wavelet]
    padded: int
    left: int
    padded_fr: int

    def channels(self, n2: int) -> int:
        """How many first-order wavelets are faster than the second-order wavelet n2."""
        return sum(wavelet.j < self.psi2[n2].j for wavelet in self.psi1)


def checked_setting(samples, J, Q, J_fr, Q_fr, T, F, padding, convention) -> Setting:
    """Build a Setting, or raise an error that names the argument to change."""
    convention = one_of("convention", convention, tuple(CONVENTIONS))
    pnp = convention == "pnp"
    J = _integer("J", J, 1, MOST)
    samples = _integer("samples", samples, 1)
    if samples < 2**J:
        raise ValueError(
            f"samples must be at least 2**J = {2**J}, the largest scale; got {samples}. "
            f"Use a longer signal, pad it, or lower J to {samples.bit_length() - 1} or less."
        )
    Q = _pair("Q", Q)
    padded = 2 << (samples - 1).bit_length()  # of 'pnp'; the other depends on T
    psi1, psi2 = (_bank(J, wavelets, convention, padded) for wavelets in Q)
    if not any(fast.j < slow.j for fast in psi1 for slow in psi2):
        raise ValueError(
            f"J = {J} with Q = {Q} leaves no second-order wavelet slower than a first-order one. "
            "Raise J, or lower Q."
        )
    J_fr, Q_fr = _integer("J_fr", J_fr, 1, MOST), _integer("Q_fr", Q_fr, 1, MOST)
    if pnp:
        F = _integer("F with convention 'pnp'", F, 1, 2**J_fr, f"2**J_fr = {2**J_fr}")
        padded_fr = 2 << (len(psi1) - 1).bit_length()
    else:
        F = _width("F", F, 0, 2**J_fr, "2**J_fr")
        padded_fr = padded_channels(J, Q[0], J_fr, 2**J_fr if F in (0, "global") else F)
    if padded_fr < len(psi1):
        raise ValueError(
            f"J_fr = {J_fr} with F = {F} pads the {len(psi1)} first-order channels to only "
            f"{padded_fr}: lower J_fr, or raise F."
        )
    if pnp:
        T = _integer("T with convention 'pnp'", T, 1, padded, f"the padded length = {padded}")
        left = (padded - samples) // 2
        padding = one_of("padding with convention 'pnp'", padding, ("zeros",))
    else:
        T = _width("T", T, 1, 4 * samples, "the padded length")
        padded, left = time_padding(samples, 2**J if T == "global" else T)
        _width("T", T, 1, padded, "the padded length")
        padding = one_of("padding", padding, ("reflect", "zeros"))
    psi_fr = frequential_bank(_bank(J_fr, Q_fr, convention, padded_fr), width=F if pnp else 2**J_fr)
    return Setting(
        samples, J, Q, J_fr, Q_fr, T, F, padding, convention,
        psi1, psi2, psi_fr, padded, left, padded_fr,
    )  # fmt: skip


def _bank(J: int, Q: int, convention: Literal["dafx", "pnp"], padded: int) -> list[Wavelet]:
    # A peak below the second bin of the padded axis is none.
    least_xi = 2 / padded if convention == "pnp" else 0.0
    return filterbank(J, Q, convention=convention, least_xi=least_xi)


def _integer(name: str, value, least: int, most: int = 2**31 - 1, limit: str = "") -> int:
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}.")
    if number > most:
        raise ValueError(f"{name} must be at most {limit or most}; got {number}.")
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
    return _integer(name, value, least, most, f"{meaning} = {most}, or 'global'")

"""Joint time-frequency scattering as a module."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from sotlib._core import check
from sotlib._core.precision import full_precision
from sotlib.scattering.bands import analyse, filter_band, low_pass
from sotlib.scattering.modulus import Operator, averaged_modulus
from sotlib.scattering.plan import FIRST_ORDER, ScatteringPlan
from sotlib.scattering.setting import checked_setting

# How many samples, padded, to scatter at a time. Scalograms are dozens of times larger.
AT_ONCE_ON_CPU, AT_ONCE_ON_GPU = 2**18, 2**24


class TimeFrequencyScattering(ScatteringPlan):
    r"""Joint time-frequency scattering of signals of a given length.

    With :math:`U_1(t, n_1) = |x \star \psi_{n_1}|`, the scalogram, whose channels
    :math:`n_1` run from high to low frequency,

    .. math::
        S_0 = x \star \phi_T, \qquad
        S_1 = |(U_1 \star_t \phi_T) \star_{n_1} \psi_{n_{fr}}| \star_{n_1} \phi_F, \qquad
        S_2 = |U_1 \star_t \psi_{n_2} \star_{n_1} \psi_{n_{fr}}| \star_{n_1} \phi_F \star_t \phi_T.

    A path of order 2 responds to modulations of one rate (``n2``) and one scale over frequency
    (``n_fr``) that move up (spin +1 or -1, see `paths`) or down. The transform is differentiable
    in reverse and in forward mode and follows its input in type (float32 or float64).

    Parameters
    ----------
    samples : int
        Length of the signals, at least 2**J.
    J : int
        log2 of the largest time scale, in samples.
    Q : (int, int)
        Wavelets per octave of the first and of the second order.
    J_fr : int
        log2 of the largest scale over channels: 2**J_fr / Q[0] octaves.
    Q_fr : int, default 1
        Frequential wavelets per octave.
    T : int or {'global'}, default 'global'
        Width of the low-pass over time in samples, from 1 to the padded length; the output has
        one frame every 2**floor(log2(T)) samples. 'global' takes the mean over the signal, which
        leaves one frame.
    F : int or {'global'}, default 0
        Width of the low-pass over channels, from 1 to 2**J_fr; 0 for none; 'global' for the mean
        over the channels, which leaves one path for each pair of wavelets (``n1`` = -1).
    padding : {'reflect', 'zeros'}, default 'reflect'
        How signals continue at their ends.
    convention : {'dafx', 'pnp'}, default 'dafx'
        Whose filters, averages and units: those of [2]_, or those that the authors of the PNP
        paper computed with (see Notes; `of_pnp` takes their setting, too). The latter need
        integers T and F from 1 and ``padding='zeros'``.

    Attributes
    ----------
    paths : PathTable
        What each path of the output is, sorted by (order, n1, n2, n_fr, frame).
    frames : int
        Number of frames of the output.
    setting : Setting
        The arguments, the filters' frequencies and bandwidths, and the paddings.

    Raises
    ------
    TypeError, ValueError
        For settings out of range, and for input of a wrong type or length or that is not finite.

    Notes
    -----
    The definition is that of [1]_ and [2]_ as fixed by the implementation that accompanies the
    second, with which every path agrees to better than 1e-5 (but for the low-pass paths where
    F < 2**J_fr, which are labelled with other n1 there). Under global averaging the mean over
    the support is that of a band-limited modulus known at a coarse rate, taken by cubic
    interpolation. Explained in chapter ``pnp/scattering``.

    With ``convention='pnp'`` the wavelets are analytic and scaled so that the energies of a bank
    add up, and signals are padded to twice a power of two, over channels too. Orders 0 and 2 are
    means over the padded axis. Order 1 keeps its frames, and each of them counts as a path
    (``paths.frame``); besides, it has the averages over time alone (``n_fr`` = -1). Nothing is
    averaged over channels: F is the width of the low-pass ``n_fr`` = 0, every filter is read at
    every channel, and wavelets wider than the channels are left out. All coefficients are
    multiplied by the root of the stride of T, those of order 1 with one spin for two by the root
    of 2, so that squares add up to energies.

    References
    ----------
    .. [1] J. Andén, V. Lostanlen, S. Mallat, "Joint time-frequency scattering," IEEE Transactions
       on Signal Processing, 2019.
    .. [2] J. Muradeli et al., "Differentiable time-frequency scattering on GPU," DAFx, 2022.

    Examples
    --------
    >>> scattering = TimeFrequencyScattering(1024, J=6, Q=(8, 1), J_fr=2, F=4)
    >>> S = scattering(torch.sin(0.3 * torch.arange(1024.0)))
    >>> S.shape, len(scattering.paths)
    (torch.Size([209, 1]), 209)
    >>> loudest = int(S.argmax())
    >>> [int(column[loudest]) for column in (scattering.paths.order, scattering.paths.n1)]
    [1, 24]
    """

    def __init__(
        self,
        samples: int,
        *,
        J: int,
        Q: tuple[int, int],
        J_fr: int,
        Q_fr: int = 1,
        T: int | Literal["global"] = "global",
        F: int | Literal["global"] = 0,
        padding: Literal["reflect", "zeros"] = "reflect",
        convention: Literal["dafx", "pnp"] = "dafx",
    ):
        super().__init__(checked_setting(samples, J, Q, J_fr, Q_fr, T, F, padding, convention))

    @classmethod
    def of_pnp(cls, samples: int) -> "TimeFrequencyScattering":
        """Build the representation of the PNP paper, at its authors' setting.

        Parameters
        ----------
        samples : int
            Length of the signals: 2**16 gives the 20 762 coefficients of their drums, 2**15 the
            16 018 of their arpeggios.

        Examples
        --------
        >>> len(TimeFrequencyScattering.of_pnp(2**15).paths)
        16018
        """
        return cls(
            samples, J=13, Q=(12, 1), J_fr=6, T=2**13, F=2, padding="zeros", convention="pnp"
        )

    def extra_repr(self) -> str:
        """Setting and number of paths, for ``print``."""
        s = self.setting
        return (
            f"{s.samples}, J={s.J}, Q={s.Q}, J_fr={s.J_fr}, Q_fr={s.Q_fr}, T={s.T!r}, F={s.F!r}, "
            f"padding={s.padding!r}, convention={s.convention!r}, paths={len(self.paths)}"
        )

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        """Scatter signals.

        Parameters
        ----------
        x : Tensor, shape (..., samples)
            Signals.

        Returns
        -------
        Tensor, shape (..., paths, frames)
            Coefficients. Order 0 is signed, the others are moduli.
        """
        self._check("x", x)
        shape = (*x.shape[:-1], len(self.paths), self.frames)
        if not x.numel():
            return x.new_zeros(shape)
        parts = [torch.cat(self._scatter(some), dim=-2) for some in self._few_at_a_time(x)]
        return torch.cat([part.index_select(-2, self._ranks) for part in parts]).reshape(shape)

    @full_precision
    def _partly(self, x: Tensor, pairs: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Orders 0 and 1, and what some of `_pairs` have in order 2, without the table's order."""
        wanted: dict[int, list[int]] = {}
        for n2, filter_ in sorted(pairs):
            wanted.setdefault(n2, []).append(filter_)
        parts = [self._scatter(some, wanted) for some in self._few_at_a_time(x)]
        fast = torch.cat([torch.cat(part[:2], dim=-2) for part in parts])
        slow = torch.cat([torch.cat(part[2:], dim=-2) for part in parts])
        leading = x.shape[:-1]
        return fast.reshape(*leading, *fast.shape[1:]), slow.reshape(*leading, *slow.shape[1:])

    def _few_at_a_time(self, x: Tensor) -> Sequence[Tensor]:
        items = max(1, (AT_ONCE_ON_GPU if x.is_cuda else AT_ONCE_ON_CPU) // self.setting.padded)
        return x.reshape(-1, 1, self.setting.samples).split(items)

    def _scatter(self, signals: Tensor, wanted: dict[int, list[int]] | None = None) -> list[Tensor]:
        """Order 0, order 1 and order 2, wavelet by wavelet: of all filters, or of those wanted."""
        table = self.tables(signals.dtype)
        spectrum = analyse(self._pad(signals))
        spectra, averages = self._first_order(spectrum, table)
        first = averaged_modulus(averages, self._operator(FIRST_ORDER, table), None)
        if self._pnp:
            share = self._scale * self.setting.samples / self.setting.padded
            zeroth = share * signals.mean(dim=-1, keepdim=True)
            first = torch.cat([averages, first], dim=-2).flatten(-2).unsqueeze(-1)
        elif self._first_is_global:
            zeroth = signals.mean(dim=-1, keepdim=True)
        else:
            zeroth = self._low_pass(spectrum, table)
        blocks = [zeroth, first]
        scalogram = spectra[0][:, :0]
        for n2, bins, joining in self._steps(self._slow if wanted is None else list(wanted)):
            # Each wavelet takes over what the one before it used: channels join, bins go. So
            # no gradient is accumulated over more bins than it comes from.
            joined = [spectra[rate][:, members, :bins] for rate, members in joining]
            scalogram = torch.cat([scalogram[..., :bins], *joined], dim=-2)
            operator = self._operator(n2, table, None if wanted is None else wanted[n2])
            blocks.append(self._second_order(scalogram, n2, operator, table))
        return blocks

    def _check(self, name, x, *, half=False) -> None:
        check.audio(name, x, half=half)
        if x.ndim == 0 or x.shape[-1] != self.setting.samples:
            raise ValueError(
                f"{name} must hold {self.setting.samples} samples in its last dimension; "
                f"got shape {tuple(x.shape)}. Build the transform for the length of your signals."
            )
        if x.numel():
            check.level(name, x)

    def _pad(self, x: Tensor) -> Tensor:
        s = self.setting
        right = s.padded - s.samples - s.left
        if s.padding == "zeros":
            return pad(x, (s.left, right))
        before, after = x[..., 1 : s.left + 1], x[..., s.samples - 1 - right : s.samples - 1]
        return torch.cat([before.flip(-1), x, after.flip(-1)], dim=-1)

    def _low_pass(self, spectrum: Tensor, table) -> Tensor:
        length = self.setting.padded >> self._log2_T
        return low_pass(spectrum, table("low_pass"), length)[..., self._inside]

    def _first_order(self, spectrum: Tensor, table) -> tuple[list[Tensor], Tensor]:
        """Spectra of the moduli, one tensor for each rate, and their averages over time."""
        spectra, averages = [], []
        for log2_stride in self._rates:
            moduli = filter_band(spectrum, self._band(f"first{log2_stride}", table)).abs()
            spectra.append(analyse(moduli))
            if self._first_is_global:
                inside = moduli[..., self._supports[log2_stride]]
                averages.append(inside @ table(f"weights{log2_stride}"))
            else:
                averages.append(self._low_pass(spectra[-1], table))
        return spectra, torch.cat(averages, dim=-2)

    def _second_order(self, scalogram: Tensor, n2: int, operator: Operator, table) -> Tensor:
        filters = self._band(f"second{n2}", table)
        signals = filter_band(scalogram[..., : filters.bins], filters)
        log2_stride = self._rate(self.setting.psi2[n2])
        if log2_stride not in self._supports:
            return self._low_pass(analyse(averaged_modulus(signals, operator, None)), table)
        inside = signals[..., self._supports[log2_stride]]
        return averaged_modulus(inside, operator, table(f"weights{log2_stride}"))

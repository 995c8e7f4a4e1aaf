"""The constants of a scattering transform, computed once."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from sotlib._core.tables import TableModule
from sotlib.scattering.averaging import (
    few_frames,
    frames_inside,
    mean_over_padding,
    mean_over_support,
)
from sotlib.scattering.bands import Band, band
from sotlib.scattering.channels import (
    ChannelOperator,
    channel_operator,
    frequential_impulses,
    full_rate_operator,
)
from sotlib.scattering.energy import analytic_bank, padded_impulses, width
from sotlib.scattering.filters import Wavelet, gaussian, morlet
from sotlib.scattering.modulus import Operator
from sotlib.scattering.paths import order_of, path_table
from sotlib.scattering.setting import Setting

FIRST_ORDER = -1  # stands for n2 where there is no second-order wavelet

# Frames times samples, padded, up to which averages over time are matrices: these then come first
# and leave less to average over channels.
FEW = 2**20


class ScatteringPlan(TableModule):
    """Filters as bands, averages over time and operators over channels, for one setting."""

    _ranks: Tensor

    def __init__(self, setting: Setting):
        super().__init__()
        s = self.setting = setting
        self._pnp = s.convention == "pnp"
        self._first_is_global = s.T == "global"
        self._second_is_global = self._first_is_global or self._pnp
        self._log2_T = int(math.log2(s.padded if isinstance(s.T, str) else s.T))
        self._extents: dict[str, tuple[int, int]] = {}
        self._supports: dict[int, slice] = {}
        self._rows: dict[int, list[int]] = {}  # of each filter over channels
        self._averages: dict[int, tuple[int, bool]] = {}  # of wavelets, and whether of the low-pass
        self._upward = [n for n, wavelet in enumerate(s.psi_fr) if wavelet.xi >= 0]
        self._slow = [n2 for n2 in range(len(s.psi2)) if s.channels(n2)]
        self._add_wavelets()
        self._add_time_average()
        self.paths = self._add_channel_operators()

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        """Second-order wavelets and the places of the filters over channels that follow them."""
        return [(n2, place) for n2 in self._slow for place in range(len(self._rows[n2]))]

    def _rate(self, wavelet: Wavelet) -> int:
        """log2 of the step at which the output of a wavelet is sampled."""
        return min(wavelet.j, self._log2_T)

    def _add_wavelets(self) -> None:
        s = self.setting
        by_rate: dict[int, list[Wavelet]] = {}
        for wavelet in s.psi1:
            by_rate.setdefault(self._rate(wavelet), []).append(wavelet)
        self._rates = list(by_rate)
        first, second = self._responses(s.psi1), list(self._responses(s.psi2))
        for log2_stride, wavelets in by_rate.items():
            group = np.stack(list(itertools.islice(first, len(wavelets))))
            self._add_band(f"first{log2_stride}", group, log2_stride)
        self._bins = {
            n2: self._add_band(f"second{n2}", second[n2][None], self._rate(s.psi2[n2]))
            for n2 in self._slow
        }
        sizes = [len(wavelets) for wavelets in by_rate.values()]
        self._groups = list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))

    def _steps(self, wanted: Sequence[int]) -> Iterator[tuple[int, int, list[tuple[int, slice]]]]:
        """For each n2 wanted: the bins that it or a later one reads, and which channels join.

        Channels are named by their group of equal rate and their place in it.
        """
        seen = 0
        for place, n2 in enumerate(wanted):
            channels = self.setting.channels(n2)
            joining = [
                (group, slice(max(seen - first, 0), min(channels, last) - first))
                for group, (first, last) in enumerate(self._groups)
                if first < channels and last > seen
            ]
            yield n2, max(self._bins[n] for n in wanted[place:]), joining
            seen = channels

    def _responses(self, bank: list[Wavelet]) -> Iterator[np.ndarray]:
        s = self.setting
        if not self._pnp:
            return (morlet(s.padded, wavelet.xi, wavelet.sigma) for wavelet in bank)
        # A low-pass wider than the bank's range would cut into the energy of its last wavelets.
        low_pass = gaussian(s.padded, int(s.T)) if int(s.T) >= 2**s.J else None
        halves = analytic_bank(s.padded, bank, 2.0, low_pass)
        return (np.pad(half, (0, s.padded - len(half))) for half in halves)

    def _add_band(self, name: str, responses: np.ndarray, log2_stride: int) -> int:
        cut = band(responses, self.setting.padded >> log2_stride)
        self.add_table(f"{name}_positive", cut.positive)
        self.add_table(f"{name}_negative", cut.negative)
        self._extents[name] = cut.start, cut.length
        return cut.bins

    def _add_time_average(self) -> None:
        s = self.setting
        self.frames, self._scale = 1, 1.0
        if not self._first_is_global:
            self._add_low_pass()
        rates = {self._rate(s.psi2[n2]) for n2 in self._slow}
        for log2_stride in rates | (set(self._rates) if self._first_is_global else set()):
            if self._pnp:
                average = mean_over_padding(s.padded, log2_stride)
            elif self._first_is_global:
                average = mean_over_support(s.padded, s.left, s.samples, log2_stride)
            elif self.frames * s.padded <= FEW:
                length, step = s.padded >> log2_stride, 1 << self._log2_T - log2_stride
                average = few_frames(self._response, length, step, self._inside)
            else:
                continue
            self._supports[log2_stride] = slice(average.start, average.stop)
            self.add_table(f"weights{log2_stride}", self._scale * average.weights)

    def _add_low_pass(self) -> None:
        s = self.setting
        self._inside = frames_inside(s.padded, s.left, s.samples, self._log2_T)
        frames = self._inside.stop - self._inside.start
        if self._pnp:
            self._scale = math.sqrt(s.samples / frames)  # the root of the stride
        else:
            self.frames = frames
        length = s.padded >> self._log2_T
        response = self._scale * gaussian(s.padded, int(s.T))[: s.padded // 2 + 1]
        response[-1] /= 2  # the bin at the Nyquist frequency stands for both its sides
        self._response = np.pad(response, (0, length))[: length + 1]
        self.add_table("low_pass", self._response)

    def _add_channel_operators(self):
        s = self.setting
        keys = [np.array([[-1, -1, -1, -1]])]
        if self._pnp:  # the averages over time, before any filter over channels
            keys.append(self._keys(np.arange(len(s.psi1)), FIRST_ORDER, -1))
        operators = self._full_rate_operators() if self._pnp else self._strided_operators()
        for n2, operator in operators:
            self._add_operator(n2, operator)
            keys.append(self._keys(operator.n1, n2, operator.n_fr))
        rows = np.concatenate(keys)
        n1, n2, n_fr, frame = rows.T
        ranks = np.lexsort((frame, n_fr, n2, n1, order_of(rows)))
        self.register_buffer("_ranks", torch.from_numpy(ranks), persistent=False)
        return path_table(rows[ranks], s.psi1, s.psi2, s.psi_fr)

    def _add_operator(self, n2: int, operator: ChannelOperator) -> None:
        both = operator.convolve.real, operator.convolve[operator.rows[0] :].imag
        self.add_table(f"convolve{n2}", np.concatenate(both))
        for k, average in enumerate(operator.averages):
            self.add_table(f"average{n2}_{k}", average)
        if operator.low_average is not None:
            self.add_table(f"low_average{n2}", operator.low_average)
        self._rows[n2] = operator.rows
        self._averages[n2] = len(operator.averages), operator.low_average is not None

    def _operator(self, n2: int, table, filters: Sequence[int] | None = None) -> Operator:
        """Of all filters over channels, or of those in the places given."""
        count, has_first = self._averages[n2]
        averages = [table(f"average{n2}_{k}") for k in range(count)]
        first = table(f"low_average{n2}") if has_first else None
        whole = Operator(table(f"convolve{n2}"), self._rows[n2][0], averages, first)
        return whole if filters is None else whole.part(self._rows[n2], filters)

    def _strided_operators(self) -> Iterator[tuple[int, ChannelOperator]]:
        s = self.setting
        impulses = frequential_impulses(s.padded_fr, s.psi_fr, s.J_fr)
        for n2 in [FIRST_ORDER, *self._slow]:
            first = n2 == FIRST_ORDER
            channels = len(s.psi1) if first else s.channels(n2)
            filters = self._upward if first else list(range(len(s.psi_fr)))
            yield n2, channel_operator(channels, s.psi_fr, impulses, s.F, filters)

    def _full_rate_operators(self) -> Iterator[tuple[int, ChannelOperator]]:
        s = self.setting
        widths = [width(s.psi_fr[n], s.padded_fr) for n in self._upward[1:]]
        for n2 in [FIRST_ORDER, *self._slow]:
            if n2 == FIRST_ORDER:  # all channels go in, those of the slowest n2 come out
                inputs, outputs = len(s.psi1), max(map(s.channels, self._slow))
            else:
                inputs = outputs = s.channels(n2)
            impulses = padded_impulses(inputs, s.psi_fr, widths, int(s.F))
            filters = list(impulses)
            if n2 == FIRST_ORDER:  # one spin stands for both
                impulses = {n: h * math.sqrt(2 if n else 1) for n, h in impulses.items()}
            else:
                filters += [n + len(widths) for n in filters[1:]]
            yield n2, full_rate_operator(inputs, outputs, impulses, filters)

    def _keys(self, n1: np.ndarray, n2: int, n_fr) -> np.ndarray:
        """Rows of n1, n2, n_fr and frame. The first order of 'pnp' has one for each frame."""
        unfolds = self._pnp and n2 == FIRST_ORDER
        frames = np.arange(self._inside.stop - self._inside.start) if unfolds else np.array([-1])
        rows = np.stack(np.broadcast_arrays(n1, n2, n_fr, -1), axis=1).repeat(len(frames), axis=0)
        rows[:, 3] = np.tile(frames, len(rows) // len(frames))
        return rows

    def _band(self, name: str, table) -> Band[Tensor]:
        start, length = self._extents[name]
        return Band(start, table(f"{name}_positive"), table(f"{name}_negative"), length)

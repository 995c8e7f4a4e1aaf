"""The constants of a scattering transform, computed once."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from sotlib._core.tables import TableModule
from sotlib.scattering.averaging import frames_inside, mean_over_support
from sotlib.scattering.bands import Band, band
from sotlib.scattering.channels import channel_operator, frequential_impulses
from sotlib.scattering.filters import Wavelet, gaussian, morlet
from sotlib.scattering.modulus import as_planes
from sotlib.scattering.paths import path_table
from sotlib.scattering.setting import Setting

FIRST_ORDER = -1  # stands for n2 where there is no second-order wavelet


class ScatteringPlan(TableModule):
    """Filters as bands, averages over time and operators over channels, for one setting."""

    _ranks: Tensor

    def __init__(self, setting: Setting):
        super().__init__()
        s = self.setting = setting
        self._is_global = s.T == "global"
        self._log2_T = int(math.log2(s.padded if isinstance(s.T, str) else s.T))
        self._extents: dict[str, tuple[int, int]] = {}
        self._supports: dict[int, slice] = {}
        self._averaged: set[int] = set()  # n2 where averages over channels follow
        self._slow = [n2 for n2 in range(len(s.psi2)) if s.channels(n2)]
        self._add_wavelets()
        self._add_time_average()
        self.paths = self._add_channel_operators()

    def _rate(self, wavelet: Wavelet) -> int:
        """log2 of the step at which the output of a wavelet is sampled."""
        return min(wavelet.j, self._log2_T)

    def _add_wavelets(self) -> None:
        s = self.setting
        by_rate: dict[int, list[Wavelet]] = {}
        for wavelet in s.psi1:
            by_rate.setdefault(self._rate(wavelet), []).append(wavelet)
        self._rates = list(by_rate)
        for log2_stride, wavelets in by_rate.items():
            self._add_band(f"first{log2_stride}", wavelets, log2_stride)
        bins = [
            self._add_band(f"second{n2}", [s.psi2[n2]], self._rate(s.psi2[n2])) for n2 in self._slow
        ]
        self._steps = self._plan_steps([len(wavelets) for wavelets in by_rate.values()], bins)

    def _plan_steps(self, sizes: list[int], bins: list[int]):
        """For each n2: the bins that it or a later one reads, and which channels join.

        Channels are named by their group of equal rate and their place in it.
        """
        edges = list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))
        steps, seen = [], 0
        for place, n2 in enumerate(self._slow):
            channels = self.setting.channels(n2)
            joining = [
                (group, slice(max(seen - first, 0), min(channels, last) - first))
                for group, (first, last) in enumerate(edges)
                if first < channels and last > seen
            ]
            steps.append((n2, max(bins[place:]), joining))
            seen = channels
        return steps

    def _add_band(self, name: str, wavelets: Iterable[Wavelet], log2_stride: int) -> int:
        padded = self.setting.padded
        responses = np.stack([morlet(padded, wavelet.xi, wavelet.sigma) for wavelet in wavelets])
        cut = band(responses, padded >> log2_stride)
        self.add_table(f"{name}_positive", cut.positive)
        self.add_table(f"{name}_negative", cut.negative)
        self._extents[name] = cut.start, cut.length
        return cut.bins

    def _add_time_average(self) -> None:
        s = self.setting
        self.frames = 1
        if isinstance(s.T, str):  # "global"
            for log2_stride in {*self._rates, *(self._rate(s.psi2[n2]) for n2 in self._slow)}:
                mean = mean_over_support(s.padded, s.left, s.samples, log2_stride)
                self._supports[log2_stride] = slice(mean.start, mean.stop)
                self.add_table(f"weights{log2_stride}", mean.weights)
            return
        length = s.padded >> self._log2_T
        response = gaussian(s.padded, s.T)[: s.padded // 2 + 1]
        response[-1] /= 2  # the bin at the Nyquist frequency stands for both its sides
        self.add_table("low_pass", np.pad(response, (0, length))[: length + 1])
        self._inside = frames_inside(s.padded, s.left, s.samples, self._log2_T)
        self.frames = self._inside.stop - self._inside.start

    def _add_channel_operators(self):
        s = self.setting
        impulses = frequential_impulses(s.padded_fr, s.psi_fr, s.J_fr)
        upward = [n for n, wavelet in enumerate(s.psi_fr) if wavelet.xi >= 0]
        keys = [np.array([[-1, -1, -1]])]
        for n2 in [FIRST_ORDER, *self._slow]:
            first = n2 == FIRST_ORDER
            channels = len(s.psi1) if first else s.channels(n2)
            filters = upward if first else range(len(s.psi_fr))
            operator = channel_operator(channels, s.psi_fr, impulses, s.F, filters)
            self.add_table(f"convolve{n2}", as_planes(operator.convolve))
            if operator.average is not None:
                self._averaged.add(n2)
                self.add_table(f"average{n2}", operator.average)
            keys.append(np.stack([operator.n1, np.full_like(operator.n1, n2), operator.n_fr], 1))
        n1, n2, n_fr = np.concatenate(keys).T
        order = (n_fr >= 0).astype(int) + (n2 >= 0)
        ranks = np.lexsort((n_fr, n2, n1, order))
        self.register_buffer("_ranks", torch.from_numpy(ranks), persistent=False)
        return path_table(np.concatenate(keys)[ranks], s.psi1, s.psi2, s.psi_fr)

    def _band(self, name: str, table) -> Band[Tensor]:
        start, length = self._extents[name]
        return Band(start, table(f"{name}_positive"), table(f"{name}_negative"), length)

"""Differences of magnitudes and of their logarithms: the terms of the multi-scale spectral loss."""

from typing import NamedTuple

import numpy as np
import torch

from sotlib.transforms._stft.spectrogram import rows


class MagnitudeTerms(NamedTuple):
    """Arguments of `MultiScaleSpectralLoss` by these names; `Terms` of `_spectral_difference`."""

    linear_weight: float
    log_weight: float
    floor: float
    p: int

    def difference(self, x, y):
        """Mean differences of each signal, weighted and added."""
        total = x.new_zeros(len(x))
        if self.linear_weight:
            total = total + self.linear_weight * (x - y).abs().pow(self.p).mean((-2, -1))
        if self.log_weight:
            x, y = (t.clamp(min=self.floor).log() for t in (x, y))
            total = total + self.log_weight * (x - y).abs().pow(self.p).mean((-2, -1))
        return total

    def along(self, x, slope, y):
        """Derivative of `difference` where that of `x` is `slope`."""
        total = self._slope(x - y) * slope * self.linear_weight
        if self.log_weight:
            floored = x.clamp(min=self.floor)
            distance = floored.log() - y.clamp(min=self.floor).log()
            slope = torch.where(x >= self.floor, slope, 0) / floored
            total = total + self._slope(distance) * slope * self.log_weight
        return total.mean((-2, -1))

    def _slope(self, difference):
        return difference.sign() if self.p == 1 else 2 * difference

    def in_one_pass(self, spectrum, y, size):
        """`difference` of spectra, which become its gradient."""
        from sotlib.transforms._stft import kernels  # compiled on first use

        weights = np.array([self.linear_weight, self.log_weight]) / y[0].numel()
        pairs, x = rows(spectrum), torch.empty_like(y)
        kernels.magnitudes(pairs, 1, rows(x))
        logs = [t.clamp(min=self.floor).log_() if self.log_weight else t for t in (x, y)]
        arrays = [rows(t) for t in (x, y, *logs)]
        constants = np.array([*weights, self.floor], dtype=pairs.dtype)
        sums = np.zeros((len(y), 2))
        options = {"p": self.p, "size": size, "sums": sums}
        kernels.differences(pairs, *arrays, *constants, **options)
        return sums @ weights

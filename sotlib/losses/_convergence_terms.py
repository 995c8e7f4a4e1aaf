"""Spectral convergence and log magnitudes: the terms of the multi-resolution STFT loss."""

from typing import NamedTuple

import numpy as np
import torch

from sotlib.transforms._stft.spectrogram import rows


class ConvergenceTerms(NamedTuple):
    """Of powers, floored at `floor`; `Terms` of `_spectral_difference`."""

    floor: float

    def difference(self, x, y):
        """Both terms of each signal, added."""
        x, y = x.clamp(min=self.floor), y.clamp(min=self.floor)
        difference = torch.linalg.vector_norm(y.sqrt() - x.sqrt(), dim=(-2, -1))
        convergence = difference / y.sum((-2, -1)).sqrt()
        return convergence + (y.log() - x.log()).abs().mean((-2, -1)) / 2

    def along(self, x, slope, y):
        """Derivative of `difference` where that of `x` is `slope`."""
        slope = torch.where(x >= self.floor, slope, 0)
        x, y = x.clamp(min=self.floor), y.clamp(min=self.floor)
        root, gap = x.sqrt(), x.sqrt() - y.sqrt()
        norm = torch.linalg.vector_norm(gap, dim=(-2, -1))
        change = (gap * slope / (2 * root)).sum((-2, -1)) / y.sum((-2, -1)).sqrt()
        change = torch.where(norm > 0, change / norm, 0)  # as torch takes the norm's slope at 0
        return change + ((x.log() - y.log()).sign() * slope / x).mean((-2, -1)) / 2

    def in_one_pass(self, spectrum, y, size):
        """`difference` of spectra, which become its gradient."""
        from sotlib.transforms._stft import kernels  # compiled on first use

        pairs, x, y = rows(spectrum), torch.empty_like(y), y.clamp(min=self.floor)
        kernels.magnitudes(pairs, 2, rows(x))
        norms = y.sum((-2, -1)).sqrt_().double().numpy()
        logs = [x.clamp(min=self.floor).log_(), y.log()]
        arrays = [rows(t) for t in (x, y.sqrt(), *logs)]
        constants = np.array([self.floor, 1 / y[0].numel()], dtype=pairs.dtype)
        sums = np.zeros(len(y))
        options = {"norms": norms, "size": size, "sums": sums}
        kernels.convergence(pairs, *arrays, *constants, **options)
        return sums

"""Weights of the pitch encoder's layers as the compiled passes need them, space, and threads."""

import functools
import math
from itertools import pairwise

import numpy as np
import torch

from sotlib._core.pieces import in_pieces
from sotlib._core.vector_fft import fast_size, stages
from sotlib.pitch import _kernels as k
from sotlib.pitch._layers import LEAK


class Problem:
    """What the compiled passes take: weights as they need them, and space to work in."""

    def __init__(self, spectra, weights, *, backward=False):
        self.bins = spectra.shape[1]
        self.size = fast_size(self.bins + k.TAPS // 2)  # no tap reaches round the end
        dtype = spectra.detach().numpy().dtype
        self.real = dtype.type
        self.plan = stages(self.size, dtype)
        self.waves = _waves(k.TAPS, self.size, spectra.dtype)
        self.parts = -(-len(spectra) // k.SIGNALS)
        self.threads = min(torch.get_num_threads(), self.parts)
        self.groups = 1 if self.threads == 1 else min(self.parts, 2 * self.threads)
        layers = self._layers(backward, *(w.detach() for w in weights[:4]))
        self.arguments = spectra.detach().contiguous().numpy(), layers, self._pointwise(weights[4:])

    def on_threads(self, work):
        """Call ``work(group, plan, space, start, stop)`` for all parts, in groups."""

        def run(low, high):
            for group in range(low, high):
                ends = (self.parts * g // self.groups for g in (group, group + 1))
                plan = *self.plan, self._empty(4, self.size, k.WIDE).numpy()
                work(group, plan, self._space(), *ends)

        in_pieces(run, self.groups, self.threads)

    def zeros(self):
        """Where `backward` adds the gradients of weights."""
        frequencies = self.size // 2 + 1
        sizes = (
            (k.TAPS + 1) * k.WIDE,
            k.WIDE,
            frequencies * 2 * k.FIRST * k.WIDE,
            k.WIDE,
            k.WIDE * k.MIDDLE,
            k.MIDDLE * k.MIDDLE,
            k.MIDDLE * k.NARROW,
        )
        return tuple(self._empty(size).zero_().numpy() for size in sizes)

    def unpacked(self, sums):
        """Gradients of the weights as torch's layers have them."""
        first, biases, kernel, residual_biases, *pointwise = map(torch.from_numpy, sums)
        yield first.reshape(-1, k.WIDE)[: k.TAPS, : k.FIRST].T.unsqueeze(1)
        yield biases[: k.FIRST]
        re, im = kernel.reshape(-1, 2, k.FIRST, k.WIDE)[..., : k.FIRST].flatten(2).unbind(1)
        cosine, sine = self.waves
        taps = (cosine.T @ re + sine.T @ im) / self.size
        yield taps.reshape(k.TAPS, k.FIRST, k.FIRST).permute(2, 1, 0)
        yield residual_biases[: k.FIRST]
        widths = k.MIDDLE, k.MIDDLE, k.NARROW
        for slope, width, (a, b) in zip(pointwise, widths, pairwise(k.CHANNELS), strict=True):
            slope = slope.reshape(-1, width)[:, :b]
            yield slope[:a].T.unsqueeze(2)
            yield slope[a]

    def _layers(self, backward, spread, spread_bias, residual, residual_bias):
        taps = residual.permute(2, 1, 0).flatten(1) / self.size  # of the inverse FFT
        re, im = ((wave @ taps).unflatten(1, (k.FIRST, k.FIRST)) for wave in self.waves)
        biases = self._filled(spread_bias[None], 1, k.WIDE)
        biases[k.FIRST] = 1
        matrices = self._three_matrices(re, im)
        return (
            self._filled(spread[:, 0].T, k.TAPS, k.WIDE),
            biases,
            matrices,
            self._filled(residual_bias[None], 1, k.WIDE),
            self.real(LEAK),
            self._three_matrices(re.mT, -im.mT) if backward else matrices,
            self._filled(spread[:, 0], k.FIRST, k.NARROW),
            self.bins,
        )

    def _three_matrices(self, re, im):
        """Factors of the sum of both parts, of the real and of the imaginary part, see `mix`."""
        matrices = self._empty(len(re), 3, k.FIRST, k.WIDE)
        matrices[..., k.FIRST :] = 0
        total, by_re, by_im = matrices[..., : k.FIRST].unbind(1)
        total.copy_(re)
        torch.sub(im, re, out=by_re)
        torch.add(im, re, out=by_im).neg_()
        return matrices.flatten().numpy()

    def _pointwise(self, weights):
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        forth, back = [], []
        for (weight, bias), a, b in zip(pairs, k.WIDTHS[:-1], k.WIDTHS[1:], strict=True):
            outputs, inputs = weight.shape[:2]
            matrix = self._filled(torch.cat([weight[..., 0].T, bias[None]]), inputs + 1, b)
            matrix[inputs * b + outputs] = 1  # the next layer's biases
            forth.append(matrix)
            back.append(self._filled(weight[..., 0], outputs, a))
        constants = self._empty(k.WIDE + 1).zero_()
        constants[-1] = 1
        return *forth, *back, constants.numpy()

    def _filled(self, matrix, rows, columns):
        """A matrix with zeros behind it, flat."""
        filled = self._empty(rows, columns).zero_()
        filled[: len(matrix), : matrix.shape[1]] = matrix.detach()
        return filled.flatten().numpy()

    def _space(self):
        rows = k.TILE * k.PAIRS
        tiles = tuple(self._empty(rows * width).numpy() for width in k.WIDTHS)
        slopes = tuple(self._empty(rows * width).numpy() for width in k.WIDTHS)
        return (
            self._empty(k.SIGNALS, self.bins + 2 * k.TAPS).numpy(),
            self._empty(4, 2, self.size, k.BESIDE).numpy(),
            self._empty(3, k.ROOM).numpy(),
            tiles,
            slopes,
        )

    def _empty(self, *shape):
        """Memory of torch's, which begins where a vector does."""
        return torch.empty(shape, dtype=_DTYPES[self.real], device="cpu")


_DTYPES = {np.float32: torch.float32, np.float64: torch.float64}


@functools.lru_cache(maxsize=16)
def _waves(taps, size, dtype):
    """Cosine and sine (frequencies, taps) of the phase by which a tap is ahead of the sample."""
    ahead = torch.arange(taps, device="cpu") - (taps - 1) // 2
    turns = torch.arange(size // 2 + 1, device="cpu")[:, None] * ahead % size
    angle = turns.double() * (2 * math.pi / size)
    return angle.cos().to(dtype), angle.sin().to(dtype)

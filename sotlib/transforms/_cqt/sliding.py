r"""Long kernels on a CPU, at a cost that does not depend on their length.

A window that is a sum of cosines makes a kernel a sum of a few complex exponentials. The signal is
cut into blocks of a hop. A kernel then covers whole blocks, and a part of one at either end, its
head and tail, which are the same parts in each frame. Products of all blocks with exponentials,
head and tail are one matrix product; the whole blocks' are then summed over a window that slides
by one block a frame, where an exponential turns by a constant:

.. math:: \sum_n x_{n + th}\, e^{i\omega n} = \sum_j e^{i\omega j h} B_{t+j}, \qquad
          B_j = \sum_{n < h} x_{jh + n}\, e^{i\omega n}.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sotlib._core.pieces import in_pieces

COSINES = 5  # of a window at most, the constant counted: a flat-top window has five
ERROR = 1e-13  # part of a kernel's energy that its exponentials may lack: rounding in float32
HELD = 2**22  # products that are held at once


@dataclass(frozen=True)
class Sliding:
    """The first kernels of a transform, as `kernels.gather` takes them.

    ``matrix`` (kernels, 2 + terms, 2, hop) is what blocks are multiplied with, ``sizes`` are the
    kernels' own.
    """

    matrix: np.ndarray
    first: np.ndarray
    last: np.ndarray
    spin: np.ndarray
    weight: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, kernels, lengths, frequencies, hop):
        """Those of the kernels (bins, longest), in cycles a sample, that are worth it, or None."""
        found = []
        for row, size, frequency in zip(kernels, lengths, frequencies, strict=True):
            start = (len(row) - size + size % 2) // 2 - size % 2
            kernel = row[start : start + size]
            numbers, amplitudes = _exponentials(kernel, frequency)
            if numbers is None or size < (len(numbers) + 2) * hop:
                break  # the others are shorter
            omega = 2 * np.pi * (frequency + numbers / size)
            found.append((start, kernel, omega, amplitudes))
        return cls._planned(found, hop) if found else None

    @classmethod
    def _planned(cls, found, hop):
        terms = max(len(omega) for _, _, omega, _ in found)
        matrix = np.zeros((len(found), 2 + terms, 2, hop))
        spin, weight = np.zeros((2, len(found), terms), np.complex128)
        first, last = np.empty((2, len(found)), np.int64)
        for k, (start, kernel, omega, amplitudes) in enumerate(found):
            first[k], last[k] = start // hop + 1, (start + len(kernel)) // hop
            inside, rest = first[k] * hop - start, start + len(kernel) - last[k] * hop
            ends = np.zeros((2, hop), np.complex128)
            ends[0, hop - inside :] = kernel[:inside]
            ends[1, :rest] = kernel[len(kernel) - rest :]
            turning = np.exp(1j * omega[:, None] * np.arange(hop))
            for part, rows in enumerate((ends, turning)):
                matrix[k, 2 * part : 2 * part + len(rows), 0] = rows.real
                matrix[k, 2 * part : 2 * part + len(rows), 1] = rows.imag
            spin[k, : len(omega)] = np.exp(1j * omega * hop)
            weight[k, : len(omega)] = amplitudes * np.exp(1j * omega * inside)
        sizes = np.array([len(kernel) for _, kernel, *_ in found])
        return cls(matrix, first, last, spin, weight, sizes)

    def pays(self, frames):
        """Whether so many frames need fewer products so than with each kernel as it is."""
        return (frames + self.last.max()) * self.matrix.size < frames * 2 * self.sizes.sum()

    def parts(self, blocks):
        """Slices of the kernels whose products with the blocks may be held."""
        step = max(1, HELD // (blocks * self.matrix[0, ..., 0].size))
        return [slice(start, start + step) for start in range(0, len(self.first), step)]


def _exponentials(kernel, frequency):
    """Write kernel_n = Σ a exp(2πi (frequency + number / size) n): numbers and a, or None."""
    size = len(kernel)
    spectrum = np.fft.fft(kernel * np.exp(-2j * np.pi * frequency * np.arange(size))) / size
    numbers = np.arange(1 - COSINES, COSINES)
    energy = np.abs(spectrum[numbers]) ** 2
    kept = energy > ERROR * energy.sum()
    if (np.abs(spectrum) ** 2).sum() - energy[kept].sum() > len(numbers) * ERROR * energy.sum():
        return None, None
    return numbers[kept], spectrum[numbers[kept]]


def gather(x, matrix, sliding, frames):
    """Products of a `Sliding`'s kernels and signals (..., samples): complex (..., kernels, frames).

    ``matrix`` is its matrix as a tensor of the signals' type.
    """
    from sotlib.transforms._cqt import kernels  # compiled on first use

    flat = x.reshape(-1, x.shape[-1])
    out = flat.new_empty(len(flat), len(matrix), frames, dtype=flat.dtype.to_complex())
    blocks, held = _room(flat, matrix, sliding, frames)
    for signal, values in zip(flat, out, strict=True):
        blocks.view(-1)[: len(signal)] = signal[: blocks.numel()]
        for part in sliding.parts(len(blocks)):
            rows = matrix[part].reshape(-1, blocks.shape[1])
            products = torch.mm(rows, blocks.T, out=held[: len(rows)])
            _in_pieces(kernels.gather, products, sliding, part, values)
    return out.reshape(*x.shape[:-1], *out.shape[1:])


def scatter(y, matrix, sliding, samples):
    """The adjoint of `gather`: complex (..., kernels, frames) to signals (..., samples)."""
    from sotlib.transforms._cqt import kernels

    flat = y.resolve_conj().reshape(-1, *y.shape[-2:]).contiguous()
    out = matrix.new_zeros(len(flat), samples)
    blocks, products = _room(out, matrix, sliding, y.shape[-1])
    for values, signal in zip(flat, out, strict=True):
        blocks.zero_()
        for part in sliding.parts(len(blocks)):
            rows = matrix[part].reshape(-1, blocks.shape[1])
            _in_pieces(kernels.scatter, products[: len(rows)], sliding, part, values)
            blocks.addmm_(products[: len(rows)].T, rows)
        signal[: blocks.numel()] = blocks.view(-1)[:samples]
    return out.reshape(*y.shape[:-2], samples)


def _room(flat, matrix, sliding, frames):
    """Zeros for the blocks of a signal (blocks, hop), and room for the products of a part."""
    count = frames + int(sliding.last.max())
    held = flat.new_empty(matrix[sliding.parts(count)[0]].shape[:-1].numel(), count)
    return flat.new_zeros(count, matrix.shape[-1]), held


def _in_pieces(loops, products, sliding, part, values):
    """Run compiled loops over the kernels of a part, on several threads."""
    constants = (t[part] for t in (sliding.first, sliding.last, sliding.spin, sliding.weight))
    shape = -1, *sliding.matrix.shape[1:-1], products.shape[-1]
    work = products.view(shape).numpy(), *constants, values[part].numpy()
    in_pieces(lambda low, high: loops(*work, low, high), len(work[0]), torch.get_num_threads())

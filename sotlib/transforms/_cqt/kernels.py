"""Compiled loops over frames: sums of a block's products over a sliding window of blocks.

The window's sum is carried on from frame to frame by adding a block and taking one away, in double
precision, and is made anew once a window, so that rounding and anything not finite stay near.
"""

import numpy as np

from sotlib._core.compiled import compiled


@compiled()
def gather(products, first, last, spin, weight, out, low, high):
    """Sums over the blocks of each frame, for kernels ``low`` to ``high``.

    Parameters
    ----------
    products : array (kernels, 2 + terms, 2, blocks)
        Of a kernel's head, its tail and its exponentials with each block, real and imaginary.
    first, last : array (kernels,)
        Blocks of frame 0: the first whole one, and the one of the tail.
    spin, weight : complex array (kernels, terms)
        What an exponential turns by in a block, and its weight in the first whole one.
    out : complex array (kernels, frames)
    """
    frames = out.shape[1]
    total = np.empty(frames, np.complex128)
    for k in range(low, high):
        start, stop = first[k], last[k]
        head, tail = products[k, 0], products[k, 1]
        for t in range(frames):
            total[t] = complex(head[0, t + start - 1], head[1, t + start - 1])
            total[t] += complex(tail[0, t + stop], tail[1, t + stop])
        for term in range(spin.shape[1]):
            real, imaginary = products[k, 2 + term]
            forward, begin = spin[k, term], weight[k, term]
            back = forward.conjugate()
            end = begin * forward ** (stop - start - 1)
            leaves, value = begin * back, 0j
            for t in range(frames):
                if t % (stop - start) == 0:
                    value, turn = 0j, begin
                    for j in range(t + start, t + stop):
                        value += turn * complex(real[j], imaginary[j])
                        turn *= forward
                total[t] += value
                value *= back
                value -= leaves * complex(real[t + start], imaginary[t + start])
                value += end * complex(real[t + stop], imaginary[t + stop])
        for t in range(frames):
            out[k, t] = total[t]


@compiled()
def scatter(products, first, last, spin, weight, grad, low, high):
    """The adjoint of `gather`: writes ``products`` from ``grad`` (kernels, frames)."""
    frames = grad.shape[1]
    for k in range(low, high):
        start, stop = first[k], last[k]
        products[k] = 0
        head, tail = products[k, 0], products[k, 1]
        for t in range(frames):
            head[0, t + start - 1], head[1, t + start - 1] = grad[k, t].real, grad[k, t].imag
            tail[0, t + stop], tail[1, t + stop] = grad[k, t].real, grad[k, t].imag
        for term in range(spin.shape[1]):
            real, imaginary = products[k, 2 + term]
            back, begin = spin[k, term].conjugate(), weight[k, term].conjugate()
            end = begin * back ** (stop - start)
            value = 0j
            for b in range(start, frames + stop - 1):
                if (b - start) % (stop - start) == 0:
                    value, turn = 0j, begin
                    for t in range(b - start, b - stop, -1):
                        if 0 <= t < frames:
                            value += turn * np.complex128(grad[k, t])
                        turn *= back
                else:
                    value *= back
                    if b - start < frames:
                        value += begin * np.complex128(grad[k, b - start])
                    if b - stop >= 0:
                        value -= end * np.complex128(grad[k, b - stop])
                real[b], imaginary[b] = value.real, value.imag

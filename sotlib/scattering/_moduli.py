"""Compiled loops of `modulus.py`: moduli of both spins from their real products, in one pass.

Products are (batch, 1 or 2, rows, time): of real channels, or of real and imaginary parts, with
`Operator.convolve`. The first ``low`` rows are the low-pass's; then come the real parts of the
filters, then as many imaginary parts. Each function does the rows ``start`` … ``stop - 1`` of the
low-pass and the real parts, and what belongs to them.
"""

import numpy as np
from torch import Tensor, get_num_threads

from sotlib._core.autograd import uncompiled
from sotlib._core.compiled import compiled
from sotlib._core.pieces import in_pieces

LEAST = 2**15  # numbers that are worth a second thread


@compiled()
def _moduli(products, low, out, start, stop):
    up = (products.shape[2] - low) // 2
    for item in range(products.shape[0]):
        a, b = products[item, 0], products[item, -1]
        both = products.shape[1] == 2
        for k in range(start, stop):
            if k < low:
                for t in range(a.shape[1]):
                    out[item, k, t] = np.sqrt(a[k, t] ** 2 + b[k, t] ** 2) if both else abs(a[k, t])
                continue
            cosine, sine, cosine_i, sine_i = a[k], a[k + up], b[k], b[k + up]
            plus = out[item, k]
            if not both:
                for t in range(plus.shape[0]):
                    plus[t] = np.sqrt(cosine[t] ** 2 + sine[t] ** 2)
                continue
            minus = out[item, k + up]
            for t in range(plus.shape[0]):
                c, s, ci, si = cosine[t], sine[t], cosine_i[t], sine_i[t]
                plus[t] = np.sqrt((c - si) ** 2 + (ci + s) ** 2)
                minus[t] = np.sqrt((c + si) ** 2 + (ci - s) ** 2)


# With NumPy's division, which raises no error, the loops become vectors.
@compiled(error_model="numpy")
def _pulled_back(products, low, upstream, tiny, start, stop):
    """Overwrites the products with the derivatives by them."""
    up = (products.shape[2] - low) // 2
    for item in range(products.shape[0]):
        a, b = products[item, 0], products[item, -1]
        both = products.shape[1] == 2
        for k in range(start, stop):
            cosine, cosine_i, plus = a[k], b[k], upstream[item, k]
            if k < low:
                if both:
                    for t in range(plus.shape[0]):
                        scale = plus[t] / np.sqrt(cosine[t] ** 2 + cosine_i[t] ** 2 + tiny)
                        cosine[t] *= scale
                        cosine_i[t] *= scale
                else:
                    for t in range(plus.shape[0]):
                        cosine[t] *= plus[t] / np.sqrt(cosine[t] ** 2 + tiny)
                continue
            sine, sine_i = a[k + up], b[k + up]
            if not both:
                for t in range(plus.shape[0]):
                    scale = plus[t] / np.sqrt(cosine[t] ** 2 + sine[t] ** 2 + tiny)
                    cosine[t] *= scale
                    sine[t] *= scale
                continue
            minus = upstream[item, k + up]
            for t in range(plus.shape[0]):
                c, s, ci, si = cosine[t], sine[t], cosine_i[t], sine_i[t]
                real, imaginary, real_m, imaginary_m = c - si, ci + s, c + si, ci - s
                scale = plus[t] / np.sqrt(real**2 + imaginary**2 + tiny)
                scale_m = minus[t] / np.sqrt(real_m**2 + imaginary_m**2 + tiny)
                real, imaginary = real * scale, imaginary * scale
                real_m, imaginary_m = real_m * scale_m, imaginary_m * scale_m
                cosine[t] = real + real_m
                sine[t] = imaginary - imaginary_m
                cosine_i[t] = imaginary + imaginary_m
                sine_i[t] = real_m - real


@uncompiled  # it is compiled already, by other means
def moduli(products: Tensor, low: int) -> Tensor:
    """Moduli (batch, rows, time) of low-pass, spin +1 and, of complex channels, spin -1."""
    batch, planes, rows, time = products.shape
    up = (rows - low) // 2
    out = products.new_empty(batch, low + planes * up, time)
    work = products.numpy(), low, out.numpy()
    _by_rows(_moduli, work, low + up, products.numel())
    return out


@uncompiled  # it is compiled already, by other means
def pulled_back(products: Tensor, low: int, upstream: Tensor, tiny: float) -> Tensor:
    """Derivatives by the products, in their place, of what has the derivatives `upstream`."""
    up = (products.shape[2] - low) // 2
    work = products.numpy(), low, upstream.contiguous().numpy(), upstream.numpy().dtype.type(tiny)
    _by_rows(_pulled_back, work, low + up, products.numel())
    return products


def _by_rows(loops, work, rows: int, numbers: int) -> None:
    threads = get_num_threads() if numbers >= LEAST else 1
    in_pieces(lambda start, stop: loops(*work, start, stop), rows, threads)

"""Generated vector code for processors of all kinds, with NumPy's products and FFT as oracles."""

import numpy as np
import pytest
from numba import njit

from sotlib._core import vector_code
from sotlib._core.vector_code import LANES, RADICES, ROWS, address

PROCESSORS = {"AVX-512": (64, 32), "AVX2": (32, 16), "SSE": (16, 16), "NEON": (16, 32)}
BLOCKS = [(ROWS, 1), (ROWS, 2), (ROWS, 3), (1, 3)]  # rows, vectors of 16 columns
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(params=PROCESSORS.values(), ids=PROCESSORS)
def processor(request, monkeypatch):
    """Generate as for this one; LLVM makes of it what the processor at hand can carry out."""
    monkeypatch.setattr(vector_code, "_registers", lambda context: request.param)


@dtypes
@pytest.mark.parametrize(("rows", "vectors"), BLOCKS)
def test_a_block_is_a_sum_and_a_product(rows, vectors, dtype, processor):
    block, n, depth = vector_code._block(rows, vectors), LANES * vectors, 5

    @njit
    def fill(a, b, c0, c):
        at_a, at_b, at_c0, at_c = address(a, 0), address(b, 0), address(c0, 0), address(c, 0)
        block(at_a, depth + 2, 1, at_b, n, at_c0, n, at_c, n, depth)

    rng = np.random.default_rng(0)
    a, b, c0 = (
        rng.standard_normal(s).astype(dtype) for s in ((rows, depth + 2), (depth, n), (rows, n))
    )
    c = np.zeros((rows + 1, n), dtype)
    fill(a.ravel(), b.ravel(), c0.ravel(), c.reshape(-1))
    expected = c0 + a[:, :depth].astype(float) @ b
    np.testing.assert_allclose(c[:rows], expected, atol=20 * np.finfo(dtype).eps)
    assert not c[rows:].any()  # and nothing beside it


@dtypes
@pytest.mark.parametrize("radix", RADICES)
def test_a_butterfly_is_a_small_fft(radix, dtype, processor):
    butterfly, vectors = vector_code._butterfly(radix), 2
    columns = LANES * vectors

    @njit
    def transform(re, im, turns, out_re, out_im):
        source, target = (address(re, 0), address(im, 0)), (address(out_re, 0), address(out_im, 0))
        butterfly(*source, columns, *target, columns, address(turns, 0), vectors)

    rng = np.random.default_rng(radix)
    x = rng.standard_normal((2, radix, columns)).astype(dtype)
    angle = rng.uniform(-np.pi, np.pi, radix - 1)
    turns = np.stack([np.cos(angle), np.sin(angle)], -1).ravel().astype(dtype)
    out = np.zeros((2, radix * columns), dtype)
    transform(x[0].ravel(), x[1].ravel(), turns, out[0], out[1])
    expected = np.fft.fft(x[0] + 1j * x[1], axis=0)
    expected[1:] *= np.exp(-1j * angle)[:, None]
    found = (out[0] + 1j * out[1]).reshape(radix, columns)
    np.testing.assert_allclose(found, expected, atol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("rows", [1, ROWS])
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 6, 8, 12, 24])
def test_parts_of_a_block_fit_into_the_registers(rows, vectors, registers):
    high, wide = vector_code._part(rows, vectors, registers)
    assert rows % high == 0
    assert vectors % wide == 0
    assert high * wide + wide < registers

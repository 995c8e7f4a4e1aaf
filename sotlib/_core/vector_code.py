"""Code on vectors of numbers, generated for Numba, which turns loops into vectors only at times.

Two things are worth it: a block of a matrix product, whose sums stay in registers, and the
butterfly of an FFT, which is carried out on many signals at once. Vectors are as long as the
processor's registers, and blocks as large as their number allows. On processors with AVX-512 the
product is more than twice as fast as that of libraries that do not use it there.
"""

import math
from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 16  # columns come in multiples of so many
ROWS = 8  # and rows of a block in multiples of these
CONTRACT = ("contract", "nsz")  # a product and a sum may become one instruction


def _registers(context):
    """Bytes of a vector register of the processor that is compiled for, and their number."""
    triple, _, features = context.codegen().magic_tuple()
    if "+avx512f" in features:
        return 64, 32
    if "+avx2" in features:
        return 32, 16
    return 16, 32 if triple.startswith(("aarch64", "arm64")) else 16


class _Code:
    """Writes instructions on vectors of one type of numbers, of a register's length."""

    def __init__(self, context, builder, numbers):
        size, self.registers = _registers(context)
        self.builder, self.element = builder, context.get_value_type(numbers)
        self.lanes = size // (numbers.bitwidth // 8)
        self.vector = ir.VectorType(self.element, self.lanes)

    def integer(self, value):
        return ir.Constant(ir.IntType(64), value)

    def constant(self, value):
        return ir.Constant(self.vector, [value] * self.lanes)

    def at(self, pointer, count, step):
        """A pointer, moved on by `count` steps of so many numbers."""
        count, step = (self.integer(n) if isinstance(n, int) else n for n in (count, step))
        return self.builder.gep(pointer, [self.builder.mul(count, step)])

    def load(self, pointer):
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        return self.builder.load(pointer, align=4)

    def store(self, value, pointer):
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        self.builder.store(value, pointer, align=4)

    def everywhere(self, pointer):
        """One number in all lanes."""
        builder, undefined = self.builder, ir.Constant(self.vector, ir.Undefined)
        first = builder.insert_element(undefined, builder.load(pointer), ir.IntType(32)(0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        return builder.shuffle_vector(first, undefined, lanes)

    def add(self, a, b):
        return self.builder.fadd(a, b, flags=CONTRACT)

    def subtract(self, a, b):
        return self.builder.fsub(a, b, flags=CONTRACT)

    def multiply(self, a, b):
        return self.builder.fmul(a, b, flags=CONTRACT)

    def repeat(self, count, variables, body):
        """Call `body(k, variables)`, which returns new variables, `count` times, at least once."""
        before = self.builder.block
        loop = self.builder.append_basic_block("repeat")
        end = self.builder.append_basic_block("repeated")
        self.builder.branch(loop)
        self.builder.position_at_end(loop)
        counter = self.builder.phi(ir.IntType(64))
        current = [self.builder.phi(v.type) for v in variables]
        for phi, start in zip([counter, *current], [self.integer(0), *variables], strict=True):
            phi.add_incoming(start, before)
        new = body(counter, current)
        following = self.builder.add(counter, self.integer(1))
        for phi, value in zip([counter, *current], [following, *new], strict=True):
            phi.add_incoming(value, loop)
        self.builder.cbranch(self.builder.icmp_signed("<", following, count), loop, end)
        self.builder.position_at_end(end)
        return new


@intrinsic
def _address(context, array, offset):
    """Of the number at `offset` of a contiguous array."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(array.data, [arguments[1]])

    return types.CPointer(array.dtype)(array, types.intp), generate


def _part(rows, vectors, registers):
    """Rows and vectors of a block at a time, whose sums and what they need fill the registers."""
    high = min(rows, registers // 4)
    # With 32 registers numbers of a come from memory, which AVX2's products cannot.
    least = 1 if registers == 32 else high
    fitting = [n for n in range(1, vectors + 1) if high * n + n + least <= registers]
    return high, max(n for n in fitting if vectors % n == 0)


def _block(rows, vectors):
    """Function that writes ``c0 + a @ b``, of `rows` rows and 16 · `vectors` columns, to c.

    Arguments are addresses, each with the distance of rows (of `a`: of rows and of columns), and
    the number of columns of a, at least 1. c may be c0, but neither a nor b.
    """

    @intrinsic
    def block(context, a, a_row, a_column, b, b_row, c0, c0_row, c, c_row, depth):
        n = types.intp

        def generate(context, builder, signature, arguments):
            a, a_row, a_column, b, b_row, c0, c0_row, c, c_row, depth = arguments
            code = _Code(context, builder, signature.args[0].dtype)

            def fill(high, wide):
                """One part, whose sums stay in registers."""
                places = [(r, v) for r in high for v in wide]
                sums = [code.load(code.at(code.at(c0, r, c0_row), v, 1)) for r, v in places]

                def add(k, sums):
                    row, column = code.at(b, k, b_row), code.at(a, k, a_column)
                    others = [code.load(code.at(row, v, 1)) for v in wide]
                    factors = [code.everywhere(code.at(column, r, a_row)) for r in high]
                    products = [code.multiply(x, y) for x in factors for y in others]
                    return [code.add(s, p) for s, p in zip(sums, products, strict=True)]

                for total, (r, v) in zip(code.repeat(depth, sums, add), places, strict=True):
                    code.store(total, code.at(code.at(c, r, c_row), v, 1))

            columns = range(0, LANES * vectors, code.lanes)
            high, wide = _part(rows, len(columns), code.registers)
            for r in range(0, rows, high):
                for v in range(0, len(columns), wide):
                    fill(range(r, r + high), columns[v : v + wide])
            return context.get_dummy_value()

        return types.void(a, n, n, b, n, c0, n, c, n, n), generate

    return block


def _butterfly(radix):
    """Function that transforms `radix` complex rows of 16 · `vectors` numbers and turns them.

    Arguments are addresses of real and imaginary parts of the first row, and the distance of rows,
    of the input and of the output; the address of cosines and sines by which rows from the second
    on are turned backwards; and the number of vectors.
    """

    @intrinsic
    def butterfly(context, re, im, step, out_re, out_im, out_step, turns, vectors):
        n = types.intp

        def generate(context, builder, signature, arguments):
            re, im, step, out_re, out_im, out_step, turns, vectors = arguments
            code = _Code(context, builder, signature.args[0].dtype)
            count = builder.mul(vectors, code.integer(LANES // code.lanes))
            turns = [code.everywhere(code.at(turns, j, 1)) for j in range(2 * radix - 2)]

            def transform(k, _):
                x = [
                    [code.load(code.at(code.at(p, k, code.lanes), j, step)) for j in range(radix)]
                    for p in (re, im)
                ]
                for j, (a, b) in enumerate(_small_transform(code, *x)):
                    if j > 0:
                        c, s = turns[2 * j - 2], turns[2 * j - 1]
                        a, b = (
                            code.add(code.multiply(a, c), code.multiply(b, s)),
                            code.subtract(code.multiply(b, c), code.multiply(a, s)),
                        )
                    for value, p in ((a, out_re), (b, out_im)):
                        code.store(value, code.at(code.at(p, k, code.lanes), j, out_step))
                return []

            code.repeat(count, [], transform)
            return context.get_dummy_value()

        return types.void(re, im, n, re, im, n, turns, n), generate

    return butterfly


def _small_transform(code, re, im):
    """Discrete Fourier transform of a few numbers: pairs of real and imaginary parts.

    What has the same cosine, and the opposite sine, is added and subtracted first.
    """
    radix, half = len(re), (len(re) - 1) // 2
    pairs = [(i, radix - i) for i in range(1, half + 1)]
    sums, differences = (
        [[operation(x[i], x[j]) for i, j in pairs] for x in (re, im)]
        for operation in (code.add, code.subtract)
    )

    def weighted(start, terms, k, wave):
        for i, term in enumerate(terms, start=1):
            factor = wave(2 * math.pi * i * k / radix)
            if abs(factor) > 1e-12:
                product = code.multiply(code.constant(factor), term)
                start = product if start is None else code.add(start, product)
        return start

    def even(x, sums, k):
        start = x[0]
        if radix % 2 == 0:
            middle = x[radix // 2]
            start = code.add(start, middle) if k % 2 == 0 else code.subtract(start, middle)
        return weighted(start, sums, k, math.cos)

    outputs: list = [None] * radix
    for k in range(radix // 2 + 1):
        a, b = even(re, sums[0], k), even(im, sums[1], k)
        c, d = (weighted(None, x, k, math.sin) for x in differences)
        outputs[k] = (a, b) if c is None else (code.add(a, d), code.subtract(b, c))
        if 0 < k < radix - k:
            outputs[radix - k] = (code.subtract(a, d), code.add(b, c))
    return outputs


address: Callable = _address  # whose type asks for the context, which Numba fills in
block_of_one, block_of_two, block_of_three = (_block(ROWS, vectors) for vectors in (1, 2, 3))
row_of_three = _block(1, 3)
RADICES = (5, 4, 3, 2)
butterfly_5, butterfly_4, butterfly_3, butterfly_2 = (_butterfly(radix) for radix in RADICES)

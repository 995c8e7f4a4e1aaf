"""Products of the overlapping frames of signals with a matrix, a few frames at a time.

A frame of a low constant-Q bin has more than ten thousand samples and the next one begins a few
hundred later: all of them together take a hundred times the signal's memory.
"""

from torch.nn.functional import fold

HELD = 2**21  # samples of frames that are held at once


def framed(x, matrix, hop):
    """Frames of signals (..., samples) times a matrix (width, columns): (..., frames, columns)."""
    width = len(matrix)
    pieces = x.reshape(-1, x.shape[-1]).unfold(-1, width, hop)
    out = x.new_empty(*pieces.shape[:2], matrix.shape[1])
    held = x.new_empty(min(_step(width), pieces.shape[1]), width)
    for signal, rows in zip(pieces, out, strict=True):
        for part, values in zip(signal.split(_step(width)), rows.split(_step(width)), strict=True):
            values.copy_(held[: len(part)].copy_(part) @ matrix)
    return out.reshape(*x.shape[:-1], *out.shape[1:])


def spread(y, matrix, hop, samples):
    """The adjoint: (..., frames, columns) times the matrix's transpose, frames added up."""
    width = len(matrix)
    flat = y.reshape(-1, *y.shape[-2:])
    out = y.new_zeros(len(flat), samples)
    for values, signal in zip(flat, out, strict=True):
        start = 0
        for part in values.split(_step(width)):
            span = (len(part) - 1) * hop + width
            pieces = fold(matrix @ part.T, (1, span), kernel_size=(1, width), stride=(1, hop))
            signal[start : start + span] += pieces[0, 0]
            start += len(part) * hop
    return out.reshape(*y.shape[:-2], samples)


def _step(width):
    return max(1, HELD // width)

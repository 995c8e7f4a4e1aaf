"""Products of the overlapping frames of signals with a matrix, a few frames at a time.

A frame of a low constant-Q bin has more than ten thousand samples and the next one begins a few
hundred later: all of them together take a hundred times the signal's memory.
"""

from torch.nn.functional import fold

HELD = 2**21  # samples of frames that are held at once


def framed(x, matrix, hop):
    """Frames of signals (..., samples) times a matrix (width, columns): (..., frames, columns)."""
    pieces = x.reshape(-1, x.shape[-1]).unfold(-1, len(matrix), hop)
    out = x.new_empty(*pieces.shape[:2], matrix.shape[1])
    held = x.new_empty(min(pieces.numel(), max(HELD, len(matrix))))
    for frames, products in zip(_parts(pieces, matrix), _parts(out, matrix), strict=True):
        together = held[: frames.numel()].view(frames.shape).copy_(frames)
        products.copy_((together.flatten(0, 1) @ matrix).view(products.shape))
    return out.reshape(*x.shape[:-1], *out.shape[1:])


def spread(y, matrix, hop, samples):
    """The adjoint: (..., frames, columns) times the matrix's transpose, frames added up."""
    width, flat = len(matrix), y.reshape(-1, *y.shape[-2:])
    out = y.new_zeros(len(flat), samples)
    signals, start = 0, 0
    for part in _parts(flat, matrix):
        span = (part.shape[1] - 1) * hop + width
        pieces = fold(matrix @ part.mT, (1, span), kernel_size=(1, width), stride=(1, hop))
        out[signals : signals + len(part), start : start + span] += pieces[:, 0, 0]
        start += part.shape[1] * hop
        if start == flat.shape[1] * hop:
            signals, start = signals + len(part), 0
    return out.reshape(*y.shape[:-2], samples)


def _parts(rows, matrix):
    """Cut (signals, frames, ...) into parts whose frames may be held: signals, or frames of one."""
    frames = max(1, HELD // len(matrix))
    for signals in rows.split(max(1, frames // rows.shape[1])):
        yield from signals.split(frames, dim=1)

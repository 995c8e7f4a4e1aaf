"""The convolutions of the pitch encoder, on a CPU a few signals at a time.

Made of torch's layers, every layer of a batch goes through memory several times, forth and back,
and the residual convolution has seven times the products that it needs by FFT.
"""

import torch
from torch import nn
from torch.nn.functional import conv1d

from sotlib._core.autograd import uncompiled
from sotlib._core.defined import Defined

LEAK = 0.3
FEWEST = 16  # signals from which on it is faster than torch's layers


def pitch_layers(spectra, layers):
    """Channels (batch, 10, bins) of spectra (batch, bins), behind five convolutions.

    Parameters
    ----------
    spectra : Tensor, shape (batch, bins)
    layers : sequence of five Conv1d
        With 40, 40, 30, 30 and 10 outputs; the second, whose input is added to its output behind
        its activation, has 15 taps like the first, the others have 1.
    """
    tensors = spectra, *(t for layer in layers for t in (layer.weight, layer.bias))
    precise = {t.dtype for t in tensors} in ({torch.float32}, {torch.float64})
    few = len(spectra) < FEWEST or spectra.device.type != "cpu"
    if few or not precise or torch.is_autocast_enabled("cpu"):
        return _definition(*tensors)
    return _compiled(*tensors)


def _compiled(*tensors):
    return Defined(_definition, _value, _gradients)(*tensors)


def _definition(spectra, spread, spread_bias, residual, residual_bias, *pointwise):
    x = _leaky(conv1d(spectra[:, None], spread, spread_bias, padding="same"))
    x = x + _leaky(conv1d(x, residual, residual_bias, padding="same"))
    for weight, bias in zip(pointwise[::2], pointwise[1::2], strict=True):
        x = _leaky(conv1d(x, weight, bias))
    return x


def _leaky(x):
    return nn.functional.leaky_relu(x, LEAK)


@uncompiled  # it is compiled already, by other means
def _value(spectra, *weights):
    from sotlib.pitch import _passes as passes  # compiled on first use
    from sotlib.pitch._problem import Problem

    problem = Problem(spectra, weights)
    out = spectra.new_empty(len(spectra), passes.FOURTH, spectra.shape[1])
    problem.on_threads(
        lambda _, plan, space, start, stop: passes.forward(
            *problem.arguments, plan, space, start, stop, out.numpy()
        )
    )
    return out


@uncompiled
def _gradients(grad, spectra, *weights):
    from sotlib.pitch import _passes as passes
    from sotlib.pitch._problem import Problem

    problem = Problem(spectra, weights, backward=True)
    grad, by_spectra = grad.contiguous().numpy(), spectra.new_empty(spectra.shape)
    groups = problem.groups
    sums = [problem.zeros() for _ in range(groups)]
    problem.on_threads(
        lambda group, plan, space, start, stop: passes.backward(
            grad, *problem.arguments, plan, space, start, stop, by_spectra.numpy(), sums[group]
        )
    )
    total = [sum(parts) for parts in zip(*sums, strict=True)]  # in an order that does not change
    return by_spectra, *problem.unpacked(total)

"""Sounds whose fundamental frequency and amplitudes vary from frame to frame.

Made of torch's operations, every harmonic costs a dozen passes through memory and a sine. On a CPU
a compiled loop computes the same, and its gradient.
"""

import functools
import math

import numpy as np
import torch

from sotlib._core.autograd import uncompiled
from sotlib._core.defined import Defined
from sotlib._core.pieces import in_pieces


def varying_harmonics(f0, amplitudes, options):
    """Sounds (batch, samples), see `sotlib.HarmonicSynth`.

    Parameters
    ----------
    f0 : Tensor, shape (batch, frames)
        In Hz, float64.
    amplitudes : Tensor, shape (batch, frames, harmonics)
    options : tuple
        Number of samples, sample rate, samples of phase before the first sample.
    """
    bound = (functools.partial(f, options) for f in (_definition, _sounds, _gradients))
    definition, value, gradients = bound
    if amplitudes.device.type != "cpu":
        return definition(f0, amplitudes)
    return Defined(definition, value, gradients)(f0, amplitudes)


def _definition(options, f0, amplitudes):
    samples, sample_rate, first_phase = options
    windows = _overlapping_windows(f0.shape[1], samples, f0.device).to(amplitudes.dtype)
    f0 = torch.nn.functional.interpolate(f0[:, None], size=samples, mode="linear")[:, 0]
    cycles = (f0.cumsum(-1) - f0 * (1 - first_phase)) / sample_rate
    envelopes = amplitudes.transpose(1, 2) @ windows
    sound = 0.0
    for k, envelope in enumerate(envelopes.unbind(1), start=1):
        angle = ((k * cycles).frac() * (2 * math.pi)).to(amplitudes.dtype)
        sound = sound + torch.sin(angle) * envelope * (k * f0 < sample_rate / 2)
    return sound


@uncompiled  # it is compiled already, by other means
def _sounds(options, f0, amplitudes):
    from sotlib.synths import _harmonic_kernels as kernels  # compiled on first use

    sound = amplitudes.new_empty(len(f0), options[0])
    _on_threads(kernels.sounds, options, f0, amplitudes, sound)
    return sound


@uncompiled
def _gradients(options, grad, f0, amplitudes):
    from sotlib.synths import _harmonic_kernels as kernels

    by_controls = [t.new_empty(t.shape) for t in (f0, amplitudes)]
    _on_threads(kernels.gradients, options, f0, amplitudes, grad.contiguous(), *by_controls)
    return by_controls


def _on_threads(kernel, options, f0, amplitudes, *rest):
    samples, sample_rate, first_phase = options
    inputs, others = ([t.detach().numpy() for t in ts] for ts in ((f0, amplitudes), rest))
    hop = samples // f0.shape[1]
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(hop) / hop)
    settings = fade, float(sample_rate), first_phase
    in_pieces(
        lambda low, high: kernel(*inputs, *settings, low, high, *others),
        len(f0),
        torch.get_num_threads(),
    )


def _overlapping_windows(frames, samples, device):
    """Weight of each frame at each sample, (frames, samples); the columns sum to 1."""
    hop = samples // frames
    options = {"dtype": torch.float64, "device": device}
    position = torch.arange(samples, **options) / hop
    distance = (position - torch.arange(frames, **options)[:, None]).abs()
    windows = torch.where(distance < 1, 0.5 + 0.5 * torch.cos(math.pi * distance), 0.0)
    windows[-1, (frames - 1) * hop :] = 1.0  # nothing follows the last frame: it is held
    return windows

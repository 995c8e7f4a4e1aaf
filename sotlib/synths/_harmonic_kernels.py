"""Compiled sum of harmonics with frame-wise controls, and its gradient.

All harmonics of a sample follow from the sine and the cosine of its phase by the addition theorem,
and an envelope between two frames from their two amplitudes. Everything is in double precision,
in blocks of samples that stay in the cache; nothing is kept from forward to backward.
"""

import math

import numpy as np
from numba import njit

from sotlib._core.compiled import compiled

BLOCK = 256
FAST = {"reassoc", "contract", "nsz"}

# Taylor's coefficients of sin(x) / x and cos(x) in x², enough for |x| up to a quarter turn.
TERMS = 11
SINE = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(TERMS))
COSINE = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(TERMS))


@njit
def _between(t, hop, frames):
    """The two frames whose centres are around sample `t`, and how far it is from the first."""
    position = min(max((t + 0.5) / hop - 0.5, 0.0), frames - 1.0)
    before = int(position)
    return before, min(before + 1, frames - 1), position - before


@njit
def _phases(f0, rate, first_phase, pitch, cycles):
    """Interpolated pitch, and the phase in cycles between -1/2 and 1/2."""
    frames, total = f0.shape[0], 0.0
    hop = pitch.shape[0] // frames
    for t in range(pitch.shape[0]):
        before, after, part = _between(t, hop, frames)
        pitch[t] = (1.0 - part) * f0[before] + part * f0[after]
        total += pitch[t]
        cycle = (total - (1 - first_phase) * pitch[t]) / rate
        cycles[t] = cycle - math.floor(cycle + 0.5)


@njit(fastmath=FAST)
def _sine_and_cosine(cycles, sine, cosine):
    """Of the doubled angle, so that the series has to reach half as far."""
    for t in range(cycles.shape[0]):
        x = math.pi * cycles[t]
        square, s, c = x * x, 0.0, 0.0
        for k in range(TERMS):
            s = s * square + SINE[TERMS - 1 - k]
            c = c * square + COSINE[TERMS - 1 - k]
        s *= x
        sine[t] = 2.0 * s * c
        cosine[t] = 1.0 - 2.0 * s * s


@njit(fastmath=FAST)
def _rotate(s, c, sine, cosine):
    for t in range(s.shape[0]):
        old = s[t]
        s[t] = old * cosine[t] + c[t] * sine[t]
        c[t] = c[t] * cosine[t] - old * sine[t]


@njit(fastmath=FAST)
def _add(harmonic, low, high, fade, pitch, limit, s, sound):
    for t in range(s.shape[0]):
        envelope = low + (high - low) * fade[t]
        sound[t] += s[t] * envelope if harmonic * pitch[t] < limit else 0.0


@njit(fastmath=FAST)
def _slopes(harmonic, low, high, fade, pitch, limit, s, c, grad, by_cycles):
    """Derivatives by both amplitudes; that by the phase is added to `by_cycles`."""
    by_low, by_high, turn = 0.0, 0.0, 2.0 * math.pi * harmonic
    for t in range(s.shape[0]):
        slope = grad[t] if harmonic * pitch[t] < limit else 0.0
        by_cycles[t] += slope * turn * c[t] * (low + (high - low) * fade[t])
        by_low += slope * s[t] * (1.0 - fade[t])
        by_high += slope * s[t] * fade[t]
    return by_low, by_high


@njit
def _cut(rows, n):
    """Their first `n` numbers; cut together, they would not be known to be contiguous."""
    return rows[0, :n], rows[1, :n], rows[2, :n], rows[3, :n], rows[4, :n]


@compiled()
def sounds(f0, amplitudes, fade, rate, first_phase, start, stop, out):
    """Sounds (signals, samples) of the signals `start` … `stop - 1`.

    f0 : (signals, frames); amplitudes : (signals, frames, harmonics); fade : (hop,), from 0 to 1.
    """
    frames, hop, samples = f0.shape[1], fade.shape[0], out.shape[1]
    pitch, cycles, total = np.empty(samples), np.empty(samples), np.empty(samples)
    rows = np.empty((5, BLOCK))
    for signal in range(start, stop):
        _phases(f0[signal], rate, first_phase, pitch, cycles)
        total[:] = 0.0
        for frame in range(frames):
            here, after = amplitudes[signal, frame], amplitudes[signal, min(frame + 1, frames - 1)]
            for low in range(frame * hop, (frame + 1) * hop, BLOCK):
                high = min(low + BLOCK, (frame + 1) * hop)
                sine, cosine, s, c, _ = _cut(rows, high - low)
                _sine_and_cosine(cycles[low:high], sine, cosine)
                s[:], c[:] = sine, cosine
                f, rising = pitch[low:high], fade[low - frame * hop : high - frame * hop]
                lowest = f.min()
                for k in range(here.shape[0]):
                    if (k + 1.0) * lowest >= rate / 2:  # nor do those above sound
                        break
                    _add(k + 1.0, here[k], after[k], rising, f, rate / 2, s, total[low:high])
                    _rotate(s, c, sine, cosine)
        out[signal] = total


@compiled()
def gradients(f0, amplitudes, fade, rate, first_phase, start, stop, grad, by_f0, by_amplitudes):
    """Derivatives of `sounds`, whose gradient is `grad`, written to `by_f0` and `by_amplitudes`."""
    frames, hop, samples = f0.shape[1], fade.shape[0], grad.shape[1]
    pitch, cycles, by_cycles = np.empty(samples), np.empty(samples), np.empty(samples)
    rows = np.empty((5, BLOCK))
    by_amplitude = np.empty(amplitudes.shape[1:])
    for signal in range(start, stop):
        _phases(f0[signal], rate, first_phase, pitch, cycles)
        by_cycles[:], by_amplitude[:] = 0.0, 0.0
        for frame in range(frames):
            after = min(frame + 1, frames - 1)
            for low in range(frame * hop, (frame + 1) * hop, BLOCK):
                high = min(low + BLOCK, (frame + 1) * hop)
                sine, cosine, s, c, g = _cut(rows, high - low)
                _sine_and_cosine(cycles[low:high], sine, cosine)
                s[:], c[:], g[:] = sine, cosine, grad[signal, low:high]
                f, rising = pitch[low:high], fade[low - frame * hop : high - frame * hop]
                lowest, slope = f.min(), by_cycles[low:high]
                for k in range(amplitudes.shape[2]):
                    if (k + 1.0) * lowest >= rate / 2:
                        break
                    a, b = amplitudes[signal, frame, k], amplitudes[signal, after, k]
                    one, two = _slopes(k + 1.0, a, b, rising, f, rate / 2, s, c, g, slope)
                    by_amplitude[frame, k] += one
                    by_amplitude[after, k] += two
                    _rotate(s, c, sine, cosine)
        by_amplitudes[signal] = by_amplitude
        _sum_of_pitch(by_cycles, rate, first_phase, by_f0[signal])


@njit
def _sum_of_pitch(by_cycles, rate, first_phase, by_f0):
    """The adjoint of `_phases`: a pitch moves the phases of all later samples."""
    frames, total = by_f0.shape[0], 0.0
    hop = by_cycles.shape[0] // frames
    by_f0[:] = 0.0
    for t in range(by_cycles.shape[0] - 1, -1, -1):
        total += by_cycles[t]
        slope = (total - (1 - first_phase) * by_cycles[t]) / rate
        before, after, part = _between(t, hop, frames)
        by_f0[before] += (1.0 - part) * slope
        by_f0[after] += part * slope

"""How far a recording is from the note that it is sold as."""

import numpy as np
from scipy.signal import zoom_fft

REACH = 70  # cents around the note
POINTS = 8001  # of the spectrum in this reach
HARMONICS = 6


def cents_off(sound: np.ndarray, sample_rate: float, hertz: float) -> float:
    """The pitch near ``hertz`` that explains most of a sound, in cents above it.

    That is the one whose first harmonics, below half the sample rate, hold most energy of the
    windowed sound, each relative to that of white noise. A pitch at the end of the range searched
    is no finding: nan.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(16000) / 16000
    >>> tone = sum(np.sin(2 * np.pi * k * 441 * t) / k for k in range(1, 6))
    >>> cents_off(tone, 16000, 440.0)  # 1200 log2(441 / 440) = 3.93
    4.0
    """
    cents = np.arange(-REACH, REACH + 1)
    wanted = hertz * 2 ** (cents / 1200)
    near = np.linspace(wanted[0], wanted[-1], POINTS)
    windowed = sound * np.hanning(len(sound))
    energy = np.zeros(len(cents))
    for k in range(1, HARMONICS + 1):
        if k * near[-1] < sample_rate / 2:
            band = [k * near[0], k * near[-1]]
            spectrum = zoom_fft(windowed, band, POINTS, fs=sample_rate, endpoint=True)
            energy += np.interp(wanted, near, np.abs(spectrum) ** 2)
    best = int(energy.argmax())
    return float(cents[best]) if 0 < best < len(cents) - 1 else float("nan")

"""How far a recording is from the note that it is sold as."""

import numpy as np

REACH = 70  # cents around the note
STEP = 1  # cent
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
    cents = np.arange(-REACH, REACH + STEP, STEP)
    harmonics = np.arange(1, HARMONICS + 1)
    harmonics = harmonics[harmonics * hertz * 2 ** (REACH / 1200) < sample_rate / 2]
    frequencies = hertz * harmonics[:, None] * 2 ** (cents / 1200)
    windowed = sound * np.hanning(len(sound))
    time = np.arange(len(sound)) / sample_rate
    waves = np.exp(-2j * np.pi * frequencies.reshape(-1, 1) * time)
    energy = np.abs(waves @ windowed).reshape(frequencies.shape) ** 2
    best = int(energy.sum(0).argmax())
    return float(cents[best]) if 0 < best < len(cents) - 1 else float("nan")

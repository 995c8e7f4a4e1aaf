"""Time-frequency scattering by its definition: every filter at the full rate, in NumPy, slowly."""

import numpy as np


def gaussian_sum(n, xi, sigma):
    periods = min(int(np.ceil(np.sqrt(2 * sigma**2 * np.log(1e7)) + 1)), 5)
    omega = np.arange((1 - periods) * n, periods * n) / n
    return np.exp(-((omega - xi) ** 2) / (2 * sigma**2)).reshape(-1, n).sum(axis=0)


def response(n, xi, sigma):
    """A Morlet wavelet, or the low-pass of the same bandwidth where xi is 0."""
    bump = low = gaussian_sum(n, 0.0, sigma)
    if xi:
        bump = gaussian_sum(n, xi, sigma)
        bump = bump - bump[0] / low[0] * low
    return bump / np.abs(np.fft.ifft(bump)).sum()


def bank(J, Q):
    sigma_of = (1 - 2 ** (-1 / Q)) / (1 + 2 ** (-1 / Q)) / np.sqrt(np.log(2))
    xis = [max(1 / (1 + 2 ** (3 / Q)), 0.35)]
    while xis[-1] * sigma_of > 0.1 / 2**J * 2 ** (1 / Q):
        xis.append(xis[-1] / 2 ** (1 / Q))
    geometric = [(xi, xi * sigma_of) for xi in xis]
    return geometric + [(xis[-1] * (1 - q / Q), 0.1 / 2**J) for q in range(1, Q)]


def log2_rate(xi, sigma):
    return int(np.floor(-np.log2(min(abs(xi) + 5 * sigma, 0.5)))) - 1


def convolve(signal, filter_response, axis):
    shape = [1, 1]
    shape[axis] = -1
    return np.fft.ifft(np.fft.fft(signal, axis=axis) * filter_response.reshape(shape), axis=axis)


def scatter_globally(x, *, J, Q, J_fr, F, padded, padded_fr, left, mode):
    """Global time average: ``{(n1, n2, n_fr): coefficient}``, with n1 = -1 where F is global."""
    signal = np.pad(x, (left, padded - len(x) - left), mode=mode)[None]
    support = slice(left, left + len(x))
    fast, slow = bank(J, Q[0]), bank(J, Q[1])
    up = bank(J_fr, 1)
    over_channels = [(0.0, 0.1 / 2**J_fr), *up, *[(-xi, sigma) for xi, sigma in up]]
    scalogram = np.concatenate(
        [np.abs(convolve(signal, response(padded, *wavelet), 1)) for wavelet in fast]
    )
    out = {(-1, -1, -1): x.mean()}

    def add(channels, n2, filters):
        for n_fr in filters:
            xi, sigma = over_channels[n_fr]
            stack = np.zeros((padded_fr, channels.shape[1]), complex)
            stack[: len(channels)] = channels
            moduli = np.abs(convolve(stack, response(padded_fr, xi, sigma), 0))
            mean = moduli.mean(axis=1, keepdims=True)
            stride = 2 ** (J_fr if n_fr == 0 else log2_rate(xi, sigma))
            if F == "global":
                out[-1, n2, n_fr] = mean[: len(channels) : stride].mean()
                continue
            if F and n_fr:
                mean = convolve(mean, response(padded_fr, 0.0, 0.1 / F), 0).real
                stride = 2 ** int(np.log2(F))
            for n1 in range(0, len(channels), stride):
                out[n1, n2, n_fr] = mean[n1, 0]

    add(scalogram[:, support].mean(axis=1, keepdims=True), -1, range(1 + len(up)))
    for n2, wavelet in enumerate(slow):
        count = sum(log2_rate(*f) < log2_rate(*wavelet) for f in fast)
        if count:
            signals = convolve(scalogram[:count], response(padded, *wavelet), 1)
            add(signals[:, support], n2, range(len(over_channels)))
    return out


# The PNP authors' convention, on whole circles instead of half ones --------------------------


def pnp_bank(J, Q, n):
    sigma_of = (1 - 2 ** (-1 / Q)) / (1 + 2 ** (-1 / Q)) / np.sqrt(np.log(2))
    top = max(1 / (1 + 2 ** (1 / Q)), 0.4)
    xis = [top / 2 ** (k / Q) for k in range(200) if top / 2 ** (k / Q) * sigma_of > 0.1 / 2**J]
    bank = [(xi, xi * sigma_of) for xi in xis]
    bank += [(xis[-1] * (1 - q / Q), 0.1 / 2**J) for q in range(1, Q)]
    return [(xi, sigma) for xi, sigma in bank if xi >= 2 / n]


def pnp_log2_rate(xi, sigma):
    return int(np.floor(-np.log2(min(xi + 4 * sigma, 0.5)))) - 1


def analytic(n, xi, sigma):
    whole = response(n, xi, sigma)
    return np.concatenate([whole[: n // 2], [whole[n // 2] / 2], np.zeros(n // 2 - 1)])


def mirrored(filter_response):
    return np.roll(filter_response[::-1], 1)


def rescaled(filters, total, low=None, both_spins=False):
    """Scale filters three times so that the energies of all reach the total around each."""
    filters = [f.copy() for f in filters]
    peaks = [int(f.argmax()) for f in filters]

    def scale(which, first, last):
        energy = sum(f**2 for f in filters)
        energy = energy + (mirrored(energy) if both_spins else 0)
        energy = energy + (0 if low is None else low**2)
        return {n: np.sqrt(total / energy[first[n] : last[n] + 1].max()) for n in which}

    for _ in range(3):
        first, last = {}, {}
        for n, peak in enumerate(peaks):
            higher = [p for p in peaks[:n] if p != peak]
            last[n] = -(-(peak + higher[-1]) // 2) if higher else peak
            first[n] = min(peaks[n + 1] if n + 1 < len(peaks) else 1, last[n] - 1)
        squares = [f**2 for f in filters[:2]]
        shared = (squares[0] * squares[1]).sum() / np.mean([s.sum() for s in squares])
        if shared < 0.3:
            first[0] = last[0] - 1
        for n, factor in scale(range(len(peaks)), first, last).items():
            filters[n] *= factor
        if shared < 0.3:
            factor = scale([0], {0: peaks[min(2, len(peaks) - 1)]}, {0: peaks[0]})[0]
            filters[0] *= factor
            filters[1] *= factor
    return filters


def width_of(n, xi, sigma):
    envelope = np.abs(np.fft.ifft(response(n, xi, sigma)))[: n // 2]
    level = np.exp(-2 * np.pi**2 / 100)
    return 2 * int(np.argmin(np.abs(envelope - level * envelope[0])))


def scatter_as_pnp(x, *, J, Q, J_fr, T, F):
    """``{(n1, n2, n_fr, frame): coefficient}`` for a power of two of samples, T a power of two."""
    samples = len(x)
    padded, left, root = 2 * samples, samples // 2, np.sqrt(T)
    signal = np.pad(x, (left, left))[None]
    fast, slow = pnp_bank(J, Q[0], padded), pnp_bank(J, Q[1], padded)
    low = response(padded, 0.0, 0.1 / T)
    psi1, psi2 = (
        rescaled([analytic(padded, *f) for f in bank], 2.0, low if T >= 2**J else None)
        for bank in (fast, slow)
    )
    scalogram = np.concatenate([np.abs(convolve(signal, f, 1)) for f in psi1])
    counts = [sum(pnp_log2_rate(*f) < pnp_log2_rate(*s) for f in fast) for s in slow]
    longest = 2 * 2 ** int(np.ceil(np.log2(len(fast))))
    across = pnp_bank(J_fr, 1, longest)
    widths = [width_of(longest, *f) for f in across]

    def filters_for(channels):
        scale = 2 ** int(np.ceil(np.log2(channels)))
        fitting = [f for f, wide in zip(across, widths, strict=True) if wide <= scale]
        bank = rescaled([analytic(2 * scale, *f) for f in fitting], 1.0, both_spins=True)
        used = sum(wide <= channels for wide in widths)
        found = {0: response(2 * scale, 0.0, 0.1 / F)}
        found |= {1 + k: f for k, f in enumerate(bank[:used])}
        return found | {1 + len(across) + k: mirrored(f) for k, f in enumerate(bank[:used])}

    def over_channels(channels, filter_response):
        stack = np.zeros((len(filter_response), channels.shape[1]), complex)
        stack[: len(channels)] = channels
        return np.abs(convolve(stack, filter_response, 0))

    out = {(-1, -1, -1, -1): root * signal.mean()}
    frames = convolve(scalogram, low, 1).real[:, left : left + samples : T] * root
    for n1, row in enumerate(frames):
        out |= {(n1, -1, -1, t): value for t, value in enumerate(row)}
    for n_fr, h in filters_for(len(frames)).items():
        if n_fr <= len(across):
            rows = over_channels(frames, h)[: counts[-1]] * np.sqrt(2 if n_fr else 1)
            out |= {(n1, -1, n_fr, t): v for (n1, t), v in np.ndenumerate(rows)}
    for n2, count in enumerate(counts):
        if count:
            signals = convolve(scalogram[:count], psi2[n2], 1)
            for n_fr, h in filters_for(count).items():
                means = over_channels(signals, h)[:count].mean(axis=1) * root
                out |= {(n1, n2, n_fr, -1): value for n1, value in enumerate(means)}
    return out

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

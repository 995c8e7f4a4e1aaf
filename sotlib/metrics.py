"""How well a harmonic signal was analysed and resynthesised."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from sotlib._core import check
from sotlib.losses._signals import signal_pair
from sotlib.losses.multi_scale_spectral import MultiScaleSpectralLoss
from sotlib.transforms.stft import STFT

CONVENTIONS = ("root", "mean_square")
POWER_FLOOR = 1e-5


@torch.no_grad()
def log_spectral_distance(
    x: Tensor,
    y: Tensor,
    *,
    convention: Literal["root", "mean_square"] = "root",
    fft_size: int = 1024,
    hop_length: int = 256,
) -> Tensor:
    r"""Distance of two power spectrograms in decibels, in one of two conventions.

    With :math:`d = 10 \log_{10} \max(|X|^2, 10^{-5}) - 10 \log_{10} \max(|Y|^2, 10^{-5})`,

    - ``'root'``: the root of the mean of :math:`d^2` over bins, averaged over frames: dB, what the
      name usually means;
    - ``'mean_square'``: the mean of :math:`d^2` over bins and frames: dB², what the public code of
      the SOT paper computes and its table calls LSD [dB].

    Parameters
    ----------
    x, y : Tensor, shape (samples,), (batch, samples) or (batch, channels, samples)
        Signals.
    convention : {'root', 'mean_square'}, default 'root'
        See above.
    fft_size, hop_length : int, default 1024 and 256
        Hann windows, zeros after the end, divided by the root of `fft_size`.

    Returns
    -------
    Tensor
        A scalar: the mean over the batch, without a gradient.

    Raises
    ------
    TypeError, ValueError
        On signals that do not fit together or are not finite, or an unknown convention.

    Notes
    -----
    Explained in chapter ``sot/published``. The other distance of the table is
    `multi_scale_spectral_distance`.

    Examples
    --------
    A tenth of the amplitude is 20 dB less, in every bin:

    >>> import torch
    >>> from sotlib import log_spectral_distance
    >>> x = 100 * torch.randn(1024, generator=torch.Generator().manual_seed(0))
    >>> log_spectral_distance(x, x / 10, hop_length=1024).round()
    tensor(20.)
    >>> log_spectral_distance(x, x / 10, hop_length=1024, convention="mean_square").round()
    tensor(400.)
    """
    convention = check.one_of("convention", convention, CONVENTIONS)
    x, y = signal_pair(x, y)
    stft = STFT(
        fft_size=fft_size,
        hop_length=hop_length,
        window="hann",
        padding="end",
        normalized=True,
        square_magnitude=True,
    ).to(x.device)
    level_x, level_y = (10 * stft(s).clamp(min=POWER_FLOOR).log10() for s in (x, y))
    squares = (level_x - level_y).square().mean(-2)
    return squares.sqrt().mean() if convention == "root" else squares.mean()


@torch.no_grad()
def multi_scale_spectral_distance(x: Tensor, y: Tensor) -> Tensor:
    """Linear and logarithmic L1 distances of magnitudes, summed over six scales.

    Parameters
    ----------
    x, y : Tensor, shape (samples,), (batch, samples) or (batch, channels, samples)
        Signals.

    Returns
    -------
    Tensor
        A scalar: `MultiScaleSpectralLoss` with its defaults, without a gradient.

    Raises
    ------
    TypeError, ValueError
        On signals that do not fit together or are not finite.

    Notes
    -----
    Explained in chapter ``sot/table``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import multi_scale_spectral_distance
    >>> x = torch.randn(2, 4096)
    >>> multi_scale_spectral_distance(x, x)
    tensor(0.)
    """
    return MultiScaleSpectralLoss().to(check.tensor("x", x).device)(x, y)


def raw_pitch_accuracy(
    reference: Tensor | ArrayLike, estimate: Tensor | ArrayLike, *, cent_tolerance: float = 50
) -> float:
    """Share of frames whose pitch is within a tolerance of the true one.

    Parameters
    ----------
    reference, estimate : Tensor or array, any equal shape
        Frequencies in Hz, above 0: every frame is taken to be voiced.
    cent_tolerance : float, default 50
        Half a semitone.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If shapes differ, or frequencies are not positive and finite.

    Notes
    -----
    RPA as computed by ``mir_eval.melody``. Explained in chapter ``sot/table``.

    Examples
    --------
    >>> from sotlib import raw_chroma_accuracy, raw_pitch_accuracy
    >>> raw_pitch_accuracy([440.0, 440.0, 440.0, 440.0], [441.0, 880.0, 660.0, 441.0])
    0.5
    >>> raw_chroma_accuracy([440.0, 440.0, 440.0, 440.0], [441.0, 880.0, 660.0, 441.0])
    0.75
    """
    return _accuracy("raw_pitch_accuracy", reference, estimate, cent_tolerance)


def raw_chroma_accuracy(
    reference: Tensor | ArrayLike, estimate: Tensor | ArrayLike, *, cent_tolerance: float = 50
) -> float:
    """Share of frames whose pitch is within a tolerance of the true one, give or take octaves.

    Parameters
    ----------
    reference, estimate, cent_tolerance
        As for `raw_pitch_accuracy`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        As `raw_pitch_accuracy`.

    Notes
    -----
    RCA as computed by ``mir_eval.melody``. Explained in chapter ``sot/table``. For an example see
    `raw_pitch_accuracy`.
    """
    return _accuracy("raw_chroma_accuracy", reference, estimate, cent_tolerance)


def _accuracy(name, reference, estimate, cent_tolerance):
    from mir_eval import melody  # takes a second to import

    reference, estimate = _array("reference", reference), _array("estimate", estimate)
    cent_tolerance = check.positive("cent_tolerance", cent_tolerance)
    if reference.shape != estimate.shape or reference.size == 0:
        raise ValueError(
            "reference and estimate must have the same shape, with at least one frequency; got "
            f"{reference.shape} and {estimate.shape}."
        )
    for which, frequency in (("reference", reference), ("estimate", estimate)):
        if not (np.isfinite(frequency) & (frequency > 0)).all():
            raise ValueError(f"{which} must hold finite frequencies above 0 Hz.")
    voiced = np.ones(reference.size)
    # To mir_eval, 0 cents is an unvoiced frame: count from below all frequencies.
    base = min(reference.min(), estimate.min()) / 2
    cents = [melody.hz2cents(f.reshape(-1), base) for f in (reference, estimate)]
    measure = getattr(melody, name)
    return float(measure(voiced, cents[0], voiced, cents[1], cent_tolerance=cent_tolerance))


def _array(name, frequencies):
    return check.real_numbers(name, frequencies, "cpu").detach().numpy()

"""Pitch without labels: estimates move as the spectrum does."""

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.pitch.autoencoder import BINS_PER_OCTAVE
from sotlib.pitch.encoder import PitchEncoder
from sotlib.pitch.scale import soft_argmax

STEEPEST = 1000  # dB per octave; beyond it single precision has no bin but the first


def equivariance_loss(
    encoder: PitchEncoder,
    spectra: Tensor,
    *,
    largest_shift: int = 16,
    tilt: float = 6.0,
    temperature: float = 0.1,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""How far pitch estimates are from moving with a transposed spectrum.

    .. math:: \frac{1}{B} \sum_b h\big(u(S_{k_b} T' x_b) - u(T x_b) - k_b\big)

    `u` is the soft-argmax of the encoder in bins, :math:`S_k` moves a spectrum by k bins (zeros
    enter at the end), T and T' tilt it by two random slopes, since a timbre has no pitch, and h is
    Huber's function, quadratic up to one bin.

    Parameters
    ----------
    encoder : PitchEncoder
        In training mode its dropout takes part.
    spectra : Tensor, shape (batch, bins)
        Magnitudes on a logarithmic frequency axis, such as frames of
        `HarmonicAutoencoder.features`.
    largest_shift : int, default 16
        Transpositions are whole bins, drawn uniformly from minus to plus this.
    tilt : float, default 6
        Steepest slope in dB per octave; slopes are drawn uniformly between 0 and this, and fall
        towards high frequencies. 0: none.
    temperature : float, default 0.1
        As for `soft_argmax`.
    generator : torch.Generator, optional
        Of shifts, slopes and dropout, on the device of `spectra`.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    TypeError, ValueError
        On spectra that the encoder does not take, a shift that is no positive integer or leaves no
        bin, a slope or temperature out of range.

    Notes
    -----
    After PESTO (Riou, Lattner, Hadjeres, Peeters, ISMIR 2023), whose objective has two further
    terms. It says nothing about a constant that all estimates share: see `calibrate_pitch`.
    Explained in chapter ``sot/recipe``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import PitchEncoder, equivariance_loss
    >>> g = torch.Generator().manual_seed(0)
    >>> loss = equivariance_loss(PitchEncoder(), torch.rand(8, 285, generator=g), generator=g)
    >>> loss.shape, bool(loss > 0)
    (torch.Size([]), True)
    """
    if not hasattr(encoder, "n_bins"):
        raise TypeError(
            "encoder must be a PitchEncoder, or a module that has its n_bins and its output; got "
            f"{type(encoder).__name__}."
        )
    largest_shift = check.count("largest_shift", largest_shift)
    tilt = check.number("tilt", tilt, least=0, most=STEEPEST)
    check.generator("generator", generator)
    bins = encoder.n_bins
    if largest_shift >= bins:
        raise ValueError(f"largest_shift must be below the {bins} bins; got {largest_shift}.")
    check.finite("spectra", check.floating("spectra", spectra))
    if spectra.ndim != 2 or spectra.shape[1] != bins:
        raise ValueError(
            f"spectra must have shape (batch, {bins}); got {tuple(spectra.shape)}. Put the frames "
            "of a spectrogram into the batch."
        )
    device = spectra.device
    shift = torch.randint(
        -largest_shift, largest_shift + 1, (len(spectra),), generator=generator, device=device
    )
    octave = torch.arange(bins, device=device).to(spectra) / BINS_PER_OCTAVE
    slopes = tilt * torch.rand(
        2, len(spectra), 1, dtype=spectra.dtype, generator=generator, device=device
    )
    one, other = (spectra * 10 ** (-s * octave / 20) for s in slopes)
    views = torch.cat([one, _moved(other, shift)])
    logits = encoder(views, generator=generator).logits
    estimate = soft_argmax(logits, temperature=temperature) * (bins - 1)
    before, after = estimate.chunk(2)
    return torch.nn.functional.huber_loss(after - before, shift.to(before))


def _moved(spectra, shift):
    """Each spectrum (batch, bins) moved up by so many bins; zeros enter at its end."""
    bins = spectra.shape[-1]
    source = torch.arange(bins, device=spectra.device) - shift[:, None]
    moved = spectra.gather(1, source.clamp(0, bins - 1))
    return moved * ((source >= 0) & (source < bins))

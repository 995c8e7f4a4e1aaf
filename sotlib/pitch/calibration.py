"""Pitch estimates set right as a whole, by notes that the model plays itself."""

import torch

from sotlib._core import check
from sotlib.pitch.autoencoder import HarmonicAutoencoder
from sotlib.pitch.scale import hz_to_unit, soft_argmax

LOUDEST, SOFTEST = 1.0, 0.4  # amplitudes of the notes that are played
HARMONICS = 8  # of a note at most


@torch.no_grad()
def calibrate_pitch(model: HarmonicAutoencoder, *, notes: int = 64, seed: int = 0) -> float:
    """Remove the error that all pitch estimates share, by notes that the model plays itself.

    The decoder plays notes of random pitch, from one to eight harmonics of random amplitudes. The
    encoder's Toeplitz matrix is moved by the median error over all their frames, in whole bins.

    Parameters
    ----------
    model : HarmonicAutoencoder
        Changed in place.
    notes : int, default 64
        Number of notes; pitches are spread evenly on a logarithmic axis, from an octave above the
        lowest that the model can say to three below the highest.
    seed : int, default 0
        Of the notes.

    Returns
    -------
    float
        The median error in bins, before the correction.

    Raises
    ------
    ValueError
        If `notes` is not positive, or the model's range has fewer than four octaves.

    Notes
    -----
    PESTO calibrates so, with a few synthetic sounds. Explained in chapter ``sot/recipe``.

    Examples
    --------
    >>> from sotlib import HarmonicAutoencoder, calibrate_pitch
    >>> error = calibrate_pitch(HarmonicAutoencoder())  # an untrained one
    >>> -285 < error < 285
    True
    """
    check.instance("model", model, HarmonicAutoencoder)
    notes, seed = check.count("notes", notes), check.seed("seed", seed)
    low, high = model.pitch_range
    if high < 16 * low:
        raise ValueError(
            f"the model's range must have four octaves for its notes; got {low:.1f}-{high:.1f} Hz."
        )
    weight = model.encoder.toeplitz
    f0, amplitudes = _notes(notes, 2 * low, high / 8, seed, weight)
    features = model.features(model.synth(f0, amplitudes))
    was_training = model.training
    logits = model.eval().encoder(features.flatten(0, 1)).logits
    model.train(was_training)
    last = model.encoder.n_bins - 1
    estimate = soft_argmax(logits, temperature=model.temperature).unflatten(0, features.shape[:2])
    error = ((estimate - hz_to_unit(f0, low=low, high=high)) * last).median().item()
    _lower(weight, round(error))
    return error


def _notes(count, low, high, seed, like):
    generator = torch.Generator().manual_seed(seed)  # of the CPU, so the same on every device
    f0 = low * (high / low) ** torch.linspace(0, 1, count, device="cpu")
    amplitudes = SOFTEST + (LOUDEST - SOFTEST) * torch.rand(
        count, HARMONICS, generator=generator, device="cpu"
    )
    on = torch.randint(1, HARMONICS + 1, (count, 1), generator=generator, device="cpu")
    amplitudes = amplitudes * (torch.arange(HARMONICS, device="cpu") < on)
    return f0[:, None].to(like), amplitudes[:, None].to(like)


def _lower(toeplitz, bins):
    """Move the matrix's parameters so that every logit lands so many bins lower."""
    moved = torch.zeros_like(toeplitz)
    size = len(toeplitz)
    if bins >= 0:
        moved[bins:] = toeplitz[: size - bins]
    else:
        moved[:bins] = toeplitz[-bins:]
    toeplitz.copy_(moved)

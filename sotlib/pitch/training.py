"""Pitch without labels: what is transposed has a transposed pitch; the decoder's notes say which.

The landscape of a loss between sounds has wrong valleys at octaves and fractions of the pitch.
Whether a training falls into one is decided in its first steps, by the untrained estimate. So the
estimate is set right before any sound is compared.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.pitch.autoencoder import BINS_PER_OCTAVE, HarmonicAutoencoder
from sotlib.pitch.encoder import PitchEncoder
from sotlib.pitch.scale import hz_to_unit, soft_argmax

LOUDEST, SOFTEST = 1.0, 0.4  # amplitudes of the notes that are played
HARMONICS = 8  # of a note at most


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
    check.count("largest_shift", largest_shift)
    if not check.is_number(tilt) or not 0 <= tilt < float("inf"):
        raise ValueError(f"tilt must be a finite number of at least 0, in dB; got {tilt!r}.")
    bins = encoder.n_bins
    if largest_shift >= bins:
        raise ValueError(f"largest_shift must be below the {bins} bins; got {largest_shift}.")
    check.finite("spectra", check.floating("spectra", spectra))
    if spectra.ndim != 2 or spectra.shape[1] != bins:
        raise ValueError(
            f"spectra must have shape (batch, {bins}); got {tuple(spectra.shape)}. Put the frames "
            "of a spectrogram into the batch."
        )
    options = {"generator": generator, "device": spectra.device}
    shift = torch.randint(-largest_shift, largest_shift + 1, (len(spectra),), **options)
    octave = torch.arange(bins, device=spectra.device).to(spectra) / BINS_PER_OCTAVE
    slope = torch.rand(2, len(spectra), 1, dtype=spectra.dtype, **options) * tilt
    one, other = (spectra * 10 ** (-s * octave / 20) for s in slope)
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
    check.count("notes", notes)
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
    options = {"generator": generator, "device": "cpu"}
    f0 = low * (high / low) ** torch.linspace(0, 1, count, device="cpu")
    amplitudes = SOFTEST + (LOUDEST - SOFTEST) * torch.rand(count, HARMONICS, **options)
    on = torch.randint(1, HARMONICS + 1, (count, 1), **options)
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


def pretrain_pitch(
    model: HarmonicAutoencoder,
    features: Tensor,
    *,
    steps: int = 400,
    batch: int = 64,
    learning_rate: float = 1e-3,
    tilt: float = 6.0,
    calibrated: bool = True,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Make a model's pitch estimates right, before it is trained to reconstruct; needs no labels.

    That is Adam on `equivariance_loss`. In the end comes `calibrate_pitch`.

    Parameters
    ----------
    model : HarmonicAutoencoder
        Changed in place; it is left in training mode.
    features : Tensor, shape (signals, frames, bins)
        As ``model.features(sounds)`` gives them; silent frames teach nothing and are left out.
    steps : int, default 400
        About half a minute on one core. Some starts need 100, others nearly 200.
    batch : int, default 64
        Frames a step.
    learning_rate : float, default 1e-3
        Of Adam.
    tilt : float, default 6
        As for `equivariance_loss`.
    calibrated : bool, default True
        False: leave out `calibrate_pitch`.
    seed : int, default 0
        Of batches, shifts, slopes, dropout and notes.
    progress : callable, optional
        Called with the number of steps done.

    Raises
    ------
    TypeError, ValueError
        On features that do not fit the model, that are all silent or not finite, and on numbers
        out of range.

    Notes
    -----
    Explained in chapter ``sot/recipe``.

    Examples
    --------
    >>> from sotlib import HarmonicAutoencoder, HarmonicSignals, pretrain_pitch
    >>> model, sounds = HarmonicAutoencoder(), HarmonicSignals("train", size=100).signals
    >>> pretrain_pitch(model, model.features(sounds), steps=2)
    """
    check.count("steps", steps, least=0)
    check.count("batch", batch)
    check.positive("learning_rate", learning_rate)
    frames = _frames(features, model.encoder.n_bins)
    generator = torch.Generator(device=frames.device).manual_seed(seed)
    optimizer = torch.optim.Adam(model.encoder.parameters(), lr=learning_rate)
    model.train()
    for step in range(steps):
        chosen = torch.randint(len(frames), (batch,), generator=generator, device=frames.device)
        loss = equivariance_loss(
            model.encoder,
            frames[chosen],
            tilt=tilt,
            temperature=model.temperature,
            generator=generator,
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if progress is not None:
            progress(step + 1)
    if calibrated:
        calibrate_pitch(model, seed=seed)


def _frames(features, bins):
    check.finite("features", check.floating("features", features))
    if features.ndim != 3 or features.shape[-1] != bins:
        raise ValueError(
            f"features must have shape (signals, frames, {bins}), as `model.features` gives them; "
            f"got {tuple(features.shape)}."
        )
    frames = features.flatten(0, 1)
    frames = frames[frames.amax(-1) > 0]
    if len(frames) == 0:
        raise ValueError("features must have a frame that is not silent; all are.")
    return frames

"""Pitch without labels: what is transposed has a transposed pitch; the decoder's notes say which.

The landscape of a loss between sounds has wrong valleys at octaves and fractions of the pitch.
Whether a training falls into one is decided in its first steps, by the untrained estimate. So the
estimate is set right before any sound is compared.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from sotlib._core import check
from sotlib.pitch.autoencoder import HarmonicAutoencoder
from sotlib.pitch.calibration import calibrate_pitch
from sotlib.pitch.equivariance import equivariance_loss


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
    check.instance("model", model, HarmonicAutoencoder)
    steps = check.count("steps", steps, least=0)
    batch = check.count("batch", batch)
    learning_rate = check.positive("learning_rate", learning_rate)
    check.flag("calibrated", calibrated)
    seed = check.seed("seed", seed)
    if progress is not None:
        check.function("progress", progress)
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

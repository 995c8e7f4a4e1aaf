"""The harmonic autoencoder of the SOT paper: encoder, soft-argmax, synthesiser."""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.pitch.encoder import PitchEncoder
from sotlib.pitch.scale import soft_argmax, unit_to_hz
from sotlib.synths.harmonic import HarmonicSynth
from sotlib.transforms.cqt import CQT

FMIN = 32.7  # Hz, of the first bin
BINS_PER_OCTAVE = 36


class Reconstruction(NamedTuple):
    """What `HarmonicAutoencoder` makes of a batch of sounds.

    Explained in chapter ``sot/autoencoder``.
    """

    sound: Tensor
    """The resynthesised sound, (batch, samples)."""
    f0: Tensor
    """Fundamental frequencies in Hz, (batch, frames)."""
    amplitudes: Tensor
    """Amplitudes of the harmonics, (batch, frames, harmonics)."""
    logits: Tensor
    """Scores of the pitch bins, (batch, frames, bins)."""


class HarmonicAutoencoder(PrintedModule):
    """Estimate the pitch and the harmonics of a sound by resynthesising it.

    ``model(model.features(sound))``: the features are constant-Q magnitudes, every frame is encoded
    by itself, the pitch is the soft-argmax of its logits on the frequency axis of the features, and
    a harmonic synthesiser decodes.

    Parameters
    ----------
    samples : int, default 4096
        Length of the sounds.
    sample_rate : float, default 16000
        In Hz.
    harmonics : int, default 20
        Of the synthesiser.
    temperature : float, default 0.1
        Of the soft-argmax.
    roll_off, first_phase
        As for `HarmonicSynth`.
    dropout
        As for `PitchEncoder`.

    Raises
    ------
    TypeError, ValueError
        On options out of range, and on features of another size or dtype.

    Notes
    -----
    Torres, Peeters and Richard (ICASSP 2024); settings of their public configurations: 285 bins, 3
    per semitone from 32.7 Hz, a hop of 256 samples, zeros around the sound, whose last sample is
    dropped (4096 samples give 16 frames). Explained in chapter ``sot/autoencoder``.

    Examples
    --------
    >>> import torch
    >>> from sotlib import HarmonicAutoencoder, HarmonicSignals
    >>> model, data = HarmonicAutoencoder(), HarmonicSignals("test", size=20)
    >>> features = model.features(data.signals)
    >>> features.shape
    torch.Size([2, 16, 285])
    >>> output = model(features)
    >>> output.sound.shape, output.f0.shape, output.amplitudes.shape
    (torch.Size([2, 4096]), torch.Size([2, 16]), torch.Size([2, 16, 20]))
    >>> model(features[:, 8:9]).f0.shape  # one frame: everything constant in time
    torch.Size([2, 1])
    """

    def __init__(
        self,
        *,
        samples: int = 4096,
        sample_rate: float = 16000,
        harmonics: int = 20,
        temperature: float = 0.1,
        roll_off: bool = False,
        first_phase: Literal[1, 0] = 1,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.temperature = check.positive("temperature", temperature)
        octaves = math.log2(check.positive("sample_rate", sample_rate) / 2 / FMIN)
        bins = math.floor(BINS_PER_OCTAVE * octaves)
        if bins < 2:
            raise ValueError(
                f"sample_rate must leave room for two bins of the features above {FMIN} Hz, so it "
                f"must be at least 68 Hz; got {sample_rate!r}."
            )
        self.encoder = PitchEncoder(n_bins=bins, harmonics=harmonics, dropout=dropout)
        self.synth = HarmonicSynth(
            samples=samples, sample_rate=sample_rate, roll_off=roll_off, first_phase=first_phase
        )
        self.cqt = CQT(
            sample_rate=sample_rate,
            fmin=FMIN,
            n_bins=bins,
            bins_per_octave=BINS_PER_OCTAVE,
            window="hann",
            padding="zeros",
        )
        # As numbers, once: read from a GPU, they would be waited for in each forward pass.
        self._pitch_range = tuple(self.cqt.frequencies[[0, -1]].tolist())

    @property
    def pitch_range(self) -> tuple[float, float]:
        """Lowest and highest pitch in Hz: the first and the last bin of the features."""
        return self._pitch_range

    @torch.no_grad()
    def features(self, sound: Tensor) -> Tensor:
        """Constant-Q magnitudes `(batch, frames, bins)` of sounds `(batch, samples)`."""
        check.finite("sound", check.audio("sound", sound))
        if sound.ndim == 0 or sound.shape[-1] < 2:
            raise ValueError(
                "sound must have shape (batch, samples) with at least two samples; got "
                f"{tuple(sound.shape)}."
            )
        return self.cqt(sound[..., :-1]).transpose(-1, -2).contiguous()

    @torch.no_grad()
    def estimate_pitch(self, sound: Tensor) -> Tensor:
        """Fundamental frequencies in Hz, `(batch, frames)`, of sounds of any length.

        Parameters
        ----------
        sound : Tensor, shape (batch, samples)
            One estimate every 256 samples, the first at the first sample; dropout is off.

        Returns
        -------
        Tensor, shape (batch, frames)
        """
        features = self.features(sound)
        was_training = self.training
        logits = self.eval().encoder(features.flatten(0, 1)).logits
        self.train(was_training)
        return self._hertz(logits).unflatten(0, features.shape[:2])

    def _hertz(self, logits):
        low, high = self.pitch_range
        return unit_to_hz(soft_argmax(logits, temperature=self.temperature), low=low, high=high)

    def forward(
        self, features: Tensor, *, generator: torch.Generator | None = None
    ) -> Reconstruction:
        """Encode and decode.

        Parameters
        ----------
        features : Tensor, shape (batch, frames, bins)
            As `features` gives them, or a single frame of each.
        generator : torch.Generator, optional
            For dropout while training.

        Returns
        -------
        Reconstruction
        """
        check.finite("features", check.floating("features", features))
        if features.ndim != 3 or features.shape[-1] != self.encoder.n_bins:
            raise ValueError(
                f"features must have shape (batch, frames, {self.encoder.n_bins}), as `features` "
                f"gives them; got {tuple(features.shape)}."
            )
        logits, amplitudes = self.encoder(features.flatten(0, 1), generator=generator)
        f0, amplitudes, logits = (
            t.unflatten(0, features.shape[:2]) for t in (self._hertz(logits), amplitudes, logits)
        )
        return Reconstruction(self.synth(f0, amplitudes), f0, amplitudes, logits)

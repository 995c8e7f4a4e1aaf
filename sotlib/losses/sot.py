"""Spectral optimal transport losses: spectra compared along the frequency axis."""

from typing import Literal

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._representations import even_where_silent, mass_pair, position_pair, sound_pair
from sotlib.losses._signals import (
    Reduction,
    checked_reduction,
    reduced,
    squared_once,
)
from sotlib.transforms.base import SCALINGS, Transform
from sotlib.transforms.cqt import CQT
from sotlib.transforms.mel import MelSpectrogram
from sotlib.transforms.stft import STFT
from sotlib.transport.line import checked_order, quantiles, transport_cost

NAMES = "x", "y", "x_positions", "y_positions"  # of the arguments, in errors
TRANSFORMS = ("stft", "mel", "cqt", "vqt", "identity")


class Wasserstein1DLoss(PrintedModule):
    r"""Optimal transport between the spectra of two signals, frame by frame.

    Each frame of each signal becomes a mass on the frequency axis; the loss is the mean over frames
    of :math:`W_p^p` (`wasserstein_1d`). A drop-in replacement for the class of this name in
    ``sot-loss``: same arguments, defaults and conventions.

    Parameters
    ----------
    transform : {'stft', 'mel', 'cqt', 'vqt', 'identity'} or Transform, default 'stft'
        Spectral view of the signals; 'vqt' is 'cqt'. 'identity' (or None) takes representations
        `(batch, bins, frames)` instead of signals. A transform of one's own, such as
        ``STFT(padding="end")``, is used as it is, and its arguments below are not.
    normalize : bool, default True
        Scale each frame to unit mass.
    balanced : bool, default True
        With `normalize`: scale each signal by its own mass; False: both by that of x, so that the
        mass of y need not be 1. Without `normalize`: True scales y to the mass of x.
    p : float, default 2
        Order of the transport, at least 1.
    return_quantiles : bool, default False
        Return the quantile functions instead of the loss, see `quantile_functions`, each of shape
        `(batch, frames, …)`.
    quantile_lowpass : bool, default False
        The frequency cutoff of the paper: no cost for quantile levels above 1.
    eps : float, default 1e-8
        Masses below it are divided by it instead of by themselves, so that silence stays silence;
        also added to :math:`W_p^p` under the root.
    dim : {-1, -2}, default -1
        Transport along frequency (-1) or along time (-2; positions are frame indices).
    apply_root : bool, default False
        :math:`W_p` instead of :math:`W_p^p`, per frame.
    circular : bool, default False
        Transport around a circle of circumference 1 (`wasserstein_circle`): for pitch classes, with
        positions in octaves. Of order `p`, where ``sot-loss`` takes 1 whatever `p` says.
    device : str or torch.device, default 'cpu'
        Where the buffers are created; ``.to(device)`` moves them as usual.
    fft_size, hop_length, win_length, window : default 1024, 256, None, 'flattop'
        As for `STFT`; `window` also shapes the kernels of the CQT, not the mel transform.
    n_mels : int, default 128
        As for `MelSpectrogram`.
    n_bins, bins_per_semitone, gamma, fmin, fmax : default 250, 3, 0, 32.7, None
        As for `CQT`, with 12 semitones to the octave.
    bins_per_octave : int, optional
        Instead of `bins_per_semitone` and overriding it.
    sample_rate : float, default 22050
        In Hz.
    bin_position_scaling : {'normalized', 'normalized_linear', 'absolute'}, default 'normalized'
        Where the bins lie, see `STFT.positions`.
    square_magnitude : bool, default False
        Power instead of magnitude.
    log : bool, default False
        log(1 + s) of each value s, after `square_magnitude`. ``sot-loss`` takes log(s + eps), which
        is negative for s < 1, and no mass to be moved.
    reduce : bool, default True
        False: one value per frame, shape `(batch · frames,)`, instead of a mean over frames.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each, `(batch,)` or `(batch, channels)`.

    Raises
    ------
    TypeError, ValueError
        On unknown options; when called, on signals that are not floating point, not finite, of
        different shapes, or shorter than a frame or a kernel; on representations with negative
        values; on positions that do not fit them.

    Notes
    -----
    Torres, Peeters and Richard, *Unsupervised Harmonic Parameter Estimation Using Differentiable
    DSP and Spectral Optimal Transport*, ICASSP 2024. Half-precision signals are compared in
    float32. Silence: two silent frames cost 0; a silent frame against a sounding one costs what
    moving all its mass to the last bin does, and no gradient reaches a signal that is exactly 0. On
    a circle, which has no last bin, silence beside sound lies evenly in all bins. Explained in
    chapter ``sot/transport``, the options in chapter ``sot/options`` (spectra) and chapter
    ``sot/transport-options`` (transport).

    Examples
    --------
    >>> import torch
    >>> from sotlib import Wasserstein1DLoss, sinusoid
    >>> x = sinusoid(1000.0, samples=16000, sample_rate=16000)
    >>> y = sinusoid(1500.0, samples=16000, sample_rate=16000)
    >>> loss = Wasserstein1DLoss(
    ...     sample_rate=16000, bin_position_scaling="absolute", square_magnitude=True, p=1)
    >>> loss(x, y).round()
    tensor(500.)

    Chroma vectors of one's own, B against C on the circle of pitch classes:

    >>> chroma = torch.eye(12)[:, :, None]  # (batch, bins, frames)
    >>> loss = Wasserstein1DLoss("identity", circular=True, p=1)
    >>> (12 * loss(chroma[11:], chroma[:1], torch.arange(12) / 12)).round(decimals=4)
    tensor(1.)
    """

    def __init__(
        self,
        transform: Literal["stft", "mel", "cqt", "vqt", "identity"] | Transform | None = "stft",
        normalize: bool = True,
        balanced: bool = True,
        p: float = 2,
        return_quantiles: bool = False,
        quantile_lowpass: bool = False,
        eps: float = 1e-8,
        dim: Literal[-1, -2] = -1,
        apply_root: bool = False,
        circular: bool = False,
        device: str | torch.device = "cpu",
        *,
        fft_size: int = 1024,
        hop_length: int = 256,
        win_length: int | None = None,
        window: str | float | tuple = "flattop",
        n_mels: int = 128,
        n_bins: int = 250,
        bins_per_semitone: int = 3,
        gamma: float = 0,
        fmin: float = 32.7,
        fmax: float | None = None,
        bins_per_octave: int | None = None,
        sample_rate: float = 22050,
        bin_position_scaling: Literal["normalized", "normalized_linear", "absolute"] = "normalized",
        square_magnitude: bool = False,
        log: bool = False,
        reduce: bool = True,
        reduction: Reduction = "mean",
    ):
        super().__init__()
        if transform is not None and not isinstance(transform, Transform):
            transform = check.one_of("transform", transform, TRANSFORMS)
        check.one_of("bin_position_scaling", bin_position_scaling, SCALINGS)
        self.scaling = bin_position_scaling
        self.dim = check.one_of("dim", dim, (-1, -2))
        self.p = checked_order(p)
        self.eps = check.positive("eps", eps)
        self.normalize = check.flag("normalize", normalize)
        self.balanced = check.flag("balanced", balanced)
        self.cutoff = check.flag("quantile_lowpass", quantile_lowpass)
        self.apply_root = check.flag("apply_root", apply_root)
        # The STFT squares by itself.
        self.square = check.flag("square_magnitude", square_magnitude) and transform != "stft"
        self.log, self.circular = check.flag("log", log), check.flag("circular", circular)
        self.reduce, self.reduction = check.flag("reduce", reduce), checked_reduction(reduction)
        self.return_quantiles = check.flag("return_quantiles", return_quantiles)
        if reduction != "mean" and (return_quantiles or not reduce):
            raise ValueError(
                f"reduction={reduction!r} needs one value for each sound; leave reduce and "
                "return_quantiles as they are."
            )
        if circular and (return_quantiles or quantile_lowpass or not balanced):
            raise ValueError(
                "circular=True: a circle has neither a first quantile nor a last one; leave "
                "return_quantiles, quantile_lowpass and balanced as they are."
            )
        # Also what this transform does not need: it may be a slip.
        check.count("fft_size", fft_size)
        check.count("hop_length", hop_length)
        check.count("n_mels", n_mels)
        check.count("n_bins", n_bins)
        check.count("bins_per_semitone", bins_per_semitone)
        check.positive("sample_rate", sample_rate)
        check.positive("fmin", fmin)
        check.positive("fmax", fmin if fmax is None else fmax)
        check.number("gamma", gamma, least=0)
        if bins_per_octave is None:
            bins_per_octave = 12 * bins_per_semitone
        check.count("bins_per_octave", bins_per_octave)
        self.transform: Transform | None = None
        if isinstance(transform, Transform):
            self.transform = transform
            squared_once(transform, square_magnitude)
        elif transform == "stft":
            self.transform = STFT(
                fft_size=fft_size,
                hop_length=hop_length,
                win_length=win_length,
                window=window,
                sample_rate=sample_rate,
                square_magnitude=square_magnitude,
            )
        elif transform == "mel":
            self.transform = MelSpectrogram(
                fft_size=fft_size, hop_length=hop_length, n_mels=n_mels, sample_rate=sample_rate
            )
        elif transform in ("cqt", "vqt"):
            self.transform = CQT(
                sample_rate=sample_rate,
                hop_length=hop_length,
                fmin=fmin,
                fmax=fmax,
                n_bins=n_bins,
                bins_per_octave=bins_per_octave,
                gamma=gamma,
                window=window,
            )
        self.to(check.device("device", device))

    def forward(
        self,
        x: Tensor,
        y: Tensor,
        x_positions: Tensor | None = None,
        y_positions: Tensor | None = None,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Compare two batches of signals.

        Parameters
        ----------
        x, y : Tensor, shape (samples,), (batch, samples) or (batch, channels, samples)
            Signals; with ``transform='identity'``, representations (batch, bins, frames), whose
            numbers of bins may differ.
        x_positions, y_positions : Tensor, shape (bins,), optional
            Own positions of the bins, by default those of the transform. With
            ``transform='identity'`` and ``dim=-1`` `x_positions` is needed, and is the default of
            `y_positions`.

        Returns
        -------
        Tensor
            A scalar, or what `reduction`, `reduce` and `return_quantiles` say.
        """
        x, y, sounds = sound_pair(self.transform, x, y)
        with torch.autocast(x.device.type, enabled=False):
            if self.transform is not None:
                x, y = self.transform(x), self.transform(y)
            if self.square:
                x, y = x.square(), y.square()
            if self.log:
                x, y = x.log1p(), y.log1p()
            if self.dim == -1:
                x, y = x.transpose(-1, -2), y.transpose(-1, -2)
            x, y = mass_pair(x, y, self.normalize, self.balanced, self.eps)
            if self.circular:
                x, y = even_where_silent(x, y)
            arguments = x, y, *self._positions(x, y, x_positions, y_positions)
            if self.return_quantiles:
                return quantiles(*arguments, names=NAMES)
            options = {"cutoff": self.cutoff, "period": float(self.circular), "names": NAMES}
            cost = transport_cost(*arguments, p=self.p, **options)
            if self.apply_root and self.p != 1:
                cost = (cost + self.eps) ** (1 / self.p)
            return reduced(cost.mean(-1), self.reduction, sounds) if self.reduce else cost.flatten()

    def _positions(self, x, y, x_positions, y_positions):
        if self.circular and self.dim == -2 and x_positions is None:
            raise ValueError("x_positions is needed with circular=True and dim=-2, in turns.")
        known = None
        if self.dim == -1 and self.transform is not None:
            known = self.transform.positions(self.scaling)
            if self.circular and self.scaling == "absolute" and None in (x_positions, y_positions):
                raise ValueError(
                    "x_positions and y_positions are needed with circular=True and "
                    "bin_position_scaling='absolute': Hz do not come round at 1. Octaves do, "
                    "torch.log2(frequencies)."
                )
        elif self.dim == -2 and x_positions is None:
            x_positions = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
        return position_pair(x, y, x_positions, y_positions, known)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        # sot-loss keeps its constants in checkpoints; here they are not part of the state.
        for key in [k for k in state_dict if k.startswith(prefix)]:
            if key.removeprefix(prefix).split(".")[0] in ("bin_positions", "transform_module"):
                del state_dict[key]
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

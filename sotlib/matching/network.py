"""The network of the drum paper: from a sound to the parameters that would make it."""

from typing import Literal, TypedDict, Unpack

import torch
from torch import nn

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.transforms.cqt import CQT

FLOOR = 1e-3
"""CQT magnitudes well below it count as silence."""

FEATURES = 1280  # of EfficientNet-B0
SMALLEST = 32  # bins and frames that survive its five halvings


class LogCQT(CQT):
    r"""What a `SoundMatcher` sees of a sound: :math:`\log(1 + CQT / 10^{-3})`.

    Parameters
    ----------
    sample_rate, hop_length, fmin, n_bins, bins_per_octave, padding
        As for `sotlib.CQT`; the window is Hann's. The defaults are the drum paper's: 10 octaves
        from 8.61 Hz.

    Examples
    --------
    >>> LogCQT(fmin=40.0, n_bins=84, hop_length=512)(torch.randn(2, 2**14)).shape
    torch.Size([2, 84, 33])
    """

    def __init__(
        self,
        *,
        sample_rate: float = 22050,
        hop_length: int = 256,
        fmin: float = 0.4 * 22050 / 2**10,
        n_bins: int = 120,
        bins_per_octave: int = 12,
        padding: Literal["reflect", "zeros"] = "reflect",
    ):
        super().__init__(
            sample_rate=sample_rate,
            hop_length=hop_length,
            fmin=fmin,
            n_bins=n_bins,
            bins_per_octave=bins_per_octave,
            window="hann",
            padding=padding,
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features `(..., n_bins, frames)` of sounds `(..., samples)`."""
        return torch.log1p(super().forward(x) / FLOOR)


class Framing(TypedDict, total=False):
    """Arguments of `LogCQT`."""

    sample_rate: float
    hop_length: int
    fmin: float
    n_bins: int
    bins_per_octave: int
    padding: Literal["reflect", "zeros"]


class SoundMatcher(PrintedModule):
    r"""From log-compressed constant-Q spectra to scaled synthesiser parameters.

    Batch normalisation, EfficientNet-B0 with one input channel, a linear layer without bias, batch
    normalisation times :math:`\sqrt{1/2}`, tanh. Where a parameter is given, the network has one
    output less and the true value is inserted among its outputs: a loss always sees all of them.

    Parameters
    ----------
    parameters : int, default 5
        How many parameters the synthesiser has.
    given : int, optional
        Which of them is known, by index; default: none.
    **cqt
        Settings of the features, as for `LogCQT`: ``sample_rate``, ``hop_length``, ``fmin``,
        ``n_bins``, ``bins_per_octave`` and ``padding``.

    Attributes
    ----------
    features : LogCQT
        Sounds (batch, samples) to features (batch, bins, frames). They do not depend on the
        weights: compute them once for a data set.

    Raises
    ------
    ModuleNotFoundError
        Where MONAI, which has the EfficientNet, is not installed.
    ValueError
        On settings out of range; when called, on input that does not fit.

    Notes
    -----
    Han, Lostanlen and Lagrange, "Perceptual-Neural-Physical Sound Matching", ICASSP 2023. Theirs
    has a 3 by 3 convolution from 1 to 3 channels before the EfficientNet. The convolutions start as
    torchvision's, which they use: as MONAI makes them. Its own batch
    normalisations average as torch's do by default (momentum 0.1): with the hundredth that MONAI
    takes, short trainings would be judged by statistics they have left long ago. The dropouts draw
    from torch's global random state. Explained in chapter ``pnp/matching``.

    Examples
    --------
    >>> matcher = SoundMatcher(fmin=40.0, n_bins=84, hop_length=512).eval()
    >>> features = matcher.features(torch.randn(2, 2**14))
    >>> features.shape, matcher(features).shape
    (torch.Size([2, 84, 33]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        *,
        parameters: int = 5,
        given: int | None = None,
        **cqt: Unpack[Framing],
    ):
        super().__init__()
        parameters = check.count("parameters", parameters, least=2, most=2**20)
        given = None if given is None else check.count("given", given, least=0)
        if given is not None and given >= parameters:
            raise ValueError(f"given must be below parameters = {parameters}; got {given}.")
        self.given = given
        self.features = LogCQT(**cqt)
        self.n_bins = len(self.features.frequencies)
        self.norm = nn.BatchNorm2d(1)
        self.network = _efficientnet()
        # This order of axes in memory halves the time of a training step on a CPU.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        outputs = parameters - (given is not None)
        self.head = nn.Linear(FEATURES, outputs, bias=False)
        self.head_norm = nn.BatchNorm1d(outputs)

    def forward(self, features: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """Predict scaled parameters.

        Parameters
        ----------
        features : Tensor (batch, bins, frames)
            From `features`.
        known : Tensor (batch,), optional
            True scaled value of the parameter that is given; needed then, and only then.

        Returns
        -------
        Tensor (batch, parameters)
            Between -1 and 1, but for the known one.
        """
        self._check(features, known)
        image = self.norm(features[:, None]).contiguous(memory_format=torch.channels_last)
        # sqrt(1/2): the standard deviation that batch normalisation gives before tanh.
        scaled = torch.tanh(0.5**0.5 * self.head_norm(self.head(self.network(image))))
        if known is None:
            return scaled
        known = known.to(scaled)[:, None]
        return torch.cat([scaled[:, : self.given], known, scaled[:, self.given :]], -1)

    def _check(self, features, known) -> None:
        check.finite("features", check.floating("features", features))
        if features.ndim != 3 or features.shape[1] != self.n_bins:
            raise ValueError(
                f"features must be (batch, {self.n_bins}, frames), as SoundMatcher.features gives "
                f"them; got {tuple(features.shape)}."
            )
        if min(features.shape[1:]) < SMALLEST:
            raise ValueError(
                f"features must have at least {SMALLEST} bins and {SMALLEST} frames, or nothing "
                f"is left of them after five halvings; got {tuple(features.shape)}. Use longer "
                "sounds or a smaller hop_length."
            )
        if features.dtype != self.norm.weight.dtype:
            raise TypeError(
                f"features must have the network's dtype, {self.norm.weight.dtype}; got "
                f"{features.dtype}. Convert one of them with .float() or .double()."
            )
        if len(features) < (2 if self.head_norm.training else 1):
            raise ValueError(
                "features must hold two sounds or more in training, whose batch normalisation "
                f"compares them; got {len(features)}. For one sound call eval() first."
            )
        if (known is None) != (self.given is None):
            which = "lacks" if known is None else "takes no"
            raise ValueError(
                f"this SoundMatcher has given={self.given}: the call {which} known, the true "
                "scaled values of that parameter."
            )
        if known is not None:
            check.finite("known", check.floating("known", known))
        if known is not None and known.shape != features.shape[:1]:
            raise ValueError(
                f"known must be (batch,) = {tuple(features.shape[:1])}; got {tuple(known.shape)}."
            )


def _efficientnet() -> nn.Module:
    """EfficientNet-B0 without its classifier: (batch, 1, height, width) to (batch, 1280)."""
    try:
        from monai.networks.nets import EfficientNetBN  # takes seconds to import
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "monai":
            raise
        raise ModuleNotFoundError(
            "SoundMatcher needs the package monai: pip install 'sotlib[experiments]'", name="monai"
        ) from None
    network = EfficientNetBN(
        "efficientnet-b0",
        pretrained=False,
        spatial_dims=2,
        in_channels=1,
        norm=("batch", {"eps": 1e-5, "momentum": 0.1}),
    )
    network._fc = nn.Identity()  # type: ignore[assignment]
    return network

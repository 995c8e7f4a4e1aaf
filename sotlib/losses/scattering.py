"""Features, a distance and a loss made of joint time-frequency scattering."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._draws import Draws
from sotlib.losses._signals import Reduction, checked_reduction, reduced, same_kind, widen
from sotlib.scattering.transform import TimeFrequencyScattering

# The gain of the features in the drum paper, where scattering coefficients are of the order 1e-3.
GAIN = 1e3


def jtfs_features(S: Tensor, *, gain: float = GAIN) -> Tensor:
    r"""Log-compressed scattering coefficients :math:`\log(1 + 10^3 |S|)`.

    Parameters
    ----------
    S : Tensor, any shape
        Scattering coefficients.
    gain : float, default 1000
        The factor before the modulus.

    Returns
    -------
    Tensor
        Features of the shape of `S`, zero or more.

    Notes
    -----
    The perceptual representation of H. Han, V. Lostanlen, M. Lagrange, "Perceptual-neural-physical
    sound matching," ICASSP 2023. Explained in chapter ``pnp/scattering``.

    Examples
    --------
    >>> jtfs_features(torch.tensor([0.0, -1e-3, 1e-3])).round(decimals=4)
    tensor([0.0000, 0.6931, 0.6931])
    """
    check.finite("S", check.floating("S", S))
    return _compressed(S, check.positive("gain", gain))


def _compressed(S, gain):
    return torch.log1p(gain * S.abs())


def jtfs_distance(
    x: Tensor, y: Tensor, *, scattering: TimeFrequencyScattering, gain: float = GAIN
) -> Tensor:
    """Euclidean distance between the features of two signals, over all paths and frames.

    Parameters
    ----------
    x, y : Tensor, shape (..., samples)
        Signals; their leading dimensions must be equal or broadcast.
    scattering : TimeFrequencyScattering
        The transform.
    gain : float, default 1000
        See `jtfs_features`.

    Returns
    -------
    Tensor, shape (...)
        One distance for each pair.

    Notes
    -----
    The measure by which H. Han, V. Lostanlen, M. Lagrange, "Perceptual-neural-physical sound
    matching," ICASSP 2023, compare their models. Its gradient is zero where it is zero.
    Explained in chapter ``pnp/scattering``.

    Examples
    --------
    >>> scattering = TimeFrequencyScattering(1024, J=6, Q=(8, 1), J_fr=2, F=4)
    >>> low, high = torch.sin(torch.tensor([[0.3], [0.6]]) * torch.arange(1024.0))
    >>> jtfs_distance(low, low, scattering=scattering)
    tensor(0.)
    >>> bool(jtfs_distance(low, high, scattering=scattering) > 1)
    True
    """
    gain = check.positive("gain", gain)
    scattering = _scattering(scattering)
    x, y = _checked(x, y, scattering)
    difference = _compressed(scattering(x), gain) - _compressed(scattering(y), gain)
    return torch.linalg.vector_norm(difference, dim=(-2, -1))


class JTFSLoss(PrintedModule):
    r"""Half the squared distance between the scattering features of two signals.

    .. math:: L(x, y) = \tfrac12 \| \Phi(x) - \Phi(y) \|_2^2, \qquad
              \Phi(x) = \log(1 + 10^3 |S(x)|)

    This is the spectral loss of which the perceptual-neural-physical loss is the quadratic
    approximation in the synthesiser's parameters.

    Parameters
    ----------
    scattering : TimeFrequencyScattering
        The transform, which may be shared.
    gain : float, default 1000
        See `jtfs_features`.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over sounds; 'none' gives one value for each pair.
    random_paths : int or None, default None
        With a number, an unbiased estimate: while the module is in training mode, each call takes
        orders 0 and 1 and, of order 2, so many pairs of a wavelet ``n2`` and a filter ``n_fr``
        (with both spins), drawn without repetition. Their share counts for all. In evaluation
        mode, after ``.eval()``, all paths count.
    seed : int, default 0
        Of the draws. How many there were is part of the module's state, so that a training that
        is loaded again goes on with those that would have come.

    Notes
    -----
    H. Han, V. Lostanlen, M. Lagrange, "Perceptual-neural-physical sound matching," ICASSP 2023.
    The random paths are those of C. Mitcheltree et al., "SCRAPL: Scattering transform with random
    paths for machine learning," ICLR 2026, without what that does to the optimiser: see chapter
    ``pnp/random-paths``. Explained in chapter ``pnp/scattering``.

    Examples
    --------
    >>> loss = JTFSLoss(TimeFrequencyScattering(1024, J=6, Q=(8, 1), J_fr=2, F=4))
    >>> x = torch.sin(0.3 * torch.arange(1024.0)).requires_grad_()
    >>> value = loss(x, torch.zeros(1024))
    >>> (gradient,) = torch.autograd.grad(value, x)
    >>> gradient.shape
    torch.Size([1024])
    >>> cheaper = JTFSLoss(loss.scattering, random_paths=2)
    >>> bool(cheaper(x, torch.zeros(1024)) != value)
    True
    >>> bool(cheaper.eval()(x, torch.zeros(1024)) == value)
    True
    """

    def __init__(
        self,
        scattering: TimeFrequencyScattering,
        *,
        gain: float = GAIN,
        reduction: Reduction = "mean",
        random_paths: int | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.scattering = _scattering(scattering)
        self.gain = check.positive("gain", gain)
        self.reduction = checked_reduction(reduction)
        self.draws = None
        if random_paths is not None:
            self.draws = Draws("random_paths", random_paths, self.scattering._pairs, seed)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compare signals `(..., samples)`, whose leading dimensions are equal or broadcast."""
        x, y = _checked(x, y, self.scattering)
        if self.draws is None or not self.training:
            values = self._half_squared(self.scattering(x), self.scattering(y))
        else:
            pairs, weight = self.draws()
            (fast_x, slow_x), (fast_y, slow_y) = (
                self.scattering._partly(signal, pairs) for signal in (x, y)
            )
            drawn = self._half_squared(slow_x, slow_y)
            values = self._half_squared(fast_x, fast_y) + weight * drawn
        return reduced(values, self.reduction, values.shape)

    def _half_squared(self, x: Tensor, y: Tensor) -> Tensor:
        difference = _compressed(x, self.gain) - _compressed(y, self.gain)
        return difference.square().sum(dim=(-2, -1)) / 2


def _scattering(given) -> TimeFrequencyScattering:
    cure = ", built for the length of your signals"
    return check.instance("scattering", given, TimeFrequencyScattering, cure)


def _checked(x: Tensor, y: Tensor, scattering: TimeFrequencyScattering) -> Iterator[Tensor]:
    for name, signal in (("x", x), ("y", y)):
        scattering._check(name, signal, half=True)
        if signal.numel() == 0:
            raise ValueError(f"{name} must not be empty; got shape {tuple(signal.shape)}.")
    try:
        torch.broadcast_shapes(x.shape, y.shape)
    except RuntimeError:
        raise ValueError(
            f"x and y must have shapes that broadcast; got {tuple(x.shape)} and {tuple(y.shape)}."
        ) from None
    return (widen(signal) for signal in same_kind(x, y))

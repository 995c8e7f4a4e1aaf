"""The metric that features induce on a synthesiser's parameters."""

from collections.abc import Callable

import torch

from sotlib._core import check


def jacobian(
    phi_of_g: Callable[[torch.Tensor], torch.Tensor],
    theta: torch.Tensor,
    *,
    chunk: int = 16,
    vectorize: bool = True,
) -> torch.Tensor:
    r"""Jacobian of each sound's features by its parameters, by forward-mode differentiation.

    .. math:: J_{k j} = \partial (\Phi \circ g)_k / \partial \theta_j

    Forward mode costs one pass for each of the d parameters, however many features there are:
    it suits 5 inputs and 10^4 outputs. All sounds of a chunk go through each pass together.

    Parameters
    ----------
    phi_of_g : callable
        Synthesiser and features: (batch, d) to (batch, ...), anything made of operations that
        torch can differentiate in forward mode. Each sound must depend on its own parameters
        alone (no batch normalisation over the batch).
    theta : Tensor (batch, d)
        Parameters, in the units the Jacobian is wanted in.
    chunk : int, default 16
        How many sounds at a time. Memory grows with it.
    vectorize : bool, default True
        Whether to push the d directions through `phi_of_g` together, by vmap. Without it they go
        one after the other: less memory, more time, and no demands of vmap on `phi_of_g`.

    Returns
    -------
    Tensor (batch, features, d)
        In the dtype of the features, detached; further axes of the features are flattened.

    Raises
    ------
    ValueError
        Where `theta` is not a matrix or not finite, or the features are not one row a sound.
    TypeError
        Where `theta` is not a float32 or float64 tensor.

    Notes
    -----
    Han, Lostanlen and Lagrange, "Perceptual-Neural-Physical Sound Matching", ICASSP 2023.
    Explained in chapter ``pnp/metric``.

    Examples
    --------
    >>> theta = torch.tensor([[2.0, 3.0]])
    >>> jacobian(lambda t: torch.stack([t[:, 0] * t[:, 1], t[:, 0] ** 2], -1), theta)
    tensor([[[3., 2.],
             [4., 0.]]])
    """
    chunks = _checked(phi_of_g, theta, chunk, vectorize)
    return torch.cat([_forward_mode(phi_of_g, part, vectorize) for part in chunks])


def riemannian_metric(
    phi_of_g: Callable[[torch.Tensor], torch.Tensor],
    theta: torch.Tensor,
    *,
    chunk: int = 16,
    vectorize: bool = True,
) -> torch.Tensor:
    r"""Metric that the features induce on the parameters: :math:`M = J^\top J` for each sound.

    Of complex features it is the real part of :math:`J^H J`.

    For parameters close to theta, :math:`(\hat\theta - \theta)^\top M (\hat\theta - \theta)` is
    the squared distance of the features, up to an error of third order.

    Parameters
    ----------
    phi_of_g, theta, chunk, vectorize
        As for `jacobian`. For the metric in scaled parameters, as the PNP loss wants it, let
        `phi_of_g` begin with the scaling: ``lambda u: phi(drum(scaler.inverse(u)))``.

    Returns
    -------
    Tensor (batch, d, d), float64
        Symmetric, positive semidefinite to rounding. Products are accumulated in double
        precision, and only one chunk's Jacobians are kept at a time.

    Raises
    ------
    ValueError
        As `jacobian`; and where the derivatives of the features are not finite.

    Notes
    -----
    Han, Lostanlen and Lagrange, ICASSP 2023. Explained in chapter ``pnp/metric``.

    Examples
    --------
    >>> theta = torch.tensor([[2.0, 3.0]])
    >>> riemannian_metric(lambda t: torch.stack([t[:, 0] * t[:, 1], t[:, 0] ** 2], -1), theta)
    tensor([[[25.,  6.],
             [ 6.,  4.]]], dtype=torch.float64)
    """
    metrics = []
    for part in _checked(phi_of_g, theta, chunk, vectorize):
        slopes = _forward_mode(phi_of_g, part, vectorize)
        if slopes.is_complex():  # real and imaginary parts are features of their own
            slopes = torch.cat([slopes.real, slopes.imag], dim=1)
        slopes = slopes.double()
        product = slopes.transpose(-1, -2) @ slopes
        metrics.append((product + product.transpose(-1, -2)) / 2)
    metric = torch.cat(metrics)
    broken = ~metric.isfinite().flatten(1).all(1)
    if broken.any():
        raise ValueError(
            f"phi_of_g has no finite derivative at sounds {broken.nonzero().flatten().tolist()} "
            "of theta. Features such as a plain logarithm or root of silence do this; add a floor."
        )
    return metric


def largest_eigenvalue(metric: torch.Tensor) -> torch.Tensor:
    """Largest eigenvalue over all sounds: the natural unit of the damping.

    Parameters
    ----------
    metric : Tensor (..., d, d)
        From `riemannian_metric`.

    Returns
    -------
    Tensor ()
        In the dtype of `metric`.

    Examples
    --------
    >>> largest_eigenvalue(torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])).item()
    5.0
    """
    check_metric(metric)
    return torch.linalg.eigvalsh(metric)[..., -1].max()


def _checked(phi_of_g, theta: torch.Tensor, chunk: int, vectorize) -> tuple[torch.Tensor, ...]:
    check.function("phi_of_g", phi_of_g)
    check.floating("theta", theta)
    check.flag("vectorize", vectorize)
    chunk = check.count("chunk", chunk)
    if theta.ndim != 2 or 0 in theta.shape:
        raise ValueError(f"theta must be (batch, d), neither of them 0; got {tuple(theta.shape)}.")
    check.finite("theta", theta)
    return theta.detach().split(chunk)


@torch.no_grad()
def _forward_mode(phi_of_g, theta: torch.Tensor, vectorize: bool) -> torch.Tensor:
    """Jacobians (sounds, features, d) of one chunk."""

    def slope(direction: torch.Tensor) -> torch.Tensor:
        features, tangent = torch.func.jvp(phi_of_g, (theta,), (direction.expand_as(theta),))[:2]
        if features.shape[:1] != theta.shape[:1]:
            raise ValueError(
                f"phi_of_g must give one row of features for each of the {len(theta)} sounds; "
                f"got {tuple(features.shape)}."
            )
        tangent = tangent + 0 * direction.sum()  # vmap wants it of constant features, too
        return tangent.flatten(1) if features.ndim > 1 else tangent[:, None]

    directions = torch.eye(theta.shape[1], dtype=theta.dtype, device=theta.device)
    if not vectorize:
        return torch.stack([slope(direction) for direction in directions], -1)
    try:
        return torch.func.vmap(slope, out_dims=-1)(directions)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        raise RuntimeError(
            "phi_of_g has an operation that vmap cannot carry out; try vectorize=False."
        ) from error


def check_metric(metric: torch.Tensor) -> None:
    """Raise unless `metric` is a float tensor of square matrices."""
    check.finite("metric", check.floating("metric", metric))
    if metric.ndim < 2 or metric.shape[-1] != metric.shape[-2]:
        raise ValueError(f"metric must be (..., d, d); got {tuple(metric.shape)}.")

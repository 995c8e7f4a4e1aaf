"""The perceptual-neural-physical loss: a spectral loss made quadratic in the parameters."""

import torch

from sotlib._core import check
from sotlib._core.printed import PrintedModule
from sotlib.losses._signals import Reduction, checked_reduction, reduced
from sotlib.matching.damping import ConstantDamping, Damping
from sotlib.matching.metric import check_metric


def pnp_loss(
    predicted: torch.Tensor,
    target: torch.Tensor,
    metric: torch.Tensor,
    *,
    damping: float = 0.0,
    reduction: Reduction = "mean",
) -> torch.Tensor:
    r"""Perceptual-neural-physical loss.

    .. math:: \tfrac{1}{2} \,
        (\hat\theta - \theta)^\top (M(\theta) + \lambda I) (\hat\theta - \theta)

    Without damping it is the spectral loss to second order around the target; with damping far
    above the metric's eigenvalues it is the parameter loss times lambda.

    Parameters
    ----------
    predicted, target : Tensor (batch, d)
        Parameters, in the units `metric` was computed in.
    metric : Tensor (batch, d, d)
        Of the targets, from `riemannian_metric`. The quadratic form is computed in its dtype.
    damping : float, default 0
        Lambda, 0 or more.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over the batch; 'none' gives one value for each prediction.

    Returns
    -------
    Tensor () or (batch,)
        In the dtype of `predicted`.

    Raises
    ------
    ValueError
        Where shapes disagree or the damping is negative or not finite.
    TypeError
        Where an argument is not a float32 or float64 tensor.

    Notes
    -----
    Han, Lostanlen and Lagrange, ICASSP 2023. Explained in chapter ``pnp/metric``.

    Examples
    --------
    >>> metric = torch.tensor([[[4.0, 0.0], [0.0, 1.0]]])
    >>> pnp_loss(torch.ones(1, 2), torch.zeros(1, 2), metric, damping=1.0)
    tensor(3.5000)
    """
    checked_reduction(reduction)
    check.finite("predicted", check.floating("predicted", predicted))
    check.finite("target", check.floating("target", target))
    check_metric(metric)
    if predicted.ndim != 2 or predicted.shape != target.shape:
        raise ValueError(
            "predicted and target must be (batch, d) and alike; "
            f"got {tuple(predicted.shape)} and {tuple(target.shape)}."
        )
    if metric.shape != (*predicted.shape, predicted.shape[1]):
        raise ValueError(
            f"metric must be (batch, d, d) = {(*predicted.shape, predicted.shape[1])}, one for "
            f"each target; got {tuple(metric.shape)}."
        )
    damping = check.number("damping", damping, least=0)
    if len(predicted) == 0:
        raise ValueError("predicted must hold at least one prediction; got an empty batch.")
    error = predicted.to(metric.dtype) - target.to(metric.dtype)
    with torch.autocast(error.device.type, enabled=False):
        stretched = (metric @ error[..., None])[..., 0] + damping * error
    values = (error * stretched).sum(-1) / 2
    return reduced(values, reduction, values.shape).to(predicted.dtype)


class PNPLoss(PrintedModule):
    """`pnp_loss` as a module, with a damping policy.

    The damping acts in training mode only; after ``.eval()`` it is 0, as in the paper's
    validation and test. End each epoch with ``loss.damping.step(validation_loss)``. The policy's
    state is part of ``state_dict()``.

    Parameters
    ----------
    damping : float or policy, default 0
        A number stands for `ConstantDamping`.
    reduction : {'mean', 'sum', 'none'}, default 'mean'
        Over the batch; 'none' gives one value for each prediction.

    Notes
    -----
    Han, Lostanlen and Lagrange, ICASSP 2023. Explained in chapter ``pnp/metric``.

    Examples
    --------
    >>> loss = PNPLoss(damping=1.0)
    >>> metric = torch.tensor([[[4.0, 0.0], [0.0, 1.0]]])
    >>> loss(torch.ones(1, 2), torch.zeros(1, 2), metric)
    tensor(3.5000)
    >>> loss.eval()(torch.ones(1, 2), torch.zeros(1, 2), metric)
    tensor(2.5000)
    """

    def __init__(self, *, damping: float | Damping = 0.0, reduction: Reduction = "mean"):
        super().__init__()
        self.reduction = checked_reduction(reduction)
        if not isinstance(damping, Damping):
            damping = ConstantDamping(check.number("damping", damping, least=0))
        self.damping = damping

    def forward(
        self, predicted: torch.Tensor, target: torch.Tensor, metric: torch.Tensor
    ) -> torch.Tensor:
        """Loss of a batch; arguments as for `pnp_loss`."""
        damping = self.damping.value if self.training else 0.0
        return pnp_loss(predicted, target, metric, damping=damping, reduction=self.reduction)

    def get_extra_state(self) -> dict[str, float]:
        """Give the damping's state to ``state_dict()``."""
        return self.damping.state_dict()

    def set_extra_state(self, state: dict[str, float]) -> None:
        """Take the damping's state back from ``load_state_dict()``."""
        self.damping.load_state_dict(state)

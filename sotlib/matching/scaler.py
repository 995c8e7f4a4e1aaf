"""Parameters to the range a network works in, and back."""

from collections.abc import Sequence

import torch

from sotlib._core import check
from sotlib._core.tables import TableModule


class ParameterScaler(TableModule):
    r"""Min-max scaling of each parameter to [-1, 1], after log10 where due.

    .. math:: u_j = 2 \frac{f_j(\theta_j) - f_j(\theta_j^{min})}
        {f_j(\theta_j^{max}) - f_j(\theta_j^{min})} - 1,

    with :math:`f_j` the identity or log10. Values outside of the limits are not clipped.

    Parameters
    ----------
    minimum, maximum : sequence of d floats, or Tensor (d,)
        Limits of each parameter, in physical values.
    log10 : sequence of d bools
        Which parameters are scaled in log10.

    Raises
    ------
    ValueError
        Where limits are not finite, not in order, or not positive where log10 is asked for.

    Notes
    -----
    The paper takes the limits from the training fold: see `fit`. Limits are kept, and the
    scaling computed, in double precision. Explained in chapter ``pnp/metric``.

    Examples
    --------
    >>> scaler = ParameterScaler([10.0, 0.0], [1000.0, 4.0], log10=[True, False])
    >>> scaler(torch.tensor([[100.0, 4.0]]))
    tensor([[0., 1.]])
    >>> scaler.inverse(torch.tensor([[0.0, 1.0]]))
    tensor([[100.,   4.]])
    """

    in_log: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor

    def __init__(
        self,
        minimum: Sequence[float] | torch.Tensor,
        maximum: Sequence[float] | torch.Tensor,
        *,
        log10: Sequence[bool],
    ):
        super().__init__()
        device = minimum.device if isinstance(minimum, torch.Tensor) else "cpu"
        low = check.real_numbers("minimum", minimum, device).detach()
        high = check.real_numbers("maximum", maximum, device).detach()
        in_log = torch.as_tensor(check.flags("log10", log10), dtype=torch.bool, device=device)
        if low.ndim != 1 or low.shape != high.shape or low.shape != in_log.shape:
            raise ValueError(
                "minimum, maximum and log10 must have one entry for each parameter; got shapes "
                f"{tuple(low.shape)}, {tuple(high.shape)} and {tuple(in_log.shape)}."
            )
        for number in (~(low < high)).nonzero().flatten().tolist():
            raise ValueError(
                f"minimum must be below maximum; parameter {number} has "
                f"{low[number].item()} and {high[number].item()}."
            )
        self.register_buffer("in_log", in_log)
        self.register_buffer("low", self._curve(low, "minimum"))
        self.register_buffer("high", self._curve(high, "maximum"))

    @classmethod
    def fit(cls, theta: torch.Tensor, *, log10: Sequence[bool]) -> "ParameterScaler":
        """Scaler with the limits found in `theta`, (sounds, d), in physical values."""
        check.floating("theta", theta)
        if theta.ndim != 2 or len(theta) < 2 or theta.shape[1] == 0:
            raise ValueError(f"theta must be (2 or more sounds, d); got {tuple(theta.shape)}.")
        check.finite("theta", theta)
        return cls(theta.amin(0), theta.amax(0), log10=log10)

    def forward(self, theta: torch.Tensor) -> torch.Tensor:
        """Physical to scaled: (..., d) to (..., d)."""
        self._check_columns("theta", theta)
        curve = self._curve(theta.double(), "theta")
        return (2 * (curve - self.low) / (self.high - self.low) - 1).to(theta.dtype)

    def inverse(self, scaled: torch.Tensor) -> torch.Tensor:
        """Scaled to physical: (..., d) to (..., d)."""
        self._check_columns("scaled", scaled)
        curve = self.low + (scaled.double() + 1) / 2 * (self.high - self.low)
        # Each branch gets harmless values where the other one is taken: 0 * inf is NaN backward.
        power = 10 ** torch.where(self.in_log, curve, 0.0)
        return torch.where(self.in_log, power, curve).to(scaled.dtype)

    def _curve(self, theta: torch.Tensor, name: str) -> torch.Tensor:
        fault = self.in_log & ~(theta.detach() > 0)
        if check.holds_anywhere(fault):
            *item, number = fault.nonzero()[0].tolist()
            raise ValueError(
                f"{name}[..., {number}] must be above 0, as it is scaled in log10; "
                f"got {theta[(*item, number)].item()}."
            )
        return torch.where(self.in_log, torch.where(self.in_log, theta, 1.0).log10(), theta)

    def _check_columns(self, name: str, tensor: torch.Tensor) -> None:
        check.finite(name, check.floating(name, tensor))
        if tensor.ndim == 0 or tensor.shape[-1] != len(self.in_log):
            raise ValueError(
                f"{name} must have shape (..., {len(self.in_log)}); got {tuple(tensor.shape)}."
            )

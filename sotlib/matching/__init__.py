"""Sound matching: the network, the Jacobian and its metric, damping."""

from sotlib.matching.damping import AdaptiveDamping, ConstantDamping, Damping, ScheduledDamping
from sotlib.matching.metric import jacobian, riemannian_metric
from sotlib.matching.network import SoundMatcher
from sotlib.matching.scaler import ParameterScaler

__all__ = [
    "AdaptiveDamping",
    "ConstantDamping",
    "Damping",
    "ParameterScaler",
    "ScheduledDamping",
    "SoundMatcher",
    "jacobian",
    "riemannian_metric",
]

"""How the damping of the PNP loss changes from epoch to epoch (Levenberg-Marquardt)."""

import math

from sotlib._core import check


class Damping:
    """What all policies share: a value, a step at the end of each epoch, and a state.

    Parameters
    ----------
    initial : float
        Damping of the first epoch, 0 or more.

    Notes
    -----
    A policy of one's own is a subclass with a `step`. Explained in chapter ``pnp/damping``.
    """

    _state: tuple[str, ...] = ("initial", "value")

    def __init__(self, initial: float):
        self.initial = float(check.number("initial", initial, least=0))
        self.value = self.initial

    def step(self, validation_loss: float | None = None) -> float:
        """End an epoch; return the damping of the next one."""
        return self.value

    def state_dict(self) -> dict[str, float]:
        """Everything needed to go on from here, as plain numbers and flags."""
        return {name: getattr(self, name) for name in self._state}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from a `state_dict`.

        Raises
        ------
        TypeError, ValueError
            Where the state is that of another policy, or holds what no policy has.
        """
        check.instance("state", state, dict)
        if set(state) != set(self._state):
            raise ValueError(
                f"state must hold {sorted(self._state)}, as {type(self).__name__}.state_dict() "
                f"gives; got {sorted(state)}."
            )
        numbers = {name: _restored(f"state[{name!r}]", value) for name, value in state.items()}
        vars(self).update(numbers)


def _restored(name, value):
    """A number or flag of a state; the best loss is infinite until there is one."""
    if "hold" in name:
        return check.flag(name, value)
    if value == math.inf and "best" in name:
        return value
    return check.number(name, value, least=-math.inf if "best" in name else 0, most=math.inf)


class ConstantDamping(Damping):
    """The same damping in every epoch.

    Parameters
    ----------
    initial : float
        Damping, 0 or more, in the unit of the metric's eigenvalues.

    Attributes
    ----------
    value : float
        Damping of the present epoch.

    Notes
    -----
    The authors' constant damping was 10^5; such numbers belong to their scaling of the features.
    See `largest_eigenvalue`. Explained in chapter ``pnp/damping``.

    Examples
    --------
    >>> damping = ConstantDamping(1e5)
    >>> damping.step(validation_loss=0.3)
    100000.0
    """


class ScheduledDamping(Damping):
    r"""Damping that falls by the same factor in every epoch.

    .. math:: \lambda_{k+1} = \lambda_k (\lambda_{end} / \lambda_0)^{1/n}

    With the end at 1, the default, this is the authors' rule
    :math:`\lambda \leftarrow \lambda \lambda_0^{-1/n}`. It goes on falling after n epochs, unless
    it is to hold.

    Parameters
    ----------
    initial : float
        Damping of the first epoch, above `final`.
    epochs : int
        n, after how many epochs `final` is reached. The authors tried 5, 10, 15, …
    final : float, default 1
        Damping reached then. The authors' 1 is an absolute number: choose it with the scale of
        the metric.
    hold : bool, default False
        Whether it stays there.

    Notes
    -----
    Explained in chapter ``pnp/damping``.

    Examples
    --------
    >>> damping = ScheduledDamping(100.0, epochs=2)
    >>> [damping.step(), damping.step()]
    [10.0, 1.0]
    """

    _state = ("initial", "value", "epochs", "final", "hold", "epoch")

    def __init__(self, initial: float, *, epochs: int, final: float = 1.0, hold: bool = False):
        super().__init__(initial)
        self.hold = check.flag("hold", hold)
        self.epochs = check.count("epochs", epochs)
        self.final = float(check.positive("final", final))
        if initial <= final:
            raise ValueError(
                f"initial must be above final, or the damping would rise; got {initial} and "
                f"{final}."
            )
        self.epoch = 0

    def step(self, validation_loss: float | None = None) -> float:
        """End an epoch; return the damping of the next one."""
        self.epoch += 1
        past = min(self.epoch, self.epochs) if self.hold else self.epoch
        self.value = self.initial * (self.final / self.initial) ** (past / self.epochs)
        return self.value


class AdaptiveDamping(Damping):
    """Damping that falls when the validation loss improves, and is held, or rises, when not.

    Parameters
    ----------
    initial : float
        Damping of the first epoch, and its upper limit. The authors start from 10^20.
    accelerate : float, default 0.2
        Factor after an epoch with a validation loss below all earlier ones, in (0, 1]. The first
        epoch counts as an improvement.
    brake : float, default 1
        Factor after any other epoch, 1 or more. A loss that is not a number is no improvement.

    Notes
    -----
    The factors are the paper's; that it compares with the best epoch so far is known from the
    authors' code. Their 10^20 lies nine powers of ten above the largest diagonal entry that they
    show: the first epochs are in effect P-loss training. Explained in chapter ``pnp/damping``.

    Examples
    --------
    >>> damping = AdaptiveDamping(1000.0)
    >>> [round(damping.step(loss), 6) for loss in (0.5, 0.4, 0.6)]
    [200.0, 40.0, 40.0]
    """

    _state = ("initial", "value", "accelerate", "brake", "best")

    def __init__(self, initial: float, *, accelerate: float = 0.2, brake: float = 1.0):
        super().__init__(initial)
        self.accelerate = float(check.positive("accelerate", accelerate))
        self.brake = float(check.positive("brake", brake))
        if accelerate > 1 or brake < 1:
            raise ValueError(
                f"accelerate must be at most 1 and brake at least 1; got {accelerate} and {brake}."
            )
        self.best = math.inf

    def step(self, validation_loss: float | None = None) -> float:
        """End an epoch with its validation loss; return the damping of the next one."""
        if validation_loss is None:
            raise ValueError(
                "validation_loss must be given: AdaptiveDamping follows it. "
                "Call step(validation_loss) once an epoch."
            )
        if not check.is_number(validation_loss):  # NaN is a number of a broken epoch
            check.number("validation_loss", validation_loss)
        loss = float(validation_loss)
        improved = loss < self.best
        self.best = min(self.best, loss) if improved else self.best
        self.value *= self.accelerate if improved else self.brake
        self.value = min(self.value, self.initial)
        return self.value

"""How far predicted sounds are from true ones: in parameters, scattering and STFT."""

import torch

from sotlib.companion.experiments.pnp.instrument import Perception
from sotlib.losses import MultiResolutionSTFTLoss

AT_ONCE = 256  # sounds that a network sees at once when it is evaluated
SOUNDS = 16  # that are synthesised and scattered at once


@torch.no_grad()
def predict(model, fold):
    """Predicted scaled parameters (sounds, d) of a fold, in evaluation mode."""
    model.eval()
    known = None if model.given is None else fold.scaled[:, model.given]
    parts = torch.arange(len(fold), device=fold.scaled.device).split(AT_ONCE)
    return torch.cat([model(fold.spectra[p], None if known is None else known[p]) for p in parts])


@torch.no_grad()
def validate(predicted, fold, objective):
    """What validation goes by, and for all runs alike the P-loss and PNP loss without damping."""
    objective.eval()
    parts = torch.arange(len(fold), device=predicted.device).split(SOUNDS)
    losses = [len(p) * float(objective(predicted[p], fold, p)) for p in parts]
    return {"validation": sum(losses) / len(fold), **errors(predicted, fold)}


@torch.no_grad()
def errors(predicted, fold):
    """P-loss and PNP loss without damping over a fold, in double precision."""
    error = (predicted - fold.scaled).double()
    quadratic = (error[:, None] @ fold.metric @ error[..., None]).flatten() / 2
    return {"parameter_error": float(error.square().mean()), "pnp": float(quadratic.mean())}


class Judge:
    """Distances of predicted from true sounds."""

    def __init__(self, instrument, task, device="cpu"):
        self.names = instrument.parameters.names
        self.perceive = Perception(instrument, task).to(device)
        self.stft = MultiResolutionSTFTLoss(reduction="none").to(device)

    @torch.no_grad()
    def jtfs(self, predicted, fold):
        """JTFS distances (n,) of predictions of the first n sounds of a fold."""
        parts = torch.arange(len(predicted), device=predicted.device).split(SOUNDS)
        return torch.cat([self._jtfs(self._sound(predicted[p]), fold.jtfs[p]) for p in parts])

    @torch.no_grad()
    def distances(self, predicted, fold):
        """JTFS and STFT distance of each sound: two tensors (sounds,)."""
        both = []
        for p in torch.arange(len(fold), device=predicted.device).split(SOUNDS):
            true, sound = self._sound(fold.scaled[p]), self._sound(predicted[p])
            both.append(torch.stack([self._jtfs(sound, fold.jtfs[p]), self.stft(sound, true)]))
        return torch.cat(both, -1).unbind(0)

    def _sound(self, scaled):
        return self.perceive.synthesis(scaled)

    def _jtfs(self, sound, true):
        return torch.linalg.vector_norm(self.perceive.heard(sound) - true, dim=-1)

    def summary(self, predicted, fold, jtfs, stft):
        """Distances over a fold, mean squared errors of its scaled parameters, and losses."""
        squares = (predicted - fold.scaled).double().square().mean(0)
        each = {name: float(value) for name, value in zip(self.names, squares, strict=True)}
        return {
            "jtfs": _moments(jtfs),
            "stft": _moments(stft),
            "parameter_error": {"mean": float(squares.mean()), **each},
            "pnp": errors(predicted, fold)["pnp"],
        }


def judge(model, folds, judging, names=("test", "validation"), prefix=""):
    """Distances and errors on the sounds of some folds, losses on training sounds, and arrays.

    `prefix` is that of the arrays' names.
    """
    results: dict = {"train": errors(predict(model, folds["train"]), folds["train"])}
    arrays: dict[str, torch.Tensor] = {}
    for name in names:
        fold = folds[name]
        predicted = predict(model, fold)
        jtfs, stft = judging.distances(predicted, fold)
        results[name] = judging.summary(predicted, fold, jtfs, stft)
        found = {"predicted": predicted, "jtfs": jtfs, "stft": stft}
        arrays |= {f"{prefix}{name}_{key}": value for key, value in found.items()}
    return results, arrays


def without_listening(folds, judging, given=None):
    """What the best answer that needs no ears gets: the mean of the training fold."""
    test = folds["test"]
    mean = folds["train"].scaled.mean(0).repeat(len(test), 1)
    if given is not None:
        mean[:, given] = test.scaled[:, given]
    return judging.summary(mean, test, *judging.distances(mean, test))


def _moments(values):
    values = values.double()
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "median": float(values.median()),
    }

"""How far predicted drums are from true ones: in parameters, scattering and STFT."""

import torch

from sotlib.companion.experiments.drum.task import Perception
from sotlib.losses import MultiResolutionSTFTLoss
from sotlib.synths.drum import PARAMETERS

AT_ONCE = 256  # sounds that a network sees at once when it is evaluated
SOUNDS = 16  # that are synthesised and scattered at once


@torch.no_grad()
def predict(model, fold):
    """Predicted scaled parameters (sounds, 5) of a fold, in evaluation mode."""
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
    """Distances of predicted from true drums."""

    def __init__(self, task, device="cpu"):
        self.perceive = Perception(task).to(device)
        self.stft = MultiResolutionSTFTLoss(reduction="none").to(device)

    @torch.no_grad()
    def distances(self, predicted, fold):
        """JTFS and STFT distance of each sound: two tensors (sounds,)."""
        both = []
        for p in torch.arange(len(fold), device=predicted.device).split(SOUNDS):
            true = self.perceive.synthesis(fold.scaled[p])
            sound = self.perceive.synthesis(predicted[p])
            difference = self.perceive.features(sound) - fold.jtfs[p]
            jtfs = torch.linalg.vector_norm(difference, dim=-1)
            both.append(torch.stack([jtfs, self.stft(sound, true)]))
        return torch.cat(both, -1).unbind(0)


def judge(model, folds, judging):
    """Distances and errors on test and validation sounds, and the arrays behind them.

    Beside the model, the best that can be done without listening: the mean of the training fold.
    """
    results, arrays = {}, {}
    for name in ("test", "validation"):
        fold = folds[name]
        predicted = predict(model, fold)
        jtfs, stft = judging.distances(predicted, fold)
        results[name] = summary(predicted, fold, jtfs, stft)
        arrays |= {f"{name}_predicted": predicted, f"{name}_jtfs": jtfs, f"{name}_stft": stft}
    mean = folds["train"].scaled.mean(0).expand_as(folds["test"].scaled)
    if model.given is not None:
        mean = mean.clone()
        mean[:, model.given] = folds["test"].scaled[:, model.given]
    distances = judging.distances(mean, folds["test"])
    results["mean_predictor"] = summary(mean, folds["test"], *distances)
    return results, arrays


def summary(predicted, fold, jtfs, stft):
    """Distances over a fold, and mean squared errors of its scaled parameters."""
    squares = (predicted - fold.scaled).double().square().mean(0)
    return {
        "jtfs": _moments(jtfs),
        "stft": _moments(stft),
        "parameter_error": {
            "mean": float(squares.mean()),
            **{name: float(value) for name, value in zip(PARAMETERS, squares, strict=True)},
        },
    }


def _moments(values):
    values = values.double()
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "median": float(values.median()),
    }

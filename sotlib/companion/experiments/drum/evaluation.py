"""How far predicted drums are from true ones: in parameters, scattering and STFT."""

import torch

from sotlib.companion.experiments.drum.task import Perception
from sotlib.companion.experiments.pnp.evaluation import predict
from sotlib.losses import MultiResolutionSTFTLoss
from sotlib.synths.drum import PARAMETERS

SOUNDS = 16  # that are synthesised and scattered at once


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
    results = {}
    arrays: dict[str, torch.Tensor] = {}
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

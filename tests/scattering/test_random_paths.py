"""Estimates of the scattering loss from some of its paths."""

import copy

import pytest
import torch

from sotlib.losses import JTFSLoss
from sotlib.scattering import TimeFrequencyScattering

SETTINGS = {
    "global over time": {"J": 6, "Q": (8, 1), "J_fr": 2, "F": 4},
    "frames": {"J": 6, "Q": (8, 2), "J_fr": 2, "Q_fr": 2, "T": 32},
    "global over channels": {"J": 6, "Q": (8, 1), "J_fr": 2, "T": 16, "F": "global"},
    "of the PNP paper": {
        "J": 6, "Q": (8, 1), "J_fr": 2, "T": 16, "F": 2, "padding": "zeros", "convention": "pnp"
    },
}  # fmt: skip
SAMPLES = 256


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scattering(name="global over time"):
    return TimeFrequencyScattering(SAMPLES, **SETTINGS[name])


class InTurn(torch.nn.Module):
    """Instead of draws: one part after the other."""

    def __init__(self, parts):
        super().__init__()
        self.parts, self.done = parts, 0

    def forward(self):
        self.done += 1
        return [self.parts[self.done - 1]], float(len(self.parts))


def value_and_gradient(loss, x, y):
    x = x.clone().requires_grad_()
    value = loss(x, y)
    return value.detach(), torch.autograd.grad(value, x)[0]


@pytest.mark.parametrize("name", SETTINGS)
def test_the_mean_over_all_pairs_is_the_loss(name):
    transform = scattering(name)
    x, y = noise(2, 2, SAMPLES)
    loss = JTFSLoss(transform, random_paths=1)
    pairs = loss.draws.parts
    assert len(pairs) > 4
    loss.draws = InTurn(pairs)
    values, gradients = zip(*(value_and_gradient(loss, x, y) for _ in pairs), strict=True)
    value, gradient = value_and_gradient(JTFSLoss(transform), x, y)
    assert max(values) > 1.02 * min(values)
    torch.testing.assert_close(torch.stack(values).mean(), value)
    torch.testing.assert_close(torch.stack(gradients).mean(dim=0), gradient)


@pytest.mark.parametrize("name", SETTINGS)
def test_with_all_pairs_it_is_the_loss(name):
    transform = scattering(name)
    x, y = noise(2, 2, SAMPLES)
    count = len(JTFSLoss(transform, random_paths=1).draws.parts)
    estimate = value_and_gradient(JTFSLoss(transform, random_paths=count), x, y)
    for ours, full in zip(estimate, value_and_gradient(JTFSLoss(transform), x, y), strict=True):
        torch.testing.assert_close(ours, full)


def test_several_pairs_are_the_mean_of_each():
    transform = scattering("frames")
    x, y = noise(2, SAMPLES)
    loss = JTFSLoss(transform, random_paths=5, seed=3)
    drawn, _ = copy.deepcopy(loss.draws)()
    one = JTFSLoss(transform, random_paths=1)
    one.draws = InTurn(one.draws.parts)
    each = dict(zip(one.draws.parts, [one(x, y) for _ in one.draws.parts], strict=True))
    assert len(set(drawn)) == 5
    torch.testing.assert_close(loss(x, y), torch.stack([each[pair] for pair in drawn]).mean())


def test_every_pair_is_drawn_equally_often():
    draws = JTFSLoss(scattering(), random_paths=4).draws
    often = dict.fromkeys(draws.parts, 0)
    calls = 2000
    for _ in range(calls):
        for pair in draws()[0]:
            often[pair] += 1
    share = 4 / len(draws.parts)
    deviation = (calls * share * (1 - share)) ** 0.5
    assert max(abs(count - calls * share) for count in often.values()) < 4 * deviation


def test_in_evaluation_mode_all_paths_count():
    transform = scattering()
    x, y = noise(2, SAMPLES)
    loss = JTFSLoss(transform, random_paths=1).eval()
    assert loss(x, y) == JTFSLoss(transform)(x, y)
    assert loss.train()(x, y) != JTFSLoss(transform)(x, y)


def test_a_loaded_loss_goes_on_where_the_saved_one_was():
    transform = scattering()
    x, y = noise(2, SAMPLES)
    loss = JTFSLoss(transform, random_paths=1, seed=7)
    for _ in range(3):
        loss(x, y)
    state, copied = copy.deepcopy(loss.state_dict()), copy.deepcopy(loss)
    coming = [loss(x, y) for _ in range(3)]
    assert len(set(coming)) > 1
    again = JTFSLoss(transform, random_paths=1, seed=7)
    assert again(x, y) != coming[0]
    again.load_state_dict(state)
    assert [again(x, y) for _ in range(3)] == coming
    assert [copied(x, y) for _ in range(3)] == coming
    other = JTFSLoss(transform, random_paths=1, seed=8)
    other.load_state_dict(state)
    assert [other(x, y) for _ in range(3)] != coming


def test_a_loss_without_draws_has_no_state():
    assert not JTFSLoss(scattering()).state_dict()


def test_reductions():
    transform = scattering()
    x, y = noise(2, 3, SAMPLES)
    each, mean, total = (
        JTFSLoss(transform, random_paths=2, reduction=reduction)(x, y)
        for reduction in ("none", "mean", "sum")
    )
    assert each.shape == (3,)
    torch.testing.assert_close(mean, each.mean())
    torch.testing.assert_close(total, each.sum())


def test_gradient():
    loss = JTFSLoss(scattering("frames"), random_paths=2)
    loss.draws = InTurn([loss.draws.parts[3]] * 10_000)
    x, y = noise(2, SAMPLES) * 0.1
    direction = noise(SAMPLES, seed=1) / 16
    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: loss(x + t * direction, y), (step,))


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "2", 10**6])
def test_wrong_numbers_of_paths(count):
    with pytest.raises(ValueError, match="random_paths must be an integer of at"):
        JTFSLoss(scattering(), random_paths=count)


def test_wrong_seed():
    with pytest.raises(ValueError, match="seed must be an integer"):
        JTFSLoss(scattering(), random_paths=1, seed=-1)

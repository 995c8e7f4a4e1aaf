"""The comparison of losses: what it counts, against losses whose answers are known."""

import importlib
import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from sotlib.companion import show
from sotlib.companion.experiments.compare import descent, directions, losses, recovery, results
from sotlib.companion.experiments.compare.combinations import Schedule, equal_gradients
from sotlib.companion.experiments.compare.differences import (
    DIFFERENCES,
    RATE,
    SAMPLES,
    Difference,
    pairs,
    sizes,
)
from sotlib.companion.experiments.compare.intervals import wilson
from sotlib.companion.experiments.compare.others import OTHERS
from sotlib.companion.experiments.compare.state import resumed
from sotlib.companion.experiments.compare.surrogate import surrogate
from sotlib.companion.experiments.compare.synthesisers import SYNTHESISERS, fade
from sotlib.companion.experiments.training import Stopped
from sotlib.companion.runner import queue

pytestmark = pytest.mark.usefixtures("one_thread")

# A "sound" that is its parameter.
BARE = Difference(
    "units", 0.0, 1.0, 0.01, 0.5, lambda v, c, o: v[:, None].float().expand(-1, 4), faded=False
)


def l1(x, y):
    return (x - y).abs().mean(-1)


def broken(x, y):
    return (0 * x).sqrt().sum(-1)


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        (l1, {"pointing": 50, "zero": 0, "broken": 0}),
        (lambda x, y: -l1(x, y), {"pointing": 0, "zero": 0, "broken": 0}),
        (lambda x, y: 0 * l1(x, y), {"pointing": 0, "zero": 50, "broken": 0}),
        (broken, {"pointing": 0, "zero": 0, "broken": 50}),
    ],
)
def test_directions_of_losses_that_are_known(compare, expected):
    assert directions.point(compare, BARE, 0.1, 50, seed=3) == expected


def test_a_loss_of_random_sign_points_to_the_truth_in_half_of_the_pairs():
    generator = torch.Generator().manual_seed(0)

    def compare(x, y):
        return l1(x, y) * torch.randn(len(x), generator=generator).sign()

    found = directions.point(compare, BARE, 0.1, 400, seed=0)
    _, low, high = wilson(found["pointing"], 400)
    assert low < 0.5 < high


@pytest.mark.parametrize("size", [0.1, 3.0, 30.0])
def test_the_waveform_sees_loudness_if_the_phases_agree(size):
    compare = losses.LOSSES["L1"].build(RATE, SAMPLES)
    assert directions.point(compare, DIFFERENCES["loudness"], size, 20, seed=1)["pointing"] == 20


@pytest.mark.parametrize("name", DIFFERENCES)
def test_pairs_differ_by_the_size_inside_the_range_and_have_derivatives(name):
    difference = DIFFERENCES[name]
    for size in sizes(difference, 2):
        value, target, sound = pairs(difference, size, 12, seed=4)
        gap = (value - target).abs()
        torch.testing.assert_close(
            (gap - difference.offset).abs(), torch.full_like(gap, size), rtol=0, atol=1e-9
        )
        for each in (value, target):
            assert difference.low <= each.min()
            assert each.max() <= difference.high
        assert 0 < (value < target).sum() < 12
        value.requires_grad_()
        x = sound(value, 0)
        assert x.shape == (12, SAMPLES)
        assert x.dtype == torch.float32
        assert 0.01 < x.abs().amax() < 4 or "loudness" in name
        (slope,) = torch.autograd.grad(x.square().sum() + x[:, ::7].sum(), value)
        assert slope.isfinite().all()
        assert (slope != 0).any()
        torch.testing.assert_close(sound(value, 0), x, rtol=0, atol=0)


def test_sizes_are_equal_steps_of_the_logarithm():
    found = np.array(sizes(DIFFERENCES["time shift"], 5))
    assert found[0] == pytest.approx(0.1)
    assert found[-1] == pytest.approx(500)
    assert np.ptp(np.diff(np.log(found))) < 1e-9


def test_a_time_shift_shifts():
    _, _, sound = pairs(DIFFERENCES["time shift"], 10.0, 3, seed=0)
    at = torch.full((3,), 100.0, dtype=torch.float64)
    early, late = sound(at, 0), sound(at + 1000 * 16 / RATE, 0)
    torch.testing.assert_close(late[:, 16:], early[:, :-16], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("successes", "count"), [(0, 5), (3, 5), (40, 40), (11, 100)])
def test_wilsons_interval_is_that_of_scipy(successes, count):
    exact = binomtest(successes, count).proportion_ci(method="wilson")
    share, low, high = wilson(successes, count, z=1.959963984540054)
    assert (share, low, high) == pytest.approx((successes / count, exact.low, exact.high))


@pytest.mark.parametrize(("successes", "count"), [(3, 2), (-1, 5), (0, 0)])
def test_wilson_refuses_what_is_no_share(successes, count):
    with pytest.raises(ValueError, match="successes must lie between 0 and count"):
        wilson(successes, count)


def descending(compare, start, target, rate=0.1, sound=lambda theta: theta):
    return descent.Descent(compare, sound, target, start, torch.full((len(start),), rate))


def test_the_descent_is_adam_at_a_falling_rate():
    target, start = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0))
    ours = descending(lambda x, y: (x - y).square().sum(-1), start, target, rate=0.02)
    theta = start.clone().requires_grad_()
    adam = torch.optim.Adam([theta], lr=0.02, eps=1e-20)
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: 1 / (1 + k / descent.SLOWER))
    for _ in range(30):
        adam.zero_grad()
        (theta - target).square().sum().backward()
        adam.step()
        falling.step()
        with torch.no_grad():
            theta.clamp_(0, 1)
        ours.step()
    torch.testing.assert_close(ours.theta, theta.detach(), rtol=0, atol=1e-5)


def test_what_is_not_finite_does_not_move():
    found = descending(broken, torch.full((2, 3), 0.5), torch.zeros(2, 3))
    found.step()
    assert (found.theta == 0.5).all()
    assert found.broken == 2


def test_a_schedule_changes_its_loss_and_forgets():
    target = torch.full((1, 1), 0.9)
    up, down = (lambda x, y: 1e6 * l1(x, y)), (lambda x, y: l1(x, 0 * y))
    found = descending(Schedule(up, down, 3), torch.full((1, 1), 0.5), target)
    way = [0.5]
    for _ in range(5):
        found.step()
        way.append(found.theta.item())
    steps = np.diff(way)
    assert (steps[:3] > 0).all()
    assert (steps[3:] < 0).all()
    # Adam's first steps are the rate, whatever the loss is worth: the memory of 1e6 is gone.
    assert -steps[3] == pytest.approx(0.1 / (1 + 3 / descent.SLOWER), rel=1e-3)


def test_equal_gradients_are_unit_vectors():
    first, second = (
        (lambda rate, samples: lambda x, y: 50 * x[:, 0]),
        (lambda rate, samples: lambda x, y: 0.01 * (3 * x[:, 1] + 4 * x[:, 2])),
    )
    x = torch.randn(2, 4, requires_grad=True)
    value = equal_gradients(first, second)(8000, 4)(x, x.detach())
    (slope,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(slope, torch.tensor([[1.0, 0.6, 0.8, 0.0]]).expand(2, -1))
    assert value.shape == (2,)


@pytest.mark.parametrize("name", SYNTHESISERS)
def test_synthesisers_make_sounds_at_every_corner(name):
    synth = SYNTHESISERS[name]
    d = len(synth.parameters)
    corners = torch.cartesian_prod(*([torch.tensor([0.0, 1.0])] * d)).reshape(-1, d)
    sounds = synth(corners.requires_grad_())
    assert sounds.isfinite().all()
    assert (sounds.abs().amax(-1) > 1e-3).all()
    (slope,) = torch.autograd.grad(sounds.square().sum(), corners)
    assert slope.isfinite().all()
    pitch = synth.parameters[0]
    assert pitch.pitch
    cents = 1200 * math.log2((pitch.high / pitch.low) ** pitch.tolerance)
    assert cents == pytest.approx(50)


def test_the_targets_phases_are_not_those_of_the_guess():
    synth = SYNTHESISERS["harmonic"]
    truth, start, phases = synth.draw(4, seed=2)
    again = synth.draw(4, seed=2)
    assert all((a == b).all() for a, b in zip((truth, start, phases), again, strict=True))
    assert (synth(truth, phases) - synth(truth)).abs().amax() > 0.1


@pytest.mark.parametrize("name", losses.LOSSES)
def test_every_loss_gives_one_value_a_sound_and_a_finite_gradient(name):
    compare = losses.LOSSES[name].build(8000, 4096)
    synth = SYNTHESISERS["harmonic"]
    truth, start, phases = synth.draw(2, seed=3)
    y = synth(truth, phases)
    x = synth(start).requires_grad_()
    value = compare(x, y)
    assert value.shape == (2,)
    assert losses.LOSSES[name].family in show.FAMILIES
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert slope.isfinite().all()
    assert (slope != 0).any()


@pytest.fixture
def toy(monkeypatch):
    """One more line in the table of losses, and the experiments as they are with it."""
    line = losses.Loss(
        "waveform", "mean square", lambda r, n: lambda x, y: (x - y).square().mean(-1)
    )
    with monkeypatch.context() as patched:
        patched.setitem(losses.LOSSES, "toy", line)
        importlib.reload(directions)
        importlib.reload(recovery)
        yield "toy"
    importlib.reload(directions)
    importlib.reload(recovery)


def test_a_loss_joins_by_a_line(toy, tmp_path):
    wanted = {t.row for n in ("compare_directions", "compare_recovery") for t in queue(n)}
    assert {toy, *(f"{synth}-{toy}" for synth in SYNTHESISERS)} <= wanted
    directions.run(toy, 1, budget="smoke", folder=tmp_path / "d")
    found = results.directions(tmp_path / "d")[toy]["loudness"]
    assert found.share == 1
    assert found.pairs == 4
    recovery.run(f"sinusoid-{toy}", 1, budget="smoke", folder=tmp_path / "r")
    after = results.recovery(tmp_path / "r")["sinusoid"][toy]
    before = results.recovery(tmp_path / "r", "start")["sinusoid"][toy]
    assert after.errors.shape == (3, 2)
    assert 0 < np.abs(after.errors - before.errors).max() <= 0.3
    assert after.steps == 3
    assert before.steps == 0
    assert after.rate in recovery.RATES


def stop_at(when):
    def progress(done):
        if done >= when:
            raise Stopped

    return progress


def test_directions_go_on_where_they_were_stopped(tmp_path):
    with pytest.raises(Stopped):
        directions.run("MSS-Lin", 1, budget="smoke", folder=tmp_path / "a", progress=stop_at(1))
    parts = [
        directions.run("MSS-Lin", 1, budget="smoke", folder=tmp_path / name)["results"]
        for name in ("a", "b")
    ]
    assert parts[0] == parts[1]


def test_a_damaged_state_is_put_aside(tmp_path, capsys):
    with pytest.raises(Stopped):
        directions.run("L1", 1, budget="smoke", folder=tmp_path, progress=stop_at(1))
    (checkpoint,) = tmp_path.glob("*.checkpoint.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-3])
    assert resumed(checkpoint, {}) == ({}, {})
    assert "It is put aside" in capsys.readouterr().err
    assert not checkpoint.exists()


@pytest.mark.parametrize("when", [20, 60, 100])  # while the rate is chosen, after it, at the end
def test_recovery_goes_on_where_it_was_stopped(tmp_path, monkeypatch, when):
    short = recovery.Budget(2, search_starts=1, descent_steps=40, longest=60, reduced="for a test")
    monkeypatch.setitem(recovery.BUDGETS, "smoke", short)
    row = "arpeggio-sliced-then-MSS"
    with pytest.raises(Stopped):
        recovery.run(row, 1, budget="smoke", folder=tmp_path / "a", progress=stop_at(when))
    assert list((tmp_path / "a").glob("*.checkpoint.safetensors"))
    ends = [
        recovery.run(row, 1, budget="smoke", folder=tmp_path / name)["results"]["errors"]["steps"]
        for name in ("a", "b")
    ]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("loss", ["L1", "Sinkhorn"])
def test_dear_losses_end_after_the_steps_that_all_take(tmp_path, monkeypatch, loss):
    short = recovery.Budget(2, search_starts=1, descent_steps=3, longest=5, reduced="for a test")
    monkeypatch.setitem(recovery.BUDGETS, "smoke", short)
    found = recovery.run(f"sinusoid-{loss}", 1, budget="smoke", folder=tmp_path)["results"]
    assert [entry["step"] for entry in found["curve"]] == list(
        range(4 if loss == "Sinkhorn" else 6)
    )
    assert (found["errors"]["steps"] == found["errors"]["end"]) == (loss == "Sinkhorn")
    for entry, when in ((found["curve"][0], "start"), (found["curve"][3], "steps")):
        near = np.array(found["errors"][when]) <= found["tolerances"]
        assert entry["near"] == near.all(1).sum()
        assert entry["pitches"] == near[:, 0].sum()


def test_all_losses_of_a_synthesiser_descend_from_the_same_starts_to_the_same_targets():
    for synth in SYNTHESISERS:
        tries = [
            recovery.Recovery(recovery.ROWS[f"{synth}-{loss}"], 3, 1, torch.ones(3))
            for loss in ("L1", "mel", "sliced-then-MSS")
        ]
        for other in tries[1:]:
            assert torch.equal(other.descent.theta, tries[0].descent.theta)
            assert torch.equal(other.descent.target, tries[0].descent.target)


def test_the_rate_is_chosen_on_other_starts(tmp_path, monkeypatch):
    drawn = []

    class Seen(recovery.Recovery):
        def __init__(self, row, starts, seed, rates, repeat=1):
            drawn.append((starts, seed))
            super().__init__(row, starts, seed, rates, repeat)

    monkeypatch.setattr(recovery, "Recovery", Seen)
    recovery.run("sinusoid-L1", 1, budget="smoke", folder=tmp_path)
    assert drawn == [(1, recovery.SEARCH_SEED), (3, 1)]


@pytest.mark.parametrize("name", ["sinusoid", "drum"])
def test_pnp_is_the_loss_of_the_features_nearby(name):
    """Half the squared distance of the features, to second order and in single precision."""
    synth = SYNTHESISERS[name]
    truth, _, phases = synth.draw(2, seed=8)
    way = OTHERS["PNP"].make(synth, truth, phases)
    jtfs = losses.LOSSES["JTFS"].build(synth.rate, 4096)
    guess = truth + 1e-4 * torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0][: truth.shape[1]])
    full = jtfs(synth(guess, phases), synth(truth, phases))
    torch.testing.assert_close(way.compare(guess, way.target), full, rtol=0.35, atol=0)


def test_pnp_is_recovered_under_a_metric(tmp_path):
    recovery.run("sinusoid-PNP", 1, budget="smoke", folder=tmp_path)
    assert results.recovery(tmp_path)["sinusoid"]["PNP"].errors.shape == (3, 2)


@pytest.fixture
def tones():
    """The sinusoid, with targets and starts far from them."""
    synth = SYNTHESISERS["sinusoid"]
    truth = torch.tensor([[0.5, 0.9], [0.7, 0.6], [0.4, 0.8]])
    start = torch.tensor([[0.8, 0.4], [0.35, 0.9], [0.75, 0.5]])
    return synth, truth, start, torch.tensor([[0.3], [2.0], [4.5]]).double()


def by_hand(z, level, target):
    """Derivative of the squared difference of magnitude spectra by both parts of z."""
    n = np.arange(len(target))
    envelope = fade().double().numpy() * 10 ** ((30 * level - 30) / 20)
    sound = envelope * (z**n).real
    slopes = envelope * n * np.array([(z ** (n - 1.0)).real, -(z ** (n - 1.0)).imag])
    x, y = (np.fft.rfft(s, norm="ortho") for s in (sound, target))
    change = (x.conj() * np.fft.rfft(slopes, norm="ortho")).real / abs(x)
    return (2 * (abs(x) - abs(y)) * change).mean(-1)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_gradient_in_z_of_the_surrogate(tones, normalise):
    synth, truth, start, phases = tones
    way = surrogate(synth, truth, phases, normalise=normalise)
    found = descent.Descent(
        way.compare, way.sound, way.target, way.begin(start), torch.ones(3), way.inside
    )
    slope = found._slope().double().numpy()[:, :2]
    x, y, level = (2 * found.theta.double().numpy() - 1).T
    known = np.array(
        [
            by_hand(z, (1 + one) / 2, target)
            for z, one, target in zip(x + 1j * y, level, way.target.double().numpy(), strict=True)
        ]
    )
    if normalise:
        known /= np.linalg.norm(known, axis=1, keepdims=True)
    else:
        known *= 2  # the range of a coordinate is 2
    assert slope == pytest.approx(known, rel=1e-3)


def test_a_surrogate_on_the_circle_is_the_sinusoid(tones):
    synth, truth, start, phases = tones
    way = surrogate(synth, truth, phases)
    theta = way.begin(start)
    outside = torch.cat([0.5 + 40 * (theta[:, :2] - 0.5), theta[:, 2:] + 2], -1)
    circle = way.inside(outside)
    assert (2 * circle[:, :2] - 1).norm(dim=-1) == pytest.approx(1, abs=1e-6)
    assert (circle[:, 2] == 1).all()
    circle[:, 2] = start[:, 1]
    torch.testing.assert_close(way.end(circle), start, rtol=0, atol=1e-4)
    torch.testing.assert_close(way.sound(circle), synth(start, math.pi / 2), rtol=0, atol=5e-3)


def test_the_surrogate_finds_what_is_far(tones, monkeypatch):
    synth, truth, start, phases = tones
    monkeypatch.setattr(type(synth), "draw", lambda self, count, seed: (truth, start, phases))
    row = recovery.ROWS["sinusoid-surrogate"]
    tries = recovery.Recovery(row, 3, 0, torch.full((3,), 0.01))
    assert (tries.error()[:, 0] > 20 * synth.tolerances[0]).all()
    tries.go_on(200)
    assert (tries.error()[:, 0] < 0.1 * synth.tolerances[0]).all()


def test_only_the_sinusoid_has_a_surrogate():
    assert [name for name, row in recovery.ROWS.items() if row.loss == "surrogate"] == [
        "sinusoid-surrogate"
    ]

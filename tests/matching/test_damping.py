"""Damping policies: the paper's rules, and going on after a restart."""

import json

import pytest

from sotlib.matching.damping import AdaptiveDamping, ConstantDamping, ScheduledDamping

POLICIES = [
    lambda: ConstantDamping(1e5),
    lambda: ScheduledDamping(1e20, epochs=15),
    lambda: ScheduledDamping(100.0, epochs=2, hold=True),
    lambda: AdaptiveDamping(1e20, brake=2.0),
]
LOSSES = [1.0, 0.9, 0.95, 0.8, float("nan"), 0.7, 0.75, 0.9]


def test_constant():
    damping = ConstantDamping(1e5)
    assert [damping.step(loss) for loss in LOSSES] == [1e5] * len(LOSSES)
    assert ConstantDamping(0).value == 0


@pytest.mark.parametrize("epochs", [5, 10, 15])
def test_schedule_is_the_published_recursion(epochs):
    damping, expected = ScheduledDamping(1e20, epochs=epochs), 1e20
    assert damping.value == 1e20
    for _ in range(epochs):
        expected *= 1e20 ** (-1 / epochs)
        assert damping.step() == pytest.approx(expected, rel=1e-12)
    assert damping.value == pytest.approx(1)
    assert damping.step() < 1


def test_schedule_in_relative_units_ends_where_it_is_told():
    damping = ScheduledDamping(1e-2, epochs=4, final=1e-10)
    values = [damping.step() for _ in range(4)]
    assert values == pytest.approx([1e-4, 1e-6, 1e-8, 1e-10])


def test_schedule_can_hold_its_end():
    damping = ScheduledDamping(100.0, epochs=2, final=1.0, hold=True)
    assert [damping.step() for _ in range(4)] == pytest.approx([10, 1, 1, 1])
    passing = ScheduledDamping(100.0, epochs=2, final=1.0)
    passing.load_state_dict(damping.state_dict())
    assert passing.step() == pytest.approx(1)


def test_adaptive_falls_with_improvement_and_holds_without():
    damping = AdaptiveDamping(1000.0)
    steps = [damping.step(loss) for loss in [3.0, 2.0, 2.5, 2.0, 1.0]]
    assert steps == pytest.approx([200, 40, 40, 40, 8])


def test_adaptive_compares_with_the_best_epoch():
    damping = AdaptiveDamping(1000.0)
    assert [damping.step(loss) for loss in [1.0, 5.0, 4.0]] == pytest.approx([200, 200, 200])


def test_adaptive_brakes_up_to_its_start():
    damping = AdaptiveDamping(1000.0, brake=3.0)
    assert [damping.step(loss) for loss in [2, 3, 3, 3]] == pytest.approx([200, 600, 1000, 1000])


def test_adaptive_takes_nan_for_no_improvement():
    damping = AdaptiveDamping(1000.0)
    nan = float("nan")
    assert [damping.step(loss) for loss in [nan, 1.0, nan, 0.5]] == pytest.approx(
        [1000, 200, 200, 40]
    )


def test_published_path_of_the_adaptive_damping():
    """3·10¹⁴ after 20 epochs from 10²⁰: what eight improvements give, to one digit."""
    damping = AdaptiveDamping(1e20)
    for epoch in range(20):
        damping.step(-epoch if epoch < 8 else 0.0)
    assert float(f"{damping.value:.0e}") == 3e14


@pytest.mark.parametrize("make", POLICIES)
def test_a_restarted_run_goes_on_alike(make):
    whole, first, second = make(), make(), make()
    expected = [whole.step(loss) for loss in LOSSES]
    begun = [first.step(loss) for loss in LOSSES[:3]]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.value == first.value
    assert begun + [second.step(loss) for loss in LOSSES[3:]] == expected


def test_a_new_policy_has_a_state_too():
    fresh = AdaptiveDamping(5.0)
    other = AdaptiveDamping(7.0)
    other.load_state_dict(fresh.state_dict())
    assert other.state_dict() == fresh.state_dict()


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"initial must be .*at least 0 .*; got -1"):
        ConstantDamping(-1)
    with pytest.raises(ValueError, match=r"initial must be .*at least 0 .*; got nan"):
        AdaptiveDamping(float("nan"))
    with pytest.raises(ValueError, match="initial must be above final, or the damping would rise"):
        ScheduledDamping(0.5, epochs=3)
    with pytest.raises(ValueError, match="epochs must be an integer of at least 1; got 0"):
        ScheduledDamping(10.0, epochs=0)
    with pytest.raises(ValueError, match="accelerate must be at most 1 and brake at least 1"):
        AdaptiveDamping(10.0, accelerate=2.0)
    with pytest.raises(ValueError, match="accelerate must be at most 1 and brake at least 1"):
        AdaptiveDamping(10.0, brake=0.5)
    with pytest.raises(ValueError, match="validation_loss must be given"):
        AdaptiveDamping(10.0).step()
    with pytest.raises(ValueError, match=r"as AdaptiveDamping.state_dict\(\) gives"):
        AdaptiveDamping(10.0).load_state_dict(ConstantDamping(1.0).state_dict())

"""The sound matcher: its size, what is inserted, the scale of its outputs, its features."""

import subprocess
import sys

import pytest
import torch

from sotlib import CQT, SoundMatcher, rectangular_drum
from sotlib.matching.network import LogCQT

SMALL = {"fmin": 320.0, "n_bins": 48, "hop_length": 64}


@pytest.fixture(scope="module")
def matcher():
    torch.manual_seed(0)
    return SoundMatcher(**SMALL)


@pytest.fixture(scope="module")
def informed():
    torch.manual_seed(0)
    return SoundMatcher(given=0, **SMALL)


@pytest.fixture
def features(generator):
    return torch.rand(6, 48, 33, generator=generator)


def test_it_has_four_million_parameters(matcher, informed):
    published = 5_288_548 - 1_281_000  # EfficientNet-B0 for three colours, without its classifier
    ours = published - 2 * 32 * 3 * 3 + 1280 * 5 + 2 * 5 + 2
    assert sum(p.numel() for p in matcher.parameters()) == ours
    assert sum(p.numel() for p in informed.parameters()) == ours - 1280 - 2


def test_what_comes_before_tanh_has_the_published_scale(matcher, features):
    outputs = torch.atanh(matcher.train()(features).double())
    torch.testing.assert_close(outputs.mean(0), torch.zeros(5).double(), atol=1e-4, rtol=0)
    spread = outputs.std(0, correction=0)
    torch.testing.assert_close(spread, torch.full((5,), 0.5**0.5).double(), atol=2e-2, rtol=0)


@pytest.mark.parametrize("given", [0, 2, 4])
def test_the_known_parameter_is_inserted_and_has_no_gradient(features, given):
    matcher = SoundMatcher(given=given, **SMALL).train()
    known = torch.linspace(-2, 2, len(features))
    predicted = matcher(features, known)
    assert predicted.shape == (6, 5)
    torch.testing.assert_close(predicted[:, given], known)
    weights = list(matcher.parameters())
    slopes = torch.autograd.grad(
        predicted[:, given].sum(), weights, allow_unused=True, retain_graph=True
    )
    assert all(slope is None or not slope.any() for slope in slopes)
    error = (predicted - torch.zeros(5)).square().mean()
    (others,) = torch.autograd.grad(error, [matcher.head.weight])
    assert others.shape == (4, 1280)
    assert others.abs().sum(1).gt(0).all()


def test_features_are_the_logarithm_of_the_cqt(matcher):
    theta = torch.tensor([[2500.0, 0.4, 0.02, 0.03, 0.6]])
    sound = rectangular_drum(theta, samples=2**11)
    for padding in ("reflect", "zeros"):
        cqt = CQT(**SMALL, bins_per_octave=12, window="hann", padding=padding)
        expected = (1 + 1000 * cqt(sound)).log()
        torch.testing.assert_close(LogCQT(**SMALL, padding=padding)(sound), expected)
    torch.testing.assert_close(matcher.features(sound), LogCQT(**SMALL)(sound))
    assert not torch.equal(expected, matcher.features(sound))  # the authors' reflects
    assert not LogCQT(**SMALL)(torch.zeros(1, 2**11)).any()


def test_features_have_no_part_in_the_state(matcher):
    assert not [name for name in matcher.state_dict() if name.startswith("features")]


def test_default_features_are_the_published_ones():
    features = LogCQT()
    low, high = features.positions("absolute")[[0, -1]]
    assert low.item() == pytest.approx(8.613, abs=1e-3)
    assert high.item() == pytest.approx(low.item() * 2 ** (119 / 12), rel=1e-5)
    assert features.longest == 2**16


def test_sounds_do_not_mix_in_evaluation(matcher, features):
    matcher.eval()
    alone = torch.cat([matcher(one[None]) for one in features])
    torch.testing.assert_close(matcher(features), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "known", "message"),
    [
        ((2, 40, 33), None, r"features must be \(batch, 48, frames\)"),
        ((2, 48, 31), None, "at least 32 bins and 32 frames"),
        ((2, 48, 33), torch.zeros(2), "the call takes no known"),
    ],
)
def test_wrong_input_is_named(matcher, shape, known, message):
    with pytest.raises(ValueError, match=message):
        matcher(torch.zeros(shape), known)


def test_missing_or_wrong_knowledge_is_named(informed, features):
    with pytest.raises(ValueError, match="the call lacks known"):
        informed(features)
    with pytest.raises(ValueError, match=r"known must be \(batch,\) = \(6,\); got \(6, 1\)"):
        informed(features, torch.zeros(6, 1))
    with pytest.raises(ValueError, match="given must be below parameters = 5; got 5"):
        SoundMatcher(given=5)


def test_the_least_number_of_frames_is_enough(matcher):
    assert matcher.eval()(torch.zeros(1, 48, 32)).isfinite().all()


def test_missing_monai_is_named(monkeypatch):
    for name in ("monai", "monai.networks.nets"):
        monkeypatch.setitem(sys.modules, name, None)  # cannot be imported
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sotlib\[experiments\]'"):
        SoundMatcher(**SMALL)


def test_importing_the_library_does_not_import_monai():
    experiment = "sotlib.companion.experiments.pnp.drum"
    code = f"import sys, sotlib, {experiment}; sys.exit('monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

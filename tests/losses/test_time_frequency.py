"""The losses on whole spectrograms: signals moved in time and frequency, silence, bad input."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from sotlib import (
    CQT,
    STFT,
    MelSpectrogram,
    SinkhornSpectrogramLoss,
    SlicedSpectrogramLoss,
    SpectralLoss,
    Wasserstein1DLoss,
    sinkhorn_divergence,
    sinkhorn_grid,
    sliced_wasserstein,
)

RATE = 8000
SAMPLES = 4096


def stft(**options):
    settings = {"fft_size": 256, "hop_length": 128, "window": "hann", "sample_rate": RATE}
    return STFT(**settings | options)


def burst(frequency, onset, *, dtype=torch.float64):
    """A tone of 0.1 s under a Hann window."""
    t = torch.arange(SAMPLES, dtype=torch.float64) / RATE - onset
    window = torch.where((t >= 0) & (t < 0.1), torch.sin(math.pi * t / 0.1) ** 2, 0.0)
    return (window * torch.sin(2 * math.pi * frequency * t)).to(dtype)


LOSSES = {
    "sinkhorn": lambda **o: SinkhornSpectrogramLoss(stft(), **o),
    "biased": lambda **o: SinkhornSpectrogramLoss(stft(), debiased=False, **o),
    "unbalanced": lambda **o: SinkhornSpectrogramLoss(stft(), marginal_penalty=1.0, **o),
    "sliced": lambda **o: SlicedSpectrogramLoss(stft(), **o),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


@every_loss
@pytest.mark.parametrize("axis", ["time", "frequency"])
def test_grows_with_the_shift_where_l1_saturates(name, axis):
    loss, pointwise = LOSSES[name](unit=1000.0), SpectralLoss(fft_size=256, hop_length=128)
    reference = burst(1500, 0.1)
    shifts = [k * (384 / RATE if axis == "time" else 250) for k in range(6)]
    moved = [burst(1500, 0.1 + d) if axis == "time" else burst(1500 + d, 0.1) for d in shifts]
    values = [loss(m, reference).item() for m in moved]
    assert all(low < high for low, high in itertools.pairwise(values))
    saturated = [pointwise(m, reference).item() for m in moved[-2:]]
    assert saturated[1] == pytest.approx(saturated[0], rel=0.01)
    assert values[-1] > 1.3 * values[-2]


@pytest.mark.parametrize(("df", "dt"), [(500, 0), (0, 0.16), (-500, 0.16)])
def test_a_shift_costs_its_square(df, dt):
    """Debiased, in kHz²: (Δf)² + (time_scale Δt)²; sliced, half of it."""
    x, y = burst(2000, 0.1), burst(2000 + df, 0.1 + dt)
    expected = (df / 1000) ** 2 + (2000 * dt / 1000) ** 2
    settings = {"square_magnitude": True, "time_scale": 2000.0, "unit": 1000.0}
    whole = SinkhornSpectrogramLoss(stft(), **settings)(x, y)
    sliced = SlicedSpectrogramLoss(stft(), **settings)(x, y)
    assert whole.item() == pytest.approx(expected, rel=1e-3)
    assert sliced.item() == pytest.approx(expected / 2, rel=1e-3)


def test_is_the_function_on_normalised_magnitudes():
    x, y = torch.randn(2, 3, SAMPLES, generator=torch.Generator().manual_seed(0))
    transform = stft()
    a, b = (s / s.sum((-2, -1), keepdim=True) for s in (transform(x), transform(y)))
    axes = {
        "freqs": torch.arange(129) * RATE / 256,
        "times": torch.arange(a.shape[-1]) * 128 / RATE,
        "time_scale": 700.0,
    }
    cases = [
        (SinkhornSpectrogramLoss(transform, time_scale=700.0), sinkhorn_divergence(a, b, **axes)),
        (
            SinkhornSpectrogramLoss(transform, time_scale=700.0, debiased=False),
            sinkhorn_grid(a, b, **axes).value,
        ),
        (SlicedSpectrogramLoss(transform, time_scale=700.0), sliced_wasserstein(a, b, **axes)),
    ]
    for loss, expected in cases:
        torch.testing.assert_close(loss(x, y), expected.mean(), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize(
    "transform",
    [
        MelSpectrogram(fft_size=256, hop_length=128, n_mels=32, sample_rate=RATE),
        CQT(n_bins=60, bins_per_octave=12, hop_length=128, fmin=100.0, sample_rate=RATE),
    ],
    ids=["mel", "cqt"],
)
def test_other_transforms(transform):
    x, y = burst(1500, 0.1, dtype=torch.float32), burst(1800, 0.2, dtype=torch.float32)
    x.requires_grad_()
    for loss in (SinkhornSpectrogramLoss(transform), SlicedSpectrogramLoss(transform)):
        value = loss(x, y)
        (gradient,) = torch.autograd.grad(value, x)
        assert value > 0
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_and_equal_signals(name, dtype):
    loss = LOSSES[name]()
    tone, silence = burst(1500, 0.1, dtype=dtype), torch.zeros(SAMPLES, dtype=dtype)
    for x, y in ((silence, silence), (silence, tone), (tone, silence), (tone, tone)):
        x = x.clone().requires_grad_()
        value = loss(x, y)
        (gradient,) = torch.autograd.grad(value, x)
        assert value.isfinite()
        assert value.dtype == dtype
        assert gradient.isfinite().all()
        if name != "biased" and torch.equal(x.detach(), y):
            # relative to the largest cost on this plane
            assert abs(value.item()) < 1e-6 * (4000**2 + 512**2)


def test_unbalanced_silence_is_a_uniform_millionth_of_the_other():
    y = burst(1500, 0.1)
    mass = stft()(y) / stft()(y).sum()
    bins, frames = mass.shape
    expected = sinkhorn_divergence(
        torch.full_like(mass, 1e-6 / mass.numel()), mass, marginal_penalty=1.0,
        freqs=torch.arange(bins) * (RATE / 256 / 1000), times=torch.arange(frames) * (128 / RATE),
    )  # fmt: skip
    silent = LOSSES["unbalanced"](unit=1000.0)(torch.zeros_like(y), y)
    assert silent.item() == pytest.approx(expected.item(), rel=1e-6)


def test_loudness_matters_only_unbalanced():
    x, y = burst(1500, 0.1), burst(1900, 0.2)
    for name in ("sinkhorn", "sliced"):
        loss = LOSSES[name]()
        assert loss(0.1 * x, y).item() == pytest.approx(loss(x, y).item(), rel=1e-6)
    unbalanced = LOSSES["unbalanced"]()
    assert unbalanced(0.1 * y, y) > 1000 * unbalanced(y, y).abs()


@every_loss
def test_gradcheck(name):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 1, 48, generator=generator, dtype=torch.float64)
    options = {} if name == "sliced" else {"tol": 1e-11}
    kind = SlicedSpectrogramLoss if name == "sliced" else SinkhornSpectrogramLoss
    if name != "sliced":
        options |= {"debiased": name != "biased", "epsilon": 0.05}
        options["marginal_penalty"] = 1.0 if name == "unbalanced" else None
    loss = kind(stft(fft_size=16, hop_length=8), unit=1000.0, **options)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), (x,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("kind", [SinkhornSpectrogramLoss, SlicedSpectrogramLoss])
def test_bad_input_says_what_to_do(kind):
    with pytest.raises(TypeError, match="transform must be one of the library's transforms"):
        kind("stft")
    with pytest.raises(ValueError, match="time_scale must be a finite number above 0"):
        kind(stft(), time_scale=0.0)
    loss = kind(stft())
    good = torch.zeros(SAMPLES)
    with pytest.raises(ValueError, match="x must be finite"):
        loss(good * math.nan, good)
    with pytest.raises(ValueError, match="the same shape"):
        loss(good, good[:-1])
    with pytest.raises(ValueError, match="x is too short"):
        loss(good[:100], good[:100])


def test_nothing_is_squared_twice():
    power = stft(square_magnitude=True)
    for loss in (SinkhornSpectrogramLoss, SlicedSpectrogramLoss, Wasserstein1DLoss):
        with pytest.raises(ValueError, match="square_magnitude=True would square once more"):
            loss(power, square_magnitude=True)


def test_a_checkpoint_draws_the_same_directions_again():
    loss = SlicedSpectrogramLoss(stft(), generator=torch.default_generator, n_projections=3)
    y, gradients = burst(1200.0, 0.1), []
    for compute in (loss, partial(checkpoint, loss, use_reentrant=False)):
        torch.manual_seed(1)
        x = burst(900.0, 0.2).requires_grad_()
        compute(x, y).backward()
        gradients.append(x.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3])
@pytest.mark.parametrize("options", [{}, {"marginal_penalty": 1.0}, {"tol": 1e-6}])
def test_equal_sounds_are_zero_apart_up_to_the_tolerance(epsilon, options):
    """On either side of zero, as the docstring says."""
    x = torch.randn(3, SAMPLES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = SinkhornSpectrogramLoss(stft(), epsilon=epsilon, reduction="none", **options)
    frames = stft()(x).shape[-1]
    largest_cost = (RATE / 2) ** 2 + (loss.time_scale * (frames - 1) * 128 / RATE) ** 2
    bound = options.get("tol", 1e-4) * epsilon * largest_cost
    assert (loss(x, x).abs() <= bound).all()
    assert (loss(x, x.flip(0))[[0, 2]] > bound).all()


VIEWS = {
    "sinkhorn": SinkhornSpectrogramLoss,
    "unbalanced": partial(SinkhornSpectrogramLoss, marginal_penalty=1.0),
    "sliced": SlicedSpectrogramLoss,
}
AXES = {"freqs": stft().positions("absolute"), "times": torch.arange(33) * 128 / RATE}


@pytest.mark.parametrize("square_magnitude", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_representations_cost_what_their_signals_do(name, square_magnitude):
    options = {"square_magnitude": square_magnitude, "unit": 1000.0, "reduction": "none"}
    x, y = (torch.stack([burst(f, 0.1), burst(f, 0.2)]) for f in (1000, 1500))
    expected = VIEWS[name](stft(), **options)(x, y)
    for transform in ("identity", None):
        loss = VIEWS[name](transform, **options)
        found = loss(stft()(x), stft()(y), **AXES)
        torch.testing.assert_close(found, expected)
    lists = {key: axis.tolist() for key, axis in AXES.items()}
    torch.testing.assert_close(loss(stft()(x), stft()(y), **lists), expected)


@pytest.mark.parametrize("name", VIEWS)
def test_own_axes_of_signals(name):
    x, y = burst(1000, 0.1), burst(1500, 0.2)
    octaves = {"freqs": torch.linspace(0, 8, 129), "times": AXES["times"] * 2}
    options = {"time_scale": 3.0}
    expected = VIEWS[name](None, **options)(stft()(x[None]), stft()(y[None]), **octaves)
    torch.testing.assert_close(VIEWS[name](stft(), **options)(x, y, **octaves), expected)
    assert VIEWS[name](stft(), **options)(x, y) > 10 * expected


@pytest.mark.parametrize("name", VIEWS)
def test_a_gradient_reaches_a_representation(name):
    x, y = (stft()(burst(f, 0.1)[None]) for f in (1000, 1500))
    x.requires_grad_()
    VIEWS[name]("identity", unit=1000.0)(x, y, **AXES).backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.any()


@pytest.mark.parametrize(
    ("shapes", "axes", "message"),
    [
        (((2, 3, 4), (2, 3, 4)), {"times": range(4)}, "freqs is needed with transform='identity'"),
        (((2, 3, 4), (2, 3, 4)), {"freqs": range(3)}, "times is needed with transform='identity'"),
        (((2, 3, 4), (2, 2, 4)), {"freqs": range(3), "times": range(4)}, "same bins and frames"),
        (((2, 3, 4), (2, 3, 4)), {"freqs": range(4), "times": range(4)}, "freqs must have one val"),
        (((2, 3, 4), (2, 3, 4)), {"freqs": range(3), "times": [0] * 4}, "times must increase"),
        (((3, 4), (3, 4)), {"freqs": range(3), "times": range(4)}, "x must have shape"),
    ],
)
@pytest.mark.parametrize("name", VIEWS)
def test_bad_representations(name, shapes, axes, message):
    x, y = (torch.rand(shape) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        VIEWS[name]("identity")(x, y, **axes)

"""What every loss and every transform of the library promises, whatever it computes."""

import copy
import pickle
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import pytest
import torch
from torch import nn

import sotlib


def noise(generator, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def signals(generator):
    return tuple(noise(generator, 3, 1100) for _ in range(2))


def spectra(generator):
    return *(noise(generator, 3, 30, 5).abs() for _ in range(2)), torch.linspace(0, 1, 30).double()


def predictions(generator):
    root = noise(generator, 3, 5, 5)
    return noise(generator, 3, 5), noise(generator, 3, 5), root @ root.mT


class Kind(NamedTuple):
    """How a loss is made, given further options, and the arguments of a batch of three."""

    make: Callable[..., nn.Module]
    arguments: Callable = signals


FRAMES = {"fft_size": 256, "hop_length": 64, "sample_rate": 8000}
BINS = {"fmin": 220.0, "n_bins": 48, "bins_per_octave": 12, "sample_rate": 8000}
SIZES = {"fft_sizes": (256, 512), "hop_lengths": (64, 128), "win_lengths": (200, 512)}
SOT, COARSE = sotlib.Wasserstein1DLoss, FRAMES | {"hop_length": 256}


def scattering(**options):
    return sotlib.TimeFrequencyScattering(1100, J=6, Q=(8, 1), J_fr=2, F=4, **options)


LOSSES = {
    "Wasserstein1DLoss": Kind(partial(SOT, **FRAMES)),
    "Wasserstein1DLoss cutoff": Kind(
        partial(SOT, **FRAMES, balanced=False, quantile_lowpass=True, square_magnitude=True)
    ),
    "Wasserstein1DLoss mel": Kind(partial(SOT, "mel", **FRAMES, n_mels=20)),
    "Wasserstein1DLoss cqt": Kind(partial(SOT, "cqt", **BINS)),
    "Wasserstein1DLoss time": Kind(partial(SOT, **FRAMES, dim=-2, p=1)),
    "Wasserstein1DLoss identity": Kind(partial(SOT, "identity"), spectra),
    "Wasserstein1DLoss circular": Kind(partial(SOT, "identity", circular=True, p=1.5), spectra),
    "MultiResolutionSOTLoss": Kind(partial(sotlib.MultiResolutionSOTLoss, **SIZES)),
    "MultiResolutionSTFTLoss": Kind(partial(sotlib.MultiResolutionSTFTLoss, **SIZES)),
    "MultiResolutionSTFTLoss mel": Kind(
        partial(sotlib.MultiResolutionSTFTLoss, **SIZES, n_mels=(8, 12), sample_rate=16000)
    ),
    "SpectralLoss": Kind(partial(sotlib.SpectralLoss, fft_size=256, hop_length=64)),
    "MultiScaleSpectralLoss": Kind(sotlib.MultiScaleSpectralLoss),
    "SinkhornSpectrogramLoss": Kind(
        lambda **o: sotlib.SinkhornSpectrogramLoss(
            sotlib.STFT(**COARSE), unit=1e3, tol=1e-10, max_iter=20_000, **o
        )
    ),
    "SlicedSpectrogramLoss": Kind(
        lambda **o: sotlib.SlicedSpectrogramLoss(sotlib.STFT(**COARSE), unit=1e3, **o)
    ),
    "UnbalancedWasserstein1DLoss": Kind(
        lambda **o: sotlib.UnbalancedWasserstein1DLoss(sotlib.STFT(**COARSE), reach=300.0, **o)
    ),
    "JTFSLoss": Kind(lambda **o: sotlib.JTFSLoss(scattering(), **o)),
    "PNPLoss": Kind(partial(sotlib.PNPLoss, damping=0.5), predictions),
}
OF_SIGNALS = [name for name, kind in LOSSES.items() if kind.arguments is signals]
TRANSFORMS = {
    "STFT": partial(sotlib.STFT, **FRAMES),
    "STFT end": partial(sotlib.STFT, **FRAMES, padding="end", square_magnitude=True),
    "MelSpectrogram": partial(sotlib.MelSpectrogram, **FRAMES, n_mels=20),
    "WeightedTransform": lambda: sotlib.WeightedTransform(sotlib.STFT(**FRAMES)),
    "CQT": partial(sotlib.CQT, **BINS),
    "TimeFrequencyScattering": scattering,
    "TimeFrequencyScattering pnp": partial(scattering, T=64, padding="zeros", convention="pnp"),
}
MAKERS = {name: kind.make for name, kind in LOSSES.items()} | TRANSFORMS
every_loss = pytest.mark.parametrize("kind", LOSSES.values(), ids=LOSSES)
of_signals = pytest.mark.parametrize("name", OF_SIGNALS)
every_transform = pytest.mark.parametrize("make", TRANSFORMS.values(), ids=TRANSFORMS)
everything = pytest.mark.parametrize("name", MAKERS)


def arguments(name, generator):
    if name in TRANSFORMS:
        return (noise(generator, 3, 1100),)
    return LOSSES[name].arguments(generator)


def derive(module, tensors):
    """Value, and its gradient by the first argument."""
    first = tensors[0].detach().requires_grad_()
    value = module(first, *tensors[1:])
    (gradient,) = torch.autograd.grad(value.sum(), first)
    return value.detach(), gradient


def single(tensors):
    return [t.float() for t in tensors]


def test_every_loss_and_transform_is_held_to_it():
    public = {name: getattr(sotlib, name) for name in sotlib.__all__}
    losses = {name for name in public if name.endswith("Loss")}
    losses.remove("VariableLengthLoss")  # around another one, with an argument more
    transforms = {
        name
        for name, kind in public.items()
        if isinstance(kind, type) and issubclass(kind, sotlib.Transform)
    } - {"Transform"}
    assert {name.split()[0] for name in LOSSES} == losses
    assert {name.split()[0] for name in TRANSFORMS} >= transforms | {"TimeFrequencyScattering"}


@every_loss
class TestReduction:
    def test_sounds_do_not_mix(self, kind, generator):
        *data, last = kind.arguments(generator)
        shared = last.ndim == 1  # positions, not one for each sound
        data[0][1] *= 20
        each = kind.make(reduction="none")
        alone = [each(*(t[i : i + 1] for t in data), last if shared else last[i : i + 1])
                 for i in range(3)]  # fmt: skip
        together = each(*data, last)
        assert together.shape == (3,)
        torch.testing.assert_close(together, torch.cat(alone))

    def test_mean_and_sum_are_those_of_the_values(self, kind, generator):
        data = kind.arguments(generator)
        values = kind.make(reduction="none")(*data)
        torch.testing.assert_close(kind.make()(*data), values.mean())
        torch.testing.assert_close(kind.make(reduction="sum")(*data), values.sum())

    def test_each_value_has_its_own_gradient(self, kind, generator):
        first, *others = kind.arguments(generator)
        first.requires_grad_()
        weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
        values = kind.make(reduction="none")(first, *others)
        (weighted,) = torch.autograd.grad((weights * values).sum(), first, retain_graph=True)
        for i, weight in enumerate(weights):
            (one,) = torch.autograd.grad(values[i], first, retain_graph=True)
            torch.testing.assert_close(weighted[i], weight * one[i])

    def test_others_are_refused(self, kind):
        with pytest.raises(ValueError, match="reduction must be one of 'mean', 'sum', 'none'"):
            kind.make(reduction="max")


@of_signals
def test_values_have_the_shape_of_the_sounds(name, generator):
    x, y = arguments(name, generator)
    each = LOSSES[name].make(reduction="none")
    values = each(x, y)
    assert each(x[0], y[0]).shape == ()
    torch.testing.assert_close(each(x[:, None], y[:, None]), values[:, None])


@every_transform
def test_a_batch_is_its_items(make, generator):
    x, transform = noise(generator, 3, 1100), make()
    together = transform(x)
    torch.testing.assert_close(together, torch.stack([transform(sound) for sound in x]))


@everything
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_and_device_stay(name, dtype, generator):
    data = [t.to(dtype) for t in arguments(name, generator)]
    value, gradient = derive(MAKERS[name](), data)
    assert value.dtype == gradient.dtype == dtype
    assert value.device == gradient.device == data[0].device


@everything
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("silent", [(0,), (1,), (0, 1)], ids=["first", "second", "both"])
def test_silence_is_finite(name, dtype, silent, generator):
    data = [t.to(dtype) for t in arguments(name, generator)]
    for position in silent:
        if position < len(data):
            data[position] = torch.zeros_like(data[position])
    value, gradient = derive(MAKERS[name](), data)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


@every_loss
def test_equal_arguments_cost_nothing(kind, generator):
    first, _, *others = kind.arguments(generator)
    different = kind.make()(*kind.arguments(generator))
    value, gradient = derive(kind.make(), [first, first, *others])
    assert abs(value) <= 1e-9 * different
    assert gradient.isfinite().all()


@everything
@pytest.mark.parametrize(
    "copied",  # in memory, as worker processes of a DataLoader do; files are never pickled
    [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["deepcopy", "pickle"],
)
def test_copies_compute_the_same(name, copied, generator):
    data, module = arguments(name, generator), MAKERS[name]()
    expected = module(*data)
    torch.testing.assert_close(copied(module)(*data), expected, rtol=0, atol=0)


@everything
def test_a_state_fits_and_constants_are_not_in_it(name):
    module = MAKERS[name]()
    state = module.state_dict()
    assert not [key for key, value in state.items() if torch.is_tensor(value)]
    MAKERS[name]().load_state_dict(state)


@everything
def test_casting_rounds_no_constant(name, generator):
    data = arguments(name, generator)
    expected = MAKERS[name]()(*data)
    torch.testing.assert_close(MAKERS[name]().half()(*data), expected, rtol=0, atol=0)


@everything
def test_autocast_changes_nothing(name, generator):
    data, module = single(arguments(name, generator)), MAKERS[name]()
    expected = module(*data)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(*data)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.slow
@everything
def test_compiles(name, generator, two_threads):
    """Traced by `torch.compile`, also what several threads share, all is as in the eager module."""
    data, module = arguments(name, generator), MAKERS[name]()
    expected = derive(module, data)
    torch.compiler.reset()
    found = derive(torch.compile(module, backend="aot_eager"), data)
    torch.testing.assert_close(found, expected)


@every_loss
class TestOtherDerivatives:
    def test_gradients_of_each_sound_by_vmap(self, kind, generator):
        first, *others = kind.arguments(generator)
        loss = kind.make(reduction="sum")

        def alone(x, *rest):
            return loss(x[None], *rest)

        parts = [t if t.ndim == 1 else t[:, None] for t in others]
        dims = tuple(None if t.ndim == 1 else 0 for t in others)
        found = torch.func.vmap(torch.func.grad(alone), (0, *dims))(first, *parts)
        _, expected = derive(loss, [first, *others])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)

    def test_forward_mode_is_the_gradient_along_a_direction(self, kind, generator):
        first, *others = kind.arguments(generator)
        direction, loss = noise(generator, *first.shape), kind.make()
        _, found = torch.func.jvp(lambda x: loss(x, *others), (first,), (direction,))
        _, gradient = derive(loss, [first, *others])
        torch.testing.assert_close(found, (gradient * direction).sum())


def second_derivative(loss, data, direction):
    first = data[0].clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(first, *data[1:]), first, create_graph=True)
    return torch.autograd.grad((slope * direction).sum(), first)[0]


# Losses without transport; the gradient of a transport is computed by hand.
TWICE = {"MultiResolutionSTFTLoss", "MultiResolutionSTFTLoss mel", "SpectralLoss"}
TWICE |= {"MultiScaleSpectralLoss", "JTFSLoss", "PNPLoss"}


@pytest.mark.parametrize("name", sorted(TWICE))
def test_second_derivatives(name, generator):
    first, *others = arguments(name, generator)
    direction, loss, step = noise(generator, *first.shape), MAKERS[name](), 1e-6
    found = second_derivative(loss, [first, *others], direction)
    ahead, behind = (derive(loss, [first + h * direction, *others])[1] for h in (step, -step))
    expected = (ahead - behind) / (2 * step)
    error = torch.linalg.vector_norm(found - expected)
    assert error < 1e-4 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - TWICE))
def test_a_second_derivative_of_transport_is_refused(name, generator):
    data = arguments(name, generator)
    with pytest.raises(RuntimeError, match="has no second derivative"):
        second_derivative(MAKERS[name](), data, noise(generator, *data[0].shape))


@everything
def test_the_default_device_does_not_matter(name, generator):
    data = arguments(name, generator)
    expected = derive(MAKERS[name](), data)
    with torch.device("meta"):
        found = derive(MAKERS[name](), data)
    torch.testing.assert_close(found, expected)


@everything
def test_layout_in_memory_does_not_matter(name, generator):
    data, module = arguments(name, generator), MAKERS[name]()
    strided = [torch.stack([t, 2 * t], dim=-1)[..., 0] for t in data]
    assert not strided[0].is_contiguous()
    torch.testing.assert_close(module(*strided), module(*data))


@everything
@pytest.mark.parametrize("wrong", ["list", "integers", "number", "nan", "inf", "short"])
def test_bad_input_names_the_argument(name, wrong, generator):
    first, *others = arguments(name, generator)
    bad = {
        "list": first.tolist(),
        "integers": first.long(),
        "number": first[0, 0].flatten()[0],
        "nan": first.index_fill(-1, torch.tensor([3]), torch.nan),
        "inf": first.index_fill(-1, torch.tensor([3]), torch.inf),
        "short": first[..., :0],
    }[wrong]
    if wrong in ("nan", "inf") and name in TRANSFORMS:
        return  # these pass on what a network gives; the loss refuses it
    with pytest.raises((TypeError, ValueError), match=r"\b(x|y|predicted|S)\b") as caught:
        MAKERS[name]()(bad, *others)
    assert re.search(r"must|too short|needs", str(caught.value))

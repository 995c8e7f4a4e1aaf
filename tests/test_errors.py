"""A bad argument is a TypeError or ValueError that names it, for every argument of every name."""

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from error_cases import FRAMES, calls
from test_contract import LOSSES, OF_SIGNALS, derive
from test_docstrings import CALLABLES, alternatives, choices, parameters

import sotlib

# Parts of a transform, for the library's kernels; and a schedule, which ignores the loss.
INNER = {"STFT.windowed", "STFT.pad", "STFT.unpad", "ScheduledDamping.step"}
INNER |= {"Damping.step"}
NUMPY = {int: np.int64, float: np.float32}
NAN, INF = float("nan"), float("inf")
WRONG = {"text": "no", "object": object(), "dict": {}}
NUMBERS = WRONG | {
    "list": [1.0],
    "complex": 1j,
    "bool": True,
    "nan": NAN,
    "inf": INF,
    "minus": -1.0,
    "huge": 1e200,
    "tensor": torch.ones(2),
    "array": np.ones(2),
}
BAD = {
    bool: WRONG | {"number": 2, "none": None, "list": [], "array": np.ones(2), "nan": NAN},
    int: NUMBERS | {"half": 1.5, "zero": 0, "huge": 10**30},
    float: NUMBERS | {"tiny": 1e-300},
    str: {"text": "no such", "object": object(), "list": ["hann"]},
    torch.device: {"text": "nowhere", "object": object(), "number": 1.5},
    torch.dtype: {"text": "float32", "integers": torch.int16, "complex": torch.complex64},
    torch.Generator: WRONG | {"number": 5},
    Callable: {"text": "no", "number": 5, "list": []},
}
CHOICES = {
    "text": "no such", "object": object(), "number": 7, "list": ["mean"], "bool": True,
    "array": np.array(["reflect", "mean"]), "tensor": torch.ones(2), "dict": {},
}  # fmt: skip


def bad_tensors(tensor):
    """A tensor as it must not be; ``extra`` dimensions are for some."""
    broken = tensor.to(torch.get_default_dtype()).clone()
    broken.view(-1)[-1] = NAN
    endless = torch.nan_to_num(broken, nan=INF)
    return WRONG | {
        "number": 1.0,
        "list": tensor.tolist(),
        "integers": tensor.long(),
        "int16": tensor.short(),
        "bool": tensor > 0,
        "complex": tensor + 0j,
        "array": tensor.numpy(),
        "nan": broken,
        "inf": endless,
        "meta": tensor.to("meta"),
        "sparse": tensor.to_sparse(),
        "scalar": tensor.flatten()[0],
        "empty": tensor[..., :0],
    }


def bad_values(values):
    """Numbers, alone or several, as they must not be."""
    array = torch.as_tensor(values, dtype=torch.float64)
    found = WRONG | {"texts": ["a"] * array.numel(), "complex": array + 0j, "bool": array > 0}
    found |= {"nan": NAN * array, "inf": INF * array, "meta": array.to("meta")}
    found |= {"huge": array + 1e200, "nested": [[1.0], [1.0, 2.0]], "object": object()}
    return found if array.ndim == 0 else found | {"number": 1.0, "empty": array[:0]}


# A Kaiser window by its beta.
CQTS = "CQT", "Wasserstein1DLoss cqt"
WINDOWS = "STFT", "SpectralLoss", "MultiScaleSpectralLoss", "Wasserstein1DLoss"
PASSING, PASSED_ON = ("STFT", "MelSpectrogram", "CQT", "WeightedTransform"), {"nan", "inf"}
# What is right after all, by argument, or by name and argument.
FINE = {
    # A transform, as any layer, passes on what a network gives; losses refuse it.
    **{f"{name}.forward.x": PASSED_ON for name in PASSING},
    "STFT.shape.x": PASSED_ON,
    "mid_side.x": {*PASSED_ON, "empty"},
    "AdaptiveDamping.step.validation_loss": {*PASSED_ON, "huge", "minus", "tiny"},
    **{f"{name}.batch.indices": {"empty"} for name in ("DrumSounds", "Arpeggios")},
    "Transform.add_table.name": {"text"},
    "jtfs_features.S": {"empty", "scalar"},
    "unit_to_hz.unit": {"empty", "scalar"},
    "hz_to_unit.frequency": {"empty", "scalar"},
    "TimeFrequencyScattering.T": {"number"},
    "log10": {"bool"},
    **{key: {"zero"} for key in ("seed", "given", "steps")},
    # Those that may be 0.
    **{
        key: {"tiny"}
        for key in ("gamma", "dropout", "linear_weight", "log_weight", "overlap", "tilt")
    },
    **{key: {"tiny"} for key in ("damping", "initial", "tol", "t")},
    **{f"{name}.window": {"minus", "tiny"} for name in WINDOWS},
}
# What is out of range for one argument only.
BEYOND = {
    **{f"{name}.fmax": {"above Nyquist": 30000.0, "below fmin": 20.0} for name in CQTS},
    "win_length": {"long": 4096},
    "p": {"concave": 0.5},
    "overlap": {"one": 1.0},
    "dropout": {"one": 1.0},
    "accelerate": {"more": 2.0},
    "hz_to_unit.frequency": {"negative": -torch.ones(2)},
    "epsilon": {"too sharp": 1e-15},
    "PNPLoss.set_extra_state.state": {
        "texts": {"initial": "a", "value": "b"},
        "nan": {"initial": 1.0, "value": NAN},
    },
}


def bad(name, argument, value, annotation):
    """Values by a label that say what is wrong with them."""
    keys = argument, f"{name}.{argument}"
    found = {}
    kinds = [getattr(k, "__origin__", k) for k in alternatives(annotation)]
    if isinstance(value, torch.Tensor):
        found |= bad_tensors(value)
    elif isinstance(value, list | tuple) or torch.Tensor in kinds:
        found |= bad_values(value)
    elif choices(annotation):
        found |= CHOICES
    for kind in kinds if not found else ():
        found |= BAD.get(kind, WRONG)
    for key in keys:
        found = {label: wrong for label, wrong in found.items() if label not in FINE.get(key, ())}
        found |= BEYOND.get(key, {})
    return found


@cache
def cases():
    """By name of the call and argument: the call, the argument and its values that are wrong."""
    found = {}
    for name, call in calls().items():
        function = CALLABLES[name.split()[0]]
        for argument, parameter in parameters(function).items():
            if call.only in (argument, "") and parameter.kind is not parameter.VAR_KEYWORD:
                value = call.arguments.get(argument, parameter.default)
                wrong = bad(name, argument, value, parameter.annotation)
                found[f"{name}: {argument}"] = call, argument, wrong
    return found


def complaint(call, argument, value):
    """What is wrong with the answer to a wrong value, if anything."""
    try:
        call.function(**call.arguments | {argument: value})
    except (TypeError, ValueError) as error:
        named = re.search(rf"\b{argument}\b", str(error)) and "unexpected" not in str(error)
        return None if named else f"does not name {argument}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


def test_every_name_is_tried():
    tried = {name.split()[0] for name in calls()}
    public = {name: thing for name, thing in CALLABLES.items() if parameters(thing)}
    assert tried <= set(public)
    known = {public[name] for name in tried}  # what several classes have from one base is one
    assert {name for name, thing in public.items() if thing not in known} == INNER


@pytest.mark.parametrize("name", calls())
def test_a_right_call_is_one(name):
    """With the numbers of NumPy, too."""
    function, arguments, _ = calls()[name]
    function(**arguments)
    numbers = {key: value for key, value in arguments.items() if type(value) in (int, float)}
    function(**arguments | {key: NUMPY[type(value)](value) for key, value in numbers.items()})


@pytest.mark.parametrize("name", cases())
def test_a_wrong_argument_is_named(name):
    call, argument, wrong = cases()[name]
    found = {label: complaint(call, argument, value) for label, value in wrong.items()}
    assert wrong
    assert {label: said for label, said in found.items() if said} == {}


def loud(name):
    """A loss of signals of which one is far too loud for single precision."""
    x = torch.randn(3, 1100)
    return lambda: LOSSES[name].make()(1e20 * x, x), "x is too loud.* Scale the signal down"


def prepared(value):
    loss, x = sotlib.MultiScaleSpectralLoss(fft_sizes=(256, 128)), torch.randn(2, 1100)
    first, second = loss.spectra(x)
    return lambda: loss(x, (first, second * value)), "y must be finite"


def matched(sounds, dtype, problem):
    matcher = sotlib.SoundMatcher(fmin=320.0, n_bins=48, hop_length=64)
    return lambda: matcher(torch.rand(sounds, 48, 40, dtype=dtype)), f"features must {problem}"


WHOLE = torch.ones(8, dtype=torch.int64)
SPECIAL = {
    "prepared targets": prepared(NAN),
    "one sound in training": matched(1, torch.float32, "hold two sounds or more"),
    "another dtype than the network's": matched(2, torch.float64, "have the network's dtype"),
    "no tone": (
        lambda: sotlib.sinusoid(torch.zeros(0), samples=9, sample_rate=8000),
        "frequency must not be empty",
    ),
    "frequencies that differ in number": (
        lambda: sotlib.sinusoid(torch.ones(3), amplitude=torch.ones(2), samples=9, sample_rate=99),
        "frequency, amplitude, phase must have shapes that broadcast",
    ),
    "positions are not audio": (
        lambda: sotlib.wasserstein_1d(torch.ones(8), torch.ones(8), WHOLE),
        r"positions .* got torch.int64. Convert it with .float\(\)\.$",
    ),
    "audio": (lambda: sotlib.STFT()(WHOLE), "needs scaling to"),
    "complex signals": (lambda: sotlib.STFT()(WHOLE + 0j), r"\.real or \.abs\(\)\.$"),
    "masses whose sum overflows": (
        lambda: sotlib.quantile_functions(*torch.full((3, 8), 1e38)),
        "a is too large",
    ),
    "a cost that overflows": (
        lambda: sotlib.wasserstein_1d(torch.eye(2)[0], torch.eye(2)[1], torch.tensor([0.0, 1e30])),
        "a, b and positions are so large",
    ),
    **{f"loud {name}": loud(name) for name in OF_SIGNALS},
}


@pytest.mark.parametrize("call", SPECIAL)
def test_what_fits_together_in_type_only(call):
    function, message = SPECIAL[call]
    with pytest.raises((TypeError, ValueError), match=message):
        function()


@pytest.mark.parametrize(
    "make", [sotlib.SinkhornSpectrogramLoss, sotlib.SlicedSpectrogramLoss], ids=["plan", "sliced"]
)
def test_gradients_at_low_levels(make):
    """A loss that does not see the level: x at 1e-20 has 1e20 times the gradient."""
    loss, (x, y) = make(sotlib.STFT(**FRAMES | {"hop_length": 256})), torch.randn(2, 2, 1100)
    one, soft = (derive(loss, (level * x, level * y))[1] for level in (1.0, 1e-20))
    torch.testing.assert_close(soft * 1e-20, one, rtol=0, atol=1e-2 * one.abs().max().item())

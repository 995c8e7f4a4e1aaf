"""Without checks of values nothing waits for a device: no number is read from a tensor."""

import contextlib

import pytest
import torch
from test_contract import LOSSES, TRANSFORMS, arguments
from torch.utils._python_dispatch import TorchDispatchMode

import sotlib

# Each of them makes a GPU finish all that was begun before.
READS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"}
# Sinkhorn's iterations look whether they have converged.
LOOKS = {"SinkhornSpectrogramLoss"}
# Solved on the CPU, wherever its input lies; the lines of sliced transport are prepared there.
ON_CPU = {"UnbalancedWasserstein1DLoss", "SlicedSpectrogramLoss"}
NAMES = sorted({*LOSSES, *TRANSFORMS} - LOOKS)


class Reads(TorchDispatchMode):
    """Counts operations that give Python a number of a tensor, or a shape that depends on one."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket.__name__ in READS
        return func(*args, **(kwargs or {}))


def step(name, generator):
    """Value and gradient as a function without arguments; the module is warm."""
    module = LOSSES[name].make() if name in LOSSES else TRANSFORMS[name]()
    first, *others = arguments(name, generator)

    def run():
        x = first.clone().requires_grad_()
        value = module(x, *others)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), gradient

    run()
    return run


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_read(name, generator):
    run = step(name, generator)
    with Reads() as looking:
        checked = run()
    with Reads() as reads, sotlib.unchecked():
        unchecked = run()
    assert reads.count == 0
    assert looking.count > 0 or name in TRANSFORMS  # which pass on what they are given
    assert all(torch.equal(*pair) for pair in zip(checked, unchecked, strict=True))


@pytest.mark.parametrize("name", sorted(LOOKS))
def test_fewer_numbers_are_read(name, generator):
    run = step(name, generator)
    with Reads() as looking:
        run()
    with Reads() as reads, sotlib.unchecked():
        run()
    assert reads.count < looking.count


@pytest.mark.cuda
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("name", sorted({*NAMES} - ON_CPU))
def test_a_gpu_is_not_waited_for(name, generator, request):
    device = request.config.getoption("--cuda-device")
    module = (LOSSES[name].make() if name in LOSSES else TRANSFORMS[name]()).to(device)
    first, *others = (t.to(device) for t in arguments(name, generator))
    with sotlib.unchecked():
        for mode in ("default", "error"):
            if device.startswith("cuda"):
                torch.cuda.set_sync_debug_mode(mode)
            try:
                x = first.clone().requires_grad_()
                torch.autograd.grad(module(x, *others).sum(), x)
            finally:
                if device.startswith("cuda"):
                    torch.cuda.set_sync_debug_mode("default")


def test_values_are_looked_at_again_afterwards():
    loss, broken = sotlib.SpectralLoss(), torch.full((4096,), torch.nan)
    with contextlib.suppress(ZeroDivisionError), sotlib.unchecked():
        assert loss(broken, broken).isnan()
        1 / 0  # noqa: B018
    with pytest.raises(ValueError, match="x must be finite"):
        loss(broken, broken)


def test_types_shapes_and_options_are_checked_all_the_same():
    with sotlib.unchecked():
        with pytest.raises(TypeError, match="x must hold floating-point"):
            sotlib.SpectralLoss()(torch.ones(4096, dtype=torch.int64), torch.ones(4096))
        with pytest.raises(ValueError, match="same shape"):
            sotlib.SpectralLoss()(torch.ones(4096), torch.ones(4097))


@pytest.mark.parametrize("name", sorted({*LOSSES} - LOOKS))
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_gives_nan(name, value, generator):
    first, *others = arguments(name, generator)
    first = first.clone()
    first.view(-1)[1] = value
    with sotlib.unchecked():
        assert LOSSES[name].make()(first, *others).isnan().any()

"""Under `torch.compile` with its default backend every loss is what it is without."""

import shutil

import pytest
import torch
from test_contract import LOSSES

NAMES = [name for name in LOSSES if " " not in name]


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore")  # torch's own
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_those_of_the_loss(name, generator):
    kind = LOSSES[name]
    loss, (x, *others) = kind.make(), kind.arguments(generator)
    torch._dynamo.reset()
    found = []
    for function in (loss, torch.compile(loss)):
        x = x.detach().requires_grad_()
        value = function(x, *others)
        found.append((value.detach(), *torch.autograd.grad(value, x)))
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-9)

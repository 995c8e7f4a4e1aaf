"""Middle and side of stereo signals."""

import math

import pytest
import torch

from sotlib import mid_side


def test_closed_forms():
    tone = torch.sin(torch.arange(64.0)).double()
    both, left = torch.stack([tone, tone]), torch.stack([tone, 0 * tone])
    torch.testing.assert_close(mid_side(both), torch.stack([math.sqrt(2) * tone, 0 * tone]))
    torch.testing.assert_close(mid_side(left), torch.stack([tone, tone]) / math.sqrt(2))


def test_it_keeps_energy_and_is_its_own_inverse(generator):
    x = torch.randn(3, 2, 50, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(mid_side(x).square().sum(), x.square().sum())
    torch.testing.assert_close(mid_side(mid_side(x)), x)
    assert torch.autograd.gradcheck(mid_side, (x[0, :, :4].clone().requires_grad_(),))


@pytest.mark.parametrize("shape", [(50,), (1, 50), (2, 3, 50)])
def test_two_channels_are_needed(shape):
    with pytest.raises(ValueError, match="two channels"):
        mid_side(torch.randn(shape))

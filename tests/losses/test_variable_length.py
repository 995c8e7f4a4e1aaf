"""Signals of different lengths in one batch."""

import pytest
import torch
from torch import nn

import sotlib
from sotlib import VariableLengthLoss

STFT = {"fft_size": 256, "hop_length": 64}
LOSSES = {
    "sot": lambda: sotlib.Wasserstein1DLoss(**STFT, sample_rate=8000, reduction="none"),
    "resolutions": lambda: sotlib.MultiResolutionSTFTLoss(reduction="none"),
    "scales": lambda: sotlib.MultiScaleSpectralLoss(reduction="none"),
    "sliced": lambda: sotlib.SlicedSpectrogramLoss(sotlib.STFT(**STFT), reduction="none"),
    "unbalanced": lambda: sotlib.UnbalancedWasserstein1DLoss(
        sotlib.STFT(**STFT), reach=300.0, reduction="none"
    ),
}
LENGTHS = [3000, 2001, 3000, 2500]


@pytest.mark.parametrize("make", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("channels", [(), (2,)])
def test_it_is_the_loop_over_cut_signals(generator, make, channels):
    x, y = torch.randn(2, 4, *channels, 3000, generator=generator, dtype=torch.float64)
    x.requires_grad_()
    loss = make()
    values = VariableLengthLoss(loss, reduction="none")(x, y, lengths=torch.tensor(LENGTHS))
    loop = [
        loss(x[i : i + 1, ..., :length], y[i : i + 1, ..., :length])
        for i, length in enumerate(LENGTHS)
    ]
    torch.testing.assert_close(values, torch.cat(loop))
    assert values.shape == (4, *channels)
    (gradient,) = torch.autograd.grad(values.sum(), x)
    assert gradient[1, ..., 2001:].abs().max() == 0 < gradient[0, ..., 2001:].abs().max()


def test_padding_is_not_seen(generator):
    x, y = torch.randn(2, 2, 2000, generator=generator)
    loss = VariableLengthLoss(sotlib.SpectralLoss(**STFT, reduction="none"))
    value = loss(x, y, lengths=[2000, 1500])
    x[1, 1500:] = 1e6
    assert loss(x, y, lengths=[2000, 1500]) == value


def test_each_sound_counts_the_same(generator):
    x, y = torch.randn(2, 3, 2000, generator=generator)
    inner = sotlib.SpectralLoss(**STFT, reduction="none")
    none, mean, total = (
        VariableLengthLoss(inner, reduction=reduction)(x, y, lengths=[900, 2000, 1200])
        for reduction in ("none", "mean", "sum")
    )
    torch.testing.assert_close(mean, none.mean())
    torch.testing.assert_close(total, none.sum())


def test_any_module_of_two_signals_will_do(generator):
    class Absolute(nn.Module):
        def forward(self, x, y):
            return (x - y).abs().mean(-1)

    x, y = torch.randn(2, 2, 100, generator=generator)
    value = VariableLengthLoss(Absolute())(x, y, lengths=[100, 1])
    expected = ((x[0] - y[0]).abs().mean() + (x[1, 0] - y[1, 0]).abs()) / 2
    torch.testing.assert_close(value, expected)


def test_the_loss_must_give_one_value_for_each_sound():
    with pytest.raises(ValueError, match="reduction='none', and say here"):
        VariableLengthLoss(sotlib.SpectralLoss())


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([10], "one integer for each of the 2 sounds"),
        (2000, "one integer for each"),
        (torch.tensor([[2000, 2000]]), "one integer for each"),
        ([2000, 2001], r"lengths\[1\] must be an integer of at most 2000"),
        ([2000, 0], r"lengths\[1\] must be an integer of at least 1"),
        (torch.tensor([2000.0, 1000.0]), r"lengths\[0\] must be an integer"),
    ],
)
def test_wrong_lengths(lengths, message):
    loss = VariableLengthLoss(sotlib.SpectralLoss(**STFT, reduction="none"))
    with pytest.raises(ValueError, match=message):
        loss(torch.randn(2, 2000), torch.randn(2, 2000), lengths=lengths)


def test_one_signal_alone_has_no_batch():
    loss = VariableLengthLoss(sotlib.SpectralLoss(**STFT, reduction="none"))
    with pytest.raises(ValueError, match=r"x must have shape \(batch, samples\)"):
        loss(torch.randn(2000), torch.randn(2000), lengths=[2000])

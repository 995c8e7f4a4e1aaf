import copy
import inspect

import pytest
import torch
from torch import nn

import sotlib
from sotlib import STFT, Transform, Wasserstein1DLoss

GIVEN = {"fft_size": 256, "window": "hann", "reduction": "none"}
SHOWN = "fft_size=256, window='hann', reduction='none'"


def test_what_was_given_is_shown_and_what_was_left_out_is_not():
    assert f"\n  {SHOWN}\n" in repr(Wasserstein1DLoss(**GIVEN))
    assert repr(STFT()) == "STFT()"


def test_copies_show_the_same():
    loss = Wasserstein1DLoss(**GIVEN)
    assert repr(copy.deepcopy(loss)) == repr(loss)


def test_arguments_that_are_handed_on_are_shown():
    loss = sotlib.MultiResolutionSOTLoss("stft", fft_sizes=(256,), hop_lengths=(64,), p=1)
    assert "transform='stft', fft_sizes=(256,), hop_lengths=(64,), p=1" in repr(loss)


def test_a_subclass_shows_its_own_arguments():
    class Mine(Transform):
        def __init__(self, bands, weights):
            super().__init__(sample_rate=16000)

    assert repr(Mine(3, torch.ones(3))) == "Mine(bands=3)"  # tensors would fill the screen
    assert repr(Mine(3, [STFT()])) == "Mine(bands=3)"  # modules are printed below, if at all
    assert repr(Mine(3, [0.5] * 500)).count("0.5") < 10
    assert list(inspect.signature(Mine).parameters) == ["bands", "weights"]


PUBLIC = [getattr(sotlib, name) for name in sotlib.__all__]
MODULES = [kind for kind in PUBLIC if inspect.isclass(kind) and issubclass(kind, nn.Module)]


@pytest.mark.parametrize("kind", MODULES)
def test_every_module_shows_its_arguments(kind):
    assert kind.extra_repr is not nn.Module.extra_repr

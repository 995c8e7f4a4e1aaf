"""Pointwise spectral losses: NumPy as oracle, properties, silence, bad input."""

import math

import numpy as np
import pytest
import scipy.signal
import torch
from torch.autograd import forward_ad

from sotlib import MultiScaleSpectralLoss, SpectralLoss
from sotlib.transforms._stft import spectrogram as short_time

SIZES = (256, 128)


def spectrogram(x, size, hop):
    """DDSP's convention, frame by frame: not centred, zeros after the end."""
    window = scipy.signal.get_window("hann", size)
    frames = -(-len(x) // hop)
    x = np.pad(x, (0, (frames - 1) * hop + size - len(x)))
    return np.abs(
        np.stack([np.fft.rfft(window * x[k * hop : k * hop + size]) for k in range(frames)])
    )


@pytest.fixture
def pair(generator):
    return torch.randn(2, 1000, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("p", [1, 2])
def test_single_scale_against_numpy(pair, p):
    x, y = (spectrogram(s.numpy(), 256, 64) for s in pair)
    loss = SpectralLoss(fft_size=256, hop_length=64, p=p)(*pair)
    np.testing.assert_allclose(loss, np.mean(np.abs(x - y) ** p), rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("over_scales", ["sum", "mean"])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (1.0, 0.3)])
def test_multi_scale_against_numpy(pair, weights, over_scales, p):
    expected = []
    for size in SIZES:
        x, y = (spectrogram(s.numpy(), size, size // 4) / np.sqrt(size) for s in pair)
        log = np.abs(np.log(np.maximum(x, 1e-5)) - np.log(np.maximum(y, 1e-5)))
        expected.append(weights[0] * np.mean(np.abs(x - y) ** p) + weights[1] * np.mean(log**p))
    loss = MultiScaleSpectralLoss(
        fft_sizes=SIZES,
        linear_weight=weights[0],
        log_weight=weights[1],
        p=p,
        over_scales=over_scales,
    )
    np.testing.assert_allclose(loss(*pair), getattr(np, over_scales)(expected), rtol=1e-5)


LOSSES = [SpectralLoss(), SpectralLoss(p=2), MultiScaleSpectralLoss()]


@pytest.mark.parametrize("loss", LOSSES, ids=["L1", "L2", "MSS"])
class TestProperties:
    def test_symmetric_and_zero_at_equality(self, loss):
        x, y = torch.randn(2, 3, 4096)
        torch.testing.assert_close(loss(x, y), loss(y, x))
        assert loss(x, x) == 0

    def test_channels_are_signals(self, loss):
        x, y = torch.randn(2, 4, 4096)
        torch.testing.assert_close(loss(x.view(2, 2, -1), y.view(2, 2, -1)), loss(x, y))

    def test_silence_has_finite_gradients(self, loss):
        for scale in (0.0, 1.0):
            x = torch.zeros(4096, requires_grad=True)
            value = loss(x, scale * torch.randn(4096))
            value.backward()
            assert torch.isfinite(value)
            assert torch.isfinite(x.grad).all()

    def test_gradient(self, loss, generator):
        x, y = torch.randn(2, 300, dtype=torch.float64, generator=generator)
        assert torch.autograd.gradcheck(lambda x: loss(x, y), x.requires_grad_(), fast_mode=True)

    def test_both_signals_get_their_gradient(self, loss, generator):
        """A mirror image of each other, since the loss is symmetric."""
        x, y = torch.randn(2, 300, dtype=torch.float64, generator=generator)
        alone = x.clone().requires_grad_()
        loss(alone, y).backward()
        for first, second in ((x, y), (y, x)):
            pair = {id(s): s.clone().requires_grad_() for s in (first, second)}
            loss(pair[id(first)], pair[id(second)]).backward()
            torch.testing.assert_close(pair[id(x)].grad, alone.grad)

    def test_autocast_changes_nothing(self, loss):
        x, y = torch.randn(2, 1, 4096).bfloat16()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(loss(x, y), loss(x.float(), y.float()))

    def test_bad_signals(self, loss):
        x = torch.randn(1, 4096)
        with pytest.raises(ValueError, match="x and y must have the same shape"):
            loss(x, x[:, 1:])
        with pytest.raises(ValueError, match="y must be finite"):
            loss(x, x / 0)
        with pytest.raises(TypeError, match="x must hold floating-point"):
            loss(x.int(), x)
        with pytest.raises(ValueError, match=r"x must .*looks like \(samples, channels\)"):
            loss(x.T.expand(-1, 2), x.T.expand(-1, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralLoss(p=3), "p must be one of 1, 2; got 3"),
        (lambda: SpectralLoss(window="x"), "window must be a name"),
        (lambda: MultiScaleSpectralLoss(fft_sizes=()), r"sequence of at least one int; got \(\)"),
        (lambda: MultiScaleSpectralLoss(fft_sizes=512), "sequence of at least one int; got 512"),
        (
            lambda: MultiScaleSpectralLoss(overlap=1.0),
            "overlap must be a finite number of at least 0 and below 1",
        ),
        (lambda: MultiScaleSpectralLoss(log_weight=-1.0), "log_weight must be a finite number of"),
        (
            lambda: MultiScaleSpectralLoss(linear_weight=0, log_weight=0),
            "must not both be 0",
        ),
        (lambda: MultiScaleSpectralLoss(p=3), "p must be one of 1, 2; got 3"),
        (lambda: MultiScaleSpectralLoss(floor=0.0), "floor must be a finite number above 0"),
        (
            lambda: MultiScaleSpectralLoss(over_scales="max"),
            "over_scales must be one of 'sum', 'mean'",
        ),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


OPTIONS = [
    {},
    {"p": 2},
    {"log_weight": 0.0},
    {"linear_weight": 0.0},
    {"linear_weight": 0.0, "p": 2},
    {"linear_weight": 0.3, "log_weight": 2.0, "over_scales": "mean"},
    {"padding": "reflect"},
    {"padding": "none", "p": 2},
    {"normalized": False, "window": "boxcar", "floor": 0.1},
    {"overlap": 0.0},
    {"overlap": 0.7},  # hops of 77 and 19: neither divides the FFT size
    {"overlap": 0.7, "padding": "reflect"},
    {"overlap": 0.7, "padding": "none"},
    {"overlap": 0.99, "fft_sizes": (64, 16)},  # a hop of one sample
    {"fft_sizes": (63, 1, 2, 3)},
    {"fft_sizes": (2000,)},  # longer than the signal
]


def value_and_gradient(loss, x, y):
    x = x.clone().requires_grad_()
    value = loss(x, y)
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient


def definition(loss, x, y):
    """The same by automatic differentiation, which is taken where y needs a gradient, too."""
    return value_and_gradient(loss, x, y.clone().requires_grad_())


class TestPreparedSpectra:
    """Against what needs no gradient, value and gradient are computed by hand.

    Automatic differentiation is the oracle.

    Where two magnitudes are equal but for rounding, the sign of their difference, and with it the
    gradient of an absolute value, is left to chance: signals below avoid it.
    """

    def loss(self, **options):
        return MultiScaleSpectralLoss(**{"fft_sizes": SIZES, **options})

    @pytest.mark.parametrize("options", OPTIONS, ids=str)
    def test_is_the_plain_path(self, options, generator):
        x, y = torch.randn(2, 3, 700, dtype=torch.float64, generator=generator)
        loss = self.loss(**options)
        expected = definition(loss, x, y)
        ours = value_and_gradient(loss, x, loss.spectra(y))
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("options", [{}, {"p": 2}, {"padding": "reflect", "overlap": 0.7}])
    def test_in_single_precision(self, options, generator):
        x, y = torch.randn(2, 3, 700, generator=generator)
        loss = self.loss(**options)
        value, gradient = value_and_gradient(loss, x, loss.spectra(y))
        assert value.dtype == gradient.dtype == torch.float32
        expected = definition(loss, x.double(), y.double())
        torch.testing.assert_close(value.double(), expected[0], rtol=1e-5, atol=0)
        scale = expected[1].abs().max()
        torch.testing.assert_close(gradient.double(), expected[1], rtol=0, atol=1e-3 * scale)

    @pytest.mark.parametrize("p", [1, 2])
    def test_gradcheck(self, p, generator):
        x, y = torch.randn(2, 2, 90, dtype=torch.float64, generator=generator)
        loss = self.loss(fft_sizes=(32, 15), p=p)
        target = loss.spectra(y)
        x.requires_grad_()
        assert torch.autograd.gradcheck(lambda x: 3 * loss(x, target), x)

    def test_many_signals_are_taken_in_parts(self, generator, monkeypatch):
        """So small a cache that every signal is a part of its own, or every two."""

        x, y = torch.randn(2, 5, 700, dtype=torch.float64, generator=generator)
        loss = self.loss()
        target = loss.spectra(y)
        expected = value_and_gradient(loss, x, target)
        for cache in (1, 2 * target[0][0].numel()):
            monkeypatch.setattr(short_time, "CACHE", cache)
            torch.testing.assert_close(value_and_gradient(loss, x, target), expected)

    @pytest.mark.parametrize("p", [1, 2])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_silence(self, dtype, p, generator):
        """In x the gradient is 0, as directions are unknown; in the target it is that of x."""
        loss, noise = self.loss(p=p), torch.randn(2, 700, dtype=dtype, generator=generator)
        silence = torch.zeros_like(noise)
        value, gradient = value_and_gradient(loss, silence, loss.spectra(noise))
        torch.testing.assert_close(value, loss(silence, noise))
        assert gradient.abs().max() == 0
        ours = value_and_gradient(loss, noise, loss.spectra(silence))
        expected = definition(loss, noise, silence)
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)
        both = value_and_gradient(loss, silence, loss.spectra(silence))
        assert both[0] == both[1].abs().max() == 0

    def test_a_signal_that_is_partly_silent(self, generator):
        x, y = torch.randn(2, 2, 700, dtype=torch.float64, generator=generator)
        x[:, :300], y[:, 400:] = 0, 0
        loss = self.loss()
        ours = value_and_gradient(loss, x, loss.spectra(y))
        torch.testing.assert_close(ours, definition(loss, x, y), rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize(("level", "slope"), [(0.25, 0.0), (1.0, 1.0)])
    @pytest.mark.parametrize("p", [1, 2])
    def test_beside_the_floor_the_logarithm_has_its_slope(self, level, slope, p):
        """Frames of one sample: the magnitude is |x|, the gradient p log(x/f)^(p-1) / x or 0."""
        loss = self.loss(
            fft_sizes=(1,), linear_weight=0.0, floor=0.5, window="boxcar", overlap=0.0, p=p
        )
        x = torch.tensor([[level]], dtype=torch.float64)
        y = torch.tensor([[0.1]], dtype=torch.float64)  # counts as 0.5
        difference = math.log(max(level, 0.5) / 0.5)
        expected = slope * (math.copysign(1, difference) if p == 1 else 2 * difference)
        value, gradient = value_and_gradient(loss, x, loss.spectra(y))
        assert value.item() == pytest.approx(abs(difference) ** p)
        assert gradient.item() == pytest.approx(expected)
        plain = definition(loss, x, y)
        assert plain[1].item() == pytest.approx(expected)

    def test_equal_signals(self, generator):
        x = torch.randn(2, 700, generator=generator)
        loss = self.loss(p=2)
        value, gradient = value_and_gradient(loss, x, loss.spectra(x))
        assert value < 1e-10
        assert gradient.abs().max() < 1e-5

    def test_descends_to_the_target(self, generator):
        """A step against the gradient lowers the loss by its squared norm, to first order."""
        x, y = torch.randn(2, 1, 700, dtype=torch.float64, generator=generator)
        loss = self.loss(p=2)
        target = loss.spectra(y)
        value, gradient = value_and_gradient(loss, x, target)
        step = 1e-6
        drop = value - loss(x - step * gradient, target)
        torch.testing.assert_close(drop, step * gradient.square().sum(), rtol=1e-3, atol=0)

    def test_slices_are_the_spectra_of_a_batch(self, generator):
        x, y = torch.randn(2, 8, 700, generator=generator)
        loss = self.loss()
        spectra = loss.spectra(y)
        ours = value_and_gradient(loss, x[2:5], tuple(s[2:5] for s in spectra))
        torch.testing.assert_close(ours, value_and_gradient(loss, x[2:5], loss.spectra(y[2:5])))
        listed = value_and_gradient(loss, x[2:5], [s[2:5] for s in spectra])
        torch.testing.assert_close(listed, ours)

    def test_spectra_are_the_magnitudes(self, pair):
        loss = self.loss()
        for size, spectrum in zip(SIZES, loss.spectra(pair[:1]), strict=True):
            assert not spectrum.requires_grad
            expected = spectrogram(pair[0].numpy(), size, size // 4).T / np.sqrt(size)
            np.testing.assert_allclose(spectrum[0], expected, atol=1e-12)

    def test_layout_in_memory_does_not_matter(self, generator):
        x, y = torch.randn(2, 4, 700, dtype=torch.float64, generator=generator)
        loss = self.loss()
        target = loss.spectra(y)
        expected = value_and_gradient(loss, x, target)
        contiguous = tuple(s.contiguous() for s in target)
        bins_last = tuple(s.transpose(1, 2).contiguous().transpose(1, 2) for s in target)
        strided = x.T.contiguous().T
        for signal, spectra in ((x, contiguous), (x, bins_last), (strided, target)):
            torch.testing.assert_close(value_and_gradient(loss, signal, spectra), expected)

    @pytest.mark.parametrize("log_weight", [0.0, 1.0])
    def test_leaves_its_arguments_as_they_were(self, log_weight, generator):
        """Also where they need no copy: bins last in memory, some of them below the floor."""
        x, y = torch.randn(2, 2, 700, generator=generator)
        loss = self.loss(log_weight=log_weight, floor=0.5)
        target = tuple(s.transpose(1, 2).contiguous().transpose(1, 2) for s in loss.spectra(y))
        assert target[0].min() < 0.5
        before = x.clone(), [s.clone() for s in target]
        value_and_gradient(loss, x, target)
        assert torch.equal(x, before[0])
        assert all(torch.equal(a, b) for a, b in zip(target, before[1], strict=True))

    @pytest.mark.parametrize("shape", [(700,), (2, 700), (2, 2, 700)])
    def test_layouts_of_signals(self, shape, generator):
        x, y = torch.randn(2, *shape, generator=generator)
        loss = self.loss()
        ours = value_and_gradient(loss, x, loss.spectra(y))
        assert ours[1].shape == shape
        torch.testing.assert_close(ours, value_and_gradient(loss, x, y), rtol=1e-4, atol=1e-6)

    def test_half_precision_and_autocast(self, generator):
        x, y = torch.randn(2, 2, 700, generator=generator).bfloat16()
        loss = self.loss()
        expected = loss(x.float(), loss.spectra(y.float()))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(loss(x, loss.spectra(y)), expected)
        _, gradient = value_and_gradient(loss, x, loss.spectra(y))
        assert gradient.dtype == torch.bfloat16

    def test_a_spectrum_that_wants_a_gradient_gets_one(self, generator):
        x, y = torch.randn(2, 2, 700, dtype=torch.float64, generator=generator)
        loss = self.loss()
        expected = y.clone().requires_grad_()
        loss(x, expected).backward()
        given = y.clone().requires_grad_()
        loss(x, tuple(transform(given) for transform in loss.transforms)).backward()
        torch.testing.assert_close(given.grad, expected.grad)

    def test_spectra_from_inference_mode(self, generator):
        x, y = torch.randn(2, 2, 700, generator=generator)
        loss = self.loss()
        with torch.inference_mode():
            target = loss.spectra(y)
        torch.testing.assert_close(
            value_and_gradient(loss, x, target), value_and_gradient(loss, x, loss.spectra(y))
        )

    @pytest.mark.parametrize("options", [{}, {"p": 2, "floor": 0.5, "padding": "reflect"}])
    def test_other_derivatives(self, options, generator):
        """Second ones, those in forward mode, and of a batch by vmap."""
        loss = self.loss(fft_sizes=(4, 3), **options)
        x, y = torch.randn(2, 2, 8, dtype=torch.float64, generator=generator)
        target = loss.spectra(y)
        wanted = x.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: loss(x, target), wanted, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(lambda x: loss(x, target), wanted, fast_mode=True)
        _, gradient = definition(loss, x, y)
        torch.testing.assert_close(torch.func.jacfwd(lambda x: loss(x, y))(x), gradient)
        tangent = torch.randn(x.shape, dtype=x.dtype, generator=generator)
        with forward_ad.dual_level():  # of a signal that wants a gradient besides
            along = forward_ad.unpack_dual(loss(forward_ad.make_dual(wanted, tangent), y)).tangent
        torch.testing.assert_close(along.detach(), (gradient * tangent).sum())
        by_rows = torch.func.vmap(torch.func.grad(lambda x, y: loss(x, y)))(x, y)
        alone = [definition(loss, x[k], y[k])[1] for k in range(2)]
        torch.testing.assert_close(by_rows, torch.stack(alone))
        forward_over_reverse = torch.func.hessian(lambda x: loss(x, y))(x)
        reverse_over_reverse = torch.autograd.functional.hessian(lambda x: loss(x, target), x)
        torch.testing.assert_close(forward_over_reverse, reverse_over_reverse)

    def test_signals_are_compared_as_their_spectra(self, generator):
        x, y = torch.randn(2, 2, 700, dtype=torch.float64, generator=generator)
        for loss in (self.loss(), SpectralLoss(fft_size=64), SpectralLoss(fft_size=63, p=2)):
            ours = value_and_gradient(loss, x, y)
            torch.testing.assert_close(ours, definition(loss, x, y), rtol=1e-9, atol=1e-12)
        with torch.no_grad():
            torch.testing.assert_close(loss(x, y), ours[0])

    def test_what_does_not_fit(self, generator):
        x = torch.randn(3, 700, generator=generator)
        loss = self.loss()
        target = loss.spectra(x)
        with pytest.raises(ValueError, match=r"one spectrogram for each of the 2 scales.* got 1"):
            loss(x, target[:1])
        with pytest.raises(ValueError, match="got 0"):
            loss(x, ())
        with pytest.raises(ValueError, match=r"for signals like x, \(2, 129, 11\) in .* got \(3, "):
            loss(x[:2], target)
        with pytest.raises(ValueError, match="y must hold what `spectra` returns"):
            loss(x[:, :-100], target)
        with pytest.raises(ValueError, match="y must hold what `spectra` returns"):
            loss(x, target[::-1])
        with pytest.raises(
            ValueError, match=r"in torch.float64; got \(3, 129, 11\) in torch.float32"
        ):
            loss(x.double(), target)
        with pytest.raises(
            ValueError, match="in y must hold values; got a tensor on the meta device"
        ):
            loss(x, tuple(s.to("meta") for s in target))
        with pytest.raises(
            TypeError, match=r"each spectrogram in y must be a torch.Tensor; got nda"
        ):
            loss(x, tuple(s.numpy() for s in target))

    def test_bad_signals(self):
        loss = self.loss()
        x = torch.zeros(1, 700)
        target = loss.spectra(x)
        with pytest.raises(ValueError, match="x must be finite"):
            loss(x / 0, target)
        with pytest.raises(ValueError, match="x must not be empty"):
            loss(x[:0], target)
        with pytest.raises(TypeError, match="x must hold floating-point"):
            loss(x.int(), target)
        with pytest.raises(ValueError, match="y must be finite"):
            loss.spectra(x / 0)
        with pytest.raises(ValueError, match=r"y must have shape \(samples,\)"):
            loss.spectra(x[None, None])
        with pytest.raises(TypeError, match=r"y must be a torch.Tensor; got list"):
            loss.spectra([0.0] * 700)
        with pytest.raises(ValueError, match="too short for STFT"):
            self.loss(padding="none")(x[:, :200], target)

"""Spectral transforms: librosa and nnAudio as oracles, closed forms, gradients, bad input."""

import copy

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from nnAudio.features import CQT1992v2

from sotlib import CQT, STFT, MelSpectrogram, sinusoid
from sotlib.transforms._stft import spectrogram

SMALL = [
    STFT(fft_size=256, hop_length=64, sample_rate=8000),
    STFT(
        fft_size=256,
        hop_length=64,
        sample_rate=8000,
        padding="end",
        normalized=True,
        square_magnitude=True,
    ),
    MelSpectrogram(fft_size=256, hop_length=64, n_mels=20, sample_rate=8000),
    CQT(sample_rate=8000, hop_length=64, fmin=250.0, n_bins=30, bins_per_octave=12),
    CQT(sample_rate=8000, hop_length=64, fmin=60.0, n_bins=40, bins_per_octave=12, gamma=40.0),
]
NAMES = ["stft", "stft-end", "mel", "cqt", "vqt"]
each = pytest.mark.parametrize("transform", SMALL, ids=NAMES)


@pytest.fixture
def signal(generator):
    return torch.randn(2, 2000, generator=generator)


class TestOracles:
    @pytest.mark.parametrize("window", ["hann", "flattop", "boxcar"])
    @pytest.mark.parametrize("win_length", [None, 400])
    def test_stft_is_librosas(self, signal, window, win_length):
        settings = {"hop_length": 128, "win_length": win_length, "window": window}
        expected = librosa.stft(signal.numpy(), n_fft=512, pad_mode="reflect", **settings)
        ours = STFT(fft_size=512, **settings)(signal)
        np.testing.assert_allclose(ours, np.abs(expected), atol=1e-4)

    def test_mel_is_librosas(self, signal):
        options = {"sr": 8000, "n_fft": 512, "hop_length": 128, "n_mels": 32}
        expected = librosa.feature.melspectrogram(
            y=signal.numpy(), htk=True, norm=None, pad_mode="reflect", **options
        )
        mel = MelSpectrogram(fft_size=512, hop_length=128, n_mels=32, sample_rate=8000)
        np.testing.assert_allclose(mel(signal), expected, rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("window", ["hann", "flattop"])
    def test_cqt_is_nnaudios(self, generator, window):
        x = torch.randn(2, 9000, generator=generator)
        options = {"hop_length": 256, "fmin": 110.0, "n_bins": 48, "bins_per_octave": 12}
        theirs = CQT1992v2(sr=8000, window=window, verbose=False, **options)(x)
        ours = CQT(sample_rate=8000, window=window, **options)(x)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)

    def test_the_window_is_flattop_unless_told(self, signal):
        window = scipy.signal.get_window("flattop", 1024)
        stft = STFT()(signal)[..., 4]
        np.testing.assert_allclose(
            stft, np.abs(np.fft.rfft(window * signal.numpy()[:, 512:1536])), atol=1e-4
        )
        options = {"hop_length": 256, "fmin": 500.0, "n_bins": 24, "bins_per_octave": 12}
        theirs = CQT1992v2(sr=22050, window="flattop", verbose=False, **options)(signal)
        torch.testing.assert_close(CQT(**options)(signal), theirs, rtol=1e-4, atol=1e-4)

    def test_vqt_kernels_are_shorter(self):
        options = {"sample_rate": 8000, "fmin": 60.0, "n_bins": 40, "bins_per_octave": 12}
        assert CQT(gamma=40.0, **options).longest < CQT(**options).longest


class TestClosedForms:
    @pytest.mark.parametrize("transform", SMALL[:4], ids=NAMES[:4])
    def test_a_sinusoid_peaks_at_its_bin(self, transform):
        k = len(transform.frequencies) // 2
        frequency = transform.positions("absolute")[k].item()
        x = sinusoid(frequency, samples=4000, sample_rate=8000)
        assert transform(x)[:, 20].argmax() == k

    def test_end_padding_gives_one_frame_per_hop_that_starts_in_the_signal(self):
        stft = STFT(fft_size=256, hop_length=64, padding="end")
        assert stft(torch.ones(1000)).shape[-1] == 16
        assert stft(torch.ones(1)).shape[-1] == 1

    def test_no_padding_keeps_whole_frames_only(self):
        stft = STFT(fft_size=256, hop_length=64, padding="none")
        assert stft(torch.ones(256 + 3 * 64 + 63)).shape[-1] == 4

    def test_power_is_the_square(self, signal):
        one, two = (
            STFT(fft_size=256, hop_length=64, square_magnitude=square)(signal)
            for square in (False, True)
        )
        torch.testing.assert_close(one.square(), two)

    def test_normalized_conserves_energy_of_white_frames(self, signal):
        stft = STFT(fft_size=256, hop_length=256, window="boxcar", padding="none", normalized=True,
                    square_magnitude=True)  # fmt: skip
        power = stft(signal[:, :1792])
        both_sides = power[:, 0] + power[:, -1] + 2 * power[:, 1:-1].sum(1)
        torch.testing.assert_close(both_sides.sum(-1), signal[:, :1792].square().sum(-1))


class TestPositions:
    @each
    def test_run_from_zero_to_one(self, transform):
        for scaling in ("normalized", "normalized_linear"):
            positions = transform.positions(scaling)
            assert positions[0] == 0
            assert positions[-1] == 1
            assert (positions.diff() > 0).all()

    def test_stft_in_hertz(self):
        positions = STFT(fft_size=8, sample_rate=16000).positions("absolute")
        assert positions.tolist() == [0, 2000, 4000, 6000, 8000]

    def test_mel_bands_are_equally_far_apart_on_the_htk_scale(self):
        hertz = MelSpectrogram(n_mels=40).positions("absolute").double().numpy()
        mel = 2595 * np.log10(1 + hertz / 700)
        edges = np.linspace(0, 2595 * np.log10(1 + 11025 / 700), 42)
        np.testing.assert_allclose(mel, edges[1:-1], rtol=1e-6)

    def test_cqt_keeps_its_true_spacing(self):
        cqt = CQT(fmin=100.0, n_bins=25, bins_per_octave=12)
        assert cqt.positions()[12].item() == pytest.approx((200 - 100) / (400 - 100))
        assert cqt.positions("normalized_linear")[12].item() == pytest.approx(0.5)

    def test_cqt_stops_below_fmax(self):
        frequencies = CQT(fmin=100.0, fmax=400.0, bins_per_octave=12).positions("absolute")
        assert len(frequencies) == 24
        assert frequencies[-1] < 400

    def test_one_bin_lies_at_zero(self):
        assert CQT(fmin=1000.0, n_bins=1).positions().tolist() == [0]

    @each
    def test_unknown_scaling_is_refused(self, transform):
        with pytest.raises(ValueError, match="'normalized', 'normalized_linear', 'absolute'; got"):
            transform.positions("mel")


class TestGradients:
    @each
    def test_gradcheck(self, transform, generator):
        module = copy.deepcopy(transform).double()
        shortest = max(module.shortest, 300)
        x = torch.randn(shortest, dtype=torch.float64, generator=generator).requires_grad_()
        weights = torch.randn(module(x).shape, dtype=torch.float64, generator=generator)
        assert torch.autograd.gradcheck(lambda x: (module(x) * weights).sum(), x, fast_mode=True)

    @each
    def test_silence_has_zero_gradient(self, transform):
        x = torch.zeros(2000, requires_grad=True)
        spectrum = transform(x)
        spectrum.sum().backward()
        assert spectrum.abs().max() == 0
        assert x.grad.abs().max() == 0

    @pytest.mark.parametrize("power", [False, True])
    @pytest.mark.parametrize("size", [64, 63])
    def test_stft_in_reverse_forward_and_second_order(self, power, size, generator):
        stft = STFT(fft_size=size, hop_length=20, window="hann", square_magnitude=power).double()
        x = torch.randn(150, dtype=torch.float64, generator=generator).requires_grad_()
        assert torch.autograd.gradcheck(stft, x, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(lambda x: stft(x).sum(), x)

    @pytest.mark.parametrize("power", [False, True])
    def test_stft_under_vmap_of_forward_mode(self, power, generator):
        stft = STFT(fft_size=64, hop_length=20, window="hann", square_magnitude=power).double()
        x = torch.randn(150, dtype=torch.float64, generator=generator)
        direct = torch.autograd.functional.jacobian(stft, x)
        torch.testing.assert_close(torch.func.jacfwd(stft)(x), direct)
        torch.testing.assert_close(torch.func.jacrev(stft)(x), direct)
        batch = torch.randn(150, 3, dtype=torch.float64, generator=generator)
        torch.testing.assert_close(torch.func.vmap(stft, 1)(batch), stft(batch.T))

    @pytest.mark.parametrize("power", [False, True])
    def test_stft_with_a_batch_of_gradients(self, power, generator):
        stft = STFT(fft_size=64, hop_length=20, window="hann", square_magnitude=power).double()
        x = torch.randn(150, dtype=torch.float64, generator=generator)
        jacobian = torch.autograd.functional.jacobian
        torch.testing.assert_close(jacobian(stft, x, vectorize=True), jacobian(stft, x))

    def test_forward_mode_on_silence_is_zero(self):
        x, tangent = torch.zeros(100), torch.ones(100)
        stft = STFT(fft_size=32, hop_length=8)
        assert not torch.func.jvp(stft, (x,), (tangent,))[1].any()


class TestShapes:
    @each
    def test_any_leading_dimensions(self, transform, generator):
        x = torch.randn(2, 3, 2000, generator=generator)
        batch = transform(x)
        assert batch.shape[:2] == (2, 3)
        torch.testing.assert_close(batch[1, 2], transform(x[1, 2]), rtol=1e-4, atol=1e-4)

    @each
    def test_an_empty_batch(self, transform):
        x = torch.zeros(2, 0, 2000, requires_grad=True)
        spectrum = transform(x)
        assert spectrum.shape == (2, 0, *transform(torch.zeros(2000)).shape)
        spectrum.sum().backward()
        assert x.grad.shape == x.shape

    @each
    def test_double_precision_is_kept(self, transform, signal):
        double = transform(signal.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), transform(signal), rtol=1e-3, atol=1e-3)

    @each
    def test_strided_input(self, transform, generator):
        x = torch.randn(2000, 2, generator=generator).T
        torch.testing.assert_close(transform(x), transform(x.contiguous()))

    @each
    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_casting_the_module_rounds_no_constant(self, transform, dtype, signal):
        module = copy.deepcopy(transform).to(dtype).float()
        assert not module.state_dict()
        assert torch.equal(module(signal), transform(signal))
        assert torch.equal(module.positions("absolute"), transform.positions("absolute"))

    def test_double_precision_windows_are_scipys(self, generator):
        x = torch.randn(64, dtype=torch.float64, generator=generator)
        ours = STFT(fft_size=64, padding="none", window="flattop")(x)[:, 0]
        window = scipy.signal.get_window("flattop", 64)
        np.testing.assert_allclose(ours, np.abs(np.fft.rfft(window * x.numpy())), rtol=1e-12)


@pytest.mark.parametrize("make", [lambda: STFT(fft_size=64), lambda: CQT(fmin=3000.0, n_bins=12)])
def test_a_transform_may_be_made_inside_torch_func(make, generator):
    x, direction = torch.randn(2, 1, 2000, generator=generator)
    made = torch.func.jvp(lambda x: make()(x), (x,), (direction,))
    for ours, expected in zip(made, torch.func.jvp(make(), (x,), (direction,)), strict=True):
        torch.testing.assert_close(ours, expected)


class TestBadInput:
    @each
    def test_integer_signals(self, transform):
        with pytest.raises(TypeError, match="x must hold floating-point numbers"):
            transform(torch.zeros(2000, dtype=torch.int16))

    @each
    def test_a_single_number(self, transform):
        with pytest.raises(ValueError, match=r"x must have shape \(..., samples\); got a single"):
            transform(torch.tensor(1.0))

    def test_zeros_lengthen_the_shortest_signal(self):
        cqt = CQT(fmin=1000.0, n_bins=12, bins_per_octave=12, padding="zeros")
        assert cqt(torch.ones(1)).shape == (12, 1)

    @pytest.mark.parametrize(
        ("transform", "shortest"), [(SMALL[0], 129), (SMALL[2], 129), (SMALL[3], 513)]
    )
    def test_a_short_signal_is_told_how_long_it_must_be(self, transform, shortest):
        transform(torch.zeros(shortest))
        with pytest.raises(ValueError, match=f"has {shortest - 1} samples and needs at least"):
            transform(torch.zeros(shortest - 1))

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: STFT(window="square"), "window must be a name known to scipy.signal"),
            (lambda: STFT(fft_size=0), "fft_size must be an integer of at least 1; got 0"),
            (lambda: STFT(hop_length=2.5), "hop_length must be an integer"),
            (lambda: STFT(fft_size=64, win_length=65), "win_length must not exceed fft_size=64"),
            (lambda: STFT(sample_rate=0), "sample_rate must be a finite number above 0"),
            (lambda: STFT(padding="same"), "padding must be one of 'reflect', 'end', 'none'"),
            (lambda: MelSpectrogram(n_mels=0), "n_mels must be an integer of at least 1"),
            (lambda: CQT(fmin=-1.0), "fmin must be a finite number above 0"),
            (lambda: CQT(n_bins=400), "at most 303 bins fit"),
            (lambda: CQT(fmin=100.0, fmax=50.0), "fmax must exceed fmin=100.0"),
            (lambda: CQT(gamma=-1.0), "gamma must be a finite number of at least 0"),
            (lambda: CQT(window="square"), "window must be a name known"),
            (lambda: CQT(padding="end"), "padding must be one of 'reflect', 'zeros'"),
        ],
    )
    def test_options_are_named(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()

    def test_the_number_of_bins_offered_fits(self):
        assert CQT(n_bins=303, window="hann").frequencies[-1] <= 11025


FRAMINGS = [
    {"fft_size": 16, "hop_length": 4},
    {"fft_size": 16, "hop_length": 5},  # the hop does not divide the frame
    {"fft_size": 15, "hop_length": 4},
    {"fft_size": 15, "hop_length": 5, "win_length": 9},
    {"fft_size": 16, "hop_length": 16},
    {"fft_size": 16, "hop_length": 21},  # samples between frames belong to none
    {"fft_size": 8, "hop_length": 1},
    {"fft_size": 1, "hop_length": 1, "window": "boxcar"},
    {"fft_size": 2, "hop_length": 1, "window": "boxcar", "normalized": True},
]


@pytest.mark.parametrize("samples", [16, 17, 43, 64])
@pytest.mark.parametrize("padding", ["reflect", "end", "none"])
@pytest.mark.parametrize("framing", FRAMINGS, ids=str)
class TestFrames:
    """What losses with gradients of their own are built from."""

    def stft(self, framing, padding):
        return STFT(**{"window": "hann", "padding": padding, **framing})

    def test_against_numpy(self, framing, padding, samples, generator):
        stft = self.stft(framing, padding)
        x = torch.randn(2, samples, dtype=torch.float64, generator=generator)
        size, hop = framing["fft_size"], framing["hop_length"]
        length = framing.get("win_length", size)
        window = np.zeros(size)
        window[(size - length) // 2 :][:length] = scipy.signal.get_window(
            framing.get("window", "hann"), length
        )
        if framing.get("normalized"):
            window /= np.sqrt(size)
        if padding == "end":
            starts = range(0, samples, hop)
            padded = np.pad(x, ((0, 0), (0, size)))
        else:
            half = size // 2 if padding == "reflect" else 0
            padded = np.pad(x, ((0, 0), (half, half)), mode="reflect")
            starts = range(0, padded.shape[1] - size + 1, hop)
        expected = np.stack([window * padded[:, s : s + size] for s in starts], axis=1)
        np.testing.assert_allclose(stft.windowed(x), expected, rtol=1e-12)

    @pytest.mark.parametrize("power", [False, True])
    def test_fast_spectra_and_gradients_are_those_of_the_definition(
        self, framing, padding, samples, power, generator
    ):
        stft = STFT(**{"window": "hann", "padding": padding, "square_magnitude": power, **framing})
        x = torch.randn(3, samples, dtype=torch.float64, generator=generator).requires_grad_()
        ours, theirs = spectrogram.spectrogram(x, stft), spectrogram.differentiable(x, stft)
        torch.testing.assert_close(ours, theirs)
        slope = torch.randn(theirs.shape, dtype=torch.float64, generator=generator)
        for strided in (slope, slope.mT.contiguous().mT, slope[:, :1, :1].expand(theirs.shape)):
            (a,), (b,) = (
                torch.autograd.grad(y, x, strided, retain_graph=True) for y in (ours, theirs)
            )
            torch.testing.assert_close(a, b)

    def test_unpad_is_the_adjoint_of_pad(self, framing, padding, samples, generator):
        """<pad(x), z> = <x, unpad(z)> for all x and z."""
        stft = self.stft(framing, padding)
        x = torch.randn(2, samples, dtype=torch.float64, generator=generator)
        padded = stft.pad(x)
        z = torch.randn(padded.shape, dtype=torch.float64, generator=generator)
        before = z.clone()
        torch.testing.assert_close((x * stft.unpad(z, samples)).sum(), (padded * z).sum())
        assert torch.equal(z, before)

    def test_shape_is_that_of_the_spectrum(self, framing, padding, samples):
        stft = self.stft(framing, padding)
        for leading in ((), (3,), (2, 0), (2, 3)):
            x = torch.zeros(*leading, samples)
            assert stft.shape(x) == stft(x).shape


def test_the_shape_of_a_short_or_integer_signal_is_refused():
    stft = STFT(fft_size=16, padding="none")
    with pytest.raises(ValueError, match="has 15 samples and needs at least 16"):
        stft.shape(torch.zeros(15))
    with pytest.raises(TypeError, match="x must hold floating-point numbers"):
        stft.shape(torch.zeros(16).int())

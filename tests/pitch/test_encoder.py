"""The pitch encoder: a plain network and SciPy's Toeplitz matrix as oracles, soft-argmax, axes."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch
from torch import nn

from sotlib import CQT, PitchEncoder, hz_to_unit, soft_argmax, unit_to_hz
from sotlib.pitch import encoder as encoders

BOUND = 1 / math.sqrt(1139)


@pytest.fixture(scope="module")
def encoder():
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        return PitchEncoder().eval()


@pytest.fixture
def spectra(generator):
    return torch.rand(3, 285, generator=generator)


def plain(encoder):
    """The same network of standard layers, its pitch head a convolution over all features."""
    leaky = nn.LeakyReLU(0.3)

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    pointwise = [nn.Conv1d(a, b, 1) for a, b in ((40, 30), (30, 30), (30, 10))]
    body = nn.Sequential(
        nn.LayerNorm(285),
        nn.Unflatten(1, (1, 285)),
        nn.Conv1d(1, 40, 15, padding=7),
        leaky,
        Residual(nn.Conv1d(40, 40, 15, padding=7), leaky),
        *(layer for convolution in pointwise for layer in (convolution, leaky)),
        nn.Dropout(0.5),
        nn.Conv1d(10, 3, 1),
        nn.Flatten(),
    )
    pitch = nn.Conv1d(1, 1, kernel_size=1139, padding=284, bias=False)
    amplitudes = nn.Linear(855, 20)
    ours = [p for n, p in encoder.named_parameters() if n != "toeplitz"]
    with torch.no_grad():
        theirs = [*body.parameters(), *amplitudes.parameters()]
        for a, b in zip(theirs, ours, strict=True):
            a.copy_(b)
        pitch.weight.copy_(encoder.toeplitz[None, None])
    return body.eval(), pitch, amplitudes


class TestEncoder:
    @torch.no_grad()
    def test_is_the_plain_network(self, encoder, spectra):
        body, pitch, amplitudes = plain(encoder)
        features = body(spectra)
        output = encoder(spectra)
        expected = pitch(features[:, None])[:, 0]
        torch.testing.assert_close(output.logits, expected, rtol=1e-4, atol=1e-6)
        sigmoid = scipy.special.expit(amplitudes(features).double().numpy())
        expected = 2 * sigmoid ** np.log(10) + 1e-7
        np.testing.assert_allclose(output.amplitudes, expected, rtol=1e-4)

    def test_has_the_papers_number_of_parameters(self, encoder):
        assert sum(p.numel() for p in encoder.parameters()) == 46_012
        parts = *plain(encoder), nn.Identity()
        assert sum(p.numel() for part in parts for p in part.parameters()) == 46_012

    @torch.no_grad()
    def test_logits_come_from_scipys_toeplitz_matrix(self, encoder, spectra):
        features = []
        hook = encoder.to_features.register_forward_hook(lambda *args: features.append(args[-1]))
        logits = encoder(spectra).logits
        hook.remove()
        t = encoder.toeplitz.double().numpy()
        matrix = scipy.linalg.toeplitz(t[284::-1], t[284:])
        assert matrix.shape == (285, 855)
        expected = features[0].flatten(1).double().numpy() @ matrix.T
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-6)

    def test_toeplitz_starts_like_the_convolution_it_is(self):
        t = PitchEncoder().toeplitz.detach()
        theirs = nn.Conv1d(1, 1, 1139, bias=False).weight.detach()
        assert 0.99 * BOUND < t.abs().max() <= BOUND
        assert 0.99 * BOUND < theirs.abs().max() <= BOUND
        assert t.std().item() == pytest.approx(BOUND / math.sqrt(3), rel=0.05)

    def test_the_seed_decides_the_weights(self):
        states = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            states.append(torch.cat([p.flatten() for p in PitchEncoder().parameters()]))
        assert torch.equal(states[0], states[1])
        assert not torch.equal(states[0], states[2])

    def test_amplitudes_are_an_exponentiated_sigmoid(self, spectra):
        encoder = PitchEncoder(harmonics=5)
        x = torch.tensor([-1e4, -2.0, 0.0, 3.0, 1e4])
        nn.init.zeros_(encoder.to_amplitudes.weight)
        encoder.to_amplitudes.bias.data = x.clone()
        amplitudes = encoder(spectra).amplitudes
        expected = [2 / (1 + math.exp(-v)) ** math.log(10) + 1e-7 if v > -99 else 1e-7 for v in x]
        torch.testing.assert_close(amplitudes, torch.tensor(expected).expand(3, 5))
        amplitudes.sum().backward()
        assert torch.isfinite(encoder.to_amplitudes.bias.grad).all()

    def test_other_sizes(self):
        output = PitchEncoder(n_bins=40, harmonics=3)(torch.rand(2, 40))
        assert output.logits.shape == (2, 40)
        assert output.amplitudes.shape == (2, 3)

    def test_gradcheck(self, generator):
        encoder = PitchEncoder(n_bins=20, harmonics=3).double().eval()
        x = torch.rand(2, 20, dtype=torch.float64, generator=generator).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: tuple(encoder(x)), x)
        weights = encoder.toeplitz.requires_grad_()
        assert torch.autograd.gradcheck(lambda _: encoder(x.detach()).logits, weights)

    @pytest.mark.parametrize("level", [0.0, 1.0, 1e-30, 1e10])
    def test_flat_spectra_have_finite_gradients(self, encoder, level):
        x = torch.full((1, 285), level, requires_grad=True)
        output = encoder(x)
        gradient = torch.autograd.grad(output.logits.sum() + output.amplitudes.sum(), x)[0]
        assert torch.isfinite(output.logits).all()
        assert torch.isfinite(gradient).all()

    @torch.no_grad()
    def test_a_batch_is_its_spectra(self, encoder, spectra):
        batch = encoder(spectra)
        for k in range(3):
            for whole, one in zip(batch, encoder(spectra[k : k + 1]), strict=True):
                torch.testing.assert_close(whole[k : k + 1], one)
        assert [t.shape for t in encoder(spectra[:0])] == [(0, 285), (0, 20)]

    @torch.no_grad()
    def test_strided_and_double_spectra(self, encoder, spectra):
        expected = encoder(spectra)
        strided = encoder(spectra.T.contiguous().T)
        double = PitchEncoder().eval().double()
        double.load_state_dict(encoder.state_dict())
        for a, b, c in zip(expected, strided, double(spectra.double()), strict=True):
            torch.testing.assert_close(a, b)
            assert c.dtype == torch.float64
            torch.testing.assert_close(a, c.float(), rtol=1e-3, atol=1e-5)

    def test_autocast_returns_the_dtype_of_the_input(self, encoder, spectra):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = encoder(spectra)
        assert {t.dtype for t in output} == {torch.float32}
        for rough, exact in zip(output, encoder(spectra), strict=True):
            torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05)


class TestDropout:
    @pytest.fixture
    def training(self, encoder):
        encoder.train()
        yield encoder
        encoder.eval()

    def test_follows_the_generator_alone(self, training, spectra):
        def logits(seed):
            state = torch.get_rng_state()
            output = training(spectra, generator=torch.Generator().manual_seed(seed))
            assert torch.equal(torch.get_rng_state(), state)
            return output.logits

        assert torch.equal(logits(5), logits(5))
        assert not torch.equal(logits(5), logits(6))

    def test_without_a_generator_follows_torchs_seed(self, training, spectra):
        outputs = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            outputs.append(training(spectra).logits)
        assert torch.equal(outputs[0], outputs[1])
        assert not torch.equal(outputs[0], outputs[2])

    @torch.no_grad()
    def test_drops_single_values_and_scales_the_others(self, encoder, spectra):
        seen = []
        hook = encoder.to_features.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        encoder.eval()(spectra)
        encoder.train()(spectra)
        hook.remove()
        encoder.eval()
        ratio = seen[1] / seen[0]
        kept = ratio != 0
        torch.testing.assert_close(ratio[kept], torch.full_like(ratio[kept], 2.0))
        # Half of 8550 independent values: four standard deviations are 2.2 %.
        assert kept.float().mean().item() == pytest.approx(0.5, abs=0.022)
        assert (kept.float().std(-1) > 0.4).all()  # values, not whole channels

    @pytest.mark.parametrize(
        ("keep", "expected"), [(0.5, "1101001110101101"), (0.9, "1111111111111101")]
    )
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_draws_what_checkpoints_rely_on(self, keep, expected, dtype):
        """Whatever draws the numbers, a training that is resumed must go on as it began."""
        generator = torch.Generator().manual_seed(3)
        mask = encoders._mask(torch.zeros(2, 8, dtype=dtype), keep, generator)
        assert mask.dtype == dtype
        assert "".join(str(int(v > 0)) for v in mask.flatten()) == expected
        kept = mask[mask > 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / keep))

    def test_draws_in_parts_what_it_would_draw_at_once(self):
        x = torch.zeros(3, encoders.CACHE // 2 + 5)
        mask = encoders._mask(x, 0.3, torch.Generator().manual_seed(3))
        drawn = torch.rand(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        assert torch.equal(mask > 0, drawn < 0.3)

    def test_under_vmap(self, training, spectra):
        batch = torch.stack([spectra, spectra])
        first, second = torch.func.vmap(training, randomness="different")(batch).logits
        assert not torch.equal(first, second)

    def test_is_off_when_evaluating_and_at_zero(self, spectra):
        torch.manual_seed(0)
        dropping = PitchEncoder().eval()
        never = PitchEncoder(dropout=0.0).train()
        never.load_state_dict(dropping.state_dict())
        assert torch.equal(dropping(spectra).logits, dropping(spectra).logits)
        assert torch.equal(dropping(spectra).logits, never(spectra).logits)


class TestSoftArgmax:
    @pytest.mark.parametrize("k", [0, 1, 142, 284])
    def test_of_one_large_logit_is_its_position(self, k):
        logits = torch.zeros(285, dtype=torch.float64)
        logits[k] = 10.0
        assert soft_argmax(logits).item() == pytest.approx(k / 284, abs=1e-12)

    def test_of_equal_logits_is_the_middle(self):
        middle = torch.tensor([0.5, 0.5], dtype=torch.float64)
        torch.testing.assert_close(
            soft_argmax(torch.tensor([[0.0] * 9, [3.0] * 9]).double()), middle
        )

    @pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
    def test_against_scipy(self, temperature, generator):
        logits = torch.randn(4, 3, 50, dtype=torch.float64, generator=generator)
        expected = scipy.special.softmax(logits.numpy() / temperature, -1) @ np.linspace(0, 1, 50)
        ours = soft_argmax(logits, temperature=temperature)
        np.testing.assert_allclose(ours, expected, rtol=1e-12)

    def test_adding_a_constant_changes_nothing(self, generator):
        logits = torch.randn(5, 50, dtype=torch.float64, generator=generator)
        torch.testing.assert_close(soft_argmax(logits + 123.0), soft_argmax(logits))

    def test_limits_of_the_temperature(self, generator):
        logits = torch.randn(20, 50, dtype=torch.float64, generator=generator)
        cold, hot = (soft_argmax(logits, temperature=t) for t in (1e-6, 1e6))
        torch.testing.assert_close(cold, logits.argmax(-1) / 49.0, check_dtype=False)
        torch.testing.assert_close(hot, torch.full_like(hot, 0.5), rtol=0, atol=1e-5)

    def test_reversed_logits_give_the_mirrored_position(self, generator):
        logits = torch.randn(5, 50, dtype=torch.float64, generator=generator)
        torch.testing.assert_close(soft_argmax(logits.flip(-1)), 1 - soft_argmax(logits))

    def test_gradient(self, generator):
        logits = torch.randn(3, 8, dtype=torch.float64, generator=generator).requires_grad_()
        assert torch.autograd.gradcheck(soft_argmax, logits)
        assert torch.autograd.gradgradcheck(soft_argmax, logits)
        large = (1e4 * logits.detach().float()).requires_grad_()
        soft_argmax(large).sum().backward()
        assert torch.isfinite(large.grad).all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_and_autocast(self, dtype, generator):
        logits = torch.randn(3, 50, generator=generator).to(dtype)
        assert soft_argmax(logits).dtype == dtype
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = soft_argmax(logits)
        assert torch.equal(inside, soft_argmax(logits))

    def test_an_empty_batch(self):
        assert soft_argmax(torch.zeros(0, 5)).shape == (0,)


class TestLogarithmicAxis:
    AXIS = {"low": 32.7, "high": 7747.5}  # noqa: RUF012

    def test_are_inverse(self, generator):
        unit = 3 * torch.rand(100, dtype=torch.float64, generator=generator) - 1
        hertz = unit_to_hz(unit, **self.AXIS)
        torch.testing.assert_close(hz_to_unit(hertz, **self.AXIS), unit, rtol=0, atol=1e-12)

    def test_ends_and_geometric_middle(self):
        unit = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
        expected = torch.tensor([32.7, math.sqrt(32.7 * 7747.5), 7747.5], dtype=torch.float64)
        torch.testing.assert_close(unit_to_hz(unit, **self.AXIS), expected)

    def test_bins_of_a_constant_q_transform_are_equally_spaced(self):
        frequencies = CQT(fmin=440.0, n_bins=60, window="hann").frequencies.double()
        ends = {"low": frequencies[0].item(), "high": frequencies[-1].item()}
        unit = hz_to_unit(frequencies, **ends)
        expected = torch.linspace(0, 1, 60, dtype=torch.float64)
        torch.testing.assert_close(unit, expected, rtol=0, atol=1e-6)

    def test_gradients(self):
        unit = torch.tensor([-0.5, 0.3, 1.2], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda u: unit_to_hz(u, **self.AXIS), unit)
        hertz = torch.tensor([20.0, 440.0, 9000.0], dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda f: hz_to_unit(f, **self.AXIS), hertz)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_keep_the_dtype(self, dtype):
        unit = torch.tensor([0.5], dtype=dtype)
        assert unit_to_hz(unit, **self.AXIS).dtype == dtype
        assert hz_to_unit(unit, **self.AXIS).dtype == dtype

    def test_zero_hertz_lies_at_minus_infinity(self):
        assert hz_to_unit(torch.tensor(0.0), **self.AXIS) == -math.inf


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_bins": 0}, "n_bins must be an integer of at least 1; got 0"),
            ({"harmonics": 2.0}, "harmonics must be an integer of at least 1; got 2.0"),
            (
                {"dropout": 1.0},
                "dropout must be a finite number of at least 0 and below 1; got 1.0",
            ),
            ({"dropout": -0.1}, "dropout must be a finite number of at least 0 and below 1"),
            (
                {"dropout": "x"},
                "dropout must be a finite number of at least 0 and below 1; got 'x'",
            ),
            ({"dropout": math.nan}, "dropout must be a finite number of at least 0 and below 1"),
        ],
    )
    def test_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            PitchEncoder(**options)

    @pytest.mark.parametrize("shape", [(285,), (2, 284), (2, 16, 285)])
    def test_shapes(self, encoder, shape):
        with pytest.raises(ValueError, match=r"spectra must have shape \(batch, 285\); got"):
            encoder(torch.zeros(shape))

    def test_types(self, encoder):
        with pytest.raises(TypeError, match=r"spectra must be a torch.Tensor; got ndarray"):
            encoder(np.zeros((2, 285)))
        with pytest.raises(TypeError, match="spectra must hold floating-point numbers"):
            encoder(torch.zeros(2, 285).int())
        with pytest.raises(TypeError, match=r"must have the encoder's dtype, torch.float32; got"):
            encoder(torch.zeros(2, 285).double())

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: soft_argmax(torch.zeros(3, 1)), r"at least two bins; got shape \(3, 1\)"),
            (lambda: soft_argmax(torch.tensor(1.0)), r"at least two bins; got shape \(\)"),
            (lambda: soft_argmax(torch.zeros(3), temperature=0), "temperature must be a finite"),
            (lambda: unit_to_hz(torch.zeros(1), low=2, high=2), "low must be below high; got 2"),
            (lambda: hz_to_unit(torch.ones(1), low=0, high=2), "low must be a finite number above"),
            (lambda: hz_to_unit(torch.ones(1), low=1, high=math.inf), "high must be a finite"),
        ],
    )
    def test_values_of_functions(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: soft_argmax([1.0, 2.0]), "logits must be a torch.Tensor; got list"),
            (lambda: soft_argmax(torch.zeros(3).long()), "logits must hold floating-point"),
            (lambda: unit_to_hz(0.5, low=1, high=2), "unit must be a torch.Tensor; got float"),
            (lambda: hz_to_unit(440, low=1, high=2), "frequency must be a torch.Tensor; got int"),
        ],
    )
    def test_types_of_functions(self, call, message):
        with pytest.raises(TypeError, match=message):
            call()

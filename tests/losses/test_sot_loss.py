"""The SOT losses: the public package's numbers, a straightforward oracle, properties, bad input."""

import copy
import inspect
import json
from functools import partial

import numpy as np
import pytest
import torch
from reference import reference

import sotlib
from sotlib import STFT, MultiResolutionSOTLoss, Wasserstein1DLoss, sinusoid

REFERENCE = json.loads(reference("sot_loss.json").read_text())


@pytest.fixture(scope="module")
def data():
    with np.load(reference("sot_loss.npz")) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def cosine(a, b):
    return torch.nn.functional.cosine_similarity(
        a.flatten().double(), b.flatten().double(), dim=0
    ).item()


def with_gradient(loss, x, y):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    value = loss(x, y)
    value.backward()
    return value.item(), x.grad, y.grad


class Straightforward(torch.nn.Module):
    """The loss as its definition reads, by sorting and automatic differentiation."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def spectra(self, x):
        spectrum = self.loss.transform(x)
        spectrum = spectrum**2 if self.loss.square else spectrum
        return spectrum.transpose(1, 2) if self.loss.dim == -1 else spectrum

    def forward(self, x, y):
        loss = self.loss
        x, y = self.spectra(x), self.spectra(y)
        mass_x, mass_y = x.sum(-1, keepdim=True), y.sum(-1, keepdim=True)
        if loss.normalize:
            x, y = x / mass_x, y / (mass_y if loss.balanced else mass_x)
        u = torch.arange(x.shape[-1]).to(x)
        if loss.dim == -1:
            u = loss.transform.positions(loss.scaling).to(x)
        a, b = x.cumsum(-1), y.cumsum(-1)
        levels = torch.cat([a, b], -1).sort(-1).values
        qx, qy = (
            u[torch.searchsorted(c.contiguous(), levels).clamp(max=len(u) - 1)] for c in (a, b)
        )
        ends = levels.clamp(max=1) if loss.cutoff else levels
        widths = torch.diff(ends, prepend=torch.zeros_like(levels[..., :1]))
        cost = (widths * (qx - qy).abs() ** loss.p).sum(-1)
        return ((cost + loss.eps) ** (1 / loss.p) if loss.apply_root else cost).mean()


class TestReference:
    """Numbers of sot-loss 0.1.5, which computes in single precision throughout."""

    @pytest.fixture(params=range(len(REFERENCE["settings"])))
    def case(self, request, data):
        k = request.param
        settings = dict(REFERENCE["settings"][k])
        loss = getattr(sotlib, settings.pop("cls"))(**settings)
        expected = (data[f"{k}/{key}"] for key in ("loss", "grad_x", "grad_y"))
        return loss, data["x"], data["y"], *expected

    def test_loss(self, case):
        loss, x, y, expected, _, _ = case
        assert loss(x, y).item() == pytest.approx(expected.item(), rel=2e-5)

    def test_gradient(self, case):
        """As close to the stored one as single precision lets any implementation be here.

        Quiet bins have a gradient that the rounding of the FFT decides, which differs between
        processors. How much, the gradients in both precisions tell.
        """
        loss, x, y, _, *expected = case
        _, *single = with_gradient(loss, x, y)
        _, *double = with_gradient(copy.deepcopy(loss).double(), x.double(), y.double())
        rounding = 1 - min(map(cosine, single, double))
        assert rounding < 1e-4
        assert 1 - min(map(cosine, double, expected)) < max(1e-5, 5 * rounding)
        for a, b in zip(double, expected, strict=True):
            assert a.norm().item() == pytest.approx(b.norm().item(), rel=1e-3)

    @pytest.mark.parametrize("name", REFERENCE["defaults"])
    def test_defaults(self, name):
        ours = inspect.signature(getattr(sotlib, name)).parameters
        theirs = REFERENCE["defaults"][name]
        listed = {option: value for option, value in theirs.items() if option in ours}
        assert set(theirs) - set(listed) <= {"device"}  # of the second class: passed on
        for option, value in listed.items():
            default = ours[option].default
            assert (list(default) if isinstance(default, tuple) else default) == value, option

    def test_straightforward_oracle_in_double_precision(self, case):
        loss, x, y, *_ = case
        loss = loss.double()
        parts = [Straightforward(part) for part in getattr(loss, "loss_modules", [loss])]
        ours = with_gradient(loss, x.double(), y.double())
        oracle = with_gradient(
            lambda x, y: sum(part(x, y) for part in parts), x.double(), y.double()
        )
        assert ours[0] == pytest.approx(oracle[0], rel=1e-9)
        for a, b in zip(ours[1:], oracle[1:], strict=True):
            assert cosine(a, b) > 1 - 1e-9


class TestCircle:
    OPTIONS = REFERENCE["others"]["circle"] | {"sample_rate": 16000}

    def test_the_value_is_that_of_sot_loss(self, data):
        found = Wasserstein1DLoss(**self.OPTIONS)(data["x"], data["y"])
        assert found.item() == pytest.approx(data["circle/loss"].item(), rel=2e-5)

    def test_of_pitch_classes_the_value_is_theirs_and_the_gradient_its_own(self, data):
        """Theirs leaves the interval at the median out, which with twelve bins is wide."""
        a, b, expected, theirs = (data[f"chroma/{key}"] for key in ("a", "b", "loss", "grad_a"))
        circle = partial(sotlib.wasserstein_circle, positions=torch.arange(12) / 12.0, p=1)
        a.requires_grad_()
        found = circle(a, b)
        torch.testing.assert_close(found, expected)
        (ours,) = torch.autograd.grad(found.sum(), a)
        direction = torch.randn_like(a)
        direction = 1e-7 * (direction - direction.mean(-1, keepdim=True))
        change = (circle(a + direction, b) - circle(a - direction, b)) / 2
        torch.testing.assert_close((ours * direction).sum(-1), change, rtol=1e-4, atol=1e-12)
        error = ((theirs * direction).sum(-1) - change).abs()
        assert (error > 1e-2 * change.abs()).float().mean() > 0.8

    def test_orders_are_those_of_the_transport(self):
        x, y = torch.rand(2, 2, 12, 3)
        positions = torch.arange(12) / 12
        for p in (1, 2, 3):
            loss = Wasserstein1DLoss("identity", circular=True, p=p, reduction="none")
            masses = (t.mT / t.mT.sum(-1, keepdim=True) for t in (x, y))
            expected = sotlib.wasserstein_circle(*masses, positions, p=p).mean(-1)
            torch.testing.assert_close(loss(x, y, positions), expected)

    def test_octaves_fold_onto_pitch_classes(self):
        """Positions of one's own on a transform: an octave costs nothing, a third a quarter."""
        octaves = torch.tensor([0, 0.25, 1])
        tones = sinusoid(440 * 2**octaves, samples=8192, sample_rate=16000)
        loss = Wasserstein1DLoss(
            "cqt", circular=True, p=1, square_magnitude=True, fmin=220.0, n_bins=108,
            sample_rate=16000, reduction="none",
        )  # fmt: skip
        octaves = loss.transform.frequencies.log2()
        third, octave = loss(tones[1:], tones[:1].expand(2, -1), octaves, octaves)
        assert third.item() == pytest.approx(0.25, abs=0.02)
        assert octave.item() == pytest.approx(0, abs=0.02)

    def test_silence_lies_everywhere(self):
        x, y = torch.zeros(1, 12, 2), torch.zeros(1, 12, 2)
        y[0, 5, 0] = 3.0  # the other frame is silent, too
        loss = Wasserstein1DLoss("identity", circular=True, p=1, reduce=False)
        found = loss(x, y, torch.arange(12) / 12)
        torch.testing.assert_close(found, torch.tensor([0.25, 0.0]))


class TestLog:
    def test_it_is_log1p_of_the_mass(self):
        x, y = 5 * torch.rand(2, 2, 8, 3)
        positions = torch.linspace(0, 1, 8)
        found = Wasserstein1DLoss("identity", log=True, square_magnitude=True)(x, y, positions)
        expected = Wasserstein1DLoss("identity")(x.square().log1p(), y.square().log1p(), positions)
        torch.testing.assert_close(found, expected)

    def test_the_log_of_sot_loss_is_no_mass(self, data):
        """Where values are below 1 it is negative, and the more so the emptier a bin."""
        stft = STFT(sample_rate=16000, window="flattop")
        x, y = (stft(data[name]).add(1e-8).log() for name in "xy")
        assert (x < 0).float().mean() > 0.3
        with pytest.raises(ValueError, match="x must not be negative"):
            IDENTITY(x, y, stft.positions())
        options = REFERENCE["others"]["log"] | {"sample_rate": 16000}
        found = Wasserstein1DLoss(**options)(data["x"], data["y"]).item()
        assert abs(found - data["log/loss"].item()) > 0.5 * found


class TestClosedForms:
    @pytest.mark.parametrize("shift", [200.0, 1500.0])
    def test_a_shifted_partial_costs_its_shift(self, shift):
        loss = Wasserstein1DLoss(
            sample_rate=16000, bin_position_scaling="absolute", square_magnitude=True, p=1
        )
        x, y = (sinusoid(f, samples=8192, sample_rate=16000) for f in (2000.0, 2000.0 + shift))
        assert loss(x, y).item() == pytest.approx(shift, rel=0.01)

    def test_the_public_examples(self):
        x, y = torch.randn(4, 16000), torch.randn(4, 16000)
        loss = Wasserstein1DLoss(
            transform="stft",
            fft_size=2048,
            hop_length=512,
            sample_rate=16000,
            window="flattop",
            square_magnitude=True,
        )
        assert loss(x, y).ndim == 0
        x_spec, y_spec = torch.rand(4, 30, 7), torch.rand(4, 40, 7)
        loss = Wasserstein1DLoss(transform="identity", balanced=True, normalize=True)
        value = loss(x_spec, y_spec, x_positions=torch.arange(30.0), y_positions=torch.arange(40.0))
        assert value > 0

    def test_along_time_an_impulse_costs_its_delay_in_frames(self):
        x, y = torch.zeros(2, 8192), torch.zeros(2, 8192)
        x[:, 2048], y[:, 4096] = 1.0, 1.0
        loss = Wasserstein1DLoss(dim=-2, p=1, window="hann")
        assert loss(x, y).item() == pytest.approx((4096 - 2048) / 256, rel=1e-4)

    def test_cutoff_ignores_what_y_has_beyond_the_mass_of_x(self):
        x = torch.tensor([1.0, 0, 0]).reshape(1, 3, 1)
        y = torch.tensor([1.0, 5.0, 0]).reshape(1, 3, 1)
        positions = torch.arange(3.0)
        options = {"transform": "identity", "balanced": False}
        assert Wasserstein1DLoss(quantile_lowpass=True, **options)(x, y, positions) == 0
        assert Wasserstein1DLoss(quantile_lowpass=False, **options)(x, y, positions) > 0

    def test_without_normalization_balanced_scales_y_to_x(self):
        x, y = torch.rand(2, 8, 3), torch.rand(2, 8, 3)
        positions = torch.arange(8.0)
        loss = Wasserstein1DLoss("identity", normalize=False, reduce=False)
        unit = Wasserstein1DLoss("identity", reduce=False)
        expected = unit(x, y, positions) * x.sum(1).flatten()
        torch.testing.assert_close(loss(x, y, positions), expected)

    def test_representations_at_several_resolutions(self):
        x, y = torch.randn(2, 2, 4096)
        sizes = {"fft_sizes": (512, 1024), "hop_lengths": (128, 256)}
        expected = MultiResolutionSOTLoss(**sizes)(x, y)
        views = [STFT(fft_size=n, hop_length=n // 4, window="flattop") for n in (512, 1024)]
        of_x, of_y = ([view(t) for view in views] for t in (x, y))
        positions = [view.positions() for view in views]
        loss = MultiResolutionSOTLoss("identity")
        torch.testing.assert_close(loss(of_x, of_y, x_positions=positions), expected)
        once = loss(of_x[0], of_y[0], x_positions=positions[0])  # as sot-loss, of three
        torch.testing.assert_close(once, 3 * loss(of_x[:1], of_y[:1], x_positions=positions[:1]))

    def test_resolutions_add_up(self):
        x, y = torch.randn(2, 2, 4096)
        total = MultiResolutionSOTLoss(fft_sizes=(512, 1024), hop_lengths=(128, 256))(x, y)
        parts = [Wasserstein1DLoss(fft_size=n, hop_length=n // 4)(x, y) for n in (512, 1024)]
        torch.testing.assert_close(total, sum(parts))


OPTIONS = [
    {},
    {"square_magnitude": True, "apply_root": True, "p": 3},
    {"transform": "mel", "n_mels": 40},
    {"transform": "cqt", "fmin": 200.0, "n_bins": 60, "bins_per_octave": 12},
    {"transform": "vqt", "fmin": 100.0, "n_bins": 60, "bins_per_octave": 12, "gamma": 20.0},
    {"balanced": False, "quantile_lowpass": True},
    {"normalize": False, "balanced": False},
    {"dim": -2},
    {"bin_position_scaling": "absolute", "p": 1},
    {"log": True, "square_magnitude": True},
    {"circular": True, "apply_root": True},
]


@pytest.mark.parametrize(
    "options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())) or "plain"
)
class TestProperties:
    def test_batch_channels_and_single_signals_agree(self, options):
        loss = Wasserstein1DLoss(sample_rate=16000, **options)
        x, y = torch.randn(2, 4, 4096)
        batch = loss(x, y)
        torch.testing.assert_close(loss(x.view(2, 2, 4096), y.view(2, 2, 4096)), batch)
        singles = torch.stack([loss(a, b) for a, b in zip(x, y, strict=True)])
        torch.testing.assert_close(singles.mean(), batch, rtol=1e-4, atol=1e-7)

    def test_unreduced_values_have_the_reduced_mean(self, options):
        x, y = torch.randn(2, 2, 4096)
        values = Wasserstein1DLoss(sample_rate=16000, reduce=False, **options)(x, y)
        assert values.ndim == 1
        mean = Wasserstein1DLoss(sample_rate=16000, **options)(x, y)
        torch.testing.assert_close(values.mean(), mean)

    @pytest.mark.parametrize("silent", ["x", "y", "both"])
    def test_silence_is_finite_with_finite_gradients(self, options, silent):
        x, y = torch.randn(2, 1, 4096)
        x = torch.zeros_like(x) if silent in ("x", "both") else x
        y = torch.zeros_like(y) if silent in ("y", "both") else y
        loss = Wasserstein1DLoss(sample_rate=16000, **options)
        value, grad_x, grad_y = with_gradient(loss, x, y)
        assert np.isfinite(value)
        assert torch.isfinite(grad_x).all()
        assert torch.isfinite(grad_y).all()

    def test_equal_and_clipped_signals_have_finite_gradients(self, options):
        x = (3 * torch.randn(1, 4096)).clamp(-1, 1)
        loss = Wasserstein1DLoss(sample_rate=16000, **options)
        value, grad_x, _ = with_gradient(loss, x, x)
        floor = loss.eps ** (1 / loss.p) if options.get("apply_root") else 0
        assert value == pytest.approx(floor, abs=1e-6)
        assert torch.isfinite(grad_x).all()

    def test_double_precision_and_moving_the_module(self, options):
        loss = Wasserstein1DLoss(sample_rate=16000, **options)
        x, y = torch.randn(2, 1, 4096)
        double = copy.deepcopy(loss).double()(x.double(), y.double())
        assert double.dtype == torch.float64
        torch.testing.assert_close(double.float(), loss(x, y), rtol=1e-4, atol=1e-6)
        assert not loss.state_dict()
        loss.load_state_dict({})

    def test_autocast_and_half_precision_input(self, options):
        loss = Wasserstein1DLoss(sample_rate=16000, **options)
        x, y = torch.randn(2, 1, 4096).bfloat16()
        expected = loss(x.float(), y.float())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(loss(x, y), expected)
        assert expected.dtype == torch.float32


def test_gradcheck_of_the_whole_loss(generator):
    loss = Wasserstein1DLoss(fft_size=64, hop_length=32, window="hann", sample_rate=8000).double()
    x, y = torch.randn(2, 1, 200, dtype=torch.float64, generator=generator)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), x)


def test_own_positions_get_a_gradient():
    x, y = torch.rand(2, 1, 6, 4)
    positions = torch.linspace(0, 1, 6).requires_grad_()
    Wasserstein1DLoss("identity")(x, y, positions, torch.linspace(0, 1, 6)).backward()
    assert torch.isfinite(positions.grad).all()
    assert positions.grad.abs().sum() > 0


def test_descent_on_the_loss_finds_the_frequency():
    """What the loss is for: a gradient that points along the frequency axis."""
    target = sinusoid(2500.0, samples=2048, sample_rate=16000)
    frequency = torch.tensor(1500.0, requires_grad=True)
    whole_frames = STFT(window="hann", padding="none", square_magnitude=True, sample_rate=16000)
    loss = Wasserstein1DLoss(whole_frames, bin_position_scaling="absolute", p=1)
    adam = torch.optim.Adam([frequency], lr=20.0)
    for _ in range(100):
        adam.zero_grad()
        loss(sinusoid(frequency, samples=2048, sample_rate=16000), target).backward()
        adam.step()
    assert frequency.item() == pytest.approx(2500, abs=40)


def test_quantiles_are_returned_per_frame():
    x, y = torch.randn(2, 2, 4096)
    loss = Wasserstein1DLoss(return_quantiles=True, fft_size=256, hop_length=256)
    qx, qy, levels, cx, cy = loss(x, y)
    assert qx.shape == qy.shape == levels.shape == (2, 17, 258)
    assert cx.shape == cy.shape == (2, 17, 129)
    widths = levels.diff(dim=-1, prepend=torch.zeros(2, 17, 1))
    cost = (widths * (qx - qy) ** 2).sum(-1).mean()
    torch.testing.assert_close(
        cost, Wasserstein1DLoss(fft_size=256, hop_length=256)(x, y), rtol=1e-3, atol=1e-6
    )


def test_a_transform_of_ones_own_is_used_as_it_is():
    x, y = torch.randn(2, 2, 4096)
    stft = STFT(fft_size=512, hop_length=128, window="hann", padding="end", sample_rate=16000)
    expected = Wasserstein1DLoss("identity")(stft(x), stft(y), stft.positions())
    torch.testing.assert_close(Wasserstein1DLoss(stft)(x, y), expected)


def test_positions_of_x_alone_leave_those_of_y_to_the_transform():
    x, y = torch.randn(2, 1, 4096)
    loss = Wasserstein1DLoss(fft_size=512)
    own = loss.transform.positions()
    assert loss(x, y, x_positions=own + 1.0) > 0.5
    torch.testing.assert_close(loss(x, y, x_positions=own), loss(x, y))


def test_checkpoints_of_sot_loss_load():
    state = {"loss.bin_positions": torch.ones(513), "loss.transform_module.window": torch.ones(9)}
    model = torch.nn.ModuleDict({"loss": Wasserstein1DLoss()})
    model.load_state_dict(state)
    several = {f"loss_modules.{k}.bin_positions": torch.ones(5) for k in range(3)}
    MultiResolutionSOTLoss().load_state_dict(several)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Wasserstein1DLoss().load_state_dict({"weight": torch.ones(1)})


def test_numpy_numbers_are_numbers():
    loss = Wasserstein1DLoss(fft_size=np.int64(512), sample_rate=np.float32(16000), p=np.int64(2))
    assert torch.isfinite(loss(torch.randn(4096), torch.randn(4096)))


def test_compiles_around_the_kernel():
    loss, (x, y) = Wasserstein1DLoss(fft_size=256), torch.randn(2, 1, 2048)
    compiled = torch.compile(loss, backend="eager")
    torch.testing.assert_close(compiled(x, y), loss(x, y))


def test_bins_per_octave_is_heard():
    coarse = Wasserstein1DLoss("cqt", bins_per_octave=12, n_bins=60)
    assert coarse.transform.positions("absolute")[12].item() == pytest.approx(2 * 32.7)


X = torch.randn(2, 4096)
IDENTITY = Wasserstein1DLoss("identity")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Wasserstein1DLoss()(X, X[:, :4000]), ValueError, "x and y must have the same sha"),
        (lambda: Wasserstein1DLoss()(X, X[:1]), ValueError, "x and y must have the same shape"),
        (lambda: Wasserstein1DLoss()(X[None, None], X), ValueError, r"x must have shape \(samples"),
        (lambda: Wasserstein1DLoss()(X[:, :9], X[:, :9]), ValueError, "needs at least 513"),
        (lambda: Wasserstein1DLoss()(X[:0], X[:0]), ValueError, "x must not be empty"),
        (lambda: Wasserstein1DLoss("cqt")(X, X), ValueError, "CQT: it has 4096 samples and needs"),
        (lambda: Wasserstein1DLoss()(X * torch.nan, X), ValueError, "x must be finite; 8192 of"),
        (lambda: Wasserstein1DLoss()(X, X / 0), ValueError, "y must be finite"),
        (lambda: Wasserstein1DLoss()(X.long(), X), TypeError, "x must hold floating-point"),
        (lambda: Wasserstein1DLoss()(X.numpy(), X), TypeError, "x must be a torch.Tensor; got nda"),
        (lambda: Wasserstein1DLoss("fft"), ValueError, "transform must be one of 'stft', 'mel'"),
        (lambda: Wasserstein1DLoss(p=0.5), ValueError, "p must be a finite number of at least 1"),
        (
            lambda: Wasserstein1DLoss(circular=True, balanced=False),
            ValueError,
            "circular=True: a circle has neither a first quantile nor a last one",
        ),
        (
            lambda: Wasserstein1DLoss(circular=True, dim=-2)(X, X),
            ValueError,
            "x_positions is needed with circular=True and dim=-2",
        ),
        (
            lambda: Wasserstein1DLoss(circular=True, bin_position_scaling="absolute")(
                X, X, torch.rand(513)
            ),
            ValueError,
            "x_positions and y_positions are needed with circular=True",
        ),
        (lambda: MultiResolutionSOTLoss()([X], [X]), TypeError, "x must be a tensor; lists of"),
        (
            lambda: MultiResolutionSOTLoss("identity")([X, X], [X], x_positions=[X, X]),
            ValueError,
            "y must be a list with an entry for each of the 2 resolutions",
        ),
        (
            lambda: MultiResolutionSOTLoss(reduce=False),
            ValueError,
            "reduce=False does not fit several resolutions",
        ),
        (
            lambda: MultiResolutionSOTLoss(fft_sizes=1024),
            ValueError,
            "fft_sizes must be a sequence of at least one int",
        ),
        (lambda: Wasserstein1DLoss(dim=0), ValueError, "dim must be one of -1, -2; got 0"),
        (lambda: Wasserstein1DLoss(eps=0), ValueError, "eps must be a finite number above 0"),
        (lambda: Wasserstein1DLoss(n_fft=512), TypeError, "unexpected keyword argument 'n_fft'"),
        (
            lambda: Wasserstein1DLoss(bin_position_scaling="hz"),
            ValueError,
            "bin_position_scaling must be one of 'normalized'",
        ),
        (lambda: IDENTITY(X, X), ValueError, r"x must have shape \(batch, bins, frames\)"),
        (lambda: IDENTITY(X[None].abs(), X[None].abs()), ValueError, "x_positions is needed"),
        (lambda: IDENTITY(X[None], X[None]), ValueError, "x must not be negative"),
        (
            lambda: IDENTITY(X[None].abs(), X[None].abs(), torch.arange(3.0)),
            ValueError,
            "x_positions must give one position for each of the 2 bins",
        ),
        (
            lambda: IDENTITY(X[None].abs(), X[None, :1].abs(), torch.arange(2.0)),
            ValueError,
            "y_positions is needed: x has 2 bins and y has 1",
        ),
        (
            lambda: IDENTITY(X[None].abs(), X[None, :, :9].abs(), torch.arange(2.0)),
            ValueError,
            "x and y must agree in batch and frames",
        ),
        (
            lambda: MultiResolutionSOTLoss(fft_sizes=(512,)),
            ValueError,
            "same number of entries; got 1, 3 and 1",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

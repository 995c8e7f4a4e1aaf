import copy
import json
import math

import numpy as np
import pytest
import torch
from reference import reference as path_of
from scattering_oracle import scatter_globally

from sotlib.losses import JTFSLoss, jtfs_distance, jtfs_features
from sotlib.scattering import TimeFrequencyScattering, modulus, plan, transform

SMALL = {"J": 6, "Q": (8, 1), "J_fr": 2}
TINY = {"J": 4, "Q": (2, 1), "J_fr": 1}


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def burst(samples, *, start, stop, dtype=torch.float64):
    """A chirp from start to stop (cycles per sample) under a bell that is zero at both ends."""
    t = torch.linspace(0, 1, samples, dtype=dtype)
    phase = 2 * math.pi * samples * (start * t + (stop - start) * t**2 / 2)
    return torch.cos(phase) * torch.exp(-(((t - 0.5) * 7) ** 2))


# Against known values ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    settings = json.loads(path_of("jtfs.json").read_text())
    with np.load(path_of("jtfs.npz")) as file:
        return settings, {name: file[name] for name in file.files}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("number", ["0", "1", "2", "3"])
def test_agrees_with_the_reference(reference, number, dtype):
    setting, values = reference[0][number], reference[1]
    names = ("J", "Q", "J_fr", "Q_fr", "T", "F")
    scattering = TimeFrequencyScattering(setting["N"], **{name: setting[name] for name in names})
    x = torch.from_numpy(values[f"input/{setting['N']}"])
    ours = scattering(x.to(dtype)).numpy()
    theirs = values[f"{number}/output"].astype(np.float64)
    assert ours.shape == theirs.shape
    assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs)
    size = np.linalg.norm(theirs, axis=(0, 2))
    error = np.linalg.norm(ours - theirs, axis=(0, 2))
    audible = size > 1e-3 * np.linalg.norm(theirs)
    assert audible.sum() > 20
    assert (error < 1e-3 * size)[audible].all()


@pytest.mark.parametrize("number", ["0", "1", "2", "3"])
def test_paths_and_paddings_are_those_of_the_reference(reference, number):
    setting, values = reference[0][number], reference[1]
    names = ("J", "Q", "J_fr", "Q_fr", "T", "F")
    scattering = TimeFrequencyScattering(setting["N"], **{name: setting[name] for name in names})
    s, paths = scattering.setting, scattering.paths
    assert (s.padded, s.left, s.padded_fr) == tuple(
        setting[name] for name in ("n_padded", "pad_left", "n_padded_fr")
    )
    assert [len(s.psi1), len(s.psi2), len(s.psi_fr)] == [
        setting[name] for name in ("n_psi1", "n_psi2", "n_psi_fr")
    ]
    np.testing.assert_array_equal(paths.keys, values[f"{number}/n1_n2_nfr"])
    np.testing.assert_array_equal(paths.order, values[f"{number}/order"])
    for name in ("xi", "sigma", "j"):
        pair = np.stack([getattr(paths, f"{name}1"), getattr(paths, f"{name}2")], axis=1)
        np.testing.assert_allclose(pair, values[f"{number}/{name}"], rtol=1e-12)
        over_channels = getattr(paths, f"{name}_fr")
        np.testing.assert_allclose(over_channels, values[f"{number}/{name}_fr"], rtol=1e-12)


@pytest.mark.parametrize(
    ("samples", "J", "J_fr", "F", "padding"),
    [
        (2048, 8, 3, 8, "reflect"),
        (2048, 8, 3, 0, "zeros"),
        (2500, 8, 3, 3, "reflect"),
        (2500, 7, 2, "global", "zeros"),
    ],
)
def test_global_average_agrees_with_a_full_rate_evaluation(samples, J, J_fr, F, padding):
    scattering = TimeFrequencyScattering(samples, J=J, Q=(8, 1), J_fr=J_fr, F=F, padding=padding)
    s = scattering.setting
    mode = "reflect" if padding == "reflect" else "constant"
    # What remains is the aliasing of the moduli at the rates that the definition gives them, most
    # for white noise, whose moduli come close to zero often: bounds on the whole, on one path.
    for x, whole, path in (
        (burst(samples, start=0.02, stop=0.3), 2e-5, 1e-3),
        (noise(samples), 2e-4, 1e-2),
    ):
        truth = scatter_globally(
            x.numpy(), J=J, Q=(8, 1), J_fr=J_fr, F=F, mode=mode,
            padded=s.padded, padded_fr=s.padded_fr, left=s.left,
        )  # fmt: skip
        slow = np.array([truth.pop(tuple(key)) for key in scattering.paths.keys.tolist()])
        assert not truth, "paths are missing"
        error = np.abs(scattering(x).numpy()[:, 0] - slow)
        for order in (1, 2):
            chosen = scattering.paths.order == order
            assert np.linalg.norm(error[chosen]) < whole * np.linalg.norm(slow[chosen])
        audible = slow > 1e-3 * np.linalg.norm(slow)
        assert (error < path * slow)[audible].all()


# Properties ----------------------------------------------------------------------------------


@pytest.mark.parametrize("T", ["global", 64])
def test_constants_have_order_zero_only(T):
    scattering = TimeFrequencyScattering(1000, **SMALL, T=T, F=4)
    S = scattering(torch.full((1000,), -3.0, dtype=torch.float64))
    torch.testing.assert_close(S[0], torch.full_like(S[0], -3.0))
    assert S[1:].abs().max() < 1e-12


def test_small_shifts_hardly_change_a_global_average():
    scattering = TimeFrequencyScattering(4096, J=8, Q=(8, 1), J_fr=3, F=8)
    x = burst(4096, start=0.05, stop=0.25)
    features = jtfs_features(scattering(x))
    # The shift in samples, and a little more than the relative change that was measured.
    for shift, bound in ((1, 1e-6), (16, 2e-5), (64, 1e-4), (256, 1e-3)):
        moved = torch.roll(x, shift)
        assert (moved - x).norm() > 0.5 * x.norm()
        assert (jtfs_features(scattering(moved)) - features).norm() < bound * features.norm()


@pytest.mark.parametrize(("start", "stop", "spin"), [(0.05, 0.25, 1), (0.25, 0.05, -1)])
def test_the_direction_of_a_chirp_decides_the_spin(start, stop, spin):
    scattering = TimeFrequencyScattering(4096, J=8, Q=(8, 1), J_fr=3, F=8)
    energy = scattering(burst(4096, start=start, stop=stop))[:, 0].square().numpy()
    second = scattering.paths.order == 2
    with_it = energy[second & (scattering.paths.spin == spin)].sum()
    against = energy[second & (scattering.paths.spin == -spin)].sum()
    assert with_it > 10 * against


@pytest.mark.parametrize("factor", [-2.5, 1e-6, 1e6])
def test_a_scaled_signal_has_scaled_coefficients(factor):
    scattering = TimeFrequencyScattering(512, **SMALL, T=32, F=2)
    x = noise(2, 512)
    expected = abs(factor) * scattering(x)
    expected[:, 0] *= math.copysign(1, factor)
    torch.testing.assert_close(scattering(factor * x), expected, rtol=1e-9, atol=0)


def test_paths_are_sorted_and_spins_are_the_signs_of_the_frequencies():
    paths = TimeFrequencyScattering(512, **SMALL, F=2).paths
    order = np.lexsort((paths.n_fr, paths.n2, paths.n1, paths.order))
    np.testing.assert_array_equal(order, np.arange(len(paths)))
    assert set(paths.spin[paths.order == 1]) == {0, 1}
    assert set(paths.spin[paths.order == 2]) == {-1, 0, 1}
    assert set(paths.as_dict()) >= {"order", "n1", "n2", "n_fr", "spin", "xi1", "sigma_fr"}
    assert all(len(column) == len(paths) for column in paths.as_dict().values())


@pytest.mark.parametrize("T", [1, 3, 100, 512, 1024])
@pytest.mark.parametrize("F", [0, 1, 3, 4, "global"])
def test_every_width_gives_as_many_frames_and_paths_as_it_says(T, F):
    scattering = TimeFrequencyScattering(512, **SMALL, T=T, F=F)
    S = scattering(noise(512))
    assert S.shape == (len(scattering.paths), max(1, 512 // 2 ** int(math.log2(T))))
    assert S.isfinite().all()
    assert S[1:].max() > 0


def test_a_wide_low_pass_approaches_the_global_average():
    x = burst(512, start=0.05, stop=0.3)
    everywhere = TimeFrequencyScattering(512, **SMALL, T=1024, F=4, padding="zeros")
    mean = TimeFrequencyScattering(512, **SMALL, T="global", F=4, padding="zeros")(x)
    # The low-pass is flat over the padded axis, of which the support is a part.
    share = 512 / everywhere.setting.padded
    torch.testing.assert_close(everywhere(x)[1:], share * mean[1:], rtol=0.1, atol=1e-5)


# Shapes, types, devices ----------------------------------------------------------------------


@pytest.mark.parametrize("setting", [{"T": "global", "F": 4}, {"T": 32, "F": 0}])
@pytest.mark.parametrize("chunk", [1, 5000, 2**26])
def test_batches_equal_a_loop_whatever_the_chunks(monkeypatch, setting, chunk):
    scattering = TimeFrequencyScattering(256, **SMALL, **setting)
    x = noise(2, 3, 256)
    loop = torch.stack([torch.stack([scattering(signal) for signal in row]) for row in x])
    monkeypatch.setattr(modulus, "CHUNK_ON_CPU", chunk)
    monkeypatch.setattr(transform, "AT_ONCE_ON_CPU", chunk)
    torch.testing.assert_close(scattering(x), loop, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("T", [1, 4, 48, 256, 512])
@pytest.mark.parametrize("F", [0, 4, "global"])
def test_frames_as_sums_over_time_equal_those_of_a_low_pass_in_fourier(monkeypatch, T, F):
    x, direction = noise(2, 256)
    results = []
    for few in (0, 2**20):
        monkeypatch.setattr(plan, "FEW", few)
        scattering = TimeFrequencyScattering(256, **SMALL, T=T, F=F)
        assert bool(scattering._supports) == bool(few)
        S, change = torch.func.jvp(scattering, (x,), (direction,))
        (gradient,) = torch.func.vjp(scattering, x)[1](torch.ones_like(S))
        results.append((S, change, gradient))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9 * float(theirs.abs().max()))


def test_strided_and_empty_batches():
    scattering = TimeFrequencyScattering(256, **SMALL)
    x = noise(256, 2)
    torch.testing.assert_close(scattering(x.T), scattering(x.T.contiguous()))
    assert scattering(noise(0, 256)).shape == (0, len(scattering.paths), 1)


def test_type_follows_the_input_and_casting_costs_no_precision():
    scattering = TimeFrequencyScattering(512, **SMALL, F=4)
    x = noise(512)
    S = scattering(x)
    assert S.dtype == torch.float64
    single = scattering(x.float())
    assert single.dtype == torch.float32
    assert (single - S).norm() < 1e-6 * S.norm()
    cast = copy.deepcopy(scattering).half().float().to("cpu")
    # Not bit by bit: where a table lies in memory decides the order of some sums.
    assert (cast(x) - S).norm() < 1e-14 * S.norm()
    assert scattering.state_dict() == {}


def test_works_after_inference_mode_and_inside_vmap():
    scattering = TimeFrequencyScattering(256, **SMALL)
    x = noise(3, 256)
    with torch.inference_mode():
        scattering(x)
    x.requires_grad_()
    scattering(x).sum().backward()
    assert x.grad.abs().max() > 0
    torch.testing.assert_close(torch.func.vmap(scattering)(x.detach()), scattering(x.detach()))


# Derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("T", ["global", 4])
@pytest.mark.parametrize("F", [0, 2, "global"])
def test_derivatives_in_both_modes(T, F):
    scattering = TimeFrequencyScattering(48, **TINY, T=T, F=F)
    x = noise(48).requires_grad_()
    assert torch.autograd.gradcheck(scattering, x, check_forward_ad=True, fast_mode=True)


def test_forward_mode_gives_the_columns_of_the_jacobian():
    scattering = TimeFrequencyScattering(256, **SMALL, F=4)
    x, direction = noise(256), noise(256, seed=1)
    _, along = torch.func.jvp(scattering, (x,), (direction,))
    step = 1e-5
    central = (scattering(x + step * direction) - scattering(x - step * direction)) / (2 * step)
    torch.testing.assert_close(along, central, rtol=1e-5, atol=1e-7)
    jacobian = torch.func.jacfwd(lambda scale: scattering(x + scale * direction))(x.new_zeros(()))
    torch.testing.assert_close(jacobian, along)


@pytest.mark.parametrize("T", ["global", 4])
def test_second_derivatives(T):
    scattering = TimeFrequencyScattering(24, **TINY, T=T, F=2)
    x = noise(24).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: scattering(x).square().sum(), x)


@pytest.mark.parametrize("quiet", [1.0, 0.0])
def test_second_derivatives_in_single_precision(quiet):
    """Of the loss, where coefficients are small too: no power of theirs leaves the numbers."""
    x, y, direction = noise(3, 512)
    x[100:] *= quiet
    loss, found = JTFSLoss(TimeFrequencyScattering(512, **SMALL, F=4)), []
    for dtype in (torch.float32, torch.float64):
        here = x.to(dtype).requires_grad_()
        (slope,) = torch.autograd.grad(loss(here, y.to(dtype)), here, create_graph=True)
        (curved,) = torch.autograd.grad((slope * direction.to(dtype)).sum(), here)
        found.append(curved)
    assert found[0].isfinite().all()
    if quiet:  # beside silence the second derivative has no limit
        error = torch.linalg.vector_norm(found[0] - found[1])
        assert error < 1e-3 * torch.linalg.vector_norm(found[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silence_has_zeros_and_finite_derivatives(dtype):
    scattering = TimeFrequencyScattering(512, **SMALL, T=32, F=4)
    x = torch.zeros(2, 512, dtype=dtype, requires_grad=True)
    S = scattering(x)
    assert torch.equal(S, torch.zeros_like(S))
    S.sum().backward()
    assert x.grad.isfinite().all()
    _, along = torch.func.jvp(scattering, (x.detach(),), (noise(2, 512, dtype=dtype),))
    assert along.isfinite().all()


# Features, distance, loss --------------------------------------------------------------------


def test_features_compress_the_modulus():
    S = noise(3, 7, 2)
    torch.testing.assert_close(jtfs_features(S), torch.log(1 + 1e3 * S.abs()))
    torch.testing.assert_close(jtfs_features(S, gain=2.0), torch.log(1 + 2 * S.abs()))


def test_distance_and_loss_are_norms_of_feature_differences():
    scattering = TimeFrequencyScattering(256, **SMALL, T=64, F=4)
    x, y = noise(3, 256), noise(3, 256, seed=1)
    difference = (jtfs_features(scattering(x)) - jtfs_features(scattering(y))).flatten(1)
    distance = jtfs_distance(x, y, scattering=scattering)
    torch.testing.assert_close(distance, difference.norm(dim=1))
    torch.testing.assert_close(distance, jtfs_distance(y, x, scattering=scattering))
    torch.testing.assert_close(JTFSLoss(scattering)(x, y), distance.square().mean() / 2)


def test_equal_and_silent_signals_have_finite_gradients():
    scattering = TimeFrequencyScattering(256, **SMALL)
    loss = JTFSLoss(scattering)
    for x in (noise(2, 256), torch.zeros(2, 256)):
        x.requires_grad_()
        distance = jtfs_distance(x, x.detach(), scattering=scattering)
        assert torch.equal(distance, torch.zeros_like(distance))
        gradients = torch.autograd.grad(distance.sum() + loss(x, x.detach()), x)
        assert torch.equal(gradients[0], torch.zeros_like(x))


def test_loss_has_the_derivatives_it_should():
    loss = JTFSLoss(TimeFrequencyScattering(48, **TINY, F=2))
    y = noise(2, 48, seed=1)
    x = noise(2, 48).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, y), x)


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"samples": 63}, ValueError, r"samples must be at least 2\*\*J = 64.*got 63"),
        ({"samples": 512.0}, TypeError, r"samples must be an integer; got 512\.0"),
        ({"J": 0}, ValueError, "J must be at least 1; got 0"),
        ({"J": True}, TypeError, "J must be an integer; got True"),
        ({"J": 2}, ValueError, r"J = 2 with Q = \(8, 1\) leaves no second-order wavelet"),
        ({"Q": 8}, TypeError, r"Q must be a pair of integers.*got 8"),
        ({"Q": (8, 0)}, ValueError, r"Q\[1\] must be at least 1; got 0"),
        ({"J_fr": 0}, ValueError, "J_fr must be at least 1; got 0"),
        ({"J_fr": 8, "F": 1}, ValueError, "J_fr = 8 with F = 1 pads the 38 first-order channels"),
        ({"Q_fr": 0}, ValueError, "Q_fr must be at least 1; got 0"),
        ({"T": 0}, ValueError, "T must be at least 1; got 0"),
        ({"T": 1025}, ValueError, "T must be at most the padded length = 1024"),
        ({"T": 10**9}, ValueError, "T must be at most the padded length"),
        ({"T": "all"}, ValueError, "T must be one of 'global'; got 'all'"),
        ({"F": -1}, ValueError, "F must be at least 0; got -1"),
        ({"F": 5}, ValueError, r"F must be at most 2\*\*J_fr = 4, or 'global'; got 5"),
        ({"F": None}, TypeError, "F must be an integer; got None"),
        ({"padding": "circular"}, ValueError, "padding must be one of 'reflect', 'zeros'"),
    ],
)
def test_settings_out_of_range_are_named(change, error, message):
    setting = {"samples": 512, **SMALL} | change
    with pytest.raises(error, match=message):
        TimeFrequencyScattering(setting.pop("samples"), **setting)


def test_bad_signals_are_named():
    scattering = TimeFrequencyScattering(256, **SMALL)
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor; got ndarray"):
        scattering(np.zeros(256))
    with pytest.raises(TypeError, match=r"x must .*got torch\.int64"):
        scattering(torch.zeros(256, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"x must hold 256 samples.*got shape \(3, 255\)"):
        scattering(torch.zeros(3, 255))
    with pytest.raises(ValueError, match="x must hold 256 samples"):
        scattering(torch.zeros(()))
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="x must be finite"):
            scattering(torch.tensor([bad] + [0.0] * 255))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_single(dtype):
    loss = JTFSLoss(TimeFrequencyScattering(256, **SMALL))
    x, y = (noise(2, 256).to(dtype) for _ in range(2))
    assert torch.equal(loss(x, y), loss(x.float(), y.float()))


def test_bad_pairs_are_named():
    scattering = TimeFrequencyScattering(256, **SMALL)
    with pytest.raises(ValueError, match="y must be finite"):
        jtfs_distance(torch.zeros(256), torch.full((256,), math.nan), scattering=scattering)
    with pytest.raises(ValueError, match="x and y must have shapes that broadcast"):
        JTFSLoss(scattering)(torch.zeros(2, 256), torch.zeros(3, 256))
    with pytest.raises(TypeError, match="scattering must be a TimeFrequencyScattering"):
        JTFSLoss(scattering=jtfs_features)
    with pytest.raises(ValueError, match="gain must be"):
        jtfs_features(torch.zeros(3), gain=0.0)

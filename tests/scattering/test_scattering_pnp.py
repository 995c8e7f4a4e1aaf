import math
from itertools import combinations

import numpy as np
import pytest
import torch
from reference import reference as path_of
from scattering_oracle import scatter_as_pnp

from sotlib import rectangular_drum
from sotlib.scattering import TimeFrequencyScattering, filterbank
from sotlib.scattering.energy import analytic_bank

AS_IN_PNP = {"padding": "zeros", "convention": "pnp"}
SMALL = {"J": 6, "Q": (8, 1), "J_fr": 3, "T": 64, "F": 2, **AS_IN_PNP}
TINY = {"J": 4, "Q": (2, 1), "J_fr": 1, "T": 16, "F": 2, **AS_IN_PNP}
GROUPS = ("S0", "S1", "φ_t φ_f", "φ_t ψ_f", "ψ_t φ_f", "ψ_t ψ_f falling", "ψ_t ψ_f rising")


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def chirp(samples, start, stop):
    t = torch.linspace(0, 1, samples, dtype=torch.float64)
    phase = 2 * math.pi * samples * (start * t + (stop - start) * t**2 / 2)
    return torch.cos(phase) * torch.exp(-(((t - 0.5) * 7) ** 2))


def groups_of(paths):
    """Number of each path's group; the authors' "up" is the spin of falling frequencies."""
    first, second = paths.order == 1, paths.order == 2
    conditions = (
        paths.order == 0,
        first & (paths.n_fr < 0),
        first & (paths.n_fr == 0),
        first & (paths.n_fr > 0),
        second & (paths.spin == 0),
        second & (paths.spin < 0),
        second & (paths.spin > 0),
    )
    assert (np.sum(conditions, axis=0) == 1).all()
    return np.argmax(conditions, axis=0)


@pytest.fixture(scope="module")
def of_drums():
    return TimeFrequencyScattering.of_pnp(2**16)


@pytest.fixture(scope="module")
def of_arpeggios():
    return TimeFrequencyScattering.of_pnp(2**15)


@pytest.mark.parametrize(
    ("name", "first", "frames", "paths"),
    [("of_drums", 137, 8, 20762), ("of_arpeggios", 136, 4, 16018)],
)
def test_as_many_paths_as_the_authors_have_group_by_group(request, name, first, frames, paths):
    scattering = request.getfixturevalue(name)
    channels = [*range(14, 123, 12), 131]  # of each second-order wavelet that has any
    filters = [4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7]  # over channels, one spin
    joint = int(np.dot(channels, filters))
    across = filters[-1]
    expected = [1, first, channels[-1], across * channels[-1], sum(channels), joint, joint]
    expected[1:4] = [frames * count for count in expected[1:4]]
    assert sum(expected) == paths == len(scattering.paths)
    assert np.bincount(groups_of(scattering.paths)).tolist() == expected


def test_agrees_with_the_authors_on_their_drums(of_drums):
    with np.load(path_of("drum_scattering.npz")) as file:
        theirs = {name: file[name] for name in file.files}
    x = rectangular_drum(torch.from_numpy(theirs["theta"]), samples=2**16)
    paths, group = of_drums.paths, groups_of(of_drums.paths)
    ranks = np.lexsort((paths.frame, paths.n1, paths.n_fr, paths.n2, group))
    ours = of_drums(x.float())[:, ranks, 0].double().numpy()
    scale = theirs["coefficients"].max(axis=0)
    assert (np.abs(ours[:, theirs["index"]] - theirs["coefficients"]) < 1e-4 * scale).all()
    parts = np.split(ours, np.cumsum(theirs["sizes"])[:-1], axis=1)
    for name, part, norms, distances in zip(
        GROUPS, parts, theirs["norms"], theirs["distances"], strict=True
    ):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), norms, 2e-5, err_msg=name)
        between = [np.linalg.norm(part[i] - part[j]) for i, j in combinations(range(8), 2)]
        np.testing.assert_allclose(
            between, distances, 2e-5, atol=2e-5 * max(distances), err_msg=name
        )


@pytest.mark.parametrize("change", [{}, {"J_fr": 4, "T": 16, "F": 4}, {"Q": (5, 2), "F": 1}])
def test_agrees_with_a_full_rate_evaluation(change):
    setting = SMALL | change
    scattering = TimeFrequencyScattering(1024, **setting)
    shape = {name: setting[name] for name in ("J", "Q", "J_fr", "T", "F")}
    paths, group = scattering.paths, groups_of(scattering.paths)
    keys = np.column_stack([paths.keys, paths.frame]).tolist()
    assert len(set(map(tuple, keys))) == len(keys)
    for x, bound in ((chirp(1024, 0.02, 0.3), 1e-4), (noise(1024), 2e-3)):
        truth = scatter_as_pnp(x.numpy(), **shape)
        slow = np.array([truth.pop(tuple(key)) for key in keys])
        assert not truth, "paths are missing"
        error = scattering(x)[:, 0].numpy() - slow
        for number, name in enumerate(GROUPS):
            chosen = group == number
            assert np.linalg.norm(error[chosen]) < bound * np.linalg.norm(slow[chosen]), name


def test_energies_of_a_bank_add_up_to_their_total():
    n = 4096
    for J, Q, total in ((8, 8, 2.0), (8, 12, 2.0), (6, 1, 1.0)):
        bank = filterbank(J, Q, convention="pnp", least_xi=2 / n)
        half = analytic_bank(n, bank, total)
        inside = slice(half[-1].argmax(), half[0].argmax() + 1)
        reached = (half**2).sum(axis=0)
        assert reached.max() < 1.03 * total
        assert np.median(reached[inside]) > 0.9 * total


def test_the_unit_is_the_root_of_the_stride():
    """So that the squares of all frames add up to the energy, whatever their number."""
    x = torch.cos(2 * math.pi * 0.1 * torch.arange(4096, dtype=torch.float64))
    for T in (64, 256):
        scattering = TimeFrequencyScattering(4096, **SMALL | {"T": T})
        amid = (groups_of(scattering.paths) == 1) & (scattering.paths.frame == 2048 // T)
        energy = scattering(x)[amid].square().sum()
        torch.testing.assert_close(energy / T, x.square().mean(), rtol=0.02, atol=0)


@pytest.mark.parametrize(("start", "stop", "spin"), [(0.05, 0.25, 1), (0.25, 0.05, -1)])
def test_the_direction_of_a_chirp_decides_the_spin(start, stop, spin):
    scattering = TimeFrequencyScattering(4096, **SMALL | {"J": 8, "T": 256})
    energy = scattering(chirp(4096, start, stop))[:, 0].square().numpy()
    paths = scattering.paths
    with_it, against = (
        energy[(paths.order == 2) & (paths.spin == sign * spin)].sum() for sign in (1, -1)
    )
    assert with_it > 10 * against


def test_derivatives_in_both_modes():
    scattering = TimeFrequencyScattering(48, **TINY)
    x = noise(48).requires_grad_()
    assert torch.autograd.gradcheck(scattering, x, check_forward_ad=True, fast_mode=True)


def test_batches_types_and_vmap():
    scattering = TimeFrequencyScattering(500, **SMALL)  # not a power of two
    x = noise(2, 3, 500)
    S = scattering(x)
    assert S.shape == (2, 3, len(scattering.paths), 1)
    assert S.isfinite().all()
    torch.testing.assert_close(scattering(x[1, 2]), S[1, 2])
    torch.testing.assert_close(torch.func.vmap(scattering)(x), S)
    single = scattering(x.float())
    assert single.dtype == torch.float32
    assert (single - S).norm() < 1e-6 * S.norm()
    assert scattering(noise(0, 500)).shape == (0, len(scattering.paths), 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"convention": "kymatio"}, ValueError, "convention must be one of 'dafx', 'pnp'"),
        ({"T": "global"}, TypeError, "T with convention 'pnp' must be an integer"),
        ({"T": 4096}, ValueError, "T with .* must be at most the padded length = 1024; got"),
        ({"F": 0}, ValueError, "F with convention 'pnp' must be at least 1; got 0"),
        ({"F": "global"}, TypeError, "F with convention 'pnp' must be an integer"),
        ({"padding": "reflect"}, ValueError, "padding with convention 'pnp' must be .*'zeros'"),
    ],
)
def test_settings_out_of_range_are_named(change, error, message):
    with pytest.raises(error, match=message):
        TimeFrequencyScattering(512, **SMALL | change)

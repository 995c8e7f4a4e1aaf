"""What `test_cuda.py` compares between devices: by public name, how it is made, and its arguments.

Arguments are tensors that are drawn in double precision on the CPU, and moved.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

import sotlib


class Case(NamedTuple):
    """A module, or a function that is returned by a call, and its arguments."""

    make: Callable
    inputs: Callable


class Around(nn.Module):
    """A module with a function of it and its arguments as what it computes."""

    def __init__(self, module, compute):
        super().__init__()
        self.module, self.compute = module, compute

    def forward(self, *arguments):
        return self.compute(self.module, *arguments)


def made(kind, *arguments, **options):
    return lambda: kind(*arguments, **options)


def given(function, **options):
    return lambda: lambda *arguments: function(*arguments, **options)


def uniform(*shape):
    return 0.1 + torch.rand(*shape, dtype=torch.float64)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def signal():
    return (normal(3, 1024),)


def signals():
    return normal(3, 1024), normal(3, 1024)


def spectra():
    return uniform(2, 30, 5), uniform(2, 30, 5), torch.linspace(0, 1, 30)


def turns():
    """Spectra whose ends do not meet on a circle: what meets shares its gradient in many ways."""
    x, y, _ = spectra()
    return x, y, torch.arange(30) / 30


def lines():
    return uniform(3, 40), uniform(3, 40), normal(40), normal(3, 40)


def masses():
    return tuple(m / m.sum((-2, -1), keepdim=True) for m in uniform(2, 3, 8, 6))


def circles():
    a, b, u, v = lines()
    return a / a.sum(-1, keepdim=True), b / b.sum(-1, keepdim=True), u, v


def one_mass_each():
    return tuple(m[0] for m in masses())


def drums():
    return (torch.tensor([[1000.0, 0.4, 0.02, 0.03, 0.6], [700.0, 0.2, 0.1, 0.1, 0.9]]),)


def arpeggios():
    return (torch.tensor([[600.0, 5.0, 0.6], [1000.0, 15.0, 3.9]]),)


def controls(frames):
    return lambda: (400 * uniform(3, frames), uniform(3, frames, 5))


def quadratic():
    root = normal(4, 5, 5)
    return normal(4, 5), normal(4, 5), root @ root.mT


FRAMES = {"fft_size": 256, "hop_length": 64, "sample_rate": 8000}
BINS = {"fmin": 220.0, "n_bins": 48, "sample_rate": 8000}
GRID = {"time_scale": 3.0, "tol": 1e-11, "max_iter": 20_000}
SIZES = {"fft_sizes": (256, 512), "hop_lengths": (64, 128), "win_lengths": (200, 512)}
TONE = {"samples": 512, "sample_rate": 8000}
AS_IN_PNP = {"padding": "zeros", "convention": "pnp"}
scattering = made(sotlib.TimeFrequencyScattering, 1024, J=6, Q=(8, 1), J_fr=2, F=4)
drum = made(sotlib.RectangularDrum, samples=1024)


def features_of_drums(modules, theta):
    return sotlib.jtfs_features(modules[1](modules[0](theta)))


def metric(derivative):
    modules = nn.ModuleList([drum(), scattering()])
    return Around(modules, lambda m, theta: derivative(lambda t: features_of_drums(m, t), theta))


def all_views(a, b):
    found = sotlib.sinkhorn_grid(a, b, **GRID)
    moved = *found.displacement, found.plan(), found.interpolate(0.3)
    return *found.potentials, found.transport_cost, *moved


def drawn_directions(a, b):
    generator = torch.Generator().manual_seed(1)
    return sotlib.sliced_wasserstein(a, b, generator=generator, apply_root=True)


def exact(a, b):
    found = sotlib.exact_grid_transport(a, b)
    return found.value, found.plan


SOT, GRID_LOSS = sotlib.Wasserstein1DLoss, made(sotlib.STFT, **FRAMES | {"hop_length": 256})
CASES = {
    "Wasserstein1DLoss": Case(made(SOT, **FRAMES), signals),
    "Wasserstein1DLoss cutoff": Case(
        made(SOT, **FRAMES, balanced=False, quantile_lowpass=True), signals
    ),
    "Wasserstein1DLoss mel": Case(made(SOT, "mel", **FRAMES, n_mels=40), signals),
    "Wasserstein1DLoss cqt": Case(made(SOT, "cqt", **BINS, bins_per_octave=12), signals),
    "Wasserstein1DLoss time": Case(made(SOT, **FRAMES, dim=-2, p=1), signals),
    "Wasserstein1DLoss identity": Case(made(SOT, "identity"), spectra),
    "Wasserstein1DLoss circular": Case(made(SOT, "identity", circular=True, log=True), turns),
    "Wasserstein1DLoss quantiles": Case(made(SOT, "identity", return_quantiles=True), spectra),
    "MultiResolutionSOTLoss": Case(made(sotlib.MultiResolutionSOTLoss, **SIZES), signals),
    "MultiResolutionSTFTLoss": Case(made(sotlib.MultiResolutionSTFTLoss, **SIZES), signals),
    "MultiResolutionSTFTLoss mel": Case(
        made(sotlib.MultiResolutionSTFTLoss, **SIZES, n_mels=(8, 8), sample_rate=16000), signals
    ),
    "VariableLengthLoss": Case(
        lambda: Around(
            sotlib.VariableLengthLoss(sotlib.SpectralLoss(fft_size=256, reduction="none")),
            lambda loss, x, y: loss(x, y, lengths=[1024, 700, 1024]),
        ),
        signals,
    ),
    "mid_side": Case(given(sotlib.mid_side), lambda: (normal(3, 2, 64),)),
    "SpectralLoss": Case(made(sotlib.SpectralLoss, p=2), signals),
    "MultiScaleSpectralLoss": Case(made(sotlib.MultiScaleSpectralLoss), signals),
    "MultiScaleSpectralLoss spectra": Case(
        lambda: Around(sotlib.MultiScaleSpectralLoss(), lambda m, x, y: m(x, m.spectra(y))), signals
    ),
    "SinkhornSpectrogramLoss": Case(
        lambda: sotlib.SinkhornSpectrogramLoss(GRID_LOSS(), unit=1000.0, tol=1e-11), signals
    ),
    "SlicedSpectrogramLoss": Case(
        lambda: sotlib.SlicedSpectrogramLoss(GRID_LOSS(), unit=1000.0), signals
    ),
    "UnbalancedWasserstein1DLoss": Case(
        lambda: sotlib.UnbalancedWasserstein1DLoss(
            sotlib.STFT(**FRAMES, square_magnitude=True), reach=300.0
        ),
        signals,
    ),
    "SlicedSpectrogramLoss identity": Case(
        lambda: Around(
            sotlib.SlicedSpectrogramLoss("identity"),
            lambda m, x, y, f: m(x, y, freqs=f.detach(), times=range(5)),
        ),
        spectra,
    ),
    "JTFSLoss": Case(lambda: sotlib.JTFSLoss(scattering()), signals),
    "JTFSLoss random paths": Case(
        lambda: Around(
            sotlib.JTFSLoss(scattering(), random_paths=2), lambda loss, x, y: loss.train()(x, y)
        ),
        signals,
    ),
    "PNPLoss": Case(made(sotlib.PNPLoss, damping=0.5), quadratic),
    "pnp_loss": Case(given(sotlib.pnp_loss, damping=0.5), quadratic),
    "wasserstein_1d": Case(given(sotlib.wasserstein_1d), lines),
    "wasserstein_1d cutoff": Case(given(sotlib.wasserstein_1d, p=1.5, cutoff=True), lines),
    "unbalanced_wasserstein_1d": Case(given(sotlib.unbalanced_wasserstein_1d, reach=0.5), lines),
    "partial_wasserstein_1d": Case(given(sotlib.partial_wasserstein_1d, share=0.8), lines),
    "wasserstein_circle": Case(given(sotlib.wasserstein_circle, period=2.0), circles),
    "wasserstein_circle p=1": Case(given(sotlib.wasserstein_circle, p=1), circles),
    "quantile_functions": Case(given(sotlib.quantile_functions), lines),
    "interpolate_1d": Case(given(sotlib.interpolate_1d, t=0.3), lines),
    "barycenter_1d": Case(given(sotlib.barycenter_1d), lambda: (uniform(2, 3, 40), normal(40))),
    "barycenter_grid": Case(given(sotlib.barycenter_grid, tol=1e-9), lambda: (masses()[0],)),
    "linear_binning": Case(
        given(lambda m, p, g: sotlib.linear_binning(m, p, g.detach())),
        lambda: (uniform(3, 40), torch.rand(40), torch.linspace(0, 1, 9)),
    ),
    "sinkhorn_grid": Case(given(lambda a, b: sotlib.sinkhorn_grid(a, b, **GRID).value), masses),
    "sinkhorn_grid views": Case(given(all_views), masses),
    "sinkhorn_grid unbalanced": Case(
        given(lambda a, b: sotlib.sinkhorn_grid(a, 2 * b, marginal_penalty=1.0, **GRID).value),
        masses,
    ),
    "sinkhorn_grid sharp": Case(
        given(lambda a, b: sotlib.sinkhorn_grid(a, b, epsilon=2e-3, **GRID).value), masses
    ),
    "sinkhorn_divergence": Case(given(sotlib.sinkhorn_divergence, **GRID), masses),
    "sliced_wasserstein": Case(given(sotlib.sliced_wasserstein, time_scale=3.0), masses),
    "sliced_wasserstein drawn": Case(given(drawn_directions), masses),
    "exact_grid_transport": Case(given(exact), one_mass_each),
    "STFT": Case(made(sotlib.STFT, **FRAMES), signal),
    "STFT power": Case(made(sotlib.STFT, **FRAMES, square_magnitude=True, padding="end"), signal),
    "WeightedTransform": Case(lambda: sotlib.WeightedTransform(sotlib.STFT(**FRAMES)), signal),
    "MelSpectrogram": Case(made(sotlib.MelSpectrogram, **FRAMES, n_mels=40), signal),
    "CQT": Case(made(sotlib.CQT, **BINS, bins_per_octave=12), signal),
    "TimeFrequencyScattering": Case(scattering, signal),
    "TimeFrequencyScattering frames": Case(
        made(sotlib.TimeFrequencyScattering, 1024, J=6, Q=(8, 1), J_fr=2, T=128), signal
    ),
    "TimeFrequencyScattering pnp": Case(
        made(sotlib.TimeFrequencyScattering, 1024, J=6, Q=(8, 1), J_fr=3, T=64, F=2, **AS_IN_PNP),
        signal,
    ),
    "jtfs_features": Case(given(sotlib.jtfs_features), signal),
    "jtfs_distance": Case(
        lambda: Around(scattering(), lambda m, x, y: sotlib.jtfs_distance(x, y, scattering=m)),
        signals,
    ),
    "sinusoid": Case(
        given(lambda f: sotlib.sinusoid(1e3 * f, **TONE).to(f)), lambda: (uniform(3),)
    ),
    "harmonic_signal": Case(
        given(lambda f, a: sotlib.harmonic_signal(1e3 * f, a, **TONE, dtype=f.dtype)),
        lambda: (uniform(2), uniform(2, 4)),
    ),
    "HarmonicSynth": Case(made(sotlib.HarmonicSynth, **TONE), controls(1)),
    "HarmonicSynth frames": Case(
        made(sotlib.HarmonicSynth, **TONE, roll_off=True, first_phase=0), controls(4)
    ),
    "FilteredNoise": Case(made(sotlib.FilteredNoise, samples=512), lambda: (uniform(2, 4, 9),)),
    "RectangularDrum": Case(drum, drums),
    "Arpeggio": Case(made(sotlib.Arpeggio, samples=512), arpeggios),
    "arpeggio": Case(given(sotlib.arpeggio, samples=512), arpeggios),
    "rectangular_drum": Case(given(sotlib.rectangular_drum, samples=512, rejection="grid"), drums),
    "modal_frequencies": Case(given(sotlib.modal_frequencies), drums),
    "modal_decays": Case(given(sotlib.modal_decays), drums),
    "PitchEncoder": Case(made(sotlib.PitchEncoder), lambda: (uniform(9, 285),)),
    "HarmonicAutoencoder": Case(made(sotlib.HarmonicAutoencoder), lambda: (uniform(9, 1, 285),)),
    "HarmonicAutoencoder frames": Case(
        made(sotlib.HarmonicAutoencoder, roll_off=True),
        lambda: (uniform(2, 4, 285),),
    ),
    "HarmonicAutoencoder features": Case(
        lambda: Around(sotlib.HarmonicAutoencoder(), lambda m, x: m.features(x)),
        lambda: (normal(2, 4096),),
    ),
    "HarmonicAutoencoder pitch": Case(
        lambda: Around(sotlib.HarmonicAutoencoder(), lambda m, x: m.estimate_pitch(x)),
        lambda: (normal(2, 4096),),
    ),
    "SoundMatcher": Case(
        made(sotlib.SoundMatcher, fmin=320.0, n_bins=48, hop_length=64),
        lambda: (uniform(2, 48, 40),),
    ),
    "ParameterScaler": Case(
        lambda: Around(
            sotlib.ParameterScaler([1.0, 0.0], [10.0, 4.0], log10=[True, False]),
            lambda m, theta: (m(theta), m.inverse(theta)),
        ),
        lambda: (uniform(3, 2),),
    ),
    "soft_argmax": Case(given(sotlib.soft_argmax), signal),
    "hz_to_unit": Case(given(sotlib.hz_to_unit, low=30.0, high=900.0), lambda: (uniform(9),)),
    "unit_to_hz": Case(given(sotlib.unit_to_hz, low=30.0, high=900.0), lambda: (uniform(9),)),
    "jacobian": Case(made(metric, sotlib.jacobian), drums),
    "riemannian_metric": Case(made(metric, sotlib.riemannian_metric), drums),
    "log_spectral_distance": Case(given(sotlib.log_spectral_distance), signals),
    "multi_scale_spectral_distance": Case(given(sotlib.multi_scale_spectral_distance), signals),
}

OTHERS = {
    # numbers only
    "AdaptiveDamping", "ConstantDamping", "Damping", "ScheduledDamping", "ConvergenceWarning",
    "unchecked",
    # what functions and modules above return
    "EncoderOutput", "ExactTransport", "PathTable", "Reconstruction", "SinkhornResult",
    # a base class; drawn on the device, so with other numbers: `test_cuda.py` has a test of them
    "Transform", "equivariance_loss", "pretrain_pitch", "calibrate_pitch",
    # computed on a CPU, whatever device their arguments lie on
    "Arpeggios", "DrumSounds", "HarmonicSignals", "raw_chroma_accuracy", "raw_pitch_accuracy",
}  # fmt: skip

"""What `test_errors.py` calls with bad arguments: for each public name, a call that is right."""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch

import sotlib
from sotlib import TimeFrequencyScattering, Wasserstein1DLoss

FRAMES = {"fft_size": 256, "hop_length": 64, "sample_rate": 8000}
SIZES = {"fft_sizes": (256, 512), "hop_lengths": (64, 128), "win_lengths": (200, 512)}
BINS = {"fmin": 220.0, "n_bins": 12, "bins_per_octave": 12, "sample_rate": 8000}
LAYERS = {"J": 4, "Q": (4, 1), "J_fr": 2}


class Call(NamedTuple):
    """Something to call and arguments that it takes."""

    function: object
    arguments: dict
    only: str = ""
    """The one argument to try; default: all."""


def plane(bins, frames):
    """Axes of a spectrogram."""
    return {"freqs": [float(k) for k in range(bins)], "times": [k / 10 for k in range(frames)]}


@cache
def calls():
    """Calls by public name, with its methods; several where an argument needs its own."""
    draw = partial(torch.rand, generator=torch.Generator().manual_seed(0))
    x, y = (draw(2, 1100) - 0.5 for _ in "xy")
    pair = {"x": x, "y": y}
    spectra = {"x": draw(2, 8, 3), "y": draw(2, 8, 3)}
    a, b = (m / m.sum() for m in draw(2, 4, 3))
    axes = {"freqs": [0.0, 1.0, 2.0, 3.0], "times": [0.0, 1.0, 2.0]}
    axes_b = {f"{name}_b": axis for name, axis in axes.items()}
    grid = {"a": a, "b": b, **axes, "time_scale": 1.0}
    lines = {"a": draw(2, 8), "b": draw(2, 8), "positions": draw(8), "positions_b": draw(2, 8)}
    circle = {name: (m / m.sum(-1, keepdim=True)) for name, m in lines.items() if name in "ab"}
    drum = {"theta": torch.tensor([[1000.0, 0.4, 0.02, 0.03, 0.6]])}
    chirp = {"theta": torch.tensor([[600.0, 5.0, 0.6]])}
    pnp = {"predicted": draw(3, 5), "target": draw(3, 5), "metric": torch.eye(5).expand(3, 5, 5)}
    generator = {"generator": torch.Generator()}
    stft, mel = sotlib.STFT(**FRAMES), sotlib.MelSpectrogram(**FRAMES, n_mels=20)
    scattering = TimeFrequencyScattering(1100, **LAYERS)
    autoencoder = sotlib.HarmonicAutoencoder(samples=1024)
    sounds = draw(2, 1024)
    features = autoencoder.features(sounds)
    encoder = {"encoder": sotlib.PitchEncoder(n_bins=50), "spectra": draw(4, 50)}
    matcher = sotlib.SoundMatcher(given=0, fmin=320.0, n_bins=48, hop_length=64)
    scaler = sotlib.ParameterScaler([1.0, 0.0], [10.0, 4.0], log10=[True, False])
    scales = sotlib.MultiScaleSpectralLoss(fft_sizes=(256, 128))
    drums = sotlib.DrumSounds("validation", samples=64)
    arpeggios = sotlib.Arpeggios("validation", samples=64)
    table = sotlib.Transform(8000)
    each = sotlib.SpectralLoss(fft_size=256, hop_length=64, reduction="none")
    tone = {"samples": 64, "sample_rate": 8000, "dtype": torch.float32, "device": "cpu"}
    sot = Wasserstein1DLoss
    identity = spectra | {"x_positions": draw(8), "y_positions": draw(8)}
    found = {
        "CQT": Call(sotlib.CQT, BINS | {"fmax": 440.0}),
        "CQT.forward": Call(sotlib.CQT(**BINS), {"x": x}),
        "STFT": Call(sotlib.STFT, FRAMES),
        "STFT.forward": Call(stft, {"x": x}),
        "STFT.shape": Call(stft.shape, {"x": x}),
        "STFT.window": Call(stft.window, {"dtype": torch.float32}),
        "WeightedTransform": Call(sotlib.WeightedTransform, {"transform": mel, "weighting": "A"}),
        "WeightedTransform.forward": Call(sotlib.WeightedTransform(mel), {"x": x}),
        "WeightedTransform.positions": Call(sotlib.WeightedTransform(mel).positions, {}),
        "MelSpectrogram": Call(sotlib.MelSpectrogram, FRAMES | {"n_mels": 20}),
        "MelSpectrogram.forward": Call(mel, {"x": x}),
        "MelSpectrogram.positions": Call(mel.positions, {}),
        "Transform": Call(sotlib.Transform, {"sample_rate": 8000}),
        "Transform.positions": Call(stft.positions, {}),
        "TimeFrequencyScattering": Call(
            TimeFrequencyScattering, {"samples": 1100, **LAYERS, "T": 16, "F": 1}
        ),
        "TimeFrequencyScattering.of_pnp": Call(TimeFrequencyScattering.of_pnp, {"samples": 2**13}),
        "TimeFrequencyScattering.forward": Call(scattering, {"x": x}),
        "Wasserstein1DLoss": Call(sot, FRAMES),
        "Wasserstein1DLoss cqt": Call(sot, BINS | {"transform": "cqt", "fmax": 440.0}, "fmax"),
        "Wasserstein1DLoss.forward": Call(
            sot(**FRAMES), pair | {"x_positions": draw(129), "y_positions": draw(129)}
        ),
        "Wasserstein1DLoss.forward identity": Call(sot("identity"), identity),
        "MultiResolutionSOTLoss": Call(sotlib.MultiResolutionSOTLoss, SIZES),
        "MultiResolutionSOTLoss.forward": Call(sotlib.MultiResolutionSOTLoss(**SIZES), pair),
        "MultiResolutionSTFTLoss": Call(sotlib.MultiResolutionSTFTLoss, SIZES),
        "MultiResolutionSTFTLoss mel": Call(
            sotlib.MultiResolutionSTFTLoss, SIZES | {"n_mels": (8, 8), "sample_rate": 16000.0}
        ),
        "MultiResolutionSTFTLoss.forward": Call(sotlib.MultiResolutionSTFTLoss(**SIZES), pair),
        "SpectralLoss": Call(sotlib.SpectralLoss, {}),
        "SpectralLoss.forward": Call(sotlib.SpectralLoss(), pair),
        "MultiScaleSpectralLoss": Call(sotlib.MultiScaleSpectralLoss, {"fft_sizes": (256, 128)}),
        "MultiScaleSpectralLoss.forward": Call(scales, pair),
        "MultiScaleSpectralLoss.spectra": Call(scales.spectra, {"y": y}),
        "SinkhornSpectrogramLoss": Call(sotlib.SinkhornSpectrogramLoss, {"transform": stft}),
        "SinkhornSpectrogramLoss.forward": Call(
            sotlib.SinkhornSpectrogramLoss("identity"), spectra | plane(8, 3)
        ),
        "SinkhornSpectrogramLoss.forward signals": Call(
            sotlib.SinkhornSpectrogramLoss(sotlib.STFT(hop_length=512)), pair | plane(513, 3)
        ),
        "SlicedSpectrogramLoss": Call(sotlib.SlicedSpectrogramLoss, {"transform": stft}),
        "SlicedSpectrogramLoss.forward": Call(
            sotlib.SlicedSpectrogramLoss("identity"), spectra | plane(8, 3)
        ),
        "SlicedSpectrogramLoss.forward signals": Call(
            sotlib.SlicedSpectrogramLoss(stft), pair | plane(129, 18)
        ),
        "UnbalancedWasserstein1DLoss": Call(
            sotlib.UnbalancedWasserstein1DLoss, {"transform": stft, "reach": 300.0}
        ),
        "UnbalancedWasserstein1DLoss.forward": Call(
            sotlib.UnbalancedWasserstein1DLoss(stft, reach=300.0), pair
        ),
        "VariableLengthLoss": Call(sotlib.VariableLengthLoss, {"loss": each}),
        "VariableLengthLoss.forward": Call(
            sotlib.VariableLengthLoss(each), pair | {"lengths": [1000, 1100]}
        ),
        "mid_side": Call(sotlib.mid_side, {"x": x[:2]}),
        "JTFSLoss": Call(sotlib.JTFSLoss, {"scattering": scattering, "random_paths": 2, "seed": 0}),
        "JTFSLoss.forward": Call(sotlib.JTFSLoss(scattering), pair),
        "jtfs_distance": Call(sotlib.jtfs_distance, pair | {"scattering": scattering}),
        "jtfs_features": Call(sotlib.jtfs_features, {"S": draw(2, 9, 4)}),
        "PNPLoss": Call(sotlib.PNPLoss, {}),
        "PNPLoss.forward": Call(sotlib.PNPLoss(damping=0.5), pnp),
        "PNPLoss.set_extra_state": Call(
            sotlib.PNPLoss(damping=0.5).set_extra_state, {"state": {"initial": 0.5, "value": 0.5}}
        ),
        "pnp_loss": Call(sotlib.pnp_loss, pnp),
        "wasserstein_1d": Call(sotlib.wasserstein_1d, lines),
        "unbalanced_wasserstein_1d": Call(sotlib.unbalanced_wasserstein_1d, lines | {"reach": 0.5}),
        "partial_wasserstein_1d": Call(sotlib.partial_wasserstein_1d, lines | {"share": 0.5}),
        "partial_wasserstein_1d mass": Call(
            sotlib.partial_wasserstein_1d, lines | {"mass": 0.5}, "mass"
        ),
        "wasserstein_circle": Call(sotlib.wasserstein_circle, lines | circle),
        "quantile_functions": Call(sotlib.quantile_functions, lines),
        "interpolate_1d": Call(sotlib.interpolate_1d, lines | {"t": 0.5}),
        "barycenter_1d": Call(
            sotlib.barycenter_1d,
            {"masses": draw(2, 3, 8), "positions": draw(8), "weights": [1.0, 2.0, 0.0]},
        ),
        "barycenter_grid": Call(
            sotlib.barycenter_grid,
            {"masses": draw(2, 4, 3), "weights": [1.0, 2.0], **axes, "time_scale": 1.0},
        ),
        "linear_binning": Call(
            sotlib.linear_binning,
            {"masses": draw(2, 8), "positions": draw(8), "grid": torch.linspace(0, 1, 5)},
        ),
        "SinkhornResult.interpolate": Call(sotlib.sinkhorn_grid(a, b).interpolate, {"t": 0.5}),
        "sinkhorn_grid": Call(sotlib.sinkhorn_grid, grid | axes_b),
        "sinkhorn_divergence": Call(sotlib.sinkhorn_divergence, grid | axes_b),
        "exact_grid_transport": Call(sotlib.exact_grid_transport, grid | axes_b),
        "sliced_wasserstein": Call(sotlib.sliced_wasserstein, grid),
        "sinusoid": Call(sotlib.sinusoid, {"frequency": 440.0, **tone}),
        "harmonic_signal": Call(
            sotlib.harmonic_signal, {"f0": 440.0, "amplitudes": [1.0, 0.5], **tone}
        ),
        "HarmonicSynth": Call(sotlib.HarmonicSynth, {"samples": 64}),
        "HarmonicSynth.forward": Call(
            sotlib.HarmonicSynth(samples=64), {"f0": 400 + draw(2, 4), "amplitudes": draw(2, 4, 5)}
        ),
        "FilteredNoise": Call(sotlib.FilteredNoise, {"samples": 64}),
        "FilteredNoise.forward": Call(
            sotlib.FilteredNoise(samples=64), {"magnitudes": draw(2, 4, 5)}
        ),
        "RectangularDrum": Call(sotlib.RectangularDrum, {"samples": 64}),
        "RectangularDrum.forward": Call(sotlib.RectangularDrum(samples=64), drum),
        "rectangular_drum": Call(sotlib.rectangular_drum, drum | {"samples": 64}),
        "Arpeggio": Call(sotlib.Arpeggio, {"samples": 64}),
        "Arpeggio.forward": Call(sotlib.Arpeggio(samples=64), chirp),
        "arpeggio": Call(sotlib.arpeggio, chirp | {"samples": 64}),
        "modal_frequencies": Call(sotlib.modal_frequencies, drum),
        "modal_decays": Call(sotlib.modal_decays, drum),
        "DrumSounds": Call(sotlib.DrumSounds, {"fold": "validation", "samples": 64}),
        "DrumSounds.batch": Call(drums.batch, {"indices": [0, 1]}),
        "Arpeggios": Call(sotlib.Arpeggios, {"fold": "validation", "samples": 64}),
        "Arpeggios.batch": Call(arpeggios.batch, {"indices": [0, 1]}),
        "HarmonicSignals": Call(sotlib.HarmonicSignals, {"size": 10, "samples": 64}),
        "PitchEncoder": Call(sotlib.PitchEncoder, {"n_bins": 50}),
        "PitchEncoder.forward": Call(encoder["encoder"], {"spectra": draw(4, 50), **generator}),
        "HarmonicAutoencoder": Call(sotlib.HarmonicAutoencoder, {"samples": 64}),
        "HarmonicAutoencoder.forward": Call(autoencoder, {"features": features[:, :4]} | generator),
        "HarmonicAutoencoder.features": Call(autoencoder.features, {"sound": sounds}),
        "HarmonicAutoencoder.estimate_pitch": Call(autoencoder.estimate_pitch, {"sound": sounds}),
        "equivariance_loss": Call(sotlib.equivariance_loss, encoder | generator),
        "calibrate_pitch": Call(sotlib.calibrate_pitch, {"model": autoencoder, "notes": 2}),
        "pretrain_pitch": Call(
            sotlib.pretrain_pitch,
            {"model": autoencoder, "features": features, "steps": 1, "batch": 2},
        ),
        "SoundMatcher": Call(sotlib.SoundMatcher, {"parameters": 2}),
        "SoundMatcher.forward": Call(matcher, {"features": draw(2, 48, 40), "known": draw(2)}),
        "ParameterScaler": Call(
            sotlib.ParameterScaler, {"minimum": [1.0], "maximum": [2.0], "log10": [True]}
        ),
        "ParameterScaler.fit": Call(
            sotlib.ParameterScaler.fit, {"theta": draw(4, 2), "log10": [False, True]}
        ),
        "ParameterScaler.forward": Call(scaler, {"theta": 1 + draw(3, 2)}),
        "ParameterScaler.inverse": Call(scaler.inverse, {"scaled": draw(3, 2)}),
        "AdaptiveDamping": Call(sotlib.AdaptiveDamping, {"initial": 1.0}),
        "AdaptiveDamping.step": Call(sotlib.AdaptiveDamping(1.0).step, {"validation_loss": 1.0}),
        "Damping.load_state_dict": Call(
            sotlib.AdaptiveDamping(1.0).load_state_dict,
            {"state": sotlib.AdaptiveDamping(1.0).state_dict()},
        ),
        "Transform.add_table": Call(table.add_table, {"name": "a", "array": np.ones(2)}),
        "Transform.tables": Call(table.tables, {"dtype": torch.float32}),
        "Damping": Call(sotlib.Damping, {"initial": 1.0}),
        "ConstantDamping": Call(sotlib.ConstantDamping, {"initial": 1.0}),
        "ScheduledDamping": Call(sotlib.ScheduledDamping, {"initial": 2.0, "epochs": 2}),
        "soft_argmax": Call(sotlib.soft_argmax, {"logits": draw(3, 9)}),
        "unit_to_hz": Call(sotlib.unit_to_hz, {"unit": draw(9), "low": 30.0, "high": 900.0}),
        "hz_to_unit": Call(sotlib.hz_to_unit, {"frequency": draw(9), "low": 30.0, "high": 900.0}),
        "log_spectral_distance": Call(sotlib.log_spectral_distance, pair),
        "multi_scale_spectral_distance": Call(sotlib.multi_scale_spectral_distance, pair),
    }
    metric = {"phi_of_g": torch.square, "theta": draw(2, 3)}
    accuracy = {"reference": [440.0, 220.0], "estimate": [440.0, 220.0]}
    found |= {
        name: Call(getattr(sotlib, name), metric) for name in ("jacobian", "riemannian_metric")
    }
    found |= {
        name: Call(getattr(sotlib, name), accuracy)
        for name in ("raw_pitch_accuracy", "raw_chroma_accuracy")
    }
    return found

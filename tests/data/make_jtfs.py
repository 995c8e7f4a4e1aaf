"""Write `jtfs.npz` and `.json` with kymatio's development version, which `scrapl-loss` contains.

$ python -m venv scratch
$ scratch/bin/pip install numpy scipy appdirs configparser packaging
$ scratch/bin/pip install --no-deps scrapl-loss==0.1.0  # it would bring torch
$ scratch/bin/python tests/data/make_jtfs.py
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.append(f"{importlib.util.find_spec('scrapl').submodule_search_locations[0]}/kymatio")

from kymatio.scattering1d.core import timefrequency_scattering  # noqa: E402
from kymatio.scattering1d.frontend.numpy_frontend import TimeFrequencyScatteringNumPy  # noqa: E402

SETTINGS = [
    {"N": 2048, "J": 8, "Q": (8, 1), "J_fr": 3, "Q_fr": 1, "T": 256, "F": 8},
    {"N": 2048, "J": 8, "Q": (8, 1), "J_fr": 3, "Q_fr": 1, "T": 256, "F": 0},
    {"N": 2048, "J": 8, "Q": (8, 1), "J_fr": 3, "Q_fr": 1, "T": 64, "F": 4},
    {"N": 8192, "J": 11, "Q": (12, 1), "J_fr": 5, "Q_fr": 1, "T": 2048, "F": 4},
]


def signals(samples):
    """A chirp under a bell, noise, and a decaying chord."""
    t = np.arange(samples) / samples
    chirp = np.sin(2 * np.pi * samples * (0.01 * t + 0.1 * t**2)) * np.sin(np.pi * t) ** 2
    noise = np.random.default_rng(0).standard_normal(samples)
    chord = sum(np.sin(2 * np.pi * f * samples * t) / 3 for f in (0.01, 0.023, 0.057))
    return np.stack([chirp, noise, chord * np.exp(-6 * t)]).astype(np.float32)


def at_the_stride_of_the_labels(scatter):
    """Correct a mistake: where F < 2 ** J_fr, low-pass paths (spin 0) are computed at stride F.

    They are labelled, and cut to what is there, with stride 2 ** J_fr, so that the values belong
    to other channels than they say.
    """

    def corrected(x, backend, filters, log2_stride, average, spinned):
        for path in scatter(x, backend, filters, log2_stride, average, spinned):
            if average and path["spin"] == 0 and path["coef"] is not None:
                skip = 2 ** max(path["j_fr"][0] - log2_stride, 0)
                path["coef"] = path["coef"][..., ::skip, :]
            yield path

    return corrected


timefrequency_scattering.frequency_scattering = at_the_stride_of_the_labels(
    timefrequency_scattering.frequency_scattering
)


def scatter(setting):
    """Return the arrays and the numbers of one setting."""
    options = {name: value for name, value in setting.items() if name != "N"}
    jtfs = TimeFrequencyScatteringNumPy(
        shape=setting["N"], out_type="list", format="time", **options
    )
    paths = sorted(
        jtfs(signals(setting["N"]).astype(np.float64)), key=lambda p: (len(p["n"]), p["n"])
    )
    output = np.stack([path["coef"] for path in paths], axis=-2)
    meta = jtfs.meta()
    keys = [(n1, n2, n_fr) for (n1, n2), n_fr in zip(meta["n"], meta["n_fr"], strict=True)]
    arrays = {
        "output": output.astype(np.float32),
        "n1_n2_nfr": np.nan_to_num(np.array(keys, float), nan=-1).astype(np.int16),
    }
    for name in ("xi", "sigma", "j", "xi_fr", "sigma_fr", "j_fr", "order"):
        arrays[name] = np.asarray(meta[name], float)
    numbers = {
        "n_padded": jtfs._N_padded,
        "n_padded_fr": jtfs._N_padded_fr,
        "pad_left": jtfs.pad_left,
        "n_psi1": len(jtfs.psi1_f),
        "n_psi2": len(jtfs.psi2_f),
        "n_psi_fr": len(jtfs.filters_fr[1]),
    }
    return arrays, numbers


def main():
    arrays = {f"input/{setting['N']}": signals(setting["N"]) for setting in SETTINGS}
    settings = {}
    for k, setting in enumerate(SETTINGS):
        result, numbers = scatter(setting)
        arrays |= {f"{k}/{name}": array for name, array in result.items()}
        settings[str(k)] = setting | numbers
        print(k, settings[str(k)], result["output"].shape)
    np.savez_compressed(FOLDER / "jtfs.npz", **arrays)
    (FOLDER / "jtfs.json").write_text(json.dumps(settings, indent=1) + "\n")


if __name__ == "__main__":
    main()

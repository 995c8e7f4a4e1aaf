"""Write `drum_scattering.npz`: the PNP authors' coefficients of eight drums, condensed.

The coefficients come from the transform that their public code calls, a fork of kymatio (0.3.dev0
of early 2022) with `J=13, shape=2**16, Q=(12, 1), Q_fr=1, F=2, max_pad_factor=1,
max_pad_factor_fr=1, pad_mode='zero', pad_mode_fr='zero', out_type='list'` and then
`average_global = True`, in single precision, on drums from their public synthesiser. They are in
`drum_features.npz`, 20 762 a drum, in the folder that the environment variable names:

$ SOTLIB_REFERENCE=... python tests/data/make_drum_scattering.py
"""

import os
from itertools import combinations
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
A_GROUP = 12  # coefficients kept of each


def main():
    with np.load(Path(os.environ["SOTLIB_REFERENCE"]) / "drum_features.npz") as file:
        theta, sizes, coefficients = (file[name] for name in ("theta", "sizes", "coefficients"))
    stops = np.cumsum(sizes)
    groups = np.split(coefficients.astype(float), stops[:-1], axis=1)
    pairs = list(combinations(range(len(theta)), 2))
    distances = [[np.linalg.norm(g[i] - g[j]) for i, j in pairs] for g in groups]
    chosen = []
    for group, stop in zip(groups, stops, strict=True):
        audible = np.flatnonzero(group.min(axis=0) > 1e-3 * group.max())
        pick = np.linspace(0, len(audible) - 1, A_GROUP).round().astype(int)
        chosen.append(stop - group.shape[1] + np.unique(audible[pick] if len(audible) else [0]))
    index = np.concatenate(chosen)
    np.savez_compressed(
        FOLDER / "drum_scattering.npz",
        theta=theta,
        sizes=sizes,
        norms=np.array([np.linalg.norm(g, axis=1) for g in groups]),
        distances=np.array(distances),
        index=index,
        coefficients=coefficients[:, index],
    )
    print(len(index), "of", coefficients.shape[1], "coefficients kept")


if __name__ == "__main__":
    main()

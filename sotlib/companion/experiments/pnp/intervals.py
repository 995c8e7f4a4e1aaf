"""How far means over sounds and seeds can be trusted: both are drawn again (the bootstrap)."""

import numpy as np

DRAWS = 2000


def interval(values, *, share=0.95, seed=0):
    """Mean of `values`, (seeds, sounds), and the middle `share` of its bootstrap.

    All seeds have the same sounds: a sound that is drawn is drawn for each of the seeds. A
    difference of two rows, paired by seed and sound, is a value as well.

    Examples
    --------
    >>> mean, low, high = interval(np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]))
    >>> float(mean), bool(low < mean < high)
    (2.5, True)
    """
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    seeds, sounds = (
        rng.multinomial(size, np.full(size, 1 / size), DRAWS) / size for size in values.shape
    )
    means = np.einsum("rk,kn,rn->r", seeds, values, sounds, optimize=True)
    low, high = np.quantile(means, [(1 - share) / 2, (1 + share) / 2])
    return values.mean(), low, high

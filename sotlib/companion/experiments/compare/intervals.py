"""How far a share of successes can be trusted."""

import numpy as np


def wilson(successes, count, *, z=1.96):
    """Share of successes among so many tries, and Wilson's interval, of 95 % by default.

    Wilson, Journal of the American Statistical Association, 1927.

    Examples
    --------
    >>> [round(float(number), 3) for number in wilson(9, 10)]
    [0.9, 0.596, 0.982]
    """
    successes, count = np.asarray(successes, dtype=float), np.asarray(count, dtype=float)
    if np.any(count <= 0) or np.any(successes < 0) or np.any(successes > count):
        raise ValueError(
            "successes must lie between 0 and count, and count be above 0; got "
            f"successes={successes} and count={count}."
        )
    share, wide = successes / count, z**2 / count
    centre = (share + wide / 2) / (1 + wide)
    half = z / (1 + wide) * np.sqrt(share * (1 - share) / count + wide / (4 * count))
    return share, np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)

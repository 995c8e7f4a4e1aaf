"""Entropic transport over the plane beside solvers with a matrix over all pairs of bins.

Peers: POT, and, where they are installed, geomloss and OTT-JAX, whose grids are separable, too.
"""

import warnings

import numpy as np
import ot
import torch

from sotlib import ConvergenceWarning, sinkhorn_grid
from sotlib.companion.benchmarks import compare, grow

try:
    import geomloss
except ImportError:
    geomloss = None
try:
    import jax
    from ott.geometry.grid import Grid
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn
except ImportError:
    jax = None

GRID, EPSILON, UPDATES, PAIRS = (64, 32), 1e-2, 500, 16
SHAPES = ((16, 8), (32, 16), (64, 32), (96, 48), (128, 64), (256, 64))
LARGEST_FOR_PEERS, UPDATES_OF_GROWTH = 96 * 48, 20  # beyond, a matrix takes 0.5 GB and more


def random_pair(shape):
    generator = torch.Generator().manual_seed(0)
    pair = torch.rand(2, *shape, generator=generator, dtype=torch.float64) ** 4
    return pair / pair.sum((1, 2), keepdim=True)


def ours(a, b, *, updates=None):
    """Solve until the marginals fit, or make a number of plain updates."""
    plain = {"max_iter": updates, "tol": 0, "epsilon_scaling": False, "over_relaxation": False}
    options = plain if updates else {}
    return lambda: sinkhorn_grid(a, b, epsilon=EPSILON, **options)


def by_pot(a, b, *, updates=None):
    """The same for POT, whose matrix of costs is made before."""
    points = np.indices(a.shape).reshape(2, -1).T.astype(float)
    cost = ot.dist(points, points)
    problem = a.flatten().numpy(), b.flatten().numpy(), cost, EPSILON * cost.max()
    options = {"numItermax": updates, "stopThr": 0} if updates else {"stopThr": 1e-4}
    return lambda: ot.sinkhorn2(*problem, warn=False, **options)


def by_geomloss(a, b):
    """Geomloss goes through a schedule of its own; its cost is half the squared distance."""
    points = torch.cartesian_prod(*(torch.arange(size).double() for size in a.shape))
    blur = (EPSILON * sum((size - 1) ** 2 for size in a.shape) / 2) ** 0.5
    loss = geomloss.SamplesLoss(blur=blur, scaling=0.9, debias=False, backend="tensorized")
    return lambda: loss(a.flatten(), points, b.flatten(), points)


def by_ott(a, b, *, logarithmic):
    """OTT-JAX in double precision, compiled before; its own error is in L1, too."""
    jax.config.update("jax_enable_x64", True)
    epsilon = EPSILON * sum((size - 1) ** 2 for size in a.shape)
    grid = Grid(x=[jax.numpy.arange(float(size)) for size in a.shape], epsilon=epsilon)
    solver = Sinkhorn(threshold=1e-4, lse_mode=logarithmic)
    value = jax.jit(lambda a, b: solver(LinearProblem(grid, a, b)).reg_ot_cost)
    masses = [jax.numpy.asarray(mass.flatten().numpy()) for mass in (a, b)]
    return lambda: value(*masses).block_until_ready()


def on_a_grid():
    a, b = random_pair(GRID)
    many = a.expand(PAIRS, -1, -1), b.expand(PAIRS, -1, -1)
    task, same = f"{GRID[0]} × {GRID[1]} bins, ε = {EPSILON:g}", f"the same {UPDATES} updates"
    one, stopping = ours(a, b, updates=UPDATES), {"sotlib": ours(a, b), "POT": by_pot(a, b)}
    if geomloss:
        stopping["geomloss"] = by_geomloss(a, b)
    if jax:
        stopping["OTT-JAX, Grid"] = by_ott(a, b, logarithmic=True)
        stopping["OTT-JAX, Grid, not in the log domain"] = by_ott(a, b, logarithmic=False)
    rows = compare(
        f"{task}, {same}", {"sotlib": one, "POT": by_pot(a, b, updates=UPDATES)}, repeats=3
    )
    batches = {
        "sotlib, one batch": ours(*many, updates=UPDATES),
        "sotlib, one by one": lambda: [one() for _ in range(PAIRS)],
    }
    rows += compare(f"{PAIRS} such pairs, {same} each", batches, repeats=3)
    return rows + compare(f"{task}, until each stops", stopping)


def growth():
    shapes = {bins * frames: (bins, frames) for bins, frames in SHAPES}

    def small(make):
        return lambda n: make(*random_pair(shapes[n])) if n <= LARGEST_FOR_PEERS else None

    updates = {"updates": UPDATES_OF_GROWTH}
    contestants = {
        "sotlib": lambda n: ours(*random_pair(shapes[n]), **updates),
        "POT": small(lambda a, b: by_pot(a, b, **updates)),
    }
    if geomloss:
        contestants["geomloss, its own schedule"] = small(by_geomloss)
    return grow("number of bins", list(shapes), contestants, repeats=3)


def run() -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a set number of updates
        rows, series = on_a_grid(), growth()
    return {
        "title": "Transport over the time-frequency plane",
        "measures": "Entropic transport between random masses, in double precision, beside POT's "
        "`ot.sinkhorn2` on NumPy arrays, whose matrix of costs is made before the clock starts; "
        "no acceleration where updates are the same. Left to stop, sotlib does at a marginal error "
        "of 1e-4 in L1, as OTT-JAX does, POT at 1e-4 in L2, which is looser, and geomloss at the "
        f"end of its schedule of ε. The growth is that of {UPDATES_OF_GROWTH} updates; a "
        "matrix is left out where it takes 0.5 GB and more.",
        "device": "cpu",
        "seeds": [0],
        "rows": rows,
        "growth": series,
    }

"""How far single atoms go: the self part of the van Hove function and the non-Gaussian parameter.

    4 pi r^2 G_s(r, m) dr = share of displacements |x_i(k + m) - x_i(k)| between r and r + dr
    alpha_2(m) = 3 <dr^4>/(5 <dr^2>^2) - 1

alpha_2 is 0 where displacements are Gaussian, as those of free diffusion are; a peak marks the time at which some atoms
have left their cage and others have not. Peaks of G_s at the distance between sites are hops. All origins count, or as
many evenly spread ones as make two million displacements. Indices: i atoms; k frames; m lags.
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.paths import Paths

WIDTH = 0.1  # A, bins of r
MOST = 2_000_000  # displacements of one lag
LAGS = 4  # of G_s
POINTS = 40  # of alpha_2


@dataclass(frozen=True)
class VanHove:
    """`density` (L, R) of 4 pi r^2 G_s (1/A) at the times `lag` (L,) ps over `r` (R,) in A, which holds them all.

    `alpha_2` (P,) at `alpha_lag` (P,) ps.
    """

    lag: np.ndarray
    r: np.ndarray
    density: np.ndarray
    alpha_lag: np.ndarray
    alpha_2: np.ndarray


def van_hove(paths: Paths) -> VanHove:
    """Of the mobile atoms, at lags from one frame to a fifth of the trajectory."""
    atoms, last = paths.atoms(paths.mobile), max(1, paths.frames // 5)
    positions = paths.of(atoms)
    some, many = spread_lags(last, LAGS), spread_lags(last, POINTS)
    distances = {int(m): np.sqrt(squared_displacements(positions, int(m))) for m in some}
    edges = np.arange(0.0, max(d.max() for d in distances.values()) + 2 * WIDTH, WIDTH)
    density = [np.histogram(d, edges)[0] / (len(d) * WIDTH) for d in distances.values()]
    return VanHove(
        lag=some * paths.spacing,
        r=edges[:-1] + WIDTH / 2,
        density=np.array(density),
        alpha_lag=many * paths.spacing,
        alpha_2=np.array([non_gaussian(squared_displacements(positions, int(m))) for m in many]),
    )


def spread_lags(last: int, count: int) -> np.ndarray:
    """At most `count` whole lags from 1 to `last`, evenly spread on a logarithmic scale."""
    return np.unique(np.rint(np.geomspace(1, last, count)).astype(int))


def squared_displacements(positions: np.ndarray, lag: int) -> np.ndarray:
    """|x_i(k + lag) - x_i(k)|^2 of all atoms and origins, or of evenly spread origins; `positions` (F, n, 3)."""
    frames, atoms = positions.shape[:2]
    step = max(1, (frames - lag) * atoms // MOST)
    moved = positions[lag::step] - positions[: frames - lag : step]
    return np.einsum("kia,kia->ki", moved, moved).ravel()


def non_gaussian(squared: np.ndarray) -> float:
    """alpha_2 from squared displacements; 0 where nothing moves."""
    mean = float(squared.mean())
    return 3 * float((squared**2).mean()) / (5 * mean**2) - 1 if mean > 0 else 0.0

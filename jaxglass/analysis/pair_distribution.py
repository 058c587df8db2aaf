"""Partial pair distributions g_ab(r), averaged over frames.

    g_ab(r) = V H_ab(r)/(N_a (N_b - delta_ab) V_shell),   V_shell = 4 pi/3 (r2^3 - r1^3)

H_ab is the number of ordered pairs in the shell r1-r2. Like pairs are normalised by N_a (N_a - 1), so that an ideal
gas of any size has g = 1. Distances stay below half the smallest perpendicular width of the cell.
Indices: a, b species; f frames.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from jaxglass.analysis.pair_counts import pairs_per_shell
from jaxglass.analysis.radial_bins import shells
from jaxglass.model.pair_list import widths
from jaxglass.model.trajectory import Trajectory

PROMINENCE = 0.2  # of g: higher than the counting noise of a few hundred atoms, lower than any real shell


@dataclass(frozen=True)
class PairDistribution:
    """`r` (R,) shell centres (A); `partials[(a, b)]` (R,) g(r); `neighbours[(a, b)]` (R,) mean number of b
    atoms around an a atom in each shell; `width` of a shell (A); number of `atoms` of each element, their
    mean number `density` (1/A^3)."""

    r: np.ndarray
    width: float
    atoms: dict[str, int]
    density: float
    partials: dict[tuple[str, str], np.ndarray]
    neighbours: dict[tuple[str, str], np.ndarray]

    def running_coordination(self, a: str, b: str) -> np.ndarray:
        """Mean number of b atoms within the outer edge of each shell around an a atom, (R,)."""
        return np.cumsum(self.neighbours[a, b])


def reach(cell: np.ndarray) -> float:
    """Half the smallest perpendicular width over all frames (A); `cell` (F, 3, 3)."""
    return float(min(widths(c).min() for c in cell)) / 2


def pair_distribution(trajectory: Trajectory, r_max: float = 10.0, width: float = 0.02) -> PairDistribution:
    """g(r) of every pair of species up to `r_max` (A) or half the smallest width, in shells of `width` (A).

    Species without atoms, and like pairs of a single atom, have no entry.
    """
    count = max(1, int(min(r_max, reach(trajectory.cell) * (1 - 1e-9)) / width + 1e-9))
    bins = shells(count, width)
    volume = np.abs(np.linalg.det(trajectory.cell))
    kinds, frames = len(trajectory.elements), len(trajectory.cell)
    atoms = np.bincount(trajectory.species, minlength=kinds)
    counts, times_volume = np.zeros((2, kinds, kinds, count))
    for f, (fractional, cell) in enumerate(zip(trajectory.fractional, trajectory.cell, strict=True)):
        found = pairs_per_shell(trajectory.species, kinds, fractional, cell, count, width)
        counts += found / frames
        times_volume += volume[f] / frames * found
    partials, neighbours = {}, {}
    for a, b in combinations_with_replacement(range(kinds), 2):
        pairs = atoms[a] * (atoms[b] - (a == b))
        if pairs == 0:
            continue
        first, second = trajectory.elements[a], trajectory.elements[b]
        partials[first, second] = times_volume[a, b] / (pairs * bins.volume)
        neighbours[first, second] = counts[a, b] / atoms[a]
        neighbours[second, first] = counts[a, b] / atoms[b]
    return PairDistribution(
        r=bins.r,
        width=width,
        atoms={element: int(n) for element, n in zip(trajectory.elements, atoms, strict=True) if n},
        density=len(trajectory.species) * float(np.mean(1 / volume)),
        partials=partials,
        neighbours=neighbours,
    )


def first_minimum(r: np.ndarray, g: np.ndarray, smoothing: float = 0.05) -> float | None:
    """Distance (A) of the lowest g between the first shell and the next; None where g shows no such valley.

    g is smoothed by a Gaussian of `smoothing` A; a peak is a maximum above 1 that stands out by `PROMINENCE`.
    The first shell ends where g falls below 1, its mean, so that the two bond lengths of BO3 and BO4 do not
    pass for two shells. Where g stays at its lowest over a gap (no pairs at all, say) the middle of the gap
    is returned.
    """
    if len(r) < 3:
        return None
    smooth = gaussian_filter1d(np.asarray(g, float), smoothing / (r[1] - r[0]), mode="nearest")
    peaks, _ = find_peaks(smooth, height=1.0, prominence=PROMINENCE)
    if len(peaks) == 0 or not np.any(smooth[peaks[0] :] < 1):
        return None
    end = peaks[0] + int(np.argmax(smooth[peaks[0] :] < 1))
    later = peaks[peaks > end]
    valley = smooth[end : later[0]] if len(later) else smooth[end:]
    low = np.flatnonzero(valley <= valley.min() + 1e-3)
    if len(later) == 0 and low[-1] == len(valley) - 1:
        return None
    return float((r[end + low[0]] + r[end + low[-1]]) / 2)

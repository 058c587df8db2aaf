"""Partial pair distributions g_ab(r), averaged over frames.

    g_ab(r) = V n_ab(r)/(pairs V_shell),   V_shell = 4 pi/3 (r2^3 - r1^3),   pairs = N_a N_b, or N_a (N_a -
    1)/2

n_ab is the number of distinct pairs in the shell r1-r2. Like pairs are normalised by N_a (N_a - 1)/2, so that
an ideal gas of any size has g = 1. Distances stay below half the smallest perpendicular width of the cell.
Indices: a, b species; p pairs; f frames.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from jaxglass.model.pair_list import pair_list, widths
from jaxglass.model.trajectory import Trajectory

PROMINENCE = 0.2  # of g: higher than the counting noise of a few hundred atoms, lower than any real shell


@dataclass(frozen=True)
class PairDistribution:
    """`r` (R,) shell centres (A); `partials[(a, b)]` (R,) g(r); `neighbours[(a, b)]` (R,) mean number of b
    atoms around an a atom in each shell; `width` of a shell (A)."""

    r: np.ndarray
    width: float
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
    shells = _pairs_per_shell(trajectory, count, width)
    volume = np.abs(np.linalg.det(trajectory.cell))
    edges = width * np.arange(count + 1)
    shell_volume = 4 * np.pi / 3 * np.diff(edges**3)
    atoms = np.bincount(trajectory.species, minlength=len(trajectory.elements))
    partials, neighbours = {}, {}
    for a, b in combinations_with_replacement(range(len(atoms)), 2):
        pairs = atoms[a] * (atoms[a] - 1) / 2 if a == b else atoms[a] * atoms[b]
        if pairs == 0:
            continue
        n = shells[:, a, b] if a == b else shells[:, a, b] + shells[:, b, a]
        first, second = trajectory.elements[a], trajectory.elements[b]
        partials[first, second] = np.mean(volume[:, None] * n, axis=0) / (pairs * shell_volume)
        ends = 2 if a == b else 1
        neighbours[first, second] = ends * n.mean(0) / atoms[a]
        neighbours[second, first] = ends * n.mean(0) / atoms[b]
    return PairDistribution((edges[1:] + edges[:-1]) / 2, width, partials, neighbours)


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


def _pairs_per_shell(trajectory: Trajectory, count: int, width: float) -> np.ndarray:
    """Number of distinct pairs by frame, species of the two atoms, and shell: (F, S, S, R)."""
    kinds, species = len(trajectory.elements), trajectory.species
    shells = np.zeros((len(trajectory.cell), kinds, kinds, count))
    for f, (fractional, cell) in enumerate(zip(trajectory.fractional, trajectory.cell, strict=True)):
        pairs = pair_list(fractional, cell, count * width)
        shell = (np.linalg.norm(pairs.vectors(fractional, cell), axis=1) / width).astype(int)
        kind = species[pairs.i] * kinds + species[pairs.j]
        inside = shell < count
        counts = np.bincount(kind[inside] * count + shell[inside], minlength=kinds * kinds * count)
        shells[f] = counts.reshape(kinds, kinds, count)
    return shells

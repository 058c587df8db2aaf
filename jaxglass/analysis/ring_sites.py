"""The ring that a site lies in: the smallest ring of the network that has at least two atoms near the site.

Near is within a reach of 3.5 A, which holds the first shells of Li-O, Li-B and Li-P, so that a site faces at least an
edge of its ring. Terminal oxygens belong to no ring; a site among them alone, or where rings are larger than those
searched, lies in none: it is counted as such and no size is guessed for it. The network hardly moves while lithium
diffuses: its bonds are those of the middle frame, its positions means over the trajectory. Indices: s sites; q rings.
"""

from collections import defaultdict

import numpy as np

from jaxglass.analysis.bonds import find_bonds
from jaxglass.analysis.paths import Paths
from jaxglass.analysis.rings import RingSettings, RingStatistics, ring_statistics

NONE = 0  # size of the ring of a site that lies in none
SHARED = 2  # atoms of a ring that are near a site
BLOCK = 1 << 22  # pairs of a site and an atom at a time
Place = tuple[int, int, int]


def reference_rings(paths: Paths, settings: RingSettings | None = None) -> RingStatistics:
    """Rings of the middle frame of `paths`."""
    settings = settings or RingSettings()
    middle = paths.fractional[paths.frames // 2]
    return ring_statistics(find_bonds(paths.symbols, middle, paths.cell, settings.cutoffs), settings)


def reference_network(paths: Paths) -> np.ndarray:
    """Mean fractional coordinates (N, 3) of all atoms, in the frame of the network."""
    drift = paths.drift.mean(axis=0) @ np.linalg.inv(paths.cell)
    return paths.fractional.mean(axis=0) - drift


def ring_sizes(
    sites: np.ndarray, rings: RingStatistics, network: np.ndarray, members: np.ndarray, cell: np.ndarray, reach: float
) -> np.ndarray:
    """Size (S,) in formers of the ring of each of `sites` (S, 3) in A, or `NONE`.

    `network` (N, 3) are fractional coordinates of all atoms, continuous with those that the rings were found in;
    `members` (M,) are the atoms rings are made of; `reach` in A.
    """
    passing = rings_of_atoms(rings)
    sizes = np.full(len(sites), NONE)
    for s, near in enumerate(neighbours(sites @ np.linalg.inv(cell), network, members, cell, reach)):
        shared: dict[tuple[int, int, Place], int] = defaultdict(int)
        for atom, (x, y, z) in near:
            for size, ring, (a, b, c) in passing.get(atom, ()):
                shared[size, ring, (x - a, y - b, z - c)] += 1
        sizes[s] = min((size for (size, _, _), count in shared.items() if count >= SHARED), default=NONE)
    return sizes


def rings_of_atoms(rings: RingStatistics) -> dict[int, list[tuple[int, int, Place]]]:
    """For every atom the (size, number, shift) of its rings; where that is the atom's, the ring is in place."""
    passing: dict[int, list[tuple[int, int, Place]]] = defaultdict(list)
    for some in rings.rings:
        for number, (atoms, shifts) in enumerate(zip(some.atoms.tolist(), some.shift.tolist(), strict=True)):
            for atom, (a, b, c) in zip(atoms, shifts, strict=True):
                passing[atom].append((some.size, number, (a, b, c)))
    return passing


def neighbours(
    sites: np.ndarray, network: np.ndarray, members: np.ndarray, cell: np.ndarray, reach: float
) -> list[list[tuple[int, Place]]]:
    """For each of `sites` (S, 3) fractional, the `members` within `reach` (A), nearest image each, and their shift."""
    found: list[list[tuple[int, Place]]] = []
    rows = max(1, BLOCK // max(1, len(members)))
    for start in range(0, len(sites), rows):
        apart = network[members] - sites[start : start + rows, None]
        shift = -np.rint(apart).astype(int)
        near = np.linalg.norm((apart + shift) @ cell, axis=2) < reach
        for row, column in zip(near, shift, strict=True):
            here = np.flatnonzero(row)
            images = zip(members[here].tolist(), column[here].tolist(), strict=True)
            found.append([(atom, (a, b, c)) for atom, (a, b, c) in images])
    return found

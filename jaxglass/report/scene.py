"""What the 3-D view draws: points, bonds between them, faces of polyhedra and rings, for one frame.

Every atom is moved into the cell. A bond that leaves the cell is drawn whole, to the image of its oxygen, so that
every cation has all its neighbours; a ring is moved as a whole until its centre is in the cell. All of them name their
ends by one list of points: atoms in the cell first, then images that end a bond, then images that only rings reach.
Of a structure too large to look at, a slab of the cell is drawn. Indices: m points; p bonds; t triangles; r rings.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from jaxglass.analysis.bonds import FORMER_CUTOFFS, Bonds, find_bonds, split_pair
from jaxglass.analysis.rings import Rings, RingSettings, ring_statistics
from jaxglass.model.pair_list import widths

LARGEST_SCENE = 5000  # atoms
LARGEST_RING = 12  # formers; larger ones cannot be told apart by eye
FORMERS = tuple(split_pair(pair)[0] for pair in FORMER_CUTOFFS)
CORNERS = (3, 4, 5)


@dataclass(frozen=True)
class Polyhedra:
    """The `count` polyhedra of `element` with `corners` oxygens; `faces` (T, 3) points of their convex hulls."""

    element: str
    corners: int
    count: int
    faces: np.ndarray


@dataclass(frozen=True)
class RingLoops:
    """The rings of `size` formers: `loops` (R, 2 size) points in cyclic order."""

    size: int
    loops: np.ndarray


@dataclass(frozen=True)
class Scene:
    """One frame, ready to draw.

    `cell` (3, 3) rows in A; `positions` (M, 3) in A from the middle of the cell; `symbols` (M,). The first `shown`
    points are the atoms in the cell, those up to `ends` also end a bond. `bonds` (P, 2) cation and oxygen. `atoms` of
    the structure; `thickness` (A) of the slab along the third cell vector if not all of them are shown.
    """

    cell: np.ndarray
    positions: np.ndarray
    symbols: np.ndarray
    shown: int
    ends: int
    bonds: np.ndarray
    polyhedra: tuple[Polyhedra, ...]
    rings: tuple[RingLoops, ...]
    cutoffs: Mapping[str, float]
    atoms: int
    thickness: float | None


def make_scene(
    symbols: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    cutoffs: Mapping[str, float],
    largest: int = LARGEST_SCENE,
) -> Scene:
    """The scene of one frame; `fractional` (N, 3), `cell` (3, 3), cutoffs in A such as ``{"B-O": 1.8}``.

    Bonds and rings are those of the whole periodic structure, also where only a slab of `largest` atoms is drawn.
    """
    symbols = np.asarray(symbols)
    home = fractional - np.floor(fractional)
    home[home == 1.0] = 0.0  # a tiny negative coordinate rounds up
    every = find_bonds(symbols, home, cell, cutoffs)
    half = _half_thickness(home, largest)
    bonds = every.where(_in_slab(home[every.center], half))
    atoms = np.flatnonzero(_in_slab(home, half))
    rings = [(n, *_moved_into_cell(found, home, half)) for n, found in _rings(every, cutoffs)]
    groups = [
        (atoms, np.zeros((len(atoms), 3), int)),
        (bonds.center, np.zeros_like(bonds.shift)),
        (bonds.ligand, bonds.shift),
        *((atom.ravel(), shift.reshape(-1, 3)) for _, atom, shift in rings),
    ]
    atom, shift, (_, center, ligand, *loops) = _points(groups)
    return Scene(
        cell=cell,
        positions=(home[atom] + shift - 0.5) @ cell,
        symbols=symbols[atom],
        shown=len(atoms),
        ends=max(len(atoms), 1 + int(ligand.max(initial=0))),
        bonds=np.stack([center, ligand], 1),
        polyhedra=_polyhedra(bonds, ligand),
        rings=tuple(
            RingLoops(size, points.reshape(-1, 2 * size)) for (size, *_), points in zip(rings, loops, strict=True)
        ),
        cutoffs=cutoffs,
        atoms=len(symbols),
        thickness=2 * half * float(widths(cell)[2]) if len(atoms) < len(symbols) else None,
    )


def _half_thickness(home: np.ndarray, largest: int) -> float:
    """Half the slab, in cells, around the middle of the third axis that holds at most `largest` atoms."""
    return 1.0 if len(home) <= largest else float(np.sort(np.abs(home[:, 2] - 0.5))[largest])


def _in_slab(fractional: np.ndarray, half: float) -> np.ndarray:
    return np.abs(fractional[:, 2] - 0.5) < half


def _points(groups: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Every (atom, shift) of `groups` once, in the order they first appear, and each group as indices into them."""
    rows = np.concatenate([np.column_stack(group) for group in groups])
    unique, first, found = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)[found.ravel()]
    ends = np.cumsum([len(atom) for atom, _ in groups])[:-1]
    return unique[order, 0], unique[order, 1:], np.split(place, ends)


def _polyhedra(bonds: Bonds, ligand: np.ndarray) -> tuple[Polyhedra, ...]:
    """Those of every former and number of corners that exist; `ligand` (P,) the points at the ends of `bonds`."""
    oxygen = bonds.symbols[bonds.ligand] == "O"
    number = np.bincount(bonds.center[oxygen], minlength=len(bonds.symbols))[bonds.center]
    found = []
    for element in FORMERS:
        for corners in CORNERS:
            chosen = oxygen & (number == corners) & (bonds.symbols[bonds.center] == element)
            points = ligand[chosen].reshape(-1, corners)
            vectors = bonds.vector[chosen].reshape(-1, corners, 3)
            if len(points):
                faces = [p[_hull(v)] for p, v in zip(points, vectors, strict=True)]
                found.append(Polyhedra(element, corners, len(points), np.concatenate(faces)))
    return tuple(found)


def _hull(corners: np.ndarray) -> np.ndarray:
    """Triangles (T, 3) of the convex hull of `corners` (K, 3); joggled, as four oxygens may lie in one plane."""
    return np.array([[0, 1, 2]]) if len(corners) == 3 else ConvexHull(corners, qhull_options="QJ").simplices


def _rings(bonds: Bonds, cutoffs: Mapping[str, float]) -> list[tuple[int, Rings]]:
    """Guttman rings by size, of the sizes that exist."""
    network = {pair: cutoff for pair, cutoff in cutoffs.items() if pair in FORMER_CUTOFFS}
    if not network:
        return []
    statistics = ring_statistics(bonds, RingSettings(cutoffs=network, max_size=LARGEST_RING))
    return [(rings.size, rings) for rings in statistics.rings if len(rings.atoms)]


def _moved_into_cell(rings: Rings, home: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Atoms (R, 2n) and shifts (R, 2n, 3) with every centre in the cell, of the rings whose centre is in the slab."""
    center = (home[rings.atoms] + rings.shift).mean(axis=1)
    moved = np.floor(center).astype(int)
    inside = _in_slab(center - moved, half)
    return rings.atoms[inside], (rings.shift - moved[:, None])[inside]

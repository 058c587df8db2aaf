"""Every pair of atoms within a cutoff, periodic images included, for any cell (host side, exact).

Used where correctness comes before speed: static evaluation, the Ewald oracle and analysis. Dynamics uses
`engine.neighbors`. Indices: i, j atoms; p pairs.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree


class PairList(NamedTuple):
    """Each unordered pair once: atom j displaced by `shift` lattice vectors is within reach of atom i."""

    i: np.ndarray  # (P,)
    j: np.ndarray  # (P,)
    shift: np.ndarray  # (P, 3) integers, for the fractional coordinates exactly as given

    def vectors(self, fractional: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """r_j + shift - r_i in A, (P, 3)."""
        return (fractional[self.j] - fractional[self.i] + self.shift) @ cell


def widths(cell: np.ndarray) -> np.ndarray:
    """Perpendicular widths of the cell (A), (3,)."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def pair_list(fractional: np.ndarray, cell: np.ndarray, cutoff: float) -> PairList:
    """All pairs closer than `cutoff` (A); an atom pairs with its own images in small cells."""
    fractional, cell = np.asarray(fractional, float), np.asarray(cell, float)
    wrap = -np.floor(fractional).astype(int)
    home = fractional + wrap
    margin = cutoff / widths(cell) * (1 + 1e-9)
    span = [np.arange(-np.ceil(m), np.ceil(m) + 1, dtype=int) for m in margin]
    shifts = np.stack(np.meshgrid(*span, indexing="ij"), -1).reshape(-1, 3)
    shifts = shifts[[*np.flatnonzero(_positive(shifts)), *np.flatnonzero(~shifts.any(1))]]
    points, owners, owner_shift = [], [], []
    for shift in shifts:  # one of +s, -s is enough: each pair once
        image = home + shift
        near = np.flatnonzero(np.all((image > -margin) & (image < 1 + margin), axis=1))
        points.append(image[near])
        owners.append(near)
        owner_shift.append(np.broadcast_to(shift, (len(near), 3)))
    image_points, owner, image_shift = np.concatenate(points), np.concatenate(owners), np.concatenate(owner_shift)
    tree = cKDTree(home @ cell)
    found = tree.sparse_distance_matrix(cKDTree(image_points @ cell), cutoff, output_type="coo_matrix")
    i, image = found.row, found.col
    j, shift = owner[image], image_shift[image]
    keep = shift.any(1) | (i < j)
    i, j, shift = i[keep], j[keep], shift[keep]
    order = np.lexsort((*shift.T[::-1], j, i))
    i, j, shift = i[order], j[order], shift[order]
    return PairList(i, j, shift + wrap[j] - wrap[i])


def _positive(shifts: np.ndarray) -> np.ndarray:
    """True where the first non-zero component is positive."""
    weight = np.array([9, 3, 1])
    return np.sign(shifts) @ weight > 0

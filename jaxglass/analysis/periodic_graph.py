"""Parts of a periodic graph, and the lattice vectors along which each of them goes on for ever.

An edge leads from node i to node j displaced by s cells. Give every node of a part a cell c_i so that c_j = c_i + s
along the edges of a tree; the loop that another edge closes is displaced by

    c_i + s - c_j

cells in all, and every loop is a sum of such loops. A part winds along an axis when one of them is not 0 there: a walk
along its edges never ends in that direction. Indices: i, j nodes; p edges.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


class Parts(NamedTuple):
    """The `part` (n,) of every node, and whether each of the P parts `winds` (P, 3) along the lattice vectors."""

    part: np.ndarray
    winds: np.ndarray


def connected_parts(nodes: int, i: np.ndarray, j: np.ndarray, shift: np.ndarray) -> Parts:
    """Parts of a graph of `nodes` with edges from `i` (p,) to `j` (p,) displaced by `shift` (p, 3) cells."""
    count, part = connected_components(coo_array((np.ones(len(i), bool), (i, j)), (nodes, nodes)), directed=False)
    cell, seen = np.zeros((nodes, 3), int), np.zeros(nodes, bool)
    seen[np.unique(part, return_index=True)[1]] = True
    start, end, step = np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([shift, -shift])
    while not seen.all():
        new = np.flatnonzero(seen[start] & ~seen[end])
        new = new[np.unique(end[new], return_index=True)[1]]
        cell[end[new]] = cell[start[new]] + step[new]
        seen[end[new]] = True
    winds = np.zeros((count, 3), bool)
    np.logical_or.at(winds, part[i], cell[i] + shift != cell[j])
    return Parts(part, winds)

"""Weighted alpha complex of finitely many balls, and the pairs of its first homology: the door to gudhi.

The filtration value of a simplex (A^2) is the smallest alpha at which the balls |x - x_i|^2 <= alpha + w_i of its
vertices share a point that no other ball reaches earlier; a vertex has -w_i. Homology has coefficients in Z/2.

Licence: gudhi itself is MIT, but its alpha complex rests on CGAL, which is GPL-3 (or commercial). gudhi is imported
here and nowhere else, when a complex is asked for.
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

#: A^2; bars not longer than this are rounding of bars of length zero.
SHORTEST_BAR = 1e-8


class Simplices(NamedTuple):
    """The n simplices of one dimension k: `vertices` (n, k + 1) and filtration `values` (n,) in A^2."""

    vertices: np.ndarray
    values: np.ndarray


class LoopRows(NamedTuple):
    """Rows in the lists of edges and triangles: `birth` and `death` (P,) of each loop, `essential` (E,) births of
    loops that never die.
    """

    birth: np.ndarray
    death: np.ndarray
    essential: np.ndarray


def alpha_complex(points: np.ndarray, weights: np.ndarray, alpha_max: float | None = None) -> tuple[Simplices, ...]:
    """Vertices, edges, triangles and tetrahedra of balls at `points` (n, 3) in A with `weights` (n,) in A^2.

    Values above `alpha_max` (A^2) are left out. Points hidden by a heavier neighbour are no vertex.
    """
    import gudhi

    limit = np.inf if alpha_max is None else alpha_max
    tree = gudhi.AlphaComplex(points=points, weights=weights, precision="safe").create_simplex_tree(limit)
    listed = list(tree.get_simplices())
    lengths = np.fromiter((len(simplex) for simplex, _ in listed), int, len(listed))
    values = np.fromiter((value for _, value in listed), float, len(listed))
    flat = np.fromiter(chain.from_iterable(simplex for simplex, _ in listed), int, lengths.sum())
    start = np.cumsum(lengths) - lengths
    by_dimension = []
    for size in range(1, 5):
        rows = np.flatnonzero(lengths == size)
        by_dimension.append(Simplices(flat[start[rows, None] + np.arange(size)], values[rows]))
    return tuple(by_dimension)


def loop_rows(skeleton: Sequence[Simplices]) -> LoopRows:
    """Pairs of the first homology of a complex given by its vertices, edges and triangles.

    Vertices of every simplex are sorted; no simplex occurs twice. Bars up to `SHORTEST_BAR` are dropped.
    """
    import gudhi

    tree = gudhi.SimplexTree()
    for simplices in skeleton[:3]:
        tree.insert_batch(simplices.vertices.T.astype(np.int32), simplices.values)
    tree.make_filtration_non_decreasing()  # faces may come from other images: equal up to rounding
    tree.compute_persistence(homology_coeff_field=2, min_persistence=SHORTEST_BAR)
    born = [(birth, death) for birth, death in tree.persistence_pairs() if len(birth) == 2]
    edges = np.array([birth for birth, death in born if death], int).reshape(-1, 2)
    triangles = np.array([death for _, death in born if death], int).reshape(-1, 3)
    essential = np.array([birth for birth, death in born if not death], int).reshape(-1, 2)
    _, edge, triangle = skeleton[:3]
    return LoopRows(
        birth=rows_of(edges, edge.vertices),
        death=rows_of(triangles, triangle.vertices),
        essential=rows_of(essential, edge.vertices),
    )


def rows_of(wanted: np.ndarray, simplices: np.ndarray) -> np.ndarray:
    """Row of each of `wanted` (P, k + 1) in `simplices` (n, k + 1), k <= 2, both with sorted vertices."""
    base = int(simplices.max(initial=0)) + 1
    powers = base ** np.arange(simplices.shape[1])[::-1]
    keys = simplices @ powers
    order = np.argsort(keys)
    return order[np.searchsorted(keys, np.sort(wanted, axis=1) @ powers, sorter=order)]

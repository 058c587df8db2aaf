"""Atoms in the order of a grid of cells: the candidates of an atom lie side by side in memory.

Grid cells are at least reach/DEPTH wide. Atoms in the order of their cells are one long row along z, so the candidates
of an atom are one run of that row per column (x, y) of cells, as long as the sphere is high there.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxglass.engine.plan import DEPTH, Plan


class Grid(NamedTuple):
    """Atoms in the order of their cells, each column of cells lengthened by `depth` cells at both ends of z."""

    members: Array  # (2 N,) atoms
    start: Array  # first member of every cell, and the end
    place: Array  # (N, 3) cell of every atom
    depth: tuple[int, ...]  # cells to search on both sides of one's own, 0 along an axis that is not divided
    shape: tuple[int, ...]


def make_grid(plan: Plan, fractional: Array) -> Grid:
    """The grid of the plan, filled with the atoms at `fractional` (N, 3)."""
    n, shape = fractional.shape[0], plan.lists.grid
    depth = tuple(DEPTH if g > 1 else 0 for g in shape)
    wrapped = fractional - jnp.floor(fractional)
    place = jnp.minimum((wrapped * jnp.asarray(shape)).astype(jnp.int32), jnp.asarray(shape, jnp.int32) - 1)
    z, d, g = place[:, 2], depth[2], shape[2]
    column = (place[:, 0] * shape[1] + place[:, 1]) * (g + 2 * d)
    images = [column + d + z]
    if d:  # an atom near one end of its column is seen once more beyond the other end
        image = jnp.where(z < d, z + g, jnp.where(z >= g - d, z - g, 2 * g))
        images.append(jnp.where(image < 2 * g, column + d + image, shape[0] * shape[1] * (g + 2 * d)))
    cells = jnp.concatenate(images)
    order = jnp.argsort(cells)
    members = (order % n).astype(jnp.int32)
    numbers = jnp.arange(shape[0] * shape[1] * (g + 2 * d) + 1)
    return Grid(members, jnp.searchsorted(cells[order], numbers).astype(jnp.int32), place, depth, shape)


def _wrapped(place: Array, cells: int) -> Array:
    """`place` back in 0 ... `cells` - 1, from at most one period away; a remainder takes ten times as long."""
    place = jnp.where(place < 0, place + cells, place)
    return jnp.where(place < cells, place, place - cells)


class Run(NamedTuple):
    """Candidates of every atom of a block in one column of cells: `length` members from `first` on."""

    first: Array
    length: Array


def run_of_cells(plan: Plan, grid: Grid, place: Array, offset: Array, reach: Array, spacing: Array) -> Run:
    """The run of atoms in cells `place` (n, 3) along the column at `offset` (2,); `spacing` (3,) of planes of cells.

    In an orthorhombic cell it is as long as the sphere is high above the nearest corner of that column.
    """
    height = jnp.asarray(grid.depth[2], jnp.int32)
    if plan.orthorhombic:
        beside = jnp.sum((jnp.maximum(jnp.abs(offset) - 1, 0) * spacing[:2]) ** 2)
        above = jnp.sqrt(jnp.maximum(reach**2 - beside, 0.0))
        height = jnp.minimum(height, jnp.floor(above / spacing[2]).astype(jnp.int32) + 1)
        height = jnp.where(beside > reach**2, -1, height)
    x, y = (_wrapped(place[:, a] + offset[a], grid.shape[a]) for a in range(2))
    middle = (x * grid.shape[1] + y) * (grid.shape[2] + 2 * grid.depth[2]) + grid.depth[2] + place[:, 2]
    first = grid.start[middle - jnp.maximum(height, 0)]
    last = grid.start[middle + jnp.maximum(height, 0) + 1]
    return Run(first, jnp.where(height < 0, 0, last - first))

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
    atoms = jnp.tile(jnp.arange(n, dtype=jnp.uint64), len(images))
    ordered = jnp.sort(jnp.concatenate(images).astype(jnp.uint64) << 32 | atoms)  # six times as fast as argsort
    numbers = jnp.arange(shape[0] * shape[1] * (g + 2 * d) + 1, dtype=jnp.uint32)
    start = jnp.searchsorted((ordered >> 32).astype(jnp.uint32), numbers).astype(jnp.int32)
    return Grid(ordered.astype(jnp.uint32).astype(jnp.int32), start, place, depth, shape)


def _wrapped(place: Array, cells: int) -> Array:
    """`place` back in 0 ... `cells` - 1, from at most one period away; a remainder takes ten times as long."""
    place = jnp.where(place < 0, place + cells, place)
    return jnp.where(place < cells, place, place - cells)


class Runs(NamedTuple):
    """Candidates of B atoms in every column (x, y) of cells: `length` members from `first` on, (columns, B)."""

    first: Array
    length: Array


def runs_of_cells(plan: Plan, grid: Grid, place: Array, reach: Array, spacing: Array) -> Runs:
    """The runs around cells `place` (B, 3); `spacing` (3,) of planes of cells.

    In an orthorhombic cell they are as long as the sphere is high above the nearest corner of their column.
    """
    offsets = [jnp.arange(-d, d + 1, dtype=jnp.int32) for d in grid.depth[:2]]
    length = grid.shape[2] + 2 * grid.depth[2]
    x, y = (_wrapped(place[:, a] + offsets[a][:, None], grid.shape[a]) for a in range(2))
    middle = (x * (grid.shape[1] * length))[:, None] + y * length + (place[:, 2] + grid.depth[2])
    height = _heights(plan, grid, offsets, reach, spacing)[:, :, None]
    within = jnp.maximum(height, 0)
    first = grid.start.at[middle - within].get(mode="promise_in_bounds")
    last = grid.start.at[middle + within + 1].get(mode="promise_in_bounds")
    runs = Runs(first, jnp.where(height < 0, 0, last - first))
    return Runs(*(v.reshape(-1, len(place)) for v in runs))


def _heights(plan: Plan, grid: Grid, offsets: list[Array], reach: Array, spacing: Array) -> Array:
    """Cells above and below the middle one in which a run of each column (x, y) has to be searched; -1 for none."""
    deepest = jnp.full((len(offsets[0]), len(offsets[1])), grid.depth[2], jnp.int32)
    if not plan.orthorhombic:
        return deepest
    x, y = ((jnp.maximum(jnp.abs(o) - 1, 0) * width) ** 2 for o, width in zip(offsets, spacing[:2], strict=True))
    beside = x[:, None] + y
    above = jnp.floor(jnp.sqrt(jnp.maximum(reach**2 - beside, 0.0)) / spacing[2]).astype(jnp.int32) + 1
    return jnp.where(beside > reach**2, -1, jnp.minimum(deepest, above))

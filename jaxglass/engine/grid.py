"""Atoms in the order of a grid of cells: the candidates of an atom lie side by side in memory.

Grid cells are at least reach/DEPTH wide. Atoms in the order of their cells are one long row along z, so the candidates
of an atom are one run of that row per column (x, y) of cells, as long as the sphere is high there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxglass.engine.plan import DEPTH, Plan


class Grid(NamedTuple):
    """Atoms in the order of their cells, each column of cells lengthened by `depth` cells at both ends of z."""

    members: Array  # (2 N,) atoms
    start: Array  # first member of every cell, and the end
    cell: Array  # (N,) of every atom
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
    cell = (place[:, 0] * shape[1] + place[:, 1]) * g + z
    return Grid(ordered.astype(jnp.uint32).astype(jnp.int32), start, cell, depth, shape)


class Runs(NamedTuple):
    """Candidates of the atoms of every cell in the columns (x, y) around it: `length` members from `first` on, (cells,
    columns)."""

    first: Array
    length: Array


def runs_of_cells(plan: Plan, grid: Grid, reach: Array, spacing: Array) -> Runs:
    """The runs around every cell; `spacing` (3,) of planes of cells.

    In an orthorhombic cell they are as long as the sphere is high above the nearest corner of their column.
    """
    offsets = [jnp.arange(-d, d + 1, dtype=jnp.int32) for d in grid.depth[:2]]
    height = _heights(plan, grid, offsets, reach, spacing)
    gx, gy, gz = grid.shape
    length = gz + 2 * grid.depth[2]
    columns = grid.start[:-1].reshape(gx, gy, length)
    columns = jnp.concatenate([columns, grid.start[length::length].reshape(gx, gy, 1)], axis=2)

    dx, dy, dz = grid.depth
    wrapped = jnp.pad(columns, [(dx, dx), (dy, dy), (0, 0)], mode="wrap")

    def of_column(column: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        x, y, height = column
        within = jnp.maximum(height, 0)
        first, end = (
            jax.lax.dynamic_slice(wrapped, (x, y, dz + beyond), (gx, gy, gz)).reshape(-1)
            for beyond in (-within, within + 1)
        )
        return first, jnp.where(height < 0, 0, end - first)

    x, y = jnp.meshgrid(*(jnp.arange(2 * d + 1, dtype=jnp.int32) for d in (dx, dy)), indexing="ij")
    # a loop over the columns: written out they took the compiler as long as all the rest
    found = jax.lax.platform_dependent(
        (x.ravel(), y.ravel(), height.ravel()),
        cpu=lambda every: jax.lax.map(of_column, every),
        default=jax.vmap(of_column),
    )
    return Runs(*(part.T for part in found))


def _heights(plan: Plan, grid: Grid, offsets: list[Array], reach: Array, spacing: Array) -> Array:
    """Cells above and below the middle one in which a run of each column (x, y) has to be searched; -1 for none."""
    deepest = jnp.full((len(offsets[0]), len(offsets[1])), grid.depth[2], jnp.int32)
    if not plan.orthorhombic:
        return deepest
    x, y = ((jnp.maximum(jnp.abs(o) - 1, 0) * width) ** 2 for o, width in zip(offsets, spacing[:2], strict=True))
    beside = x[:, None] + y
    above = jnp.floor(jnp.sqrt(jnp.maximum(reach**2 - beside, 0.0)) / spacing[2]).astype(jnp.int32) + 1
    return jnp.where(beside > reach**2, -1, jnp.minimum(deepest, above))

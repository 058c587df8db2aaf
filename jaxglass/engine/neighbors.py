"""Verlet lists in O(N), built and pruned on the device by appending row by row.

A list is (K, n) for the n atoms of this device: column i holds the neighbours of atom i, unused slots hold i itself
(distance zero, skipped by the kernel). `build` makes the outer list from a cell grid, `prune` makes the inner list from
the outer one; both visit one candidate of every atom at a time, write it at the next row unconditionally, and advance
to the row after it only if it is within reach. Nothing is ever dropped silently: counts above capacity and a grid too
coarse are returned, and `excess` says whether atoms or cell have moved too far for a list.

Grid cells are at least reach/DEPTH wide. Atoms in the order of their cells are one long row along z, so the candidates
of an atom are one run of that row per column (x, y) of cells, as long as the sphere is high there. Atoms are served in
blocks, so that what is being written stays in the cache. Indices: i, j atoms; k rows; c columns of cells.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine.coordinates import Coordinates, cartesian, difference, encode, metric
from jaxglass.engine.plan import CHUNK, DEPTH, Plan
from jaxglass.engine.shards import largest, share
from jaxglass.model.cell import inverse
from jaxglass.pytree import pytree

BLOCK = 2048  # atoms whose columns grow together


@pytree
class Neighbors:
    """A list, the state it was built from and what it needed."""

    index: Array  # (K, n) int32
    rows: Array  # () rows in use: the largest count
    reference: Array  # (N, 3) fractional coordinates at building
    cell: Array  # (3, 3) cell at building
    reach: Array  # () A
    needed: Array  # () rows that a complete list needs; more than K means overflow
    coarse: Array  # () true when a grid cell is too small for the stencil


class _Growing(NamedTuple):
    flat: Array  # ((K + 1) n,) with one spare row
    found: Array  # (n,) neighbours so far


@pytree
class _Columns:
    index: Array  # (K, n)
    found: Array  # (n,) neighbours, whether there was room for them or not


def _start(capacity: int, n: int) -> _Growing:
    return _Growing(jnp.zeros((capacity + 1) * n, jnp.int32), jnp.zeros(n, jnp.int32))


def _append(grown: _Growing, capacity: int, j: Array, within: Array) -> _Growing:
    n = j.shape[0]
    flat = grown.flat.at[jnp.minimum(grown.found, capacity) * n + jnp.arange(n, dtype=jnp.int32)].set(
        j, unique_indices=True, mode="promise_in_bounds"
    )
    return _Growing(flat, grown.found + within.astype(jnp.int32))


def _finish(grown: _Growing, capacity: int, atoms: Array) -> _Columns:
    index = grown.flat.reshape(capacity + 1, len(atoms))[:capacity]
    return _Columns(jnp.where(jnp.arange(capacity)[:, None] < grown.found, index, atoms), grown.found)


def _in_blocks(serve: Callable[[Array], _Columns], n: int) -> _Columns:
    """The columns of positions 0 ... n - 1, `serve`d in blocks: one after another on a CPU, at once elsewhere."""
    blocks = -(-n // BLOCK)
    size = -(-n // blocks)
    positions = jnp.minimum(jnp.arange(blocks * size, dtype=jnp.int32), n - 1).reshape(blocks, size)
    found = jax.lax.platform_dependent(
        positions, cpu=lambda p: jax.lax.map(serve, p), default=lambda p: jax.vmap(serve)(p)
    )
    index = jnp.moveaxis(found.index, 0, 1).reshape(found.index.shape[1], -1)
    return _Columns(index[:, :n], found.found.reshape(-1)[:n])


def _within(here: Coordinates, at: Coordinates, j: Array, rows: Array, orthorhombic: bool, reach2: Array) -> Array:
    d = tuple(difference(a, c.at[j].get(mode="promise_in_bounds")) for a, c in zip(here, at, strict=True))
    x, y, z = cartesian((d[0], d[1], d[2]), rows, orthorhombic)
    return x * x + y * y + z * z < reach2


class _Grid(NamedTuple):
    """Atoms in the order of their cells, each column of cells lengthened by `depth` cells at both ends of z."""

    members: Array  # (2 N,) atoms
    start: Array  # first member of every cell, and the end
    place: Array  # (N, 3) cell of every atom
    depth: tuple[int, ...]  # cells to search on both sides of one's own, 0 along an axis that is not divided
    shape: tuple[int, ...]


def _make_grid(plan: Plan, fractional: Array) -> _Grid:
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
    return _Grid(members, jnp.searchsorted(cells[order], numbers).astype(jnp.int32), place, depth, shape)


class _Run(NamedTuple):
    """Candidates of every atom of a block in one column of cells: `length` members from `first` on."""

    first: Array
    length: Array


def _run(plan: Plan, grid: _Grid, place: Array, offset: Array, reach: Array, spacing: Array) -> _Run:
    """The run of atoms in cells `place` (n, 3) along the column at `offset` (2,); `spacing` (3,) of planes of cells.

    In an orthorhombic cell it is as long as the sphere is high above the nearest corner of that column.
    """
    height = jnp.asarray(grid.depth[2], jnp.int32)
    if plan.orthorhombic:
        beside = jnp.sum((jnp.maximum(jnp.abs(offset) - 1, 0) * spacing[:2]) ** 2)
        above = jnp.sqrt(jnp.maximum(reach**2 - beside, 0.0))
        height = jnp.minimum(height, jnp.floor(above / spacing[2]).astype(jnp.int32) + 1)
        height = jnp.where(beside > reach**2, -1, height)
    x, y = ((place[:, a] + offset[a]) % grid.shape[a] for a in range(2))
    middle = (x * grid.shape[1] + y) * (grid.shape[2] + 2 * grid.depth[2]) + grid.depth[2] + place[:, 2]
    first = grid.start[middle - jnp.maximum(height, 0)]
    last = grid.start[middle + jnp.maximum(height, 0) + 1]
    return _Run(first, jnp.where(height < 0, 0, last - first))


def build(plan: Plan, fractional: Array, cell: Array, reach: Array) -> Neighbors:
    """The outer list: every pair closer than `reach` (A)."""
    capacity = plan.lists.outer
    at, rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    reach2 = (reach * reach).astype(plan.dtype)
    grid = _make_grid(plan, fractional)
    spacing = 1 / jnp.linalg.norm(inverse(cell), axis=0) / jnp.asarray(grid.shape)
    offsets = np.array(list(product(*(range(-d, d + 1) for d in grid.depth[:2]))), np.int32)
    mine = share(plan.shards, fractional.shape[0])
    cells = jnp.asarray(grid.place[mine.atoms] @ np.array([grid.shape[1] * grid.shape[2], grid.shape[2], 1]))
    order = jnp.argsort(cells).astype(jnp.int32)  # neighbours are served together

    def serve(positions: Array) -> _Columns:
        atoms, owned = mine.atoms[order[positions]], mine.owned[order[positions]]
        here, place = Coordinates(*(c[atoms] for c in at)), grid.place[atoms]

        def visit_column(grown: _Growing, offset: Array):
            run = _run(plan, grid, place, offset, reach, spacing)

            def visit(k, grown: _Growing):
                exists = k < run.length
                j = grid.members.at[jnp.where(exists, run.first + k, 0)].get(mode="promise_in_bounds")
                near = _within(here, at, j, rows, plan.orthorhombic, reach2)
                return _append(grown, capacity, j, near & exists & (j != atoms) & owned)

            return jax.lax.fori_loop(0, jnp.max(run.length), visit, grown), None

        grown, _ = jax.lax.scan(visit_column, _start(capacity, len(atoms)), jnp.asarray(offsets))
        return _finish(grown, capacity, atoms)

    found = _in_blocks(serve, len(mine.atoms))
    back = jnp.argsort(order)
    divided = jnp.asarray([g > 1 for g in grid.shape])
    return Neighbors(
        index=found.index[:, back],
        rows=jnp.minimum(jnp.max(found.found), capacity),
        reference=fractional,
        cell=cell,
        reach=jnp.asarray(reach, cell.dtype),
        needed=largest(plan.shards, jnp.max(found.found)),
        coarse=jnp.any(divided & (spacing * DEPTH < reach)),
    )


def prune(plan: Plan, outer: Neighbors, fractional: Array, cell: Array, reach: Array) -> Neighbors:
    """The inner list: those pairs of `outer` that are now closer than `reach` (A)."""
    capacity = plan.lists.inner
    at, rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    reach2 = (reach * reach).astype(plan.dtype)
    mine = share(plan.shards, fractional.shape[0])

    def serve(positions: Array) -> _Columns:
        atoms = mine.atoms[positions]
        here = Coordinates(*(c[atoms] for c in at))

        def visit(k, grown: _Growing):
            j = outer.index[k, positions]
            return _append(grown, capacity, j, _within(here, at, j, rows, plan.orthorhombic, reach2) & (j != atoms))

        grown = jax.lax.fori_loop(0, outer.rows, visit, _start(capacity, len(atoms)))
        return _finish(grown, capacity, atoms)

    found = _in_blocks(serve, len(mine.atoms))
    return Neighbors(
        index=found.index,
        rows=jnp.minimum(jnp.max(found.found), capacity),
        reference=fractional,
        cell=cell,
        reach=jnp.asarray(reach, cell.dtype),
        needed=largest(plan.shards, jnp.max(found.found)),
        coarse=jnp.zeros((), bool),
    )


def excess(neighbors: Neighbors, fractional: Array, cell: Array, interaction: float | Array) -> Array:
    """How far (A) the list falls short of guaranteeing every pair closer than `interaction`; <= 0 means valid.

    With the deformation F = cell^-1 cell_0 and displacements u measured in the old cell, a pair at distance r now
    was at most |F| r + 2 max|u| apart at building.
    """
    moved = (fractional - neighbors.reference) @ neighbors.cell
    farthest = jnp.sqrt(jnp.max(jnp.sum(moved * moved, axis=1)))
    back = inverse(cell) @ neighbors.cell
    stretch = jnp.sqrt(jnp.max(jnp.sum(jnp.abs(back), 0)) * jnp.max(jnp.sum(jnp.abs(back), 1)))  # >= spectral norm
    return stretch * interaction + 2 * farthest - neighbors.reach


def chunks(neighbors: Neighbors) -> Array:
    """Number of kernel chunks that hold neighbours."""
    return (neighbors.rows + CHUNK - 1) // CHUNK

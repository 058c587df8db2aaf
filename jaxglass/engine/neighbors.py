"""Verlet lists in O(N), built and pruned on the device by appending row by row.

A list is (K, n) for the n atoms of this device: column i holds the neighbours of atom i, unused slots hold i itself
(distance zero, skipped by the kernel). `build` makes the outer list from a cell grid, `prune` makes the inner list from
the outer one; both visit one candidate of every atom at a time, write it at row `count` unconditionally, and advance
`count` only if it is within reach. Nothing is ever dropped silently: counts above capacity, cells too full and a grid
too coarse are returned, and `excess` says whether atoms or cell have moved too far for a list. Indices: i, j atoms.
"""

import math
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine.coordinates import Coordinates, cartesian, difference, encode, metric
from jaxglass.engine.plan import CHUNK, Plan
from jaxglass.engine.shards import largest, share
from jaxglass.model.cell import inverse
from jaxglass.pytree import pytree


@pytree
class Neighbors:
    """A list, the state it was built from and what it needed."""

    index: Array  # (K, n) int32
    rows: Array  # () rows in use: the largest count
    reference: Array  # (N, 3) fractional coordinates at building
    cell: Array  # (3, 3) cell at building
    reach: Array  # () A
    needed: Array  # () rows that a complete list needs; more than K means overflow
    occupancy: Array  # () atoms in the fullest grid cell
    coarse: Array  # () true when a grid cell is too small for the stencil


@pytree
class _Growing:
    flat: Array  # ((K + 1) * N,) with one spare row
    count: Array  # (N,) rows used, at most K
    total: Array  # (N,) neighbours found


def _start(capacity: int, n: int) -> _Growing:
    zero = jnp.zeros(n, jnp.int32)
    return _Growing(jnp.zeros((capacity + 1) * n, jnp.int32), zero, zero)


def _append(grown: _Growing, capacity: int, j: Array, within: Array) -> _Growing:
    n = j.shape[0]
    flat = grown.flat.at[grown.count * n + jnp.arange(n, dtype=jnp.int32)].set(
        j, unique_indices=True, mode="promise_in_bounds"
    )
    step = within.astype(jnp.int32)
    return _Growing(flat, jnp.minimum(grown.count + step, capacity), grown.total + step)


def _finish(grown: _Growing, capacity: int, atoms: Array) -> Array:
    index = grown.flat.reshape(capacity + 1, len(atoms))[:capacity]
    return jnp.where(jnp.arange(capacity)[:, None] < grown.count[None, :], index, atoms[None, :])


def _within(here: Coordinates, at: Coordinates, j: Array, rows: Array, orthorhombic: bool, reach2: Array) -> Array:
    d = tuple(difference(a, c.at[j].get(mode="promise_in_bounds")) for a, c in zip(here, at, strict=True))
    x, y, z = cartesian((d[0], d[1], d[2]), rows, orthorhombic)
    return x * x + y * y + z * z < reach2


def _grid_cells(plan: Plan, fractional: Array) -> tuple[Array, Array]:
    grid = plan.lists.grid
    wrapped = fractional - jnp.floor(fractional)
    place = jnp.clip((wrapped * jnp.asarray(grid)).astype(jnp.int32), 0, jnp.asarray(grid, jnp.int32) - 1)
    return place, (place[:, 0] * grid[1] + place[:, 1]) * grid[2] + place[:, 2]


def build(plan: Plan, fractional: Array, cell: Array, reach: Array) -> Neighbors:
    """The outer list: every pair closer than `reach` (A), from a grid whose cells are at least reach/2 wide."""
    n, capacity = fractional.shape[0], plan.lists.outer
    grid, slots = plan.lists.grid, plan.lists.occupancy
    at, rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    place, flat = _grid_cells(plan, fractional)
    cells = math.prod(grid)
    order = jnp.argsort(flat).astype(jnp.int32)
    start = jnp.searchsorted(flat[order], jnp.arange(cells + 1)).astype(jnp.int32)
    rank = jnp.arange(n, dtype=jnp.int32) - start[flat[order]]
    table = jnp.full((slots, cells), n, jnp.int32).at[rank, flat[order]].set(order, mode="drop")
    fullest = jnp.minimum(
        jnp.max(jnp.diff(start)), slots
    )  # cells of a glass are filled evenly: far below the slots kept for them
    reach2 = (reach * reach).astype(plan.dtype)
    offsets = np.array(list(product(*(range(-2, 3) if g >= 5 else range(1) for g in grid))), np.int32)
    atoms, owned = share(plan.shards, n)
    here, home = Coordinates(*(c[atoms] for c in at)), place[atoms]

    there = (home[:, None, :] + offsets) % jnp.asarray(grid, jnp.int32)
    there = (((there[..., 0] * grid[1]) + there[..., 1]) * grid[2] + there[..., 2]).T  # (offsets, n)

    def visit(k, grown: _Growing):
        j = table[k % fullest, there[k // fullest]]
        exists = j < n
        j = jnp.where(exists, j, atoms)
        near = _within(here, at, j, rows, plan.orthorhombic, reach2)
        return _append(grown, capacity, j, near & (j != atoms) & owned)

    grown = jax.lax.fori_loop(0, len(offsets) * fullest, visit, _start(capacity, len(atoms)))
    width = 1 / jnp.linalg.norm(inverse(cell), axis=0)
    coarse = jnp.any(jnp.asarray([g >= 5 for g in grid]) & (width / jnp.asarray(grid) * 2 < reach))
    used = jnp.max(grown.count)
    return Neighbors(
        _finish(grown, capacity, atoms),
        used,
        fractional,
        cell,
        jnp.asarray(reach, cell.dtype),
        largest(plan.shards, jnp.max(grown.total)),
        jnp.max(jnp.diff(start)),
        coarse,
    )


def prune(plan: Plan, outer: Neighbors, fractional: Array, cell: Array, reach: Array) -> Neighbors:
    """The inner list: those pairs of `outer` that are now closer than `reach` (A)."""
    n, capacity = fractional.shape[0], plan.lists.inner
    at, rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    reach2 = (reach * reach).astype(plan.dtype)
    atoms, _ = share(plan.shards, n)
    here = Coordinates(*(c[atoms] for c in at))

    def visit(r, grown: _Growing):
        j = outer.index[r]
        return _append(grown, capacity, j, _within(here, at, j, rows, plan.orthorhombic, reach2) & (j != atoms))

    grown = jax.lax.fori_loop(0, outer.rows, visit, _start(capacity, len(atoms)))
    false = jnp.zeros((), bool)
    return Neighbors(
        _finish(grown, capacity, atoms),
        jnp.max(grown.count),
        fractional,
        cell,
        jnp.asarray(reach, cell.dtype),
        largest(plan.shards, jnp.max(grown.total)),
        jnp.zeros((), jnp.int32),
        false,
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

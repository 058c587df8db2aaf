"""Verlet lists in O(N), built on the device from windows of atoms that lie side by side in memory.

A list is (blocks, K, B): the atoms of this device are divided into blocks of B, so that what belongs to one stays in
the innermost cache. A column holds the neighbours of one atom, its unused slots hold that atom itself (distance zero,
skipped by the kernel). Nothing is ever dropped silently: counts above capacity, runs of cells longer
than planned and a grid too coarse are returned, and `excess` says whether atoms or cell have moved too far for a list.

The candidates of an atom are runs of atoms in the order of their cells (`engine.grid`). Two passes:

    look    32 candidates are one window of that row, read without a gather; whether each is within reach is one bit
            of a word. Words without bits are dropped.
    list    every atom takes the lowest bit that is left of its present word and writes that neighbour, or goes on to
            its next word: one row of the list at a time, for all atoms together.

Every pair belongs to one of its two atoms, each atom owning about half of its pairs and listing those first: sums
over pairs need only the first half of the rows. Indices: b blocks; i, j atoms; k rows; w windows and their words.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxglass.engine.coordinates import Coordinates, cartesian, difference, encode, metric
from jaxglass.engine.grid import make_grid, runs_of_cells
from jaxglass.engine.plan import CHUNK, DEPTH, WINDOW, Lists, Plan, rounded_up
from jaxglass.engine.shards import Share, largest, share
from jaxglass.model.cell import inverse
from jaxglass.pytree import pytree

BLOCK = 496  # atoms at most: CHUNK rows of them fit a first-level cache of 32 kB
VECTOR = 16  # atoms: a cache line of 32-bit numbers


@pytree
class Neighbors:
    """A list, the state it was built from and what it needed."""

    index: Array  # (blocks, K, B) int32
    rows: Array  # (blocks,) rows in use: the largest count
    owned: Array  # (blocks, B) the first so many neighbours of an atom are pairs that it owns
    reference: Array  # (N, 3) fractional coordinates at building
    cell: Array  # (3, 3) cell at building
    reach: Array  # () A
    needed: Array  # () rows that a complete list needs; more than K means overflow
    run: Array  # () longest run of candidates; more than the plan has windows for means overflow
    coarse: Array  # () true when a grid cell is too small for the stencil

    @property
    def columns(self) -> Array:
        """The whole list of one device, (K, N): column i holds the neighbours of atom i."""
        rows = self.index.shape[1]
        return jnp.moveaxis(self.index, 1, 0).reshape(rows, -1)[:, : len(self.reference)]


def blocks_of(mine: Share) -> Share:
    """Atoms of this device in blocks of equal size, (blocks, B); the last is filled up with atoms not its own.

    B is an odd number of cache lines: rows a power of two apart would fight for the same places of the cache.
    """
    n = len(mine.atoms)
    blocks = -(-n // BLOCK)
    lines = -(-n // (blocks * VECTOR)) | 1
    size = lines * VECTOR
    places = jnp.arange(blocks * size, dtype=jnp.int32).reshape(blocks, size)
    within = jnp.minimum(places, n - 1)
    return Share(mine.atoms[within], mine.owned[within] & (places < n))


@pytree
class _Lists:
    """What is known of the blocks so far."""

    index: Array  # (blocks, K, B)
    found: Array  # (blocks, B) neighbours, whether there was room for them or not
    owned: Array  # (blocks, B)
    run: Array  # () longest run


def _by_blocks(serve: Callable[[Array, Share, _Lists], _Lists], mine: Share, index: Array) -> _Lists:
    """The lists of `mine` (blocks, B) over `index`, which `serve` fills in block by block on a CPU, all at once
    elsewhere."""

    def nothing(index: Array, atoms: Array) -> _Lists:
        none = jnp.zeros_like(atoms)
        return _Lists(index, none, none, jnp.zeros((), jnp.int32))

    def block_by_block(mine: Share, index: Array) -> _Lists:
        def block(b: Array, lists: _Lists) -> _Lists:
            return serve(jnp.int32(b), jax.tree.map(lambda v: v[b], mine), lists)

        return jax.lax.fori_loop(jnp.int32(0), jnp.int32(len(mine.atoms)), block, nothing(index, mine.atoms))

    def at_once(mine: Share, index: Array) -> _Lists:
        (blocks, rows, size), shape = index.shape, mine.atoms.shape
        one = jax.tree.map(lambda v: v.reshape(1, -1), mine)
        side_by_side = jnp.moveaxis(index, 0, 1).reshape(1, rows, blocks * size)
        lists = serve(jnp.int32(0), jax.tree.map(lambda v: v[0], one), nothing(side_by_side, one.atoms))
        index = jnp.moveaxis(lists.index.reshape(rows, *shape), 0, 1)
        return _Lists(index, lists.found.reshape(shape), lists.owned.reshape(shape), lists.run)

    return jax.lax.platform_dependent(mine, index, cpu=block_by_block, default=at_once)


def _unused(plan: Plan, atoms: Array) -> Array:
    """An index (blocks, K, B) in which every slot holds the atom of its column, out of `atoms` (blocks, B)."""
    return jnp.broadcast_to(atoms[:, None], (len(atoms), plan.lists.rows, atoms.shape[1]))


def _window(row: Array, first: Array) -> Array:
    """WINDOW entries of `row` from every `first` (B,) on, (B, WINDOW)."""
    return jax.vmap(lambda f: jax.lax.dynamic_slice(row, (f,), (WINDOW,)))(first)


def _bits(chosen: Array) -> Array:
    """Booleans (B, WINDOW) as bits of one uint32 each, (B,)."""
    return jnp.sum(jnp.where(chosen, jnp.uint32(1) << jnp.arange(WINDOW, dtype=jnp.uint32), 0), -1, dtype=jnp.uint32)


def _owns(above: Array, i: Array, j: Array) -> Array:
    """Whether the pair belongs to i: the atom with the larger z owns it, at equal heights that with the larger index.

    Half a sphere holds half of the neighbours more evenly than a random choice would."""
    return (above > 0) | ((above == 0) & (i > j))


def _count(bits: Array) -> Array:
    return jax.lax.population_count(bits).astype(jnp.int32)


class _Words(NamedTuple):
    """What B atoms found in W windows, ((2 W + 1) B,): the words of owned pairs end in row W - 1 and begin after row
    `own`, those of other pairs begin in row W and end before row `other`.

    A word is the first member of its window and, in the lower half, its bits. Rows are written as they are found and
    overwritten where there were none.
    """

    flat: Array
    own: Array  # (B,) places in `flat`
    other: Array


def _no_words(windows: int, size: int) -> _Words:
    here = jnp.arange(size, dtype=jnp.int32)
    flat = jnp.zeros((2 * windows + 1) * size, jnp.uint64)
    return _Words(flat, (windows - 1) * size + here, windows * size + here)


def _more_words(words: _Words, first: Array, own: Array, other: Array) -> _Words:
    """`words` and those of one more window, which begins at member `first` (B,)."""
    size, start = len(first), first.astype(jnp.uint64) << 32
    flat = words.flat.at[words.own].set(start | own, mode="promise_in_bounds")
    flat = flat.at[words.other].set(start | other, mode="promise_in_bounds")
    return _Words(flat, words.own - jnp.where(own > 0, size, 0), words.other + jnp.where(other > 0, size, 0))


def _list(index: Array, b: Array, words: _Words, members: Array, atoms: Array, rows: Array) -> Array:
    """`index` (blocks, K, B) with the neighbours that `words` stand for in so many `rows` of block `b`, which holds
    `atoms` (B,)."""
    flat, size = words.flat, len(atoms)

    def write(k, carry):
        index, at, word = carry
        bits = word.astype(jnp.uint32)
        rest = bits & (bits - jnp.uint32(1))
        lowest = _count((bits ^ rest) - jnp.uint32(1))
        j = members.at[(word >> 32).astype(jnp.int32) + lowest].get(mode="promise_in_bounds")
        row = jnp.where(bits > 0, j, atoms)[None, None]
        index = jax.lax.dynamic_update_slice(index, row, (b, k, jnp.int32(0)))
        used_up = (rest == 0) & (bits > 0)
        at = at + jnp.where(used_up, size, 0)
        following = flat.at[at].get(mode="promise_in_bounds")
        return index, at, jnp.where(used_up, following, word & (word - jnp.uint64(1)))

    at = words.own + size
    return jax.lax.fori_loop(jnp.int32(0), rows.astype(jnp.int32), write, (index, at, flat[at]))[0]


def build(plan: Plan, fractional: Array, cell: Array, reach: Array, written_over: Neighbors | None = None) -> Neighbors:
    """The list of every pair closer than `reach` (A).

    It is written over another list that is no longer needed, if one is given: filling fresh memory would cost as much
    as a tenth of the step at 60,000 atoms. Rows behind the last chunk in use then hold what they held.
    """
    lists = plan.lists
    at, metric_rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    reach2 = (reach * reach).astype(plan.dtype)
    grid = make_grid(plan, fractional)
    spacing = 1 / jnp.linalg.norm(inverse(cell), axis=0) / jnp.asarray(grid.shape)
    runs = runs_of_cells(plan, grid, reach, spacing)
    windows = WINDOW * jnp.arange(lists.windows, dtype=jnp.int32)
    beyond = jnp.zeros(lists.windows * WINDOW, jnp.int32)  # windows may end after the last member
    members = jnp.concatenate([grid.members, beyond])
    row = jax.lax.optimization_barrier(Coordinates(*(c[members] for c in at)))
    mine = blocks_of(share(plan.shards, fractional.shape[0]))

    def serve(b: Array, block: Share, done: _Lists) -> _Lists:
        atoms, ours = block
        here = Coordinates(*(c[atoms] for c in at))
        first, length = (table[grid.cell[atoms]].T for table in runs)
        first = first[:, None] + windows[:, None]
        left = jnp.where(ours, length, 0)[:, None] - windows[:, None]
        first, left = first.reshape(-1, len(atoms)), left.reshape(-1, len(atoms))

        def look(w, carry: tuple[_Words, Array, Array]) -> tuple[_Words, Array, Array]:
            words, found, owned = carry
            d = tuple(difference(h[:, None], _window(c, first[w])) for h, c in zip(here, row, strict=True))
            x, y, z = cartesian((d[0], d[1], d[2]), metric_rows, plan.orthorhombic)
            r2 = x * x + y * y + z * z
            near = (jnp.arange(WINDOW, dtype=jnp.int32) < left[w][:, None]) & (r2 < reach2) & (r2 > 0)
            # barrier: XLA would go over the window twice to make both sums in one pass
            every, begin = jax.lax.optimization_barrier((_bits(near), first[w]))
            above = difference(here.z[:, None], _window(row.z, begin))
            own = every & _bits(_owns(above, atoms[:, None], _window(members, begin)))
            return _more_words(words, begin, own, every ^ own), found + _count(every), owned + _count(own)

        none = jnp.zeros_like(atoms)
        words, found, owned = jax.lax.fori_loop(0, len(first), look, (_no_words(len(first), len(atoms)), none, none))
        rows = jnp.minimum(-(-jnp.max(found) // CHUNK) * CHUNK, lists.rows)
        return _Lists(
            _list(done.index, b, words, members, atoms, rows),
            done.found.at[b].set(found),
            done.owned.at[b].set(owned),
            jnp.maximum(done.run, jnp.max(length)),
        )

    found = _by_blocks(serve, mine, _unused(plan, mine.atoms) if written_over is None else written_over.index)
    divided = jnp.asarray([g > 1 for g in grid.shape])
    return Neighbors(
        index=found.index,
        rows=jnp.minimum(jnp.max(found.found, axis=1), lists.rows),
        owned=found.owned,
        reference=fractional,
        cell=cell,
        reach=jnp.asarray(reach, cell.dtype),
        needed=largest(plan.shards, jnp.max(found.found)),
        run=largest(plan.shards, found.run),
        coarse=jnp.any(divided & (spacing * DEPTH < reach)),
    )


def complete(plan: Plan, fractional: Array, cell: Array, reach: float) -> tuple[Plan, Neighbors]:
    """The list and a plan with room for it, found on the host by trying: for single frames, not for dynamics."""
    while True:
        near = _build(plan, jnp.asarray(fractional), jnp.asarray(cell), jnp.asarray(reach))
        windows, rows = -(-int(near.run) // WINDOW), rounded_up(int(near.needed), CHUNK)
        if windows <= plan.lists.windows and rows <= plan.lists.rows:
            return plan, near
        lists = Lists(plan.lists.grid, max(windows, plan.lists.windows), max(rows, plan.lists.rows))
        plan = replace(plan, lists=lists)


def nobody(plan: Plan, fractional: Array, cell: Array) -> Neighbors:
    """A list without neighbours, in the shape of those that `build` makes."""
    atoms = blocks_of(share(plan.shards, fractional.shape[0])).atoms
    none = jnp.zeros((), jnp.int32)
    return Neighbors(
        index=_unused(plan, atoms),
        rows=jnp.zeros(len(atoms), jnp.int32),
        owned=jnp.zeros_like(atoms),
        reference=fractional,
        cell=cell,
        reach=jnp.zeros((), cell.dtype),
        needed=none,
        run=none,
        coarse=jnp.zeros((), bool),
    )


_build = jax.jit(build, static_argnums=0)


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

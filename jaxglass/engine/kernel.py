"""The hot path: sums of pair terms over a neighbour list (blocks, K, B).

Two ions are closer than r0 once in hundreds of steps of a melt and never in a glass, so on a CPU the core is left
out, and the list is summed again with it when a pair was found inside.

Each chunk of rows is one fused pass with sums over the leading axis.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxglass.engine.coordinates import cartesian, difference, encode, metric
from jaxglass.engine.neighbors import Neighbors, blocks_of
from jaxglass.engine.pair_terms import (
    Rows,
    Slots,
    choose,
    energy_of_slots,
    force_over_distance,
    packed_rows,
    rows,
    virial_terms,
)
from jaxglass.engine.plan import CHUNK, Plan
from jaxglass.engine.shards import add, share
from jaxglass.model.potential import Potential


class Forces(NamedTuple):
    """Forces (N, 3) in eV/A; strain derivative of the energy (3, 3) in eV, zeros unless asked for."""

    forces: Array
    strain_derivative: Array


class _Blocks(NamedTuple):
    """What the sums need of the atoms of this device, by block: the leading axis."""

    rows: Array
    owned: Array
    at: tuple[Array, ...]
    packed: Array


def species_bounds(species: Array, n_species: int) -> Array:
    """First atom of each species in a sorted `species` (N,), and N at the end, (S + 1,)."""
    return jnp.sum(species < jnp.arange(n_species + 1)[:, None], axis=1, dtype=jnp.int32)


def _sum_over_list(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    terms: Callable[[Rows, Array, Slots, bool], tuple[Array, ...]],
    width: int,
    owned: bool = False,
) -> tuple[Array, ...]:
    """Sums (n,) of the `width` values that `terms` gives over the neighbours of this device's atoms, or
    over those of `owned` pairs alone."""
    at, metric_rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    mine = share(plan.shards, species.shape[0])
    atoms, index = blocks_of(mine).atoms, neighbors.index
    bounds = species_bounds(species, len(potential.elements))
    blocks = _Blocks(
        rows=jnp.max(neighbors.owned, axis=1) if owned else neighbors.rows,
        owned=neighbors.owned,
        at=tuple(v[atoms] for v in at),
        packed=packed_rows(potential, species[atoms], plan.dtype),
    )

    def over(block: _Blocks, slots_from: Callable[[Array], Array], core: bool) -> tuple[Array, ...]:
        """The sums (..., B) over slots (..., CHUNK, B) and, without `core`, how many neighbours are inside their r0."""
        here, own = jax.tree.map(lambda v: v[..., None, :], (block.at, block.owned))

        def chunk(c, sums):
            # barrier: bound to c, the rows are read where they are used and not copied one by one before the loop
            c, packed = jax.lax.optimization_barrier((c, block.packed))
            row, j = rows(packed), slots_from(c * CHUNK)
            d = tuple(difference(h, v.at[j].get(mode="promise_in_bounds")) for h, v in zip(here, at, strict=True))
            x, y, z = cartesian((d[0], d[1], d[2]), metric_rows, plan.orthorhombic)
            r2 = x * x + y * y + z * z
            if owned:
                r2 = jnp.where(c * CHUNK + jnp.arange(CHUNK)[:, None] < own, r2, 0)
            slots = Slots(j, x, y, z, r2)
            found = terms(row, bounds, slots, core)
            if not core:
                r0 = choose(row.r0, bounds, j)
                found = (*found, ((slots.r2 < r0 * r0) & (slots.r2 > 0)).astype(plan.dtype))
            return tuple(s + jnp.sum(t, -2) for s, t in zip(sums, found, strict=True))

        zeros = (jnp.zeros(block.owned.shape, plan.dtype),) * (width if core else width + 1)
        return jax.lax.fori_loop(jnp.int32(0), (jnp.max(block.rows) + CHUNK - 1) // CHUNK, chunk, zeros)

    def block_by_block(core: bool) -> tuple[Array, ...]:
        def one(b: Array) -> tuple[Array, ...]:
            def slots_from(k: Array) -> Array:
                shape = (1, CHUNK, index.shape[2])
                return jax.lax.dynamic_slice(index, (b, k, jnp.zeros_like(b)), shape)[0]

            # barrier: what is known of a block is to be copied once, not looked up again in every chunk
            return over(jax.lax.optimization_barrier(jax.tree.map(lambda v: v[b], blocks)), slots_from, core)

        return jax.lax.map(one, jnp.arange(len(index), dtype=jnp.int32))

    def at_once() -> tuple[Array, ...]:
        return over(blocks, lambda k: jax.lax.dynamic_slice_in_dim(index, k, CHUNK, 1), core=True)

    def core_if_needed() -> tuple[Array, ...]:
        *sums, inside = block_by_block(core=False)
        return jax.lax.cond(jnp.any(inside > 0), lambda: block_by_block(core=True), lambda: tuple(sums))

    sums = jax.lax.platform_dependent(cpu=core_if_needed, default=at_once)
    return tuple(s.reshape(-1)[: len(mine.atoms)] for s in sums)


def pair_forces(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    derivatives: bool = False,
) -> Forces:
    """Pair forces on this device's part of the sorted atoms; `derivatives` adds their part of the strain derivative
    (six more sums)."""

    def terms(row: Rows, bounds: Array, slots: Slots, core: bool) -> tuple[Array, ...]:
        f = force_over_distance(plan, potential, row, bounds, slots, core)
        forces = (f * slots.x, f * slots.y, f * slots.z)
        return (*forces, *virial_terms(f, slots)) if derivatives else forces

    width = 9 if derivatives else 3
    sums = _sum_over_list(plan, potential, species, fractional, cell, neighbors, terms, width)
    forces = jnp.stack(sums[:3], 1).astype(cell.dtype)
    if not derivatives:
        return Forces(forces, jnp.zeros((3, 3), cell.dtype))
    return Forces(forces, 0.5 * _strain_from_virial(sums[3:], cell.dtype))


class Energy(NamedTuple):
    """Energy (eV) and its strain derivative (3, 3) in eV."""

    energy: Array
    strain_derivative: Array


def pair_energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Energy:
    """Buckingham + screened Coulomb energy and strain derivative, each pair once, in the arithmetic of the plan."""

    def terms(row: Rows, bounds: Array, slots: Slots, core: bool) -> tuple[Array, ...]:
        f = force_over_distance(plan, potential, row, bounds, slots, core)
        return (energy_of_slots(plan, potential, row, bounds, slots, core), *virial_terms(f, slots))

    sums = _sum_over_list(plan, potential, species, fractional, cell, neighbors, terms, 7, owned=True)
    strain = _strain_from_virial(sums[1:], cell.dtype)
    return Energy(add(plan.shards, jnp.sum(sums[0], dtype=cell.dtype)), add(plan.shards, strain))


def pair_virials(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Array:
    """Strain derivative (eV) of the pair energy by atom, half of each pair to either, (n, 3, 3)."""

    def terms(row: Rows, bounds: Array, slots: Slots, core: bool) -> tuple[Array, ...]:
        return virial_terms(force_over_distance(plan, potential, row, bounds, slots, core), slots)

    sums = _sum_over_list(plan, potential, species, fractional, cell, neighbors, terms, 6)
    xx, yy, zz, yz, xz, xy = sums
    rows = [jnp.stack(row, -1) for row in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))]
    return -0.5 * jnp.stack(rows, -2).astype(cell.dtype)


def _strain_from_virial(sums: tuple[Array, ...], dtype) -> Array:
    """dE/d strain = -sum over pairs of f d d, from Voigt sums per atom."""
    xx, yy, zz, yz, xz, xy = -jnp.sum(jnp.stack(sums), axis=1, dtype=dtype)
    return jnp.stack([jnp.stack([xx, xy, xz]), jnp.stack([xy, yy, yz]), jnp.stack([xz, yz, zz])])

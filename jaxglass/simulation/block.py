"""One block of dynamics as one compiled program: lists, steps and samples, with sticky validity flags.

    block: samples x rebuilds x stride steps.  rebuild: a new list;  step: `advance`

All counts are traced, so a block of any length and any rebuilding rhythm runs in the same program; only list
capacities and the ensemble recompile. Nothing leaves the program until its end: the host then checks `Health`
and either keeps the block or discards it whole and repeats it from the state before (simulation.lane).

`run_block` advances one glass, its atoms divided over the devices of the plan. `run_blocks` advances many as a
leading axis, each with its own cell, potential, temperature, pressure and rhythm, the lanes divided over all devices.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxglass.dynamics.ensembles import (
    Control,
    advance,
    conserved_energy,
    mean_pressure,
    needs_stress,
    pressure_tensor,
)
from jaxglass.dynamics.state import State
from jaxglass.engine import forces as engine
from jaxglass.engine.neighbors import Neighbors, build, excess, nobody
from jaxglass.engine.plan import Plan
from jaxglass.engine.shards import AXIS
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, kinetic_energy, temperature
from jaxglass.pytree import pytree

LANE = "lane"  # mesh axis of an ensemble
MAX_SAMPLES = 64  # rows of the sample buffer of a block


@pytree
class Rhythm:
    """How often the list is renewed, and its skin (A): traced, so changing them costs no compilation."""

    rebuilds: Array
    stride: Array
    skin: Array


@pytree
class Health:
    """Worst values over a block; the host decides what they mean."""

    rows: Array  # of the list, as many as it needed
    run: Array  # candidates, as many as its windows had to hold
    coarse: Array
    excess: Array  # A, > 0: the list missed a pair
    travel: Array  # A, farthest any atom moved between two rebuilds
    fastest: Array  # A, longest move of one atom in one step
    fastest_atom: Array
    finite: Array
    largest_force: Array  # eV/A at the end


@pytree
class Samples:
    """Thermodynamic samples, (MAX_SAMPLES, ...) of which the first are valid. eV, K, A^3, eV/A^3."""

    step: Array
    temperature: Array
    potential_energy: Array
    kinetic_energy: Array
    conserved: Array
    pressure: Array  # (., 3, 3), compression positive
    mean_pressure: Array  # (., 3, 3), over the steps of the stage so far; zero unless the ensemble reads the stress
    cell: Array  # (., 3, 3)


class BlockResult(NamedTuple):
    """State after the block, its health and its samples."""

    state: State
    health: Health
    samples: Samples


class Order(NamedTuple):
    """What one block takes; for `run_blocks` every leaf with a leading axis of lanes."""

    potential: Potential
    control: Control
    rhythm: Rhythm
    samples: Array
    state: State


def _healthy() -> Health:
    zero, none = jnp.zeros(()), jnp.zeros((), jnp.int32)
    return Health(none, none, jnp.zeros((), bool), jnp.asarray(-jnp.inf), zero, zero, none, jnp.ones((), bool), zero)


def _travel(neighbors: Neighbors, fractional: Array) -> Array:
    moved = (fractional - neighbors.reference) @ neighbors.cell
    return jnp.sqrt(jnp.max(jnp.sum(moved * moved, axis=1)))


def _divided(plan: Plan, function):
    """`function` on all devices of the plan: every argument and result whole on each of them."""
    if plan.shards == 1:
        return function
    devices = Mesh(np.array(jax.devices()[: plan.shards]), (AXIS,))
    return jax.shard_map(function, mesh=devices, in_specs=PartitionSpec(), out_specs=PartitionSpec(), check_vma=False)


@partial(jax.jit, static_argnames=("plan", "ensemble"))
def run_block(
    plan: Plan, ensemble: str, potential: Potential, control: Control, rhythm: Rhythm, samples: Array, state: State
) -> BlockResult:
    """Advance `state` by samples x rebuilds x stride steps of `ensemble`.

    The list is made afresh at the start and forces are part of the state, so a block depends on nothing but its
    arguments: a run that is interrupted between blocks continues to the same bits. The first step of a state that
    has no forces yet has no length.
    """
    return _divided(plan, partial(_block, plan, ensemble))(potential, control, rhythm, samples, state)


def run_blocks(plan: Plan, ensemble: str, lanes: Order) -> BlockResult:
    """`run_block` for many lanes in one program; a lane with no samples stays as it is.

    Lanes never exchange anything. A CPU device takes its lanes one after another (one lane fills its vector units, and
    its lists stay in cache), other devices all at once.
    """
    count = len(lanes.samples)
    devices = Mesh(np.array(jax.devices()[: min(count, len(jax.devices()))]), (LANE,))
    # on the host: inside the program jax 0.10.1 mixes up lanes (docs/reliability.md)
    filled = jax.tree.map(lambda x: _filled_up(np.asarray(x), -count % devices.size), lanes)
    filled.samples[count:] = 0
    found = _run_lanes(plan, ensemble, devices, jax.device_put(filled, NamedSharding(devices, PartitionSpec(LANE))))
    return jax.tree.map(lambda x: x[:count], found)


def _filled_up(lanes: np.ndarray, missing: int) -> np.ndarray:
    """`lanes` followed by `missing` copies of the first one."""
    return np.concatenate([lanes, *[lanes[:1]] * missing])


@partial(jax.jit, static_argnames=("plan", "ensemble", "devices"))
def _run_lanes(plan: Plan, ensemble: str, devices: Mesh, lanes: Order) -> BlockResult:
    def block(order: Order) -> BlockResult:
        return _block(plan, ensemble, *order)

    def all_lanes(orders: Order) -> BlockResult:
        return jax.lax.platform_dependent(orders, cpu=lambda o: jax.lax.map(block, o), default=jax.vmap(block))

    each = PartitionSpec(LANE)
    return jax.shard_map(all_lanes, mesh=devices, in_specs=each, out_specs=each, check_vma=False)(lanes)


def _block(
    plan: Plan, ensemble: str, potential: Potential, control: Control, rhythm: Rhythm, samples: Array, state: State
) -> BlockResult:
    species = state.system.species
    stress = needs_stress(ensemble)

    def force_field(neighbors: Neighbors):
        return lambda fractional, cell: _balanced(plan, potential, species, fractional, cell, neighbors, stress)

    def renewed(system: System, old: Neighbors, health: Health) -> tuple[Neighbors, Health]:
        near = build(plan, system.fractional, system.cell, plan.reach + rhythm.skin, old)
        return near, replace(
            health,
            rows=jnp.maximum(health.rows, near.needed),
            run=jnp.maximum(health.run, near.run),
            coarse=health.coarse | near.coarse,
        )

    def step(_, carry):
        state, near, health = carry
        before = state.system
        state = advance(ensemble, control, force_field(near), state)
        after = state.system
        moved = jnp.sqrt(jnp.sum(((after.fractional - before.fractional) @ after.cell) ** 2, axis=1))
        fastest = jnp.max(moved)
        health = replace(
            health,
            excess=jnp.maximum(health.excess, excess(near, after.fractional, after.cell, plan.reach)),
            travel=jnp.maximum(health.travel, _travel(near, after.fractional)),
            fastest=jnp.maximum(health.fastest, fastest),
            fastest_atom=jnp.where(fastest > health.fastest, jnp.argmax(moved).astype(jnp.int32), health.fastest_atom),
            finite=health.finite & jnp.isfinite(fastest) & jnp.all(jnp.isfinite(after.momenta)),
        )
        return state, near, health

    def after_rebuild(_, carry):
        state, near, health = carry
        near, health = renewed(state.system, near, health)
        return jax.lax.fori_loop(0, rhythm.stride, step, (state, near, health))

    def record(k, carry):
        state, near, health, kept = carry
        state, near, health = jax.lax.fori_loop(0, rhythm.rebuilds, after_rebuild, (state, near, health))
        system = state.system
        found = engine.energy(plan, potential, species, system.fractional, system.cell, near)
        row = Samples(
            step=state.step,
            temperature=temperature(system),
            potential_energy=found.energy,
            kinetic_energy=kinetic_energy(system),
            conserved=conserved_energy(ensemble, control, state, found.energy),
            pressure=pressure_tensor(system, found.strain_derivative),
            mean_pressure=mean_pressure(state),
            cell=system.cell,
        )
        kept = jax.tree.map(lambda buffer, value: buffer.at[k].set(value), kept, row)
        return state, near, replace(health, finite=health.finite & jnp.isfinite(found.energy)), kept

    near = nobody(plan, state.system.fractional, state.system.cell)
    state, _, health, kept = jax.lax.fori_loop(0, samples, record, (state, near, _healthy(), _empty_samples()))
    size = jnp.sqrt(jnp.max(jnp.sum(state.forces**2, axis=1)))
    return BlockResult(state, replace(health, largest_force=size), kept)


def _balanced(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    derivatives: bool,
) -> engine.Forces:
    """Forces without the small net force of the mesh: total momentum is conserved and 3N - 3 is exact."""
    found = engine.forces(plan, potential, species, fractional, cell, neighbors, derivatives)
    return found._replace(forces=found.forces - jnp.mean(found.forces, axis=0))


def first_forces(plan: Plan, ensemble: str, potential: Potential, control: Control, state: State) -> State:
    """`state` with its forces and, where the ensemble needs it, its strain derivative: a block of one step."""
    one = Rhythm(jnp.asarray(1), jnp.asarray(1), jnp.asarray(0.0))
    return jax.device_get(run_block(plan, ensemble, potential, control, one, jnp.asarray(1), state).state)


def _empty_samples() -> Samples:
    one, tensor = jnp.zeros(MAX_SAMPLES), jnp.zeros((MAX_SAMPLES, 3, 3))
    return Samples(jnp.zeros(MAX_SAMPLES, jnp.int64), one, one, one, one, tensor, tensor, tensor)

"""Forces, energy and stress of the hot path: pair kernel + mesh over a neighbour list."""

import jax.numpy as jnp
from jax import Array

from jaxglass.engine import ewald
from jaxglass.engine.kernel import Energy, Forces, pair_energy, pair_forces
from jaxglass.engine.mesh import mesh_forces
from jaxglass.engine.neighbors import Neighbors
from jaxglass.engine.plan import Plan
from jaxglass.engine.shards import collect
from jaxglass.model.cell import cell_volume
from jaxglass.model.potential import Potential


def forces(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    derivatives: bool = False,
) -> Forces:
    """Total forces of sorted atoms, in the arithmetic of `plan.precision`; devices meet once, at the end."""
    dtype = jnp.float32 if plan.precision == "mixed" else jnp.float64
    charges = potential.charges[species]
    pair = pair_forces(plan, potential, species, fractional, cell, neighbors, derivatives)
    mesh = mesh_forces(
        plan.mesh, charges, potential.coulomb_constant, tuple(fractional.T), cell, dtype, derivatives, plan.shards
    )
    forces, strain = collect(plan.shards, pair.forces + mesh.forces, pair.strain_derivative, len(species))
    if derivatives:
        background = _background(plan, charges, cell, potential.coulomb_constant) * jnp.eye(3)
        strain = strain + mesh.strain_derivative - background
    return Forces(forces, strain)


def energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Energy:
    """Total potential energy and strain derivative, float64 throughout; for the steps that sample."""
    charges, k = potential.charges[species], potential.coulomb_constant
    pair = pair_energy(plan, potential, species, fractional, cell, neighbors)
    mesh = mesh_forces(plan.mesh, charges, k, tuple(fractional.T), cell, jnp.float64, True, plan.shards)
    own = ewald.self_energy(charges, plan.mesh.alpha, cell_volume(cell), k)
    strain = pair.strain_derivative + mesh.strain_derivative - _background(plan, charges, cell, k) * jnp.eye(3)
    return Energy(pair.energy + mesh.energy + own, strain)


def _background(plan: Plan, charges: Array, cell: Array, coulomb_constant: Array) -> Array:
    """Energy (eV) of the neutralising background; its strain derivative is minus itself times delta."""
    return -coulomb_constant * jnp.pi / (2 * cell_volume(cell) * plan.mesh.alpha**2) * jnp.sum(charges) ** 2

"""Forces, energy and stress of the hot path: pair kernel + mesh over a neighbour list, and their derivatives.

`forces` and `energy` run their own closed forms; differentiated, they follow these rules (forward and reverse; tested
to second order), with x = fractional cell and S = dE/d strain of cell -> cell (1 + strain), so dE/d cell = cell^-T S:

    dE = -sum_i F_i . (d fractional_i cell) + (cell^-T S) : d cell + dE/d potential . d potential
    dF, dS = tangent of the gradient of the differentiable twin (`engine.twin`)

F and S in dE are the closed forms in float64, dE/d potential is the twin's. The list is a constant, whatever it was
built from; tables of pairs are symmetric, and so must be their tangents. In `mixed` precision the forces come from
float32 arithmetic and their tangents from float64: differences are noisier there than derivatives. One device only.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from jaxglass.engine import ewald, twin
from jaxglass.engine.kernel import Energy, Forces, pair_energy, pair_forces
from jaxglass.engine.mesh import mesh_forces
from jaxglass.engine.neighbors import Neighbors
from jaxglass.engine.plan import Plan
from jaxglass.engine.shards import collect
from jaxglass.model.cell import cell_volume, inverse
from jaxglass.model.potential import Potential


@partial(jax.custom_jvp, nondiff_argnums=(0, 6))
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
    charges = potential.charges[species]
    pair = pair_forces(plan, potential, species, fractional, cell, neighbors, derivatives)
    mesh = mesh_forces(
        plan.mesh, charges, potential.coulomb_constant, tuple(fractional.T), cell, plan.dtype, derivatives, plan.shards
    )
    forces, strain = collect(plan.shards, pair.forces + mesh.forces, pair.strain_derivative, len(species))
    if derivatives:
        background = ewald.background_energy(charges, plan.mesh.alpha, cell_volume(cell), potential.coulomb_constant)
        strain = strain + mesh.strain_derivative - background * jnp.eye(3)
    return Forces(forces, strain)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Energy:
    """Total potential energy and strain derivative, for the steps that sample: pairs in the arithmetic of
    `plan.precision`, the mesh and all sums in float64."""
    charges, k = potential.charges[species], potential.coulomb_constant
    pair = pair_energy(plan, potential, species, fractional, cell, neighbors)
    mesh = mesh_forces(plan.mesh, charges, k, tuple(fractional.T), cell, cell.dtype, True, plan.shards)
    alpha, volume = plan.mesh.alpha, cell_volume(cell)
    own = ewald.self_energy(charges, alpha, volume, k)
    background = ewald.background_energy(charges, alpha, volume, k)
    strain = pair.strain_derivative + mesh.strain_derivative - background * jnp.eye(3)
    return Energy(pair.energy + mesh.energy + own, strain)


def stress(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Array:
    """Static stress S/V (3, 3) in eV/A^3, tension positive, float64."""
    return energy(plan, potential, species, fractional, cell, neighbors).strain_derivative / cell_volume(cell)


@partial(forces.defjvp, symbolic_zeros=True)
def _forces_jvp(plan, derivatives, primals, tangents):
    potential, species, fractional, cell, neighbors = primals
    d_potential, _, d_fractional, d_cell, _ = tangents
    _one_device(plan)

    def smooth(potential, fractional, cell):
        return twin.forces(plan, potential, species, fractional, cell, neighbors, derivatives)

    tangent = _along(smooth, (potential, fractional, cell), (d_potential, d_fractional, d_cell))
    return forces(plan, *primals, derivatives), tangent


@partial(energy.defjvp, symbolic_zeros=True)
def _energy_jvp(plan, primals, tangents):
    potential, species, fractional, cell, neighbors = primals
    d_potential, _, d_fractional, d_cell, _ = tangents
    _one_device(plan)
    found = energy(plan, *primals)

    change = _along(lambda potential: twin.energy(plan, potential, *primals[1:]), (potential,), (d_potential,))
    if not isinstance(d_fractional, SymbolicZero):
        force = forces(replace(plan, precision="float64"), *primals).forces
        change -= jnp.sum(force * (d_fractional @ cell))
    if not isinstance(d_cell, SymbolicZero):
        change += jnp.sum((inverse(cell).T @ found.strain_derivative) * d_cell)

    def smooth(potential, fractional, cell):
        return twin.strain_derivative(plan, potential, species, fractional, cell, neighbors)

    strain = _along(smooth, (potential, fractional, cell), (d_potential, d_fractional, d_cell))
    return found, Energy(change, strain)


def _along(function, primals, tangents):
    """Directional derivative of `function`, through those leaves alone whose tangent is not known to be zero."""
    leaves, tree = jax.tree.flatten(primals)
    directions = [None if isinstance(t, SymbolicZero) else t for t in jax.tree.leaves(tangents)]
    moving = [k for k, t in enumerate(directions) if t is not None]

    def of_moving(*values):
        filled = list(leaves)
        for k, value in zip(moving, values, strict=True):
            filled[k] = value
        return function(*jax.tree.unflatten(tree, filled))

    return jax.jvp(of_moving, tuple(leaves[k] for k in moving), tuple(directions[k] for k in moving))[1]


def _one_device(plan: Plan) -> None:
    if plan.shards > 1:
        raise NotImplementedError(f"derivatives of forces on {plan.shards} devices; plan them with shards=1")

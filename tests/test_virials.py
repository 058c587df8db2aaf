"""Virial stress by atom: its sum, and its parts against independent ones."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    Structure,
    compiled,
    gap_cutoff,
    glass_potential,
    ionic,
    lattice,
    neighbors,
    plan_for,
    random_atoms,
    random_ions,
    relative,
    within,
)

from jaxglass.engine.forces import energy
from jaxglass.engine.kernel import pair_virials
from jaxglass.engine.mesh import Mesh, mesh_forces
from jaxglass.engine.virials import mesh_virials, virials
from jaxglass.units import COULOMB


@pytest.mark.parametrize("kind", ["triclinic", pytest.param("slab", marks=pytest.mark.slow)])
def test_they_add_up_to_the_strain_derivative_of_the_energy(kind):
    potential, structure = random_atoms(lattice(kind, 14.0), cutoff=6.0, count=200, seed=3)
    potential = glass_potential(gap_cutoff(structure, 6.0))
    plan = plan_for(potential, structure, precision="float64")
    where = tuple(jnp.asarray(x) for x in structure)
    near = neighbors(plan, *where[1:])
    found = np.asarray(compiled(virials, static_argnums=0)(plan, potential, *where, near))
    total = np.asarray(compiled(energy, static_argnums=0)(plan, potential, *where, near).strain_derivative)
    within("sum over atoms", relative(found.sum(0), total), 1e-10)
    within("asymmetry", np.abs(found - np.swapaxes(found, 1, 2)).max(), 1e-12)
    assert np.abs(found).max() > 1.0  # eV: the atoms do not merely share the total


def test_the_mesh_gives_each_charge_its_own_part():
    """The mesh energy is quadratic in the charges: q_i dS/dq_i = 2 W_i."""
    charges, fractional = random_ions(12, seed=1)
    mesh, cell = Mesh((12, 10, 15), 5, 0.45), lattice("triclinic", 8.0)
    axes = tuple(jnp.asarray(fractional).T)

    @compiled
    def strain(q):
        return mesh_forces(mesh, q, COULOMB, axes, cell, jnp.float64, derivatives=True).strain_derivative

    step = 0.1 * np.eye(len(charges))
    slopes = np.array([strain(charges + s) - strain(charges - s) for s in step]) / 0.2
    found = compiled(mesh_virials, static_argnums=0)(mesh, charges, COULOMB, fractional, cell)
    within("mesh part", relative(np.asarray(found), 0.5 * charges[:, None, None] * slopes), 1e-10)


def test_a_pair_is_shared_by_its_two_atoms():
    potential, species = ionic(np.array([-1e-4, -1e-4, 1e-4, 1e-4]))
    potential = replace(potential, A=potential.A + 1000.0, C=potential.C + 5.0)
    cell, r = 40.0 * np.eye(3), np.array([1.6, 2.2])
    positions = np.array([[1, 1, 1], [1 + r[0], 1, 1], [20, 20, 20], [20, 20 + r[1], 20.0]])
    structure = Structure(species, positions / 40.0, cell)
    where, plan = tuple(jnp.asarray(x) for x in structure), plan_for(potential, structure)
    found = np.asarray(pair_virials(plan, potential, *where, neighbors(plan, *where[1:])))
    slope = -1000 / 0.3 * np.exp(-r / 0.3) + 6 * 5.0 / r**7
    expected = np.zeros((4, 3, 3))
    expected[:2, 0, 0], expected[2:, 1, 1] = 0.5 * r[0] * slope[0], 0.5 * r[1] * slope[1]
    within("pair part, eV", np.abs(found - expected).max(), 1e-5)

"""Static energy, forces and stress of any periodic cell: explicit images, float64, automatic derivatives.

This is the reference that the hot path (`engine.forces`) is tested against, and what `task=evaluate`, the ASE
calculator and the force errors of `task=benchmark` use. Stress = (1/V) dE/d strain, tension positive (eV/A^3).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine import ewald
from jaxglass.engine.mesh import Mesh, mesh_forces
from jaxglass.model.cell import cell_volume
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential, short_range_energy, splice, switched
from jaxglass.pytree import pytree

FEWEST = 4096  # rows of a list of pairs or waves


class Evaluation(NamedTuple):
    """Energy (eV), forces (N, 3) in eV/A and stress (3, 3) in eV/A^3, tension positive."""

    energy: float
    forces: np.ndarray
    stress: np.ndarray


@pytree
class Pairs:
    """A half list on the device: atoms i, j (P,) and integer shifts (P, 3)."""

    i: Array
    j: Array
    shift: Array


def exact_energy(
    potential: Potential,
    near: Pairs,
    screened: Pairs,
    alpha: Array | float,
    n: Array,
    species: Array,
    fractional: Array,
    cell: Array,
) -> Array:
    """Total energy (eV) with the exact Ewald sum; differentiable in potential, fractional and cell."""
    charges = potential.charges[species]
    volume = cell_volume(cell)
    return (
        buckingham_energy(potential, near, species, fractional, cell)
        + screened_energy(potential, screened, alpha, species, fractional, cell)
        + ewald.reciprocal_energy(charges, alpha, n, fractional, cell, potential.coulomb_constant)
        + ewald.self_energy(charges, alpha, volume, potential.coulomb_constant)
    )


def distances(pairs: Pairs, fractional: Array, cell: Array) -> Array:
    """Pair distances (A), (P,)."""
    vector = (fractional[pairs.j] - fractional[pairs.i] + pairs.shift) @ cell
    return jnp.sqrt(jnp.sum(vector * vector, axis=1))


def buckingham_energy(potential: Potential, near: Pairs, species: Array, fractional: Array, cell: Array) -> Array:
    """Short-range energy (eV) up to `potential.cutoff`, core splice and switch included."""
    r = distances(near, fractional, cell)
    energy = short_range_energy(potential, splice(potential), r, species[near.i], species[near.j])
    return jnp.sum(switched(potential, r, energy))


def screened_energy(
    potential: Potential, screened: Pairs, alpha: Array | float, species: Array, fractional: Array, cell: Array
) -> Array:
    """Real-space part of the Ewald sum (eV)."""
    r = distances(screened, fractional, cell)
    charges = potential.charges[species]
    return jnp.sum(ewald.real_space_energy(charges, alpha, r, screened.i, screened.j, potential.coulomb_constant))


def device_pairs(fractional: np.ndarray, cell: np.ndarray, cutoff: float) -> Pairs:
    """`pair_list` as device arrays, filled up with pairs too far apart to count: few shapes, few compilations."""
    found = pair_list(fractional, cell, cutoff)
    i, j, shift = (_filled(x, value) for x, value in ((found.i, 0), (found.j, 0), (found.shift, ewald.FAR)))
    return Pairs(jnp.asarray(i), jnp.asarray(j), jnp.asarray(shift, float))


def _filled(rows: np.ndarray, value: int) -> np.ndarray:
    """`rows` with `value` appended until their number is m 2^k, 8 <= m < 16: at most an eighth more. Few rows become
    `FEWEST`: they cost nothing beside a compilation, and small cells share one."""
    step = 2 ** max(FEWEST.bit_length() - 1, len(rows).bit_length() - 4)
    return np.pad(rows, [(0, -len(rows) % step)] + [(0, 0)] * (rows.ndim - 1), constant_values=value)


@jax.jit
def _exact(potential, near, screened, alpha, n, species, fractional, cell):
    def strained(strain, fractional):
        deformed = cell @ (jnp.eye(3) + (strain + strain.T) / 2)
        return exact_energy(potential, near, screened, alpha, n, species, fractional, deformed)

    energy, (strain_derivative, gradient) = jax.value_and_grad(strained, argnums=(0, 1))(jnp.zeros((3, 3)), fractional)
    return energy, gradient, strain_derivative


@partial(jax.jit, static_argnames=("mesh",))
def _with_mesh(potential, near, screened, mesh, species, fractional, cell):
    charges = potential.charges[species]

    def strained(strain, fractional):
        deformed = cell @ (jnp.eye(3) + (strain + strain.T) / 2)
        volume = cell_volume(deformed)
        return (
            buckingham_energy(potential, near, species, fractional, deformed)
            + screened_energy(potential, screened, mesh.alpha, species, fractional, deformed)
            + ewald.self_energy(charges, mesh.alpha, volume, potential.coulomb_constant)
        )

    energy, (strain_derivative, gradient) = jax.value_and_grad(strained, argnums=(0, 1))(jnp.zeros((3, 3)), fractional)
    reciprocal = mesh_forces(mesh, charges, potential.coulomb_constant, tuple(fractional.T), cell, jnp.float64, True)
    forces = reciprocal.forces @ cell.T  # back to d/d fractional, added below
    return energy + reciprocal.energy, gradient - forces, strain_derivative + reciprocal.strain_derivative


def evaluate(
    potential: Potential,
    species: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    splitting: ewald.Splitting | None = None,
    mesh: Mesh | None = None,
    coulomb_cutoff: float = 7.0,
) -> Evaluation:
    """Energy, forces and stress of one structure: exact Ewald, or `mesh` with its real-space `coulomb_cutoff` (A)."""
    near = device_pairs(fractional, cell, potential.cutoff)
    where = jnp.asarray(species), jnp.asarray(fractional), jnp.asarray(cell)
    if mesh is None:
        splitting = splitting or ewald.exact_splitting(cell, len(fractional))
        screened = device_pairs(fractional, cell, splitting.cutoff)
        n = jnp.asarray(_filled(splitting.n, ewald.FAR), float)
        found = _exact(potential, near, screened, splitting.alpha, n, *where)
    else:
        screened = device_pairs(fractional, cell, coulomb_cutoff)
        found = _with_mesh(potential, near, screened, mesh, *where)
    energy, gradient, strain_derivative = (np.asarray(x) for x in found)
    forces = -gradient @ np.linalg.inv(cell).T
    return Evaluation(float(energy), forces, strain_derivative / abs(np.linalg.det(cell)))

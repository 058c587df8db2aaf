"""The energy of the hot path once more, written so that it can be differentiated any number of times.

    E(potential, fractional, cell) = 1/2 sum_i sum_k V(r_ij), j = index[k, i]  +  mesh  +  self energy and background

`engine.forces` takes from here what it has no closed form for: derivatives in the potential's parameters and every
second derivative. The list is constant, the mesh fixed in fractional coordinates, alpha static; both parts end where
the kernel's do, so derivatives hold while no pair crosses a cutoff (a switched Buckingham part lets them cross its
own). float64, one device. Rows of the list and atoms on the mesh are visited in chunks that the backward pass computes
again, so memory is linear in the atoms.
Indices: i, j atoms; k rows; m mesh points of a spline; a axes.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine import ewald
from jaxglass.engine.kernel import Forces
from jaxglass.engine.mesh import Mesh, half_mesh_fold, own_modes, reciprocal_terms, spline_weights
from jaxglass.engine.neighbors import Neighbors
from jaxglass.engine.plan import CHUNK, Plan
from jaxglass.model.cell import cell_volume, inverse
from jaxglass.model.potential import Potential, Splice, short_range_energy, splice, switched

SPREAD = 128  # atoms put on the mesh together

chunk_by_chunk = partial(jax.checkpoint, prevent_cse=False)  # a scan keeps the recomputation apart by itself


def energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Array:
    """Total potential energy (eV), differentiable in `potential`, `fractional` (N, 3) and `cell` (3, 3)."""
    charges, k = potential.charges[species], potential.coulomb_constant
    return (
        pair_energy(plan, potential, species, fractional, cell, neighbors.columns)
        + mesh_energy(plan.mesh, charges, k, fractional, cell)
        + ewald.self_energy(charges, plan.mesh.alpha, cell_volume(cell), k)
    )


def forces(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    derivatives: bool,
) -> Forces:
    """F = -dE/d fractional cell^-T (N, 3) and, with `derivatives`, dE/d strain = cell^T dE/d cell (3, 3)."""
    if not derivatives:
        gradient = jax.grad(energy, 3)(plan, potential, species, fractional, cell, neighbors)
        return Forces(-gradient @ inverse(cell).T, jnp.zeros_like(cell))
    gradient, in_cell = jax.grad(energy, (3, 4))(plan, potential, species, fractional, cell, neighbors)
    return Forces(-gradient @ inverse(cell).T, cell.T @ in_cell)


def strain_derivative(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Array:
    """dE/d strain (3, 3) in eV, of cell -> cell (1 + strain)."""
    return cell.T @ jax.grad(energy, 4)(plan, potential, species, fractional, cell, neighbors)


@partial(jax.jit, static_argnames="plan")
def pair_energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, index: Array
) -> Array:
    """Buckingham with its core splice and screened Coulomb (eV) over the list `index` (K, N)."""
    core, atoms = splice(potential), jnp.arange(len(species), dtype=index.dtype)
    unused = jnp.broadcast_to(atoms, (-len(index) % CHUNK, len(atoms)))
    rows = jnp.concatenate([index, unused]).reshape(-1, CHUNK, len(atoms))

    @chunk_by_chunk
    def add_rows(total, j):
        d = fractional - fractional[j]
        vector = (d - jnp.round(d)) @ cell
        r2 = jnp.sum(vector * vector, -1)
        real = (r2 < plan.reach**2) & (j != atoms)  # unused slots hold i itself: no root of zero
        r = jnp.sqrt(jnp.where(real, r2, plan.reach**2))
        V = pair_potential(plan, potential, core, r, species, species[j])
        return total + jnp.sum(jnp.where(real, V, 0.0)), None

    total, _ = jax.lax.scan(add_rows, jnp.zeros((), cell.dtype), rows)
    return 0.5 * total


def pair_potential(plan: Plan, potential: Potential, core: Splice, r: Array, a: Array, b: Array) -> Array:
    """V (eV) of species `a` and `b` at distances `r` (A): Buckingham and screened Coulomb, each up to its end."""
    short = switched(potential, r, short_range_energy(potential, core, r, a, b))
    coulomb = ewald.real_space_energy(potential.charges, plan.mesh.alpha, r, a, b, potential.coulomb_constant)
    return short + jnp.where(r < plan.coulomb_cutoff, coulomb, 0.0)


@partial(jax.jit, static_argnames="mesh")
def mesh_energy(mesh: Mesh, charges: Array, coulomb_constant: Array, fractional: Array, cell: Array) -> Array:
    """P3M energy (eV) of `mesh_forces`: 2 pi k_e/V sum_k w exp(-k^2/4 alpha^2)/k^2 (|rho(k)|^2 - own clouds)."""
    density_k = jnp.fft.rfftn(_density(mesh, charges, fractional))
    green, _, _ = reciprocal_terms(mesh, cell, cell.dtype)
    fold = jnp.asarray(half_mesh_fold(mesh.shape[2]), cell.dtype)
    cosines = charges**2 @ jnp.cos(2 * np.pi * fractional * np.asarray(mesh.shape, float))
    x, y, z = (jnp.stack(factor) for factor in zip(*own_modes(mesh, cell.dtype), strict=True))
    clouds = jnp.einsum("a,ax,ay,az->xyz", cosines, x, y, z)
    total = jnp.sum(green * (fold * (density_k.real**2 + density_k.imag**2) - clouds))
    return 2 * np.pi * coulomb_constant / cell_volume(cell) * total


def _density(mesh: Mesh, charges: Array, fractional: Array) -> Array:
    """Charges spread with B-splines, a chunk of atoms after another, on a mesh (M1, M2, M3)."""
    padding = [(0, -len(charges) % SPREAD)]
    atoms = jnp.pad(fractional, [*padding, (0, 0)]).reshape(-1, SPREAD, 3), jnp.pad(charges, padding)
    shape, points = np.asarray(mesh.shape), np.arange(mesh.order) - (mesh.order - 1)

    @chunk_by_chunk
    def add_atoms(density, chunk):
        fractional, charge = chunk
        x = (fractional - jnp.floor(fractional)) * shape
        base = jnp.minimum(jnp.floor(x), shape - 1)
        wx, wy, wz = jnp.moveaxis(spline_weights(x - base, mesh.order)[0], 1, 0)
        nx, ny, nz = jnp.moveaxis((base.astype(jnp.int32)[:, :, None] + points) % shape[:, None], 1, 0)
        clouds = (charge[:, None] * wx)[:, :, None, None] * wy[:, None, :, None] * wz[:, None, None, :]
        return density.at[nx[:, :, None, None], ny[:, None, :, None], nz[:, None, None, :]].add(clouds), None

    return jax.lax.scan(add_atoms, jnp.zeros(mesh.shape, charges.dtype), (atoms[0], atoms[1].reshape(-1, SPREAD)))[0]

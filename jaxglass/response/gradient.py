"""The energy of a glass to second order in positions and volume, as sums over each atom's own neighbours.

    g_i = dE/du_i = -sum_j f d_ij + mesh,    g_v = dE/dv = 1/2 sum_ij f r_ij^2 + mesh,    f(r^2) = V'/r

u displacements in A, v the logarithm of the cell's length: cell -> cell e^v with fractional coordinates kept. A move
changes d_ij by D_ij = u_j - u_i + v d_ij, so that with f' = df/d(r^2) the pairs' share of H y is

    h_i = -sum_j [f D_ij + 2 f' (d_ij.D_ij) d_ij],    h_v = sum_ij (f + f' r_ij^2) d_ij.D_ij

`PairCurvature` keeps f and f' of every pair: H is applied many times without an exponential, in a fifth of the time
that a linearization of g takes. Same list, mesh and cutoffs as `engine.twin`; memory is linear in the list. float64,
one device. Indices: i, j atoms; k rows of the list.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxglass.engine import ewald
from jaxglass.engine.mesh import mesh_forces
from jaxglass.engine.plan import Plan
from jaxglass.engine.twin import pair_potential
from jaxglass.model.cell import cell_volume, inverse
from jaxglass.model.potential import Potential, splice
from jaxglass.pytree import pytree


@pytree
class Gradient:
    """dE/du (N, 3) in eV/A and dE/dv () in eV; or a move of atoms (A) and v: the space they act on."""

    u: Array
    v: Array


@pytree
class PairCurvature:
    """The second derivative of the pairs' energy: `vector` (K, N, 3) in A, f and f' (K, N) of the list `index`, zero in
    slots without a pair."""

    index: Array
    vector: Array
    f: Array
    slope: Array

    def gradient(self) -> Gradient:
        """The first derivative, of the same f."""
        return _pull(self.vector, self.f)

    def apply(self, y: Gradient) -> Gradient:
        """H y."""
        change = y.u[self.index] - y.u + y.v * self.vector
        along = jnp.sum(self.vector * change, -1)
        pull = self.f[:, :, None] * change + (2 * self.slope * along)[:, :, None] * self.vector
        r2 = jnp.sum(self.vector * self.vector, -1)
        return Gradient(-jnp.sum(pull, 0), jnp.sum((self.f + self.slope * r2) * along))

    def own(self) -> Array:
        """d2E/du_i du_i, (N, 3, 3) in eV/A^2: sum_j f delta_ab + 2 f' d_a d_b."""
        along = jnp.einsum("ki,kia,kib->iab", 2 * self.slope, self.vector, self.vector)
        return along + jnp.sum(self.f, 0)[:, None, None] * jnp.eye(3)


def gradient(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, index: Array
) -> Gradient:
    """The gradient at `fractional` (N, 3) in `cell` (3, 3) with the list `index` (K, N)."""
    vector, r2, near = _pairs(plan, fractional, cell, index)
    f = jnp.where(near, _slope_over_distance(plan, potential, species, index, jnp.where(near, r2, plan.reach**2)), 0.0)
    return jax.tree.map(jnp.add, _pull(vector, f), mesh_gradient(plan, potential, species, fractional, cell))


def _pull(vector: Array, f: Array) -> Gradient:
    """The pairs' share of the gradient."""
    return Gradient(-jnp.sum(f[:, :, None] * vector, 0), 0.5 * jnp.sum(f * jnp.sum(vector * vector, -1)))


def mesh_gradient(plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array) -> Gradient:
    """The share of the reciprocal sum and, in a charged cell, of the background."""
    charges, k = potential.charges[species], potential.coulomb_constant
    mesh = mesh_forces(plan.mesh, charges, k, tuple(fractional.T), cell, jnp.float64, True)
    background = ewald.background_energy(charges, plan.mesh.alpha, cell_volume(cell), k)
    return Gradient(-mesh.forces, jnp.trace(mesh.strain_derivative) - 3 * background)


def pair_curvature(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, index: Array
) -> PairCurvature:
    """The pairs' share of H at `fractional` (N, 3) in `cell` (3, 3) with the list `index` (K, N)."""
    vector, r2, near = _pairs(plan, fractional, cell, index)
    at = partial(_slope_over_distance, plan, potential, species, index)
    f, slope = jax.jvp(at, (jnp.where(near, r2, plan.reach**2),), (jnp.ones_like(r2),))
    return PairCurvature(index, vector, jnp.where(near, f, 0.0), jnp.where(near, slope, 0.0))


def expansion(plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, index: Array):
    """The gradient, and H as a function y -> H y. A solid may move as a whole: both leave the mean of u out."""
    pairs = pair_curvature(plan, potential, species, fractional, cell, index)

    def mesh(y: Gradient) -> Gradient:
        return mesh_gradient(plan, potential, species, *moved(fractional, cell, y))

    g_of_the_mesh, of_the_mesh = jax.linearize(mesh, Gradient(jnp.zeros_like(fractional), jnp.zeros(())))

    def hessian(y: Gradient) -> Gradient:
        return without_mean(jax.tree.map(jnp.add, pairs.apply(y), of_the_mesh(y)))

    return without_mean(jax.tree.map(jnp.add, pairs.gradient(), g_of_the_mesh)), hessian


def moved(fractional: Array, cell: Array, y: Gradient) -> tuple[Array, Array]:
    """Fractional coordinates and cell after a move of atoms by u (A) and of the logarithm of the length by v."""
    return fractional + y.u @ inverse(cell), cell * jnp.exp(y.v)


def without_mean(y: Gradient) -> Gradient:
    """The part that does not move the solid as a whole."""
    return Gradient(y.u - y.u.mean(0), y.v)


def _pairs(plan: Plan, fractional: Array, cell: Array, index: Array) -> tuple[Array, Array, Array]:
    """r_j - r_i (K, N, 3) in A, its square, and whether the slot holds a pair within reach."""
    d = fractional[index] - fractional
    vector = (d - jax.lax.stop_gradient(jnp.round(d))) @ cell
    r2 = jnp.sum(vector * vector, -1)
    return vector, r2, (index != jnp.arange(index.shape[1], dtype=index.dtype)) & (r2 < plan.reach**2)


def _slope_over_distance(plan: Plan, potential: Potential, species: Array, index: Array, r2: Array) -> Array:
    """f = V'/r = 2 dV/d(r^2)."""
    pairs = species[index], jnp.broadcast_to(species, index.shape)

    def energy(r2: Array) -> Array:
        return pair_potential(plan, potential, splice(potential), jnp.sqrt(r2), *pairs)

    return 2 * jax.jvp(energy, (r2,), (jnp.ones_like(r2),))[1]

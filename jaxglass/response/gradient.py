"""The gradient of the energy in positions and volume, as sums over each atom's own neighbours.

    g_i = dE/du_i = -sum_j f(r_ij^2) d_ij + mesh,    g_v = dE/dv = 1/2 sum_ij f(r_ij^2) r_ij^2 + mesh,    f = V'/r

u displacements in A, v the logarithm of the cell's length: cell -> cell e^v with fractional coordinates kept. Made for
forward mode: a tangent costs about one more evaluation, and `jax.linearize` keeps f and f' of every pair, so that the
Hessian is applied many times without an exponential. Same list, mesh and cutoffs as `engine.twin`; memory is linear in
the list. float64, one device. Indices: i, j atoms; k rows of the list.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from jaxglass.engine.mesh import mesh_forces
from jaxglass.engine.plan import Plan
from jaxglass.model.cell import cell_volume
from jaxglass.model.potential import Potential, short_range_energy, splice, switched
from jaxglass.pytree import pytree


@pytree
class Gradient:
    """dE/du (N, 3) in eV/A and dE/dv () in eV; or a move of atoms (A) and v: the space they act on."""

    u: Array
    v: Array


def gradient(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, index: Array
) -> Gradient:
    """The gradient at `fractional` (N, 3) in `cell` (3, 3) with the list `index` (K, N)."""
    charges, k = potential.charges[species], potential.coulomb_constant
    vector, r2, near = _pairs(plan, fractional, cell, index)
    pairs = species[index], jnp.broadcast_to(species, index.shape)
    f = jnp.where(near, _slope_over_distance(plan, potential, pairs, jnp.where(near, r2, plan.reach**2)), 0.0)
    mesh = mesh_forces(plan.mesh, charges, k, tuple(fractional.T), cell, jnp.float64, True)
    background = -k * jnp.pi / (2 * cell_volume(cell) * plan.mesh.alpha**2) * jnp.sum(charges) ** 2
    return Gradient(
        -jnp.sum(f[:, :, None] * vector, 0) - mesh.forces,
        0.5 * jnp.sum(f * r2) + jnp.trace(mesh.strain_derivative) - 3 * background,
    )


def own_stiffness(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, index: Array
) -> Array:
    """d2E/du_i du_i of pairs alone, (N, 3, 3) in eV/A^2: sum_j f delta_ab + 2 f' d_a d_b, f' = df/d(r^2)."""
    vector, r2, near = _pairs(plan, fractional, cell, index)
    pairs = species[index], jnp.broadcast_to(species, index.shape)
    f, slope = jax.jvp(
        partial(_plain, plan, potential, pairs), (jnp.where(near, r2, plan.reach**2),), (jnp.ones_like(r2),)
    )
    f, slope = jnp.where(near, f, 0.0), jnp.where(near, slope, 0.0)
    along = jnp.einsum("ki,kia,kib->iab", 2 * slope, vector, vector)
    return along + jnp.sum(f, 0)[:, None, None] * jnp.eye(3)


def _pairs(plan: Plan, fractional: Array, cell: Array, index: Array) -> tuple[Array, Array, Array]:
    """r_j - r_i (K, N, 3) in A, its square, and whether the slot holds a pair within reach."""
    d = fractional[index] - fractional
    vector = (d - jax.lax.stop_gradient(jnp.round(d))) @ cell
    r2 = jnp.sum(vector * vector, -1)
    return vector, r2, (index != jnp.arange(index.shape[1], dtype=index.dtype)) & (r2 < plan.reach**2)


def pair_energy(plan: Plan, potential: Potential, pairs: tuple[Array, Array], r2: Array) -> Array:
    """V (eV) of `pairs` of species a, b at squared distances `r2`, all of one shape: Buckingham and screened
    Coulomb."""
    a, b = pairs
    r = jnp.sqrt(r2)
    qq = potential.coulomb_constant * potential.charges[a] * potential.charges[b]
    short = switched(potential, r, short_range_energy(potential, splice(potential), r, a, b))
    coulomb = qq * jax.scipy.special.erfc(plan.mesh.alpha * r) / r
    return short + jnp.where(r < plan.coulomb_cutoff, coulomb, 0.0)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _slope_over_distance(plan: Plan, potential: Potential, pairs: tuple[Array, Array], r2: Array) -> Array:
    """f = V'/r = 2 dV/d(r^2)."""
    return 2 * jax.jvp(partial(pair_energy, plan, potential, pairs), (r2,), (jnp.ones_like(r2),))[1]


@partial(_slope_over_distance.defjvp, symbolic_zeros=True)
def _(plan, primals, tangents):
    """df = df/d(r^2) d(r^2) as one product, so that this factor is what a linearization keeps."""
    potential, pairs, r2 = primals
    d_potential, _, d_r2 = tangents
    value = _slope_over_distance(plan, potential, pairs, r2)
    change = jnp.zeros_like(r2)
    if not isinstance(d_r2, SymbolicZero):
        change += jax.jvp(lambda r2: _plain(plan, potential, pairs, r2), (r2,), (jnp.ones_like(r2),))[1] * d_r2
    moving = not all(isinstance(t, SymbolicZero) for t in jax.tree.leaves(d_potential))
    if moving:
        direction = jax.tree.map(
            lambda p, t: jnp.zeros_like(p) if isinstance(t, SymbolicZero) else t, potential, d_potential
        )
        change += jax.jvp(lambda p: _plain(plan, p, pairs, r2), (potential,), (direction,))[1]
    return value, change


def _plain(plan: Plan, potential: Potential, pairs: tuple[Array, Array], r2: Array) -> Array:
    """f again, differentiated term by term."""
    return 2 * jax.jvp(partial(pair_energy, plan, potential, pairs), (r2,), (jnp.ones_like(r2),))[1]

"""An approximate inverse of H (`response.gradient`), made of its pairs alone, that makes conjugate gradients short.

    P + s 1 = L L^T        P: the pairs' share of H in all atoms together, s >= 0: as much as makes it positive

The mesh's share of H is smooth and small beside P, so an eighth of the products with H is needed that the blocks of
single atoms, P_ii = sum_j f + 2 f' d d, would take (855 atoms, 2026-11-27). The factor is dense and every glass at rest
keeps it, 26 MB of 855 atoms, so it is for those of at most `MOST_FACTORED` atoms.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import cho_solve

from jaxglass.engine.neighbors import Neighbors
from jaxglass.engine.plan import Plan
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.pytree import pytree
from jaxglass.response.gradient import Gradient, PairCurvature, pair_curvature, without_mean

MOST_FACTORED = 1500  # atoms; 81 MB, several times that while it is made, and a second or two of a core
SHIFT, SOFTEST = 0.01, 0.05  # of the mean stiffness: first s; least stiffness of an atom in its block
LEAST = 0.01  # eV/A^2, of that mean


@pytree
class Factor:
    """L (3N, 3N), and the stiffness of the volume (eV). float32: an approximation is asked for."""

    lower: Array
    volume: Array

    def __call__(self, y: Gradient) -> Gradient:
        """Both shares of H^-1 y."""
        u = cho_solve((self.lower, True), y.u.astype(self.lower.dtype).ravel()).reshape(y.u.shape)
        return without_mean(Gradient(u.astype(y.u.dtype), y.v / self.volume))


@pytree
class Blocks:
    """The inverses (N, 3, 3) of the atoms' own blocks (A^2/eV), and the stiffness of the volume (eV)."""

    inverse: Array
    volume: Array

    def __call__(self, y: Gradient) -> Gradient:
        """Both shares of H^-1 y."""
        return without_mean(Gradient(jnp.einsum("iab,ib->ia", self.inverse, y.u), y.v / self.volume))


Preconditioner = Factor | Blocks  # symmetric and positive; a solid may move as a whole, so both leave no mean


def preconditioner(plan: Plan, potential: Potential, system: System, near: Neighbors) -> Preconditioner:
    """The best for a glass of this size, as it stands; it serves as well where atoms have moved a little."""
    make = factor if len(system.species) <= MOST_FACTORED else blocks
    return make(plan, potential, system, near)


@partial(jax.jit, static_argnums=0)
def factor(plan: Plan, potential: Potential, system: System, near: Neighbors) -> Factor:
    """The factor of the pairs of all atoms."""
    pairs = pair_curvature(plan, potential, system.species, system.fractional, system.cell, near.columns)
    own = pairs.own()
    mean = _mean_stiffness(own)
    return Factor(_lower(stiffness_of_pairs(pairs), mean), len(own) * mean)


@partial(jax.jit, static_argnums=0)
def blocks(plan: Plan, potential: Potential, system: System, near: Neighbors) -> Blocks:
    """The inverse blocks of all atoms."""
    own = pair_curvature(plan, potential, system.species, system.fractional, system.cell, near.columns).own()
    mean = _mean_stiffness(own)
    stiff, directions = jnp.linalg.eigh(own)
    each = jnp.maximum(jnp.abs(stiff), SOFTEST * mean)
    return Blocks(jnp.einsum("iab,ib,icb->iac", directions, 1 / each, directions), len(own) * mean)


def _mean_stiffness(own: Array) -> Array:
    """Above zero also where atoms collide or none is near."""
    return jnp.maximum(jnp.abs(jnp.trace(own.sum(0))) / (3 * len(own)), LEAST)


def stiffness_of_pairs(pairs: PairCurvature) -> Array:
    """P (3N, 3N) in eV/A^2, float32."""
    own = pairs.own()
    atoms, d = jnp.arange(len(own)), pairs.vector
    between = jnp.einsum("ki,kia,kib->kiab", 2 * pairs.slope, d, d) + pairs.f[..., None, None] * jnp.eye(3)
    places = jnp.broadcast_to(atoms, pairs.index.shape), pairs.index  # an empty slot holds the atom itself, with f = 0
    P = jnp.zeros((len(own), len(own), 3, 3), jnp.float32).at[places].add(-between.astype(jnp.float32))
    P = P.at[atoms, atoms].add(own.astype(jnp.float32))
    return P.transpose(0, 2, 1, 3).reshape(3 * len(own), -1)


def _lower(P: Array, mean: Array) -> Array:
    """L with the first of the shifts s, 2 s, 4 s... that makes P positive; not finite where P is not."""
    enough = jnp.abs(P).sum(1).max()  # no eigenvalue lies farther from zero (Gershgorin)

    def factored(shift: Array) -> tuple[Array, Array]:
        return shift, jnp.linalg.cholesky(P + shift * jnp.eye(len(P), dtype=P.dtype))

    def fails(found: tuple[Array, Array]) -> Array:
        shift, lower = found
        return ~jnp.isfinite(lower).all() & (shift < 2 * enough)

    return jax.lax.while_loop(fails, lambda found: factored(2 * found[0]), factored(SHIFT * mean.astype(P.dtype)))[1]

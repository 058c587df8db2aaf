"""Nose-Hoover chain (Martyna, Tuckerman, Tobias & Klein 1996), three links.

    Q_1 = n kT tau^2, Q_k = kT tau^2;   G_1 = (2 K - n kT)/Q_1,   G_k = (Q_{k-1} v_{k-1}^2 - kT)/Q_k

n degrees of freedom, tau the damping time; positions dimensionless, velocities 1/ps, masses eV ps^2.
"""

import jax.numpy as jnp
from jax import Array

from jaxglass.pytree import pytree

LINKS = 3


@pytree
class Chain:
    """Positions and velocities (1/ps) of the links, (LINKS,) each."""

    position: Array
    velocity: Array


def make_chain() -> Chain:
    """A chain at rest."""
    return Chain(jnp.zeros(LINKS), jnp.zeros(LINKS))


def _masses(dof: float, kT: Array, tau: Array) -> Array:
    return kT * tau**2 * jnp.ones(LINKS).at[0].set(dof)


def half_step(chain: Chain, twice_kinetic: Array, dof: float, kT: Array, tau: Array, dt: Array) -> tuple[Chain, Array]:
    """Advance the chain by dt/2; returns it and the factor by which the velocities it is coupled to shrink."""
    Q = _masses(dof, kT, tau)
    v = list(chain.velocity)

    def accelerate(k: int, twice_kinetic: Array) -> Array:
        drive = twice_kinetic - dof * kT if k == 0 else Q[k - 1] * v[k - 1] ** 2 - kT
        kicked = v[k] if k == LINKS - 1 else v[k] * jnp.exp(-v[k + 1] * dt / 8)
        kicked = kicked + drive / Q[k] * dt / 4
        return kicked if k == LINKS - 1 else kicked * jnp.exp(-v[k + 1] * dt / 8)

    for k in reversed(range(LINKS)):
        v[k] = accelerate(k, twice_kinetic)
    scale = jnp.exp(-v[0] * dt / 2)
    position = chain.position + jnp.stack(v) * dt / 2
    for k in range(LINKS):
        v[k] = accelerate(k, twice_kinetic * scale**2)
    return Chain(position, jnp.stack(v)), scale


def energy(chain: Chain, dof: float, kT: Array, tau: Array) -> Array:
    """Energy of the chain (eV), part of the conserved quantity at constant temperature."""
    kinetic = 0.5 * jnp.sum(_masses(dof, kT, tau) * chain.velocity**2)
    return kinetic + kT * (dof * chain.position[0] + jnp.sum(chain.position[1:]))

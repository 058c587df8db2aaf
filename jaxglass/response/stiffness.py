"""Bulk and shear modulus of the glass at rest at zero pressure, differentiable in the potential (forward mode).

    V C_D = d2/dt2 E(x + t u_D, h (1 + t D)),    u_D: how the atoms follow the strain D, so that no force changes

C_D is the smallest such curvature over all u, hence u_D may be kept while the potential moves: a derivative of C_D
needs no further linear system. K = C_D/3 for D = 1/sqrt(3); G = mean of C_D/2 over five orthonormal strains without
trace.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine import twin
from jaxglass.model.cell import cell_volume
from jaxglass.model.potential import Potential
from jaxglass.response.minimum import Rest, rest_positions
from jaxglass.response.zero_pressure import at_rest
from jaxglass.units import GPA


class Moduli(NamedTuple):
    """Bulk and shear modulus in GPa."""

    bulk: Array
    shear: Array

    @property
    def young(self) -> Array:
        """E = 9 K G/(3 K + G) in GPa."""
        return 9 * self.bulk * self.shear / (3 * self.bulk + self.shear)

    @property
    def poisson(self) -> Array:
        """nu = (3 K - 2 G)/(6 K + 2 G)."""
        return (3 * self.bulk - 2 * self.shear) / (6 * self.bulk + 2 * self.shear)


def _strains() -> np.ndarray:
    """The trace and five orthonormal strains without one, (6, 3, 3)."""
    found = np.zeros((6, 3, 3))
    found[0] = np.eye(3) / np.sqrt(3)
    found[1] = np.diag([1, -1, 0]) / np.sqrt(2)
    found[2] = np.diag([1, 1, -2]) / np.sqrt(6)
    for k, (a, b) in enumerate(((1, 2), (0, 2), (0, 1)), start=3):
        found[k, a, b] = found[k, b, a] = 1 / np.sqrt(2)
    return found


@jax.jit
def followers(rest: Rest) -> Array:
    """u_D (6, N, 3) in fractional coordinates per unit of each of the six strains."""
    cell = rest.system.cell

    def follow(D: Array) -> Array:
        return jax.jvp(lambda box: rest_positions(rest, rest.potential, box), (cell,), (cell @ D,))[1]

    return jax.lax.map(follow, jnp.asarray(_strains()))


@jax.jit
def relaxed_moduli(rest: Rest, potential: Potential, moves: Array) -> Moduli:
    """K and G of `rest` at `potential`; `moves` are its `followers`."""
    x, cell = at_rest(rest, potential)
    species, near = rest.system.species, rest.near

    def curvature(strain_and_move: tuple[Array, Array]) -> Array:
        D, move = strain_and_move

        def energy(t: Array) -> Array:
            return twin.energy(rest.plan, potential, species, x + t * move, cell @ (jnp.eye(3) + t * D), near)

        def slope(t: Array) -> Array:
            return jax.jvp(energy, (t,), (jnp.ones(()),))[1]

        return jax.jvp(slope, (jnp.zeros(()),), (jnp.ones(()),))[1]

    C = GPA * jax.lax.map(curvature, (jnp.asarray(_strains()), moves)) / cell_volume(cell)
    return Moduli(C[0] / 3, jnp.mean(C[1:]) / 2)

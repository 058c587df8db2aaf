"""Athermal elastic constants of a glass at rest: the affine answer of its stress and what the atoms relax.

    C_kl = d sigma_k/d e_l,    sigma(e) = stress at the positions that are at rest at strain e

    = d sigma_k/d e_l at fixed fractional coordinates (affine) + (d sigma_k/dx) H^-1 (dF/d e_l)

(Lutsko, J. Appl. Phys. 65 (1989) 2991). e_l are the deformations of `protocols.elastic`: r -> (1 + e D_l) r, tension or
simple shear, so C is the slope of the Cauchy stress of the finite-strain protocol, at any stress. Voigt order xx yy zz
yz xz xy. The list is constant and no pair may cross a cutoff: the derivative is that between two crossings.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.analysis.elasticity import Isotropic, isotropic
from jaxglass.engine import twin
from jaxglass.errors import NumericalError
from jaxglass.evaluate import VOIGT
from jaxglass.model.cell import cell_volume
from jaxglass.model.potential import Potential
from jaxglass.protocols.elastic import DIRECTIONS
from jaxglass.response.minimum import Rest, rest_positions, static_energy
from jaxglass.units import GPA


def static_stress(rest: Rest) -> Array:
    """Cauchy stress (3, 3) in eV/A^3 of the glass at rest, tension positive."""
    found = static_energy(rest.plan, rest.potential, rest.system, rest.near)
    return found.strain_derivative / cell_volume(rest.system.cell)


def stiffness(rest: Rest, potential: Potential) -> Array:
    """C (6, 6) in GPa, differentiable in `potential` (forward mode) at the one that `rest` was minimised with.

    The positions follow the potential. Not finite where the glass is not at a minimum.
    """
    species, near, cell = rest.system.species, rest.near, rest.system.cell
    tensors = np.zeros((6, 3, 3))
    for k, (a, b) in enumerate(DIRECTIONS.values()):
        tensors[k, a, b] = 1.0

    def stress_at_rest(box: Array) -> Array:
        x = rest_positions(rest, potential, box)
        found = twin.strain_derivative(rest.plan, potential, species, x, box, near) / cell_volume(box)
        return jnp.stack([found[a, b] for a, b in VOIGT])

    def column(tensor: Array) -> Array:
        return jax.jvp(stress_at_rest, (cell,), (cell @ tensor.T,))[1]

    return GPA * jax.lax.map(column, jnp.asarray(tensors)).T


_stiffness = jax.jit(stiffness)


def athermal_moduli(rest: Rest) -> Isotropic:
    """C11, C12, C44, E and nu of the glass at rest, means over directions; `error`: standard error of those means.

    Raises `NumericalError` when it is not at a minimum or not a stable solid.
    """
    C = np.asarray(_stiffness(rest, rest.potential))
    if not np.isfinite(C).all():
        raise NumericalError("athermal moduli: a direction of negative curvature; the glass is not at a minimum")
    diagonal = np.diag(C)
    spread = np.repeat([diagonal[:3].std(ddof=1), diagonal[3:].std(ddof=1)], 3)
    return isotropic(diagonal, spread)

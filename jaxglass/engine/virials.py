"""Virial stress by atom: the strain derivative of the energy of every atom, in closed form.

    W_i = dE_i/d strain,   E_i = 1/2 sum_j V(r_ij) + 1/2 q_i phi_i - 1/2 clouds_i + self energy + background/N

phi_i is the mesh potential at atom i, so that sum_i W_i is the strain derivative of the total energy, term by term:
with g(k) = (4 pi k_e/V) w exp(-k^2/4 alpha^2)/k^2 and D_ab(k) = 2 k_a k_b (1/k^2 + 1/4 alpha^2) - delta_ab,

    W_i,ab (mesh) = 1/2 q_i sum_m spline_i(m) FFT^-1[g D_ab rho](m)
                    - 1/2 q_i^2 sum_c cos(2 pi u_ic) sum_k g D_ab cloud_c

W_i/volume summed over atoms is the static stress, tension positive, as is LAMMPS's `compute stress/atom` without its
kinetic part. Indices: i, j atoms; a, b, c axes; m mesh points. One device.
"""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.engine import ewald
from jaxglass.engine.kernel import pair_virials
from jaxglass.engine.mesh import Mesh, interpolate, own_modes, reciprocal_terms, spread, stencil
from jaxglass.engine.neighbors import Neighbors
from jaxglass.engine.plan import Plan
from jaxglass.model.cell import cell_volume
from jaxglass.model.potential import Potential


def virials(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Array:
    """W (N, 3, 3) in eV of sorted atoms, float64; the list may be that of any precision."""
    exact = replace(plan, precision="float64")
    charges, k = potential.charges[species], potential.coulomb_constant
    pair = pair_virials(exact, potential, species, fractional, cell, neighbors)
    background = ewald.background_energy(charges, plan.mesh.alpha, cell_volume(cell), k)
    shared = -background / len(species) * jnp.eye(3)
    return pair + mesh_virials(plan.mesh, charges, k, fractional, cell) + shared


def mesh_virials(mesh: Mesh, charges: Array, coulomb_constant: Array, fractional: Array, cell: Array) -> Array:
    """Part of the mesh, (N, 3, 3) in eV."""
    at = stencil(mesh, (fractional[:, 0], fractional[:, 1], fractional[:, 2]), cell.dtype)
    density_k = jnp.fft.rfftn(spread(mesh, at, charges))
    green, wave, k2 = reciprocal_terms(mesh, cell, cell.dtype)
    scale = 4 * np.pi * coulomb_constant / cell_volume(cell)
    modes, cosines = own_modes(mesh, cell.dtype), jnp.cos(2 * np.pi * at.between)

    def component(a: int, b: int) -> Array:
        strained = scale * green * (2 * wave[a] * wave[b] * (1 / k2 + 1 / (4 * mesh.alpha**2)) - (a == b))
        potential = jnp.fft.irfftn(density_k * strained * math.prod(mesh.shape), s=mesh.shape)
        clouds = jnp.stack([jnp.einsum("xyz,x,y,z->", strained, *mode) for mode in modes])
        return 0.5 * charges * interpolate(mesh, at, potential) - 0.5 * charges**2 * (cosines @ clouds)

    entry = {(a, b): component(a, b) for a in range(3) for b in range(a, 3)}
    return jnp.stack([jnp.stack([entry[min(a, b), max(a, b)] for b in range(3)], -1) for a in range(3)], -2)

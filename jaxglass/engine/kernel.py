"""The hot path: Buckingham with its core splice and real-space Coulomb over a (K, N) neighbour list.

For every pair, with r^2 from the nearest image and s = species:

    -r dV/dr = A r/rho exp(-r/rho) - 6 C/r^6                   r >= r0        (r < cutoff)
             = n B/r^n - 2 D r^2                               r <  r0
    + k q_i q_j [1/r - r^2 g(r^2)]                             (r < coulomb_cutoff)

where r^3 g = erf(alpha r) - 2 alpha r/sqrt(pi) exp(-alpha^2 r^2) is smooth in r^2: in float32 it is a Chebyshev
fit (error below 1e-6 eV/A per pair of unit charges), in float64 the function itself. Atoms must be sorted by
species: the parameters of slot (k, i) are then chosen by comparing j with three bounds, without a table look-up.

Each chunk of rows is one fused pass with sums over the leading axis. The final division keeps XLA from
recomputing the whole expression once per Cartesian component (it duplicates cheap roots, not divisions).
Indices: i, j atoms; k rows; s species of j.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.polynomial import chebyshev

from jaxglass.engine.coordinates import cartesian, difference, encode, metric
from jaxglass.engine.neighbors import Neighbors, chunks
from jaxglass.engine.plan import CHUNK, Plan
from jaxglass.engine.shards import add, share
from jaxglass.model.potential import Potential, splice


class Forces(NamedTuple):
    """Forces (N, 3) in eV/A; strain derivative of the energy (3, 3) in eV, zeros unless asked for."""

    forces: Array
    strain_derivative: Array


class _Rows(NamedTuple):
    """Parameters of atom i against species s, each a tuple of S arrays (N,)."""

    A: tuple
    decay: tuple
    C: tuple
    qq: tuple
    r0: tuple
    B: tuple
    n: tuple
    D: tuple


def _rows(potential: Potential, species: Array, dtype) -> _Rows:
    core = splice(potential)
    q = potential.charges

    def spread(table: Array) -> tuple:
        table = table.astype(dtype)
        return tuple(table[s][species] for s in range(len(potential.elements)))

    qq = potential.coulomb_constant * q[:, None] * q[None, :]
    return _Rows(*map(spread, (potential.A, 1 / potential.rho, potential.C, qq, core.r0, core.B, core.n, core.D)))


def _choose(columns: tuple, bounds: Array, j: Array) -> Array:
    """Entry of `columns` for the species of j, given the first atom of each species."""
    chosen = columns[-1]
    for s in range(len(columns) - 2, -1, -1):
        chosen = jnp.where(j < bounds[s + 1], columns[s], chosen)
    return chosen


@lru_cache
def smooth_coulomb(alpha: float, cutoff: float) -> tuple[float, ...]:
    """Coefficients in u = 2 r^2/cutoff^2 - 1 of g(r^2) = [erf(x) - 2 x/sqrt(pi) exp(-x^2)]/r^3, x = alpha r."""
    from scipy.special import erf

    def g(u):
        r = np.sqrt(np.maximum((u + 1) / 2, 1e-5)) * cutoff
        x = alpha * r
        return (erf(x) - 2 / np.sqrt(np.pi) * x * np.exp(-x * x)) / r**3

    grid = np.linspace(-0.99, 1, 4001)
    for degree in range(8, 31):
        fit = chebyshev.chebinterpolate(g, degree)
        error = np.abs(chebyshev.chebval(grid, fit) - g(grid)) * np.sqrt((grid + 1) / 2) * cutoff * 14.4
        if error.max() < 1e-7:
            break
    return tuple(float(c) for c in chebyshev.cheb2poly(fit))


def _screening(plan: Plan, r2: Array) -> Array:
    """r^2 g(r^2) of the module docstring, without the 1/r in front."""
    alpha, cutoff = plan.mesh.alpha, plan.coulomb_cutoff
    if r2.dtype == jnp.float64:
        r = jnp.sqrt(r2)
        x = alpha * r
        return (jax.scipy.special.erf(x) - 2 / math.sqrt(math.pi) * x * jnp.exp(-x * x)) / r
    u = r2 * jnp.float32(2 / cutoff**2) - 1
    coefficients = smooth_coulomb(alpha, cutoff)
    g = jnp.full_like(u, coefficients[-1])
    for c in coefficients[-2::-1]:
        g = g * u + jnp.float32(c)
    return g * r2


def _force_over_distance(plan: Plan, row: _Rows, bounds: Array, r2: Array, j: Array) -> Array:
    """-(dV/dr)/r of every slot; zero beyond the cutoffs and in unused slots."""
    reach2 = plan.reach**2
    real = (r2 < reach2) & (r2 > 0)
    r2 = jnp.where(real, r2, reach2)
    inverse = jax.lax.rsqrt(r2)
    r = r2 * inverse
    inverse2 = inverse * inverse
    A, decay, C, qq, r0, B, n, D = (_choose(column, bounds, j) for column in row)
    inside = r < r0
    steep = r * decay
    power = jnp.where(inside, n, steep)
    repulsion = jnp.where(inside, B, A) * jnp.exp(jnp.where(inside, -n * jnp.log(r), -steep))
    short = power * repulsion - jnp.where(inside, 2 * D * r2, 6 * C * (inverse2 * inverse2 * inverse2))
    coulomb = qq * (inverse - _screening(plan, r2))
    if plan.cutoff < plan.reach:
        short = jnp.where(r2 < plan.cutoff**2, short, 0)
    if plan.coulomb_cutoff < plan.reach:
        coulomb = jnp.where(r2 < plan.coulomb_cutoff**2, coulomb, 0)
    return jnp.where(real, short + coulomb, 0) / r2


def species_bounds(species: Array, n_species: int) -> Array:
    """First atom of each species in a sorted `species` (N,), and N at the end, (S + 1,)."""
    return jnp.searchsorted(species, jnp.arange(n_species + 1)).astype(jnp.int32)


def pair_forces(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    derivatives: bool = False,
) -> Forces:
    """Pair forces on this device's part of the sorted atoms; `derivatives` adds their part of the strain derivative
    (six more sums)."""
    dtype = jnp.float32 if plan.precision == "mixed" else jnp.float64
    at, rows = encode(fractional, dtype), metric(cell, dtype)
    mine = share(plan.shards, species.shape[0])
    here = tuple(v[mine.atoms] for v in at)
    row = _rows(potential, species[mine.atoms], dtype)
    bounds = species_bounds(species, len(potential.elements))
    zero = jnp.zeros(len(mine.atoms), dtype)

    def chunk(c, sums):
        j = jax.lax.dynamic_slice_in_dim(neighbors.index, c * CHUNK, CHUNK, 0)
        d = tuple(difference(h, v.at[j].get(mode="promise_in_bounds")) for h, v in zip(here, at, strict=True))
        x, y, z = cartesian((d[0], d[1], d[2]), rows, plan.orthorhombic)
        f = _force_over_distance(plan, row, bounds, x * x + y * y + z * z, j)
        terms = [f * x, f * y, f * z, *(_virial_terms(f, x, y, z) if derivatives else ())]
        return tuple(s + jnp.sum(t, 0) for s, t in zip(sums, terms, strict=True))

    sums = jax.lax.fori_loop(0, chunks(neighbors), chunk, (zero,) * (9 if derivatives else 3))
    forces = jnp.stack(sums[:3], 1).astype(cell.dtype)
    if not derivatives:
        return Forces(forces, jnp.zeros((3, 3), cell.dtype))
    return Forces(forces, _strain_from_virial(sums[3:], cell.dtype))


class Energy(NamedTuple):
    """Energy (eV) and its strain derivative (3, 3) in eV."""

    energy: Array
    strain_derivative: Array


def pair_energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Energy:
    """Buckingham + screened Coulomb energy and strain derivative of the same list, always in float64."""
    at, rows = encode(fractional, jnp.float64), metric(cell, jnp.float64)
    mine = share(plan.shards, species.shape[0])
    here = tuple(v[mine.atoms] for v in at)
    row = _rows(potential, species[mine.atoms], jnp.float64)
    bounds = species_bounds(species, len(potential.elements))
    alpha = plan.mesh.alpha

    def chunk(c, sums):
        j = jax.lax.dynamic_slice_in_dim(neighbors.index, c * CHUNK, CHUNK, 0)
        d = tuple(difference(h, v.at[j].get(mode="promise_in_bounds")) for h, v in zip(here, at, strict=True))
        x, y, z = cartesian((d[0], d[1], d[2]), rows, plan.orthorhombic)
        r2 = x * x + y * y + z * z
        f = _force_over_distance(plan, row, bounds, r2, j)
        real = (r2 < plan.reach**2) & (r2 > 0)
        r = jnp.sqrt(jnp.where(real, r2, plan.reach**2))
        A, decay, C, qq, r0, B, n, D = (_choose(column, bounds, j) for column in row)
        core = B * jnp.exp(-n * jnp.log(r)) + D * r**2
        short = jnp.where(r < plan.cutoff, jnp.where(r < r0, core, A * jnp.exp(-r * decay) - C / r**6), 0.0)
        coulomb = jnp.where(r < plan.coulomb_cutoff, qq * jax.scipy.special.erfc(alpha * r) / r, 0.0)
        terms = (jnp.where(real, short + coulomb, 0.0), *_virial_terms(f, x, y, z))
        return tuple(s + jnp.sum(t, 0) for s, t in zip(sums, terms, strict=True))

    sums = jax.lax.fori_loop(0, chunks(neighbors), chunk, (jnp.zeros(len(mine.atoms)),) * 7)
    strain = _strain_from_virial(sums[1:], cell.dtype)
    return Energy(add(plan.shards, 0.5 * jnp.sum(sums[0])), add(plan.shards, strain))


def _virial_terms(f: Array, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
    return f * x * x, f * y * y, f * z * z, f * y * z, f * x * z, f * x * y


def _strain_from_virial(sums: tuple[Array, ...], dtype) -> Array:
    """dE/d strain = -1/2 sum_i sum_j f d d from Voigt sums per atom."""
    xx, yy, zz, yz, xz, xy = (-0.5 * jnp.sum(s, dtype=dtype) for s in sums)
    return jnp.stack([jnp.stack([xx, xy, xz]), jnp.stack([xy, yy, yz]), jnp.stack([xz, yz, zz])])

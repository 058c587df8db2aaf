"""The hot path: Buckingham with its core splice and real-space Coulomb over a (K, N) neighbour list.

For every pair, with r^2 from the nearest image and s = species:

    -r dV/dr = A r/rho exp(-r/rho) - 6 C/r^6                   r >= r0        (r < cutoff)
             = n B/r^n - 2 D r^2                               r <  r0
    + k q_i q_j [1/r - r^2 g(r^2)]                             (r < coulomb_cutoff)

where r^3 g = erf(alpha r) - 2 alpha r/sqrt(pi) exp(-alpha^2 r^2) is smooth in r^2, as is erf(alpha r)/r of the energy:
both are power series from a Chebyshev fit (error per pair of unit charges 1e-7 in float32, 1e-12 in float64). With a
switch S(y) over the last w before the cutoff (`model.potential`) V of the first two lines becomes S V, and

    -r d(S V)/dr = -S r dV/dr + 30 y^2 (1 - y)^2 r/w V.

Atoms must be sorted by species: the parameters of slot (k, i) are then chosen by comparing j with three bounds, without
a table look-up.

Two ions are closer than r0 once in hundreds of steps of a melt and never in a glass, so on a CPU the core is left
out, and the list is summed again with it when a pair was found inside.

Each chunk of rows is one fused pass with sums over the leading axis. The final division keeps XLA from
recomputing the whole expression once per Cartesian component (it duplicates cheap roots, not divisions).
Indices: i, j atoms; k rows; s species of j.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.polynomial import chebyshev
from scipy.special import erf

from jaxglass.engine.coordinates import cartesian, difference, encode, metric
from jaxglass.engine.neighbors import Neighbors, blocks_of
from jaxglass.engine.plan import CHUNK, Plan
from jaxglass.engine.shards import add, share
from jaxglass.model.potential import Potential, splice, switch_factor, switch_slope
from jaxglass.units import COULOMB


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


def _packed_rows(potential: Potential, species: Array, dtype) -> Array:
    """What becomes `_Rows`, for atoms of `species` (blocks, B) in one array (blocks, 8, S, B): it is cut into blocks at
    once, and not 8 S times."""
    core, q = splice(potential), potential.charges
    qq = potential.coulomb_constant * q[:, None] * q[None, :]
    tables = [potential.A, 1 / potential.rho, potential.C, qq, core.r0, core.B, core.n, core.D]
    return jnp.moveaxis(jnp.stack(tables).astype(dtype)[..., species], 2, 0)


def _rows(packed: Array) -> _Rows:
    """Parameters (..., 1, B) against a chunk of neighbours."""
    count = packed.shape[-2]
    return _Rows(*(tuple(packed[..., k, s, None, :] for s in range(count)) for k in range(len(_Rows._fields))))


def _choose(columns: tuple, bounds: Array, j: Array) -> Array:
    """Entry of `columns` for the species of j, given the first atom of each species."""
    chosen = columns[-1]
    for s in range(len(columns) - 2, -1, -1):
        chosen = jnp.where(j < bounds[s + 1], columns[s], chosen)
    return chosen


@lru_cache
def smooth_force(alpha: float, cutoff: float, accuracy: float) -> tuple[float, ...]:
    """Coefficients in u = 2 r^2/cutoff^2 - 1 of g(r^2) = [erf(x) - 2 x/sqrt(pi) exp(-x^2)]/r^3, x = alpha r."""

    def g(r):
        x = alpha * r
        series = 4 / (3 * np.sqrt(np.pi)) * alpha**3 * (1 - 3 / 5 * x**2 + 3 / 14 * x**4)
        near = x < 0.01  # where the difference cancels
        r = np.where(near, 1.0, r)
        return np.where(near, series, (erf(x) - 2 / np.sqrt(np.pi) * x * np.exp(-x * x)) / r**3)

    return _power_series(g, lambda r: r, cutoff, accuracy)


@lru_cache
def smooth_energy(alpha: float, cutoff: float, accuracy: float) -> tuple[float, ...]:
    """Coefficients in u of h(r^2) = erf(alpha r)/r."""
    return _power_series(lambda r: erf(alpha * r) / r, np.ones_like, cutoff, accuracy)


def _power_series(function, weight, cutoff: float, accuracy: float) -> tuple[float, ...]:
    """`function(r)` as a power series in u; `weight(r)` times its error is below `accuracy` (per e^2, eV, A)."""

    def distance(u):
        return np.sqrt(np.maximum((u + 1) / 2, 1e-9)) * cutoff

    grid = distance(np.linspace(-0.99, 1, 4001))
    for degree in range(8, 60):
        fit = chebyshev.cheb2poly(chebyshev.chebinterpolate(lambda u: function(distance(u)), degree))
        found = np.polynomial.polynomial.polyval(2 * (grid / cutoff) ** 2 - 1, fit)
        if np.max(np.abs(found - function(grid)) * weight(grid)) * COULOMB < accuracy:
            break
    return tuple(float(c) for c in fit)


def _powers_of_two(degree: int) -> tuple[float, ...]:
    """Coefficients of 2^f on -1/2 ... 1/2."""
    nodes = chebyshev.chebpts1(degree + 1)
    fit = chebyshev.cheb2poly(chebyshev.chebfit(nodes, np.exp2(nodes / 2), degree))
    return tuple(float(c * 2.0**k) for k, c in enumerate(fit))


_POWERS_OF_TWO = _powers_of_two(10)


def _series(plan: Plan, smooth, r2: Array) -> Array:
    """The power series of `smooth` at `r2`, to the accuracy that its arithmetic can use."""
    accuracy = 1e-7 if r2.dtype == jnp.float32 else 1e-12
    coefficients = smooth(plan.mesh.alpha, plan.coulomb_cutoff, accuracy)
    u = r2 * jnp.asarray(2 / plan.coulomb_cutoff**2, r2.dtype) - 1
    value = jnp.full_like(u, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * u + jnp.asarray(c, r2.dtype)
    return value


def _inverse_root(r2: Array) -> Array:
    """1/r; in float64 by a Newton step from float32 (relative error 3e-14), since its own root and division are three
    times as slow."""
    if r2.dtype == jnp.float32:
        return jax.lax.rsqrt(r2)
    y = jax.lax.rsqrt(r2.astype(jnp.float32)).astype(jnp.float64)
    return y * (1.5 - 0.5 * r2 * y * y)


def _exponential(x: Array) -> Array:
    """exp(x) for -700 < x < 700; in float64 as 2^k 2^f with a polynomial (relative error 1e-14), twice as fast."""
    if x.dtype == jnp.float32:
        return jnp.exp(x)
    t = x / np.log(2)
    k = jax.lax.round(t, jax.lax.RoundingMethod.TO_NEAREST_EVEN)
    f = t - k
    power = jnp.full_like(f, _POWERS_OF_TWO[-1])
    for c in _POWERS_OF_TWO[-2::-1]:
        power = power * f + c
    # adding 1.5 2^52 leaves the integer k in the lowest bits; 2^k is its exponent
    exponent = jax.lax.bitcast_convert_type(k + 1.5 * 2.0**52, jnp.int64) + 1023
    return power * jax.lax.bitcast_convert_type(exponent << 52, jnp.float64)


class _Slots(NamedTuple):
    """One chunk of rows: neighbours j, components and square of r_ij (A), (CHUNK, n) each."""

    j: Array
    x: Array
    y: Array
    z: Array
    r2: Array


def _within(plan: Plan, r2: Array, short: Array, coulomb: Array) -> Array:
    """Sum of both parts, each up to its cutoff; zero in unused slots."""
    if plan.cutoff < plan.reach:
        short = jnp.where(r2 < plan.cutoff**2, short, 0)
    if plan.coulomb_cutoff < plan.reach:
        coulomb = jnp.where(r2 < plan.coulomb_cutoff**2, coulomb, 0)
    return short + coulomb


class _Radial(NamedTuple):
    """Distances of one chunk, those outside reach and of unused slots replaced, and the parameters of their pairs."""

    real: Array
    r2: Array
    r: Array
    inverse: Array
    A: Array
    decay: Array
    C: Array
    qq: Array


def _radial(plan: Plan, row: _Rows, bounds: Array, slots: _Slots) -> _Radial:
    reach2 = plan.reach**2
    real = (slots.r2 < reach2) & (slots.r2 > 0)
    r2 = jnp.where(real, slots.r2, reach2)
    inverse = _inverse_root(r2)
    chosen = (_choose(column, bounds, slots.j) for column in (row.A, row.decay, row.C, row.qq))
    return _Radial(real, r2, r2 * inverse, inverse, *chosen)


class _Buckingham(NamedTuple):
    """V (eV) of the Buckingham part of every slot, and -r dV/dr."""

    energy: Array
    push: Array


def _buckingham(potential: Potential, row: _Rows, bounds: Array, slots: _Slots, at: _Radial, core: bool) -> _Buckingham:
    """With its switch, if it has one; not yet cut. Without `core`, right from r0 outwards."""
    _, r2, r, inverse, A, decay, C, _ = at
    steep, inverse2 = r * decay, inverse * inverse
    decayed, inverse6 = _exponential(-steep), inverse2 * inverse2 * inverse2
    energy, push = A * decayed - C * inverse6, steep * A * decayed - 6 * C * inverse6
    if core:
        r0, B, n, D = (_choose(column, bounds, slots.j) for column in (row.r0, row.B, row.n, row.D))
        inside, power = r < r0, jnp.exp(-n * jnp.log(r))
        energy = jnp.where(inside, B * power + D * r2, energy)
        push = jnp.where(inside, n * B * power - 2 * D * r2, push)
    if potential.switch == 0:
        return _Buckingham(energy, push)
    S, slope = switch_factor(potential, r), switch_slope(potential, r)
    return _Buckingham(S * energy, S * push + r * slope * energy)


def _force_over_distance(
    plan: Plan, potential: Potential, row: _Rows, bounds: Array, slots: _Slots, core: bool
) -> Array:
    """-(dV/dr)/r of every slot; without `core`, right from r0 outwards."""
    at = _radial(plan, row, bounds, slots)
    short = _buckingham(potential, row, bounds, slots, at, core).push
    coulomb = at.qq * (at.inverse - at.r2 * _series(plan, smooth_force, at.r2))
    return jnp.where(at.real, _within(plan, at.r2, short, coulomb), 0) / at.r2


def _pair_energy(plan: Plan, potential: Potential, row: _Rows, bounds: Array, slots: _Slots, core: bool) -> Array:
    """V of every slot; without `core`, right from r0 outwards."""
    at = _radial(plan, row, bounds, slots)
    short = _buckingham(potential, row, bounds, slots, at, core).energy
    coulomb = at.qq * (at.inverse - _series(plan, smooth_energy, at.r2))
    return jnp.where(at.real, _within(plan, at.r2, short, coulomb), 0)


class _Blocks(NamedTuple):
    """What the sums need of the atoms of this device, by block: the leading axis."""

    rows: Array
    owned: Array
    at: tuple[Array, ...]
    packed: Array


def species_bounds(species: Array, n_species: int) -> Array:
    """First atom of each species in a sorted `species` (N,), and N at the end, (S + 1,)."""
    return jnp.sum(species < jnp.arange(n_species + 1)[:, None], axis=1, dtype=jnp.int32)


def _sum_over_list(
    plan: Plan,
    potential: Potential,
    species: Array,
    fractional: Array,
    cell: Array,
    neighbors: Neighbors,
    terms: Callable[[_Rows, Array, _Slots, bool], tuple[Array, ...]],
    width: int,
    owned: bool = False,
) -> tuple[Array, ...]:
    """Sums (n,) of the `width` values that `terms` gives over the neighbours of this device's atoms, or
    over those of `owned` pairs alone."""
    at, metric_rows = encode(fractional, plan.dtype), metric(cell, plan.dtype)
    mine = share(plan.shards, species.shape[0])
    atoms, index = blocks_of(mine).atoms, neighbors.index
    bounds = species_bounds(species, len(potential.elements))
    blocks = _Blocks(
        rows=jnp.max(neighbors.owned, axis=1) if owned else neighbors.rows,
        owned=neighbors.owned,
        at=tuple(v[atoms] for v in at),
        packed=_packed_rows(potential, species[atoms], plan.dtype),
    )

    def over(block: _Blocks, slots_from: Callable[[Array], Array], core: bool) -> tuple[Array, ...]:
        """The sums (..., B) over slots (..., CHUNK, B) and, without `core`, how many neighbours are inside their r0."""
        here, own = jax.tree.map(lambda v: v[..., None, :], (block.at, block.owned))

        def chunk(c, sums):
            # barrier: bound to c, the rows are read where they are used and not copied one by one before the loop
            c, packed = jax.lax.optimization_barrier((c, block.packed))
            row, j = _rows(packed), slots_from(c * CHUNK)
            d = tuple(difference(h, v.at[j].get(mode="promise_in_bounds")) for h, v in zip(here, at, strict=True))
            x, y, z = cartesian((d[0], d[1], d[2]), metric_rows, plan.orthorhombic)
            r2 = x * x + y * y + z * z
            if owned:
                r2 = jnp.where(c * CHUNK + jnp.arange(CHUNK)[:, None] < own, r2, 0)
            slots = _Slots(j, x, y, z, r2)
            found = terms(row, bounds, slots, core)
            if not core:
                r0 = _choose(row.r0, bounds, j)
                found = (*found, ((slots.r2 < r0 * r0) & (slots.r2 > 0)).astype(plan.dtype))
            return tuple(s + jnp.sum(t, -2) for s, t in zip(sums, found, strict=True))

        zeros = (jnp.zeros(block.owned.shape, plan.dtype),) * (width if core else width + 1)
        return jax.lax.fori_loop(jnp.int32(0), (jnp.max(block.rows) + CHUNK - 1) // CHUNK, chunk, zeros)

    def block_by_block(core: bool) -> tuple[Array, ...]:
        def one(b: Array) -> tuple[Array, ...]:
            def slots_from(k: Array) -> Array:
                shape = (1, CHUNK, index.shape[2])
                return jax.lax.dynamic_slice(index, (b, k, jnp.zeros_like(b)), shape)[0]

            # barrier: what is known of a block is to be copied once, not looked up again in every chunk
            return over(jax.lax.optimization_barrier(jax.tree.map(lambda v: v[b], blocks)), slots_from, core)

        return jax.lax.map(one, jnp.arange(len(index), dtype=jnp.int32))

    def at_once() -> tuple[Array, ...]:
        return over(blocks, lambda k: jax.lax.dynamic_slice_in_dim(index, k, CHUNK, 1), core=True)

    def core_if_needed() -> tuple[Array, ...]:
        *sums, inside = block_by_block(core=False)
        return jax.lax.cond(jnp.any(inside > 0), lambda: block_by_block(core=True), lambda: tuple(sums))

    sums = jax.lax.platform_dependent(cpu=core_if_needed, default=at_once)
    return tuple(s.reshape(-1)[: len(mine.atoms)] for s in sums)


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

    def terms(row: _Rows, bounds: Array, slots: _Slots, core: bool) -> tuple[Array, ...]:
        f = _force_over_distance(plan, potential, row, bounds, slots, core)
        forces = (f * slots.x, f * slots.y, f * slots.z)
        return (*forces, *_virial_terms(f, slots)) if derivatives else forces

    width = 9 if derivatives else 3
    sums = _sum_over_list(plan, potential, species, fractional, cell, neighbors, terms, width)
    forces = jnp.stack(sums[:3], 1).astype(cell.dtype)
    if not derivatives:
        return Forces(forces, jnp.zeros((3, 3), cell.dtype))
    return Forces(forces, 0.5 * _strain_from_virial(sums[3:], cell.dtype))


class Energy(NamedTuple):
    """Energy (eV) and its strain derivative (3, 3) in eV."""

    energy: Array
    strain_derivative: Array


def pair_energy(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Energy:
    """Buckingham + screened Coulomb energy and strain derivative, each pair once, in the arithmetic of the plan."""

    def terms(row: _Rows, bounds: Array, slots: _Slots, core: bool) -> tuple[Array, ...]:
        f = _force_over_distance(plan, potential, row, bounds, slots, core)
        return (_pair_energy(plan, potential, row, bounds, slots, core), *_virial_terms(f, slots))

    sums = _sum_over_list(plan, potential, species, fractional, cell, neighbors, terms, 7, owned=True)
    strain = _strain_from_virial(sums[1:], cell.dtype)
    return Energy(add(plan.shards, jnp.sum(sums[0], dtype=cell.dtype)), add(plan.shards, strain))


def pair_virials(
    plan: Plan, potential: Potential, species: Array, fractional: Array, cell: Array, neighbors: Neighbors
) -> Array:
    """Strain derivative (eV) of the pair energy by atom, half of each pair to either, (n, 3, 3)."""

    def terms(row: _Rows, bounds: Array, slots: _Slots, core: bool) -> tuple[Array, ...]:
        return _virial_terms(_force_over_distance(plan, potential, row, bounds, slots, core), slots)

    sums = _sum_over_list(plan, potential, species, fractional, cell, neighbors, terms, 6)
    xx, yy, zz, yz, xz, xy = sums
    rows = [jnp.stack(row, -1) for row in ((xx, xy, xz), (xy, yy, yz), (xz, yz, zz))]
    return -0.5 * jnp.stack(rows, -2).astype(cell.dtype)


def _virial_terms(f: Array, slots: _Slots) -> tuple[Array, ...]:
    x, y, z = slots.x, slots.y, slots.z
    return f * x * x, f * y * y, f * z * z, f * y * z, f * x * z, f * x * y


def _strain_from_virial(sums: tuple[Array, ...], dtype) -> Array:
    """dE/d strain = -sum over pairs of f d d, from Voigt sums per atom."""
    xx, yy, zz, yz, xz, xy = -jnp.sum(jnp.stack(sums), axis=1, dtype=dtype)
    return jnp.stack([jnp.stack([xx, xy, xz]), jnp.stack([xy, yy, yz]), jnp.stack([xz, yz, zz])])

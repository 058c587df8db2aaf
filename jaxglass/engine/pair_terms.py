"""What a pair adds to forces, energy and virial.

For every pair, with r^2 from the nearest image and s = species:

    -r dV/dr = A r/rho exp(-r/rho) - 6 C/r^6                   r >= r0        (r < cutoff)
             = n B/r^n - 2 D r^2                               r <  r0
    + k q_i q_j [1/r - r^2 g(r^2)]                             (r < coulomb_cutoff)

with g of `special_functions`. With a switch S(y) over the last w before the cutoff (`model.potential`) V of the first
two lines becomes S V, and

    -r d(S V)/dr = -S r dV/dr + 30 y^2 (1 - y)^2 r/w V.

Atoms must be sorted by species: the parameters of slot (k, i) are then chosen by comparing j with three bounds, without
a table look-up. Indices: i, j atoms; k rows; s species of j.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxglass.engine.plan import Plan
from jaxglass.engine.special_functions import exponential, inverse_root, series, smooth_energy, smooth_force
from jaxglass.model.potential import Potential, splice, switch_factor, switch_slope


class Rows(NamedTuple):
    """Parameters of atom i against species s, each a tuple of S arrays (N,)."""

    A: tuple
    decay: tuple
    C: tuple
    qq: tuple
    r0: tuple
    B: tuple
    n: tuple
    D: tuple


def packed_rows(potential: Potential, species: Array, dtype) -> Array:
    """What becomes `Rows`, for atoms of `species` (blocks, B) in one array (blocks, 8, S, B): it is cut into blocks at
    once, and not 8 S times."""
    core, q = splice(potential), potential.charges
    qq = potential.coulomb_constant * q[:, None] * q[None, :]
    tables = [potential.A, 1 / potential.rho, potential.C, qq, core.r0, core.B, core.n, core.D]
    return jnp.moveaxis(jnp.stack(tables).astype(dtype)[..., species], 2, 0)


def rows(packed: Array) -> Rows:
    """Parameters (..., 1, B) against a chunk of neighbours."""
    count = packed.shape[-2]
    return Rows(*(tuple(packed[..., k, s, None, :] for s in range(count)) for k in range(len(Rows._fields))))


def choose(columns: tuple, bounds: Array, j: Array) -> Array:
    """Entry of `columns` for the species of j, given the first atom of each species."""
    chosen = columns[-1]
    for s in range(len(columns) - 2, -1, -1):
        chosen = jnp.where(j < bounds[s + 1], columns[s], chosen)
    return chosen


class Slots(NamedTuple):
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


class Radial(NamedTuple):
    """Distances of one chunk, those outside reach and of unused slots replaced, and the parameters of their pairs."""

    real: Array
    r2: Array
    r: Array
    inverse: Array
    A: Array
    decay: Array
    C: Array
    qq: Array


def _radial(plan: Plan, row: Rows, bounds: Array, slots: Slots) -> Radial:
    reach2 = plan.reach**2
    real = (slots.r2 < reach2) & (slots.r2 > 0)
    r2 = jnp.where(real, slots.r2, reach2)
    inverse = inverse_root(r2)
    chosen = (choose(column, bounds, slots.j) for column in (row.A, row.decay, row.C, row.qq))
    return Radial(real, r2, r2 * inverse, inverse, *chosen)


class Buckingham(NamedTuple):
    """V (eV) of the Buckingham part of every slot, and -r dV/dr."""

    energy: Array
    push: Array


def _buckingham(potential: Potential, row: Rows, bounds: Array, slots: Slots, at: Radial, core: bool) -> Buckingham:
    """With its switch, if it has one; not yet cut. Without `core`, right from r0 outwards."""
    _, r2, r, inverse, A, decay, C, _ = at
    steep, inverse2 = r * decay, inverse * inverse
    decayed, inverse6 = exponential(-steep), inverse2 * inverse2 * inverse2
    energy, push = A * decayed - C * inverse6, steep * A * decayed - 6 * C * inverse6
    if core:
        r0, B, n, D = (choose(column, bounds, slots.j) for column in (row.r0, row.B, row.n, row.D))
        inside, power = r < r0, jnp.exp(-n * jnp.log(r))
        energy = jnp.where(inside, B * power + D * r2, energy)
        push = jnp.where(inside, n * B * power - 2 * D * r2, push)
    if potential.switch == 0:
        return Buckingham(energy, push)
    S, slope = switch_factor(potential, r), switch_slope(potential, r)
    return Buckingham(S * energy, S * push + r * slope * energy)


def force_over_distance(plan: Plan, potential: Potential, row: Rows, bounds: Array, slots: Slots, core: bool) -> Array:
    """-(dV/dr)/r of every slot; without `core`, right from r0 outwards.

    The final division keeps XLA from recomputing the whole expression once per Cartesian component (it duplicates
    cheap roots, not divisions).
    """
    at = _radial(plan, row, bounds, slots)
    short = _buckingham(potential, row, bounds, slots, at, core).push
    coulomb = at.qq * (at.inverse - at.r2 * series(plan, smooth_force, at.r2))
    return jnp.where(at.real, _within(plan, at.r2, short, coulomb), 0) / at.r2


def energy_of_slots(plan: Plan, potential: Potential, row: Rows, bounds: Array, slots: Slots, core: bool) -> Array:
    """V of every slot; without `core`, right from r0 outwards."""
    at = _radial(plan, row, bounds, slots)
    short = _buckingham(potential, row, bounds, slots, at, core).energy
    coulomb = at.qq * (at.inverse - series(plan, smooth_energy, at.r2))
    return jnp.where(at.real, _within(plan, at.r2, short, coulomb), 0)


def virial_terms(f: Array, slots: Slots) -> tuple[Array, ...]:
    """f d d of every slot in Voigt order: xx, yy, zz, yz, xz, xy."""
    x, y, z = slots.x, slots.y, slots.z
    return f * x * x, f * y * y, f * z * z, f * y * z, f * x * z, f * x * y

"""How thermal averages of a glass in its basin follow the potential: tangents of a damped run, with the noise kept.

    dp/dt = F - gamma p + sqrt(2 gamma m kT) xi        tangent: the same xi, d/dtheta of every step

A glass at 300 K with strong friction forgets: tangents stay bounded except for rare bursts, which are rearrangements
and pass again. Windows whose tangent exceeds `BURST` at any time are dropped and their share is told. In a melt, or
with a cutoff that jumps, the tangents are worthless. Splitting BAOAB (Leimkuhler & Matthews 2013). Indices: w windows;
p parameters.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass import units
from jaxglass.model.cell import inverse
from jaxglass.model.system import System
from jaxglass.refit.estimate import Estimate

BURST = 20.0  # A per unit of ln value, rms over atoms
FRICTION = 20.0  # 1/ps: 50 fs, stronger than any thermostat of the protocols


class Window(NamedTuple):
    """Mean of the observable over a window (R,), its tangent (P, R), and the largest rms tangent of positions (P,) in
    it, A per unit of ln value."""

    mean: Array
    tangent: Array
    growth: Array


Observe = Callable[[Array, Array], Array]  # (fractional, z) -> (R,)
ForceField = Callable[[Array, Array], Array]  # (fractional, z) -> forces (N, 3) in eV/A


Carry = tuple[Array, Array, Array]  # fractional (N, 3), momenta (N, 3) in amu A/ps, forces (N, 3) in eV/A there


def damped_step(
    force: ForceField, system: System, kT: float, timestep: float, carry: Carry, key: Array, z: Array
) -> Carry:
    """One step of BAOAB at fixed cell."""
    x, p, f = carry
    masses, to_fractional = system.masses[:, None], inverse(system.cell)
    p = p + 0.5 * timestep / units.AMU * f
    x = x + 0.5 * timestep * (p / masses) @ to_fractional
    keep = jnp.exp(-FRICTION * timestep)
    noise = jax.random.normal(key, p.shape, p.dtype)
    p = keep * p + jnp.sqrt((1 - keep**2) * masses * kT / units.AMU) * noise
    x = x + 0.5 * timestep * (p / masses) @ to_fractional
    f = force(x, z)
    return x, p + 0.5 * timestep / units.AMU * f, f


def window(
    force: ForceField,
    observe: Observe,
    system: System,
    temperature: float,
    timestep: float,
    steps: int,
    every: int,
    key: Array,
    z: Array,
) -> tuple[Array, Array]:
    """Mean (R,) of the observable, every `every` of `steps` steps from `system`, and the positions there (T, N, 3)."""
    step = partial(damped_step, force, system, units.BOLTZMANN * temperature, timestep)

    def stretch(carry, keys):
        carry = jax.lax.scan(lambda c, key: (step(c, key, z), None), carry, keys)[0]
        return carry, (observe(carry[0], z), carry[0])

    keys = jax.random.split(key, (steps // every, every))
    start = system.fractional, system.momenta, force(system.fractional, z)
    _, (found, x) = jax.lax.scan(stretch, start, keys)
    return jnp.mean(found, 0), x


def tangents(run: Callable[[Array], tuple[Array, Array]], cell: Array, z: Array, sd: Array) -> Window:
    """`run(z)` gives mean and positions; their tangents, one parameter after another. ln value = ln start + `sd` z."""
    mean, _ = run(z)

    def along(e: Array) -> tuple[Array, Array]:
        d_mean, d_x = jax.jvp(run, (z,), (e,))[1]
        rms = jnp.sqrt(jnp.mean(jnp.sum((d_x @ cell) ** 2, -1), -1))
        return d_mean, jnp.max(rms)

    tangent, growth = jax.lax.map(along, jnp.eye(len(z)))
    return Window(mean, tangent, growth / sd)


def without_bursts(windows: list[Window]) -> tuple[Estimate, float]:
    """Means over the windows whose growth stays below `BURST`, with errors over them, and the share that was
    dropped."""
    calm = [w for w in windows if np.all(np.asarray(w.growth) < BURST)]
    shapes = np.shape(windows[0].mean), np.shape(windows[0].tangent)
    if not calm:
        return Estimate(*(np.full(shape, np.nan) for shape in (*shapes, *shapes))), 1.0
    values = np.array([w.mean for w in calm]), np.array([w.tangent for w in calm])
    errors = [np.full(shape, np.nan) for shape in shapes]
    if len(calm) > 1:
        errors = [np.std(v, axis=0, ddof=1) / np.sqrt(len(calm)) for v in values]
    return Estimate(values[0].mean(0), values[1].mean(0), *errors), 1 - len(calm) / len(windows)

"""Where the time of a step goes: every piece of it timed in a compiled loop of its own, at the state of a run.

    step = pair + mesh + rebuild/stride + sample/interval + rest

Each piece feeds a vanishing part of its result back into its argument: the compiler can neither drop it nor move it
out of the loop.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass.benchmark.timed_run import TimedRun
from jaxglass.engine import forces as engine
from jaxglass.engine.kernel import pair_forces
from jaxglass.engine.mesh import mesh_forces
from jaxglass.engine.neighbors import build
from jaxglass.simulation.lane import INTERVAL

NOTHING = 1e-30  # times a force or an energy: far below the rounding of a coordinate
ROUNDS, SECONDS = 5, 0.15  # how often each piece is timed, and about how long each time


@dataclass(frozen=True)
class Split:
    """Milliseconds of one pair sum, mesh sum, rebuild of the list and energy; steps between rebuilds."""

    temperature_K: float
    step_ms: float
    pair_ms: float
    mesh_ms: float
    rebuild_ms: float
    sample_ms: float
    stride: int

    @property
    def force_ms(self) -> float:
        """One force evaluation."""
        return self.pair_ms + self.mesh_ms

    @property
    def lists_ms(self) -> float:
        """List work, averaged over steps."""
        return self.rebuild_ms / self.stride

    @property
    def sampling_ms(self) -> float:
        """Energy samples, averaged over steps."""
        return self.sample_ms / INTERVAL

    @property
    def rest_ms(self) -> float:
        """Integrator, thermostat, validity checks, and what the pieces above do not explain."""
        return self.step_ms - self.force_ms - self.lists_ms - self.sampling_ms

    @property
    def rebuild_in_forces(self) -> float:
        """A rebuild of the list in units of a force evaluation."""
        return self.rebuild_ms / self.force_ms

    @property
    def list_share(self) -> float:
        """List work over force work, averaged over steps."""
        return self.lists_ms / self.force_ms


def split(run: TimedRun, temperature: float, step_seconds: float) -> Split:
    """Time the pieces of a step of `run`, whose whole steps take `step_seconds`; for runs on one device."""
    plan, potential, rhythm = run.plan, run.potential, run.rhythm()
    system = jax.tree.map(jnp.asarray, run.state.system)
    species, cell = system.species, system.cell
    dtype = jnp.float32 if plan.precision == "mixed" else jnp.float64
    reach = plan.reach + rhythm.skin
    near = jax.jit(build, static_argnums=0)(plan, system.fractional, cell, reach)

    def pair(shared, fractional):
        potential, near = shared
        return fractional + NOTHING * pair_forces(plan, potential, species, fractional, cell, near).forces

    def mesh(shared, fractional):
        potential, _ = shared
        found = mesh_forces(
            plan.mesh, potential.charges[species], potential.coulomb_constant, tuple(fractional.T), cell, dtype, False
        )
        return fractional + NOTHING * found.forces

    def sample(shared, fractional):
        potential, near = shared
        found = engine.energy(plan, potential, species, fractional, cell, near)
        return fractional + NOTHING * (found.energy + jnp.sum(found.strain_derivative))

    def rebuild(shared, neighbors):
        everything = jnp.sum(neighbors.index[:, 0]) + jnp.sum(neighbors.rows)
        return build(plan, system.fractional + NOTHING * everything, cell, reach, neighbors)

    at = (potential, near)
    return Split(
        temperature,
        1e3 * step_seconds,
        pair_ms=_milliseconds(pair, at, system.fractional),
        mesh_ms=_milliseconds(mesh, at, system.fractional),
        rebuild_ms=_milliseconds(rebuild, None, near),
        sample_ms=_milliseconds(sample, at, system.fractional),
        stride=int(rhythm.stride),
    )


@partial(jax.jit, static_argnames=("piece",))
def _repeated(piece: Callable, shared: Any, carry: Any, count: int) -> Any:
    return jax.lax.fori_loop(0, count, lambda _, c: piece(shared, c), carry)


def _milliseconds(piece: Callable, shared: Any, carry: Any) -> float:
    """Median milliseconds of one `piece(shared, carry) -> carry`."""

    def seconds(count: int) -> float:
        began = time.perf_counter()
        jax.block_until_ready(_repeated(piece, shared, carry, count))
        return (time.perf_counter() - began) / count

    seconds(1)  # compiles
    count = max(1, round(SECONDS / seconds(2)))
    return 1e3 * float(np.median([seconds(count) for _ in range(ROUNDS)]))

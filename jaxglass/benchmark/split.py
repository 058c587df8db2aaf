"""Where the time of a step goes: every piece of it timed in a compiled loop of its own, at the state of a run.

    step = pair + mesh + build/(stride prunes) + prune/stride + sample/interval + rest

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
from jaxglass.engine.neighbors import build, prune
from jaxglass.simulation.lane import INTERVAL

NOTHING = 1e-30  # times a force or an energy: far below the rounding of a coordinate
ROUNDS, SECONDS = 5, 0.15  # how often each piece is timed, and about how long each time


@dataclass(frozen=True)
class Split:
    """Milliseconds of one pair sum, mesh sum, outer build, inner prune and energy; steps between renewals."""

    temperature_K: float
    step_ms: float
    pair_ms: float
    mesh_ms: float
    build_ms: float
    prune_ms: float
    sample_ms: float
    steps_per_build: int
    steps_per_prune: int

    @property
    def force_ms(self) -> float:
        """One force evaluation."""
        return self.pair_ms + self.mesh_ms

    @property
    def lists_ms(self) -> float:
        """List work, averaged over steps."""
        return self.build_ms / self.steps_per_build + self.prune_ms / self.steps_per_prune

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
        """A full rebuild (outer build and inner prune) in units of a force evaluation."""
        return (self.build_ms + self.prune_ms) / self.force_ms

    @property
    def list_share(self) -> float:
        """List work over force work, averaged over steps."""
        return self.lists_ms / self.force_ms


def split(run: TimedRun, temperature: float, step_seconds: float) -> Split:
    """Time the pieces of a step of `run`, whose whole steps take `step_seconds`; for runs on one device."""
    plan, potential, system, rhythm = run.plan, run.potential, run.state.system, run.rhythm()
    species, cell = system.species, system.cell
    dtype = jnp.float32 if plan.precision == "mixed" else jnp.float64
    outer_reach, inner_reach = plan.reach + rhythm.outer_skin, plan.reach + rhythm.inner_skin
    outer = jax.jit(build, static_argnums=0)(plan, system.fractional, cell, outer_reach)
    inner = jax.jit(prune, static_argnums=0)(plan, outer, system.fractional, cell, inner_reach)

    def pair(shared, fractional):
        potential, inner = shared
        return fractional + NOTHING * pair_forces(plan, potential, species, fractional, cell, inner).forces

    def mesh(shared, fractional):
        potential, _ = shared
        found = mesh_forces(
            plan.mesh, potential.charges[species], potential.coulomb_constant, tuple(fractional.T), cell, dtype, False
        )
        return fractional + NOTHING * found.forces

    def sample(shared, fractional):
        potential, inner = shared
        found = engine.energy(plan, potential, species, fractional, cell, inner)
        return fractional + NOTHING * (found.energy + jnp.sum(found.strain_derivative))

    def renew_outer(shared, neighbors):
        return build(plan, system.fractional + NOTHING * neighbors.rows, cell, outer_reach)

    def renew_inner(shared, neighbors):
        return prune(plan, shared, system.fractional + NOTHING * neighbors.rows, cell, inner_reach)

    at = (potential, inner)
    stride = int(rhythm.stride)
    return Split(
        temperature,
        1e3 * step_seconds,
        pair_ms=_milliseconds(pair, at, system.fractional),
        mesh_ms=_milliseconds(mesh, at, system.fractional),
        build_ms=_milliseconds(renew_outer, None, outer),
        prune_ms=_milliseconds(renew_inner, outer, inner),
        sample_ms=_milliseconds(sample, at, system.fractional),
        steps_per_build=stride * int(rhythm.prunes),
        steps_per_prune=stride,
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

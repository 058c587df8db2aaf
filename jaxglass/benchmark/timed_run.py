"""Dynamics that keep their lists valid and say how long they took; no files, no stages.

A block that a list failed to cover is repeated, as in `simulation.lane`; time that went into compiling or into a
block that had to be repeated is not counted.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass.dynamics.state import State
from jaxglass.engine.plan import Plan
from jaxglass.errors import NumericalError
from jaxglass.model.potential import Potential
from jaxglass.simulation import rhythm as rhythms
from jaxglass.simulation.block import MAX_SAMPLES, BlockResult, Health, Rhythm, run_block
from jaxglass.simulation.health import repaired, too_fast
from jaxglass.simulation.lane import INTERVAL, MOST_ATTEMPTS, control_of
from jaxglass.simulation.stage import Stage


class TimedRun:
    """A run at constant temperature (K) and, for `npt`, at zero pressure."""

    def __init__(
        self,
        plan: Plan,
        potential: Potential,
        state: State,
        temperature: float,
        ensemble: str = "nvt",
        timestep: float = 0.001,
    ):
        """Prepare a cautious pace; `timestep` in ps."""
        rhythms.check_width(np.asarray(state.system.cell), plan.reach)  # before anything is compiled
        self.plan, self.potential, self.ensemble = plan, potential, ensemble
        self.control = control_of(Stage("timed", ensemble, 1, (temperature, temperature), timestep=timestep))
        self.pace = rhythms.first_pace(temperature, timestep)
        self.state = state
        self.compiled: set[Plan] = set()

    def rhythm(self, interval: int = INTERVAL) -> Rhythm:
        """How often the next block renews its lists."""
        return rhythms.choose(self.plan, np.asarray(self.state.system.cell), self.pace, interval)

    def settle(self, blocks: int, steps: int, interval: int = INTERVAL) -> None:
        """Compile, and let the rhythm of the lists follow the atoms."""
        for _ in range(blocks):
            self.block(steps, interval)

    def advance(self, steps: int) -> None:
        """Run at least `steps` steps in blocks of two samples."""
        self.settle(-(-steps // (2 * INTERVAL)), min(steps, 2 * INTERVAL))

    def block(self, steps: int, interval: int = INTERVAL) -> float:
        """Advance by about `steps`, with an energy every `interval`; seconds per step of a valid, compiled attempt."""
        samples = int(np.clip(steps // interval, 1, MAX_SAMPLES))
        for _ in range(MOST_ATTEMPTS):
            rhythm, warm = self.rhythm(interval), self.plan in self.compiled
            began = time.perf_counter()
            found = jax.block_until_ready(
                run_block(
                    self.plan, self.ensemble, self.potential, self.control, rhythm, jnp.asarray(samples), self.state
                )
            )
            seconds = (time.perf_counter() - began) / (samples * interval)
            self.compiled.add(self.plan)
            if self.take(rhythm, found) and warm:
                return seconds
        raise NumericalError(f"benchmark: no valid block of {samples * interval} steps in {MOST_ATTEMPTS} attempts")

    def take(self, rhythm: Rhythm, found: BlockResult) -> bool:
        """Whether the block was valid: it is kept, or lists and pace are mended so that the next can be."""
        health = jax.device_get(found.health)
        if self._repaired(health):
            return False
        self.state = jax.device_get(found.state)  # left on several devices it would be compiled for once more
        self.pace = rhythms.blend(self.pace, rhythms.measured(health, rhythm))
        return True

    def _repaired(self, health: Health) -> bool:
        """Whether the block has to be repeated; larger lists or a slower pace are then in place."""
        plan = repaired(self.plan, health, self.state.system)
        if plan is not None:
            self.plan = plan
        elif too_fast(health):
            self.pace = rhythms.slower(self.pace)
        else:
            return False
        return True

"""Glasses as lanes of one program, for comparison with the same glasses one after another."""

import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass.benchmark.timed_run import TimedRun
from jaxglass.errors import NumericalError
from jaxglass.simulation.block import Order, run_blocks
from jaxglass.simulation.lane import INTERVAL, MOST_ATTEMPTS


class TimedLanes:
    """The glasses of `runs`, of one plan and ensemble, in one program over all devices."""

    def __init__(self, runs: Sequence[TimedRun]):
        """The runs keep their states, paces and lists."""
        self.runs = list(runs)

    def block(self, steps: int) -> float:
        """Advance all lanes by about `steps`; seconds per step of one lane, of a block that is valid and compiled."""
        samples = max(1, steps // INTERVAL)
        plan, ensemble = self.runs[0].plan, self.runs[0].ensemble
        for _ in range(MOST_ATTEMPTS):
            warm = plan in self.runs[0].compiled
            orders = [Order(r.potential, r.control, r.rhythm(), jnp.asarray(samples), r.state) for r in self.runs]
            stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *orders)
            began = time.perf_counter()
            found = jax.block_until_ready(run_blocks(plan, ensemble, stacked))
            seconds = (time.perf_counter() - began) / (samples * INTERVAL * len(self.runs))
            self.runs[0].compiled.add(plan)
            valid = [
                run.take(order.rhythm, jax.tree.map(lambda leaf, k=k: leaf[k], found))
                for k, (run, order) in enumerate(zip(self.runs, orders, strict=True))
            ]
            plan = max((run.plan for run in self.runs), key=lambda p: p.lists.rows)
            if all(valid) and warm:
                return seconds
        raise NumericalError(f"benchmark: no valid block of {len(self.runs)} lanes in {MOST_ATTEMPTS} attempts")

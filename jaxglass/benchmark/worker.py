"""The process in which jaxglass is timed: python -m jaxglass.benchmark.worker FOLDER ATOMS CORES.

It loads FOLDER/ATOMS.npz once and answers the questions below (`protocol`). The parent has pinned it to CORES cores
before it starts, so that JAX sees no others.
"""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()

import jax  # noqa: E402 - the clock of `first_step` includes importing JAX
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from jaxglass.benchmark.configuration import load  # noqa: E402
from jaxglass.benchmark.protocol import serve  # noqa: E402
from jaxglass.benchmark.settings import load_settings  # noqa: E402
from jaxglass.benchmark.split import split  # noqa: E402
from jaxglass.benchmark.timed_lanes import TimedLanes  # noqa: E402
from jaxglass.benchmark.timed_run import TimedRun  # noqa: E402
from jaxglass.dynamics.state import start  # noqa: E402
from jaxglass.model.system import maxwell_boltzmann  # noqa: E402
from jaxglass.runtime import configure  # noqa: E402
from jaxglass.simulation.block import first_forces, run_block  # noqa: E402

TEMPERATURE = 300.0  # K
SETTLING = 4  # blocks until the rhythm of the lists has followed the atoms


class Worker:
    """One configuration on a number of cores, and the runs that were asked for."""

    def __init__(self, folder: Path, n_atoms: int, cores: int):
        """Read the atoms and plan the engine."""
        settings = load_settings(folder)
        self.configuration = load(folder / f"{n_atoms}.npz")
        self.system = self.configuration.system
        self.potential = settings.potential(self.system)
        self.plan = settings.plan(self.system, self.potential, min(cores, len(jax.devices())))
        self.seed = settings.seed
        self.runs: dict[tuple[str, float], TimedRun] = {}

    def run(self, ensemble: str, temperature: float = TEMPERATURE) -> TimedRun:
        """The run of this ensemble at `temperature` (K), begun when first asked for."""
        key = (ensemble, temperature)
        if key not in self.runs:
            state = start(maxwell_boltzmann(self.system, temperature, self.seed))
            self.runs[key] = TimedRun(self.plan, self.potential, state, temperature, ensemble)
        return self.runs[key]

    def settle(self, ensemble: str, steps: str, interval: str) -> None:
        """Compile, and let the rhythm of the lists follow the atoms."""
        self.run(ensemble).settle(SETTLING, int(steps), int(interval))

    def block(self, ensemble: str, steps: str, interval: str) -> float:
        """Seconds per step of about `steps` steps with an energy every `interval`."""
        return self.run(ensemble).block(int(steps), int(interval))

    def force_error(self) -> float:
        """RMS force error (eV/A) of the hot path at the configuration as it was saved."""
        control = self.run("nvt").control
        found = first_forces(self.plan, "nvt", self.potential, control, start(self.system))
        return self.configuration.force_error(np.asarray(found.forces))

    def settings(self) -> str:
        """The choices of the plan in words."""
        plan, shape = self.plan, "x".join(map(str, self.plan.mesh.shape))
        devices = f", {plan.shards} devices" if plan.shards > 1 else ""
        return f"{plan.precision}, coulomb {plan.coulomb_cutoff:g} A, mesh {shape} order {plan.mesh.order}{devices}"

    def split(self, temperature: str, steps: str, blocks: str) -> dict[str, Any]:
        """Pieces of an NVT step at `temperature` (K); whole steps from the median of `blocks` blocks."""
        known = ("nvt", float(temperature)) in self.runs
        run = self.run("nvt", float(temperature))
        if not known:
            run.settle(SETTLING, int(steps))
        seconds = float(np.median([run.block(int(steps)) for _ in range(int(blocks))]))
        return asdict(split(run, float(temperature), seconds))

    def lanes(self, count: str, steps: str, repeats: str) -> list[list[float]]:
        """Seconds per step of `count` glasses one after another, the cores dividing the atoms, and as lanes."""
        states = [start(maxwell_boltzmann(self.system, TEMPERATURE, seed)) for seed in range(int(count))]
        single = TimedRun(self.plan, self.potential, states[0], TEMPERATURE)
        lanes = TimedLanes([TimedRun(replace(self.plan, shards=1), self.potential, s, TEMPERATURE) for s in states])
        for _ in range(SETTLING):
            single.block(int(steps))
            lanes.block(int(steps))
        found = [[single.block(int(steps)), lanes.block(int(steps))] for _ in range(int(repeats))]
        return [list(column) for column in zip(*found, strict=True)]

    def first_step(self) -> float:
        """Seconds from the start of this process to the end of the first short block: import, compile, run."""
        run = self.run("nvt")
        jax.block_until_ready(self._block(run))
        return time.perf_counter() - BEGAN

    def compile(self) -> float:
        """Seconds for tracing and compiling the block program, or for reading it from the cache."""
        run = self.run("nvt")
        began = time.perf_counter()
        self._lowered(run).compile()
        return time.perf_counter() - began

    def program_memory(self) -> int | None:
        """Bytes that the NVT block program holds: arguments, results and temporaries; None where XLA does not say."""
        found = self._lowered(self.run("nvt")).compile().memory_analysis()
        if found is None:
            return None
        return int(
            found.argument_size_in_bytes
            + found.output_size_in_bytes
            + found.temp_size_in_bytes
            - found.alias_size_in_bytes
        )

    def peak_memory(self) -> int:
        """Largest resident size (bytes) of this process so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak

    def _arguments(self, run: TimedRun):
        return run.plan, "nvt", run.potential, run.control, run.rhythm(), jnp.asarray(1), run.state

    def _block(self, run: TimedRun):
        return run_block(*self._arguments(run))

    def _lowered(self, run: TimedRun):
        return run_block.lower(*self._arguments(run))


def answers(worker: Worker) -> Mapping[str, Callable[..., Any]]:
    """What a worker can be asked."""
    return {
        "settle": worker.settle,
        "block": worker.block,
        "force_error": worker.force_error,
        "settings": worker.settings,
        "split": worker.split,
        "lanes": worker.lanes,
        "compile": worker.compile,
        "first_step": worker.first_step,
        "program_memory": worker.program_memory,
        "peak_memory": worker.peak_memory,
    }


if __name__ == "__main__":
    folder, n_atoms, cores = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    configure("cpu", cores)
    serve(answers(Worker(folder, n_atoms, cores)))

"""jaxglass alone: pieces of a step, sampling, NPT, start-up, growth with the number of atoms. One core."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jaxglass.benchmark.comparison import Effort, Say
from jaxglass.benchmark.engines import jaxglass_child
from jaxglass.benchmark.protocol import Child, cores_for
from jaxglass.benchmark.record import Growth, Lanes, Pair, Startup, spread
from jaxglass.benchmark.split import Split
from jaxglass.runtime import available_cores
from jaxglass.simulation.lane import INTERVAL

LANES, LANE_ATOMS = 8, 650  # glasses that are compared with lanes, and their atoms
OFTEN = 10  # steps between samples when sampling often
GROWTH_REPEATS = 3  # the largest size takes most of the time


class Profile:
    """What is measured in a process with one configuration on one core."""

    def __init__(self, folder: Path, effort: Effort, say: Say):
        """`folder` holds the configurations."""
        self.folder, self.effort, self.say = folder, effort, say

    def splits(self, n_atoms: int) -> tuple[Split, Split]:
        """Pieces of an NVT step at 300 K and at 3000 K."""
        self.say(f"{n_atoms} atoms, 1 core: pieces of a step at 300 K and at 3000 K")
        with self._child(n_atoms) as child:
            cool, hot = (self._split(child, n_atoms, t, blocks=3) for t in (300, 3000))
        return cool, hot

    def pairs(self, n_atoms: int) -> tuple[Pair, Pair]:
        """Sampling every 72 and every 10 steps; NVT and NPT: in turn."""
        self.say(f"{n_atoms} atoms, 1 core: sampling every {INTERVAL} and every {OFTEN} steps; NPT")
        steps = self.effort.block(n_atoms)
        ways = (("nvt", INTERVAL), ("nvt", OFTEN), ("npt", INTERVAL))
        times: list[list[float]] = [[] for _ in ways]
        with self._child(n_atoms) as child:
            child.ask("settle", "nvt", steps, INTERVAL)
            child.ask("settle", "npt", steps, INTERVAL)
            for _ in range(self.effort.repeats):
                for way, found in zip(ways, times, strict=True):
                    found.append(child.ask("block", way[0], steps, way[1]))
        seldom, often, npt = (spread(found) for found in times)
        return Pair(n_atoms, seldom, often), Pair(n_atoms, seldom, npt)

    def lanes(self, n_atoms: int) -> Lanes:
        """Glasses one after another and as lanes of one program, on all cores."""
        count, cores = LANES, available_cores()
        self.say(f"{n_atoms} atoms, {cores} cores: {count} glasses one after another and as lanes")
        steps = self.effort.block(count * n_atoms)
        with jaxglass_child(self.folder, n_atoms, cores_for(cores), cores) as child:
            single, lanes = child.ask("lanes", count, steps, self.effort.repeats)
        return Lanes(count, cores, Pair(n_atoms, spread(single), spread(lanes)))

    def startup(self, n_atoms: int) -> Startup:
        """Seconds until the first step, without and with compiled programs from an earlier run."""
        self.say(f"{n_atoms} atoms, 1 core: first step without and with kept programs")
        with tempfile.TemporaryDirectory() as cache:
            with self._child(n_atoms, Path(cache)) as child:
                compiling, cold = child.ask("compile"), child.ask("first_step")
            with self._child(n_atoms, Path(cache)) as child:
                warm = child.ask("first_step")
        return Startup(n_atoms, compiling, cold, warm)

    def growth(self, sizes: Sequence[int]) -> tuple[Growth, ...]:
        """Time per step of all sizes in turn, then pieces and memory of each."""
        if not sizes:
            return ()
        self.say(f"growth: {', '.join(map(str, sizes))} atoms, 1 core")
        repeats = min(self.effort.repeats, GROWTH_REPEATS)
        with ExitStack() as stack:
            children = {n: stack.enter_context(self._child(n)) for n in sizes}
            for n, child in children.items():
                child.ask("settle", "nvt", self.effort.block(n), INTERVAL)
            times: dict[int, list[float]] = {n: [] for n in sizes}
            for _ in range(repeats):
                for n, child in children.items():
                    times[n].append(child.ask("block", "nvt", self.effort.block(n), INTERVAL))
            return tuple(self._grown(child, n, times[n]) for n, child in children.items())

    def _grown(self, child: Child, n_atoms: int, times: Sequence[float]) -> Growth:
        peak = child.ask("peak_memory")  # of the run itself: what follows compiles and builds more
        found = self._split(child, n_atoms, 300, blocks=1)
        return Growth(n_atoms, spread(times), found, child.ask("program_memory"), peak)

    def _split(self, child: Child, n_atoms: int, temperature: int, blocks: int) -> Split:
        found: dict[str, Any] = child.ask("split", temperature, self.effort.block(n_atoms), blocks)
        return Split(**found)

    def _child(self, n_atoms: int, cache: Path | None = None) -> Child:
        return jaxglass_child(self.folder, n_atoms, cores_for(1), 1, cache)

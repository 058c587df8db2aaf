"""Fresh glasses of a trial potential: every target quenched from several seeds, as lanes of one program.

Seeds, and with them the starting atoms and velocities, are the same for every trial potential; what differs is the
potential. Each ensemble has a folder of its own, so an interrupted one continues.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass.analysis.bonds import find_bonds
from jaxglass.analysis.coordination import coordination_numbers, share_of
from jaxglass.engine.plan import Plan
from jaxglass.errors import NumericalError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.model.trajectory import Trajectory
from jaxglass.refit.basin import Shown
from jaxglass.refit.observables import View, check_reach, curve_of, curves
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.lane import Lane
from jaxglass.simulation.run import run_lanes
from jaxglass.simulation.stage import Stage

FEWEST = 2  # glasses of a target that must not fail
_curves = jax.jit(curves)


@dataclass(frozen=True)
class Start:
    """One glass to be quenched: atoms before melting, the potential at z = 0 of its composition, and its seed."""

    target: str
    li2o: float
    seed: int
    system: System
    potential: Potential


@dataclass(frozen=True)
class Sample:
    """One fresh glass, the `number`-th of its ensemble: the last frame, what it shows at its temperature, and the
    share of four-fold boron (or NaN)."""

    number: int
    start: Start
    potential: Potential
    system: System
    shown: Shown
    n4: float


@dataclass(frozen=True)
class Quench:
    """How glasses are made and looked at: stages of the protocol, the engine's plan, one view per target."""

    stages: tuple[Stage, ...]
    plan: Plan
    views: dict[str, View]
    quantity: str
    boron_cutoff: float

    def __call__(self, starts: Sequence[Start], potentials: Sequence[Potential], folder: Path) -> list[Sample]:
        """Quench every start under its potential, in `folder`; those that fail are left out.

        `NumericalError` when fewer than two glasses of a target are left.
        """
        with ExitStack() as stack:
            lanes = []
            for k, (start, potential) in enumerate(zip(starts, potentials, strict=True)):
                directory = stack.enter_context(RunDirectory(folder / f"{k:03d}-{start.target}-seed{start.seed}"))
                lanes.append(Lane(directory, self.stages, start.system, potential, self.plan, start.seed))
            run_lanes(lanes)
            found = [self._sample(k, start, lane) for k, (start, lane) in enumerate(zip(starts, lanes, strict=True))]
        samples = [one for one in found if isinstance(one, Sample)]
        for name in dict.fromkeys(start.target for start in starts):
            reasons = [one for one, s in zip(found, starts, strict=True) if s.target == name and isinstance(one, str)]
            wanted = sum(start.target == name for start in starts)
            if wanted - len(reasons) < min(wanted, FEWEST):
                raise NumericalError(f"refit: {len(reasons)} of {wanted} glasses of {name} failed; {reasons[0]}")
            for reason in reasons:
                print(f"refit: a glass of {name} is left out; {reason}", flush=True)
        return samples

    def _sample(self, number: int, start: Start, lane: Lane) -> Sample | str:
        """The glass of a lane, or why there is none."""
        if lane.error is not None:
            return str(lane.error)
        done = lane.finished()
        system = jax.tree.map(jnp.asarray, done.system)
        try:
            shown = over_frames(self.views[start.target], self.quantity, system, done.trajectory)
        except NumericalError as error:
            return str(error)
        return Sample(number, start, lane.potential, system, shown, four_fold(done.trajectory, self.boron_cutoff))


def over_frames(view: View, quantity: str, system: System, trajectory: Trajectory) -> Shown:
    """Means over frames; no moduli. `NumericalError` for a cell that is narrower than what is looked at."""
    check_reach(view, trajectory.cell)
    found = [
        _curves(view, system.species, jnp.asarray(x), jnp.asarray(cell))
        for x, cell in zip(trajectory.fractional, trajectory.cell, strict=True)
    ]
    curve = np.mean([curve_of(c, quantity) for c in found], axis=0)
    density = np.mean([float(c.density) for c in found])
    return Shown(curve, np.log(density), np.asarray(np.nan), np.asarray(np.nan))


def four_fold(trajectory: Trajectory, cutoff: float) -> float:
    """Share of boron atoms with four oxygens within `cutoff` (A), mean over frames; NaN without boron."""
    symbols = trajectory.symbols
    if "B" not in symbols:
        return float("nan")
    shares = []
    for x, cell in zip(trajectory.fractional, trajectory.cell, strict=True):
        bonds = find_bonds(symbols, x, cell, {"B-O": cutoff})
        shares.append(share_of(coordination_numbers(bonds, "B"), 4))
    return float(np.mean(shares))


def jittered(z: np.ndarray, sd: float, count: int, seed: int) -> np.ndarray:
    """`count` points (M, P) round `z` (P,) with standard deviation `sd`; 2k and 2k + 1 are opposite each other."""
    draws = np.random.default_rng(seed).standard_normal((-(-count // 2), len(z)))
    return z + sd * np.stack([draws, -draws], 1).reshape(-1, len(z))[:count]

"""One glass on its way through its stages: which block comes next, and what becomes of the one just run.

A block that any list failed to cover is discarded whole and ordered again from the state before it, with shorter
intervals or larger lists; nothing is written that has not been checked. Every block rebuilds its lists from the
state, so stopping between blocks changes nothing: killed and continued runs agree to the bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.dynamics.ensembles import LARGEST_MOVE, Control
from jaxglass.dynamics.state import State, start
from jaxglass.engine.plan import Plan, at_least, largest_reach, make_plan
from jaxglass.errors import JaxglassError, ResourceError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, maxwell_boltzmann
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation import rhythm as rhythms
from jaxglass.simulation.block import BlockResult, Health, Order
from jaxglass.simulation.checkpoint import load_latest, save
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.health import refuse_bad_physics, repaired, too_fast
from jaxglass.simulation.position import Position, header, restored
from jaxglass.simulation.stage import INTERVAL, Stage
from jaxglass.simulation.thermo import ThermoFile, rows

MOST_ATTEMPTS = 12


@dataclass
class Frames:
    """Frames of the current checkpoint interval, not yet on disk."""

    time: list[float] = field(default_factory=list)
    fractional: list[np.ndarray] = field(default_factory=list)
    cell: list[np.ndarray] = field(default_factory=list)

    def add(self, time_ps: float, system: System) -> None:
        """Keep the current frame."""
        self.time.append(time_ps)
        self.fractional.append(np.asarray(system.fractional))
        self.cell.append(np.asarray(system.cell))


@dataclass(frozen=True)
class Finished:
    """Result of a run: the final system and the recorded frames."""

    system: System
    trajectory: Trajectory
    plan: Plan


def control_of(stage: Stage) -> Control:
    """The traced settings of a stage."""
    return Control(
        timestep=jnp.asarray(stage.timestep),
        temperature_start=jnp.asarray(float(stage.temperature[0])),
        temperature_end=jnp.asarray(float(stage.temperature[1])),
        steps=jnp.asarray(float(stage.steps)),
        pressure=jnp.asarray(stage.pressure / units.GPA),
        thermostat_time=jnp.asarray(stage.thermostat_time),
        barostat_time=jnp.asarray(stage.barostat_time),
    )


class Lane:
    """A glass, its stages and its run directory; `error` once it has failed."""

    def __init__(
        self,
        directory: RunDirectory,
        stages: Sequence[Stage],
        system: System,
        potential: Potential,
        plan: Plan,
        seed: int,
        after_stage: Callable[[Stage, State], bool] | None = None,
    ):
        """Start `stages` from `system`, or from the newest checkpoint in `directory` (`notes` say what was found).

        `after_stage` is given every stage that ends, with its last state; if it returns false the run ends there.
        """
        self.directory, self.stages, self.potential, self.seed = directory, list(stages), potential, seed
        self.mass = float(jnp.sum(system.masses))
        self.after_stage = after_stage
        self.error: JaxglassError | None = None
        self.notes: list[str] = []
        self.attempts = 0
        pace = _first_pace(self.stages[0])
        self.position = self._resume(Position(0, self._enter(self.stages[0], system), pace, plan))
        directory.forget_segments_except(list(self.position.segments))
        self.thermo = ThermoFile(directory.path / "thermo.csv", self.position.thermo_bytes)
        self.frames = Frames()
        self.shown = (0.0, 0.0)  # temperature (K) and density (g/cm3) of the last sample

    @property
    def active(self) -> bool:
        """Whether there is anything left to do."""
        return self.error is None and self.position.stage < len(self.stages)

    @property
    def stage(self) -> Stage:
        """The present stage, the last one at the end."""
        return self.stages[min(self.position.stage, len(self.stages) - 1)]

    @property
    def total_steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)

    # -- one block -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """A mesh fine enough for the present cell."""
        here = self._fit_mesh(self.position)
        rhythms.check_width(np.asarray(here.state.system.cell), here.plan.reach)
        self.position = here

    def adopt(self, plan: Plan) -> None:
        """Go on with the plan that all lanes share."""
        self.position = replace(self.position, plan=plan)

    def order(self, most_samples: int) -> Order:
        """The next block, at most `most_samples` samples long."""
        here, done = self.position, int(self.position.state.step)
        if done < 0:  # the step that finds the forces
            rhythm = rhythms.choose(here.plan, np.asarray(here.state.system.cell), here.pace, 1)
            return Order(self.potential, control_of(self.stage), rhythm, jnp.asarray(1), here.state)
        interval = min(INTERVAL, self.stage.steps - done)
        # a short first block shows soon whether the start is sound; later ones end where frames are kept
        frame = self.stage.frame_samples
        most = min(most_samples, frame - done // INTERVAL % frame) if done else 1
        samples = min(most, (self.stage.steps - done) // interval)
        rhythm = rhythms.choose(here.plan, np.asarray(here.state.system.cell), here.pace, interval)
        return Order(self.potential, control_of(self.stage), rhythm, jnp.asarray(samples), here.state)

    def rest(self) -> Order:
        """A block of no steps, for a lane that waits, has ended or has failed."""
        return Order(self.potential, control_of(self.stage), rhythms.rest(), jnp.asarray(0), self.position.state)

    def take(self, order: Order, result: BlockResult) -> int:
        """Keep the block, or change pace or plan so that the next order repeats it; steps gained."""
        health, samples = jax.device_get(result.health), int(order.samples)
        where = f"stage {self.stage.name}, steps up to {int(self.position.state.step) + samples * INTERVAL}"
        refuse_bad_physics(where, health, result, samples)
        better = self._repair(health, result, order)
        if better is None:
            self.attempts = 0
            return self._accept(order, health, result)
        self.attempts += 1
        if self.attempts == MOST_ATTEMPTS:
            raise ResourceError(
                f"stage {self.stage.name}, step {int(self.position.state.step)}: neighbour lists still fail after "
                f"{MOST_ATTEMPTS} attempts (rows {int(health.rows)} of {self.position.plan.lists.rows}); "
                "lower the time step or the temperature"
            )
        self.position = better
        return 0

    def _accept(self, order: Order, health: Health, result: BlockResult) -> int:
        stage, here, samples = self.stage, self.position, int(order.samples)
        if int(here.state.step) < 0:
            self.position = replace(here, state=result.state)
            return 0
        self.thermo.append(rows(result.samples, samples, stage.name, here.elapsed_ps, stage.time_per_step, self.mass))
        steps = int(result.state.step) - int(here.state.step)
        self.position = replace(
            here,
            state=result.state,
            pace=rhythms.blend(here.pace, rhythms.measured(health, order.rhythm)),
            total_steps=here.total_steps + steps,
            converged=stage.ensemble == "minimise" and float(health.largest_force) < stage.force_tolerance,
        )
        step = int(result.state.step)
        if stage.record and (step % (stage.frame_samples * INTERVAL) == 0 or self.stage_done):
            self.frames.add(here.elapsed_ps + step * stage.time_per_step, result.state.system)
        density = self.mass / float(result.state.system.volume) * units.G_PER_CM3
        temperature = float(result.samples.temperature[samples - 1]) if stage.ensemble != "minimise" else 0.0
        self.shown = temperature, density
        return steps

    def _repair(self, health: Health, result: BlockResult, order: Order) -> Position | None:
        """A position to repeat the block from, or None when every list was complete and valid."""
        here = self.position
        plan = repaired(here.plan, health, here.state.system)
        if plan is not None:
            return replace(here, plan=plan)
        cells = np.asarray(result.samples.cell)[: int(order.samples)]
        needed = here.plan.reach + float(order.rhythm.skin)
        too_narrow = np.isfinite(cells).all() and min(map(largest_reach, cells)) < needed
        return replace(here, pace=rhythms.slower(here.pace)) if too_narrow or too_fast(health) else None

    def _fit_mesh(self, here: Position) -> Position:
        """A finer mesh once the cell has outgrown the one it was planned for."""
        plan, cell = here.plan, np.asarray(here.state.system.cell)
        volume = abs(np.linalg.det(cell))
        if volume <= plan.largest_volume:
            return here
        charges = np.asarray(self.potential.charges)[np.asarray(here.state.system.species)]
        fresh = make_plan(cell, charges, plan.cutoff, plan.relative_accuracy, plan.precision, plan.coulomb_cutoff, 1.3)
        fresh = replace(fresh, lists=at_least(fresh.lists, plan.lists), shards=plan.shards)
        return replace(here, plan=fresh)

    # -- stages --------------------------------------------------------------------------------------------------

    @property
    def stage_done(self) -> bool:
        """Whether the present stage has run its steps, or its minimisation has converged."""
        return self.position.converged or int(self.position.state.step) >= self.stage.steps

    def next_stage(self) -> None:
        """Enter the stage after the present one."""
        ended, here = self.stage, self.position
        elapsed = here.elapsed_ps + int(here.state.step) * ended.time_per_step
        skipped = ended.steps - int(here.state.step)
        position = replace(
            here, stage=here.stage + 1, elapsed_ps=elapsed, total_steps=here.total_steps + skipped, converged=False
        )
        if self.after_stage and not self.after_stage(ended, here.state):
            position = replace(position, stage=len(self.stages))
        if position.stage < len(self.stages):
            stage = self.stages[position.stage]
            pace = _first_pace(stage) if stage.draw_velocities or stage.ensemble == "minimise" else here.pace
            position = replace(position, state=self._enter(stage, here.state.system), pace=pace)
        self.position = position

    def _enter(self, stage: Stage, system: System) -> State:
        if stage.stretch:
            system = replace(system, cell=system.cell @ jnp.asarray(stage.stretch).T)
        if stage.draw_velocities:
            system = maxwell_boltzmann(
                system, stage.draw_velocities * stage.temperature[0], self.seed + stage.velocity_seed
            )
        elif stage.ensemble == "minimise":
            system = replace(system, momenta=jnp.zeros_like(system.momenta))
        return start(system)

    # -- disk ----------------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Frames and thermo first, durably; then the checkpoint that refers to them."""
        here = self.position
        if self.frames.time:
            name = f"{here.total_steps:09d}.npz"
            self.directory.write_segment(
                name, np.array(self.frames.time), np.stack(self.frames.fractional), np.stack(self.frames.cell)
            )
            here = replace(here, segments=(*here.segments, name))
            self.frames = Frames()
        self.position = replace(here, thermo_bytes=self.thermo.sync())
        save(self.directory.checkpoints, here.total_steps, header(self.position), self.position.state)

    def _resume(self, fresh: Position) -> Position:
        found = load_latest(self.directory.checkpoints)
        if found is None:
            return fresh
        if found.note:
            self.notes.append(f"checkpoint skipped: {found.note}")
        position = restored(found.header, found.restore(fresh.state))
        if position.plan.shards != fresh.plan.shards:
            self.notes.append(
                f"the run used {position.plan.shards} cores per glass, now {fresh.plan.shards}: equal within rounding, "
                "not to the bit"
            )
            position = replace(position, plan=replace(position.plan, shards=fresh.plan.shards))
        if position.total_steps < self.total_steps:
            self.notes.append(f"continuing at step {position.total_steps}")
        return position

    def finished(self) -> Finished:
        """The final system and all recorded frames."""
        return Finished(self.position.state.system, self.trajectory(), self.position.plan)

    def trajectory(self) -> Trajectory:
        """The frames recorded so far, on disk or not yet; the present state where there is none."""
        system, segments = self.position.state.system, self.directory.read_segments(list(self.position.segments))
        if self.frames.time:
            segments.append({key: np.asarray(kept) for key, kept in self.frames.__dict__.items()})
        if not segments:  # nothing was recorded: the final state is the only frame
            now = {"time": self.position.elapsed_ps, "fractional": system.fractional, "cell": system.cell}
            segments = [{key: np.asarray(value)[None] for key, value in now.items()}]
        time_ps, fractional, cell = (
            np.concatenate([s[key] for s in segments]) for key in ("time", "fractional", "cell")
        )
        return Trajectory(time_ps, fractional, cell, np.asarray(system.species), system.elements)


def _first_pace(stage: Stage) -> float:
    """A cautious guess (A/step) for a stage that begins anew."""
    if stage.ensemble == "minimise":
        return LARGEST_MOVE
    return rhythms.first_pace(max(stage.draw_velocities, 1.0) * stage.temperature[0], stage.timestep)

"""The only loop: block -> check -> redo | keep -> checkpoint, for every stage of every protocol.

A block that any list failed to cover is discarded whole and repeated from the state before it, with shorter
intervals or larger lists; the host never writes what has not been checked. Every block rebuilds its lists and
forces from the state, so stopping between blocks changes nothing: killed and continued runs agree to the bit.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.dynamics.ensembles import Control
from jaxglass.dynamics.state import State, start
from jaxglass.engine.plan import CHUNK, Lists, Plan, choose_lists, largest_reach, make_plan
from jaxglass.errors import NumericalError, Preempted, ResourceError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, maxwell_boltzmann
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation import rhythm as rhythms
from jaxglass.simulation.block import BlockResult, Health, Rhythm, first_forces, run_block
from jaxglass.simulation.checkpoint import load_latest, save
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.position import Position, header, restored
from jaxglass.simulation.progress import Progress
from jaxglass.simulation.signals import StopRequest
from jaxglass.simulation.stage import Stage
from jaxglass.simulation.thermo import ThermoFile, rows

INTERVAL = 72  # steps between samples: many divisors, so that the rhythm of the lists has a choice
SAMPLES_PER_BLOCK = 10
CHECKPOINT_SECONDS = 30.0
MOST_ATTEMPTS = 12
FASTEST_MOVE = 0.5  # A in one step
COLLAPSE = -200.0  # eV per atom: far below any oxide, so only a pair inside its core barrier gets there


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
    """Result of `run`: the final system and the recorded frames."""

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


class Simulation:
    """A list of stages on its way through a run directory."""

    def __init__(
        self,
        directory: RunDirectory,
        stages: Sequence[Stage],
        system: System,
        potential: Potential,
        plan: Plan,
        seed: int,
        progress: Progress | None = None,
    ):
        """Prepare to run `stages` from `system`, or to continue from the newest checkpoint in `directory`."""
        self.directory, self.stages, self.potential, self.seed = directory, list(stages), potential, seed
        self.progress = progress or Progress(sum(s.steps for s in stages), stages[0].timestep)
        self.mass = float(jnp.sum(system.masses))
        fresh = Position(
            0,
            self._enter(self.stages[0], system),
            rhythms.first_pace(stages[0].temperature[0], stages[0].timestep),
            plan,
        )
        self.position = self._resume(fresh)
        directory.forget_segments_except(list(self.position.segments))
        self.thermo = ThermoFile(directory.path / "thermo.csv", self.position.thermo_bytes)
        self.frames = Frames()
        self.saved = time.monotonic()

    def run(self) -> Finished:
        """Run to the end of the last stage; `Preempted` after a signal, other typed errors when something is wrong."""
        with StopRequest() as stop:
            try:
                while self.position.stage < len(self.stages):
                    self._one_block()
                    ended = self._stage_done()
                    if ended:
                        self._next_stage()
                    if ended or stop.name or time.monotonic() - self.saved > CHECKPOINT_SECONDS:
                        self._checkpoint()
                    if stop.name and self.position.stage < len(self.stages):
                        raise Preempted(
                            f"stopped by {stop.name} at step {self.position.total_steps}; run the same command to "
                            "continue"
                        )
            finally:
                self.thermo.close()
                self.progress.close()
        return Finished(self.position.state.system, self._trajectory(), self.position.plan)

    # -- one block -----------------------------------------------------------------------------------------------

    def _one_block(self) -> None:
        stage, here = self.stages[self.position.stage], self.position
        done = int(here.state.step)
        interval = min(INTERVAL, stage.steps - done)
        samples = min(SAMPLES_PER_BLOCK, (stage.steps - done) // interval)
        began = time.monotonic()
        for _attempt in range(MOST_ATTEMPTS):
            cell = np.asarray(here.state.system.cell)
            here = self._with_forces(self._fit_mesh(here, cell))
            rhythm = rhythms.choose(here.plan, cell, here.pace, interval)
            result = run_block(
                here.plan, stage.ensemble, self.potential, control_of(stage), rhythm, jnp.asarray(samples), here.state
            )
            health = jax.device_get(result.health)
            self._refuse_bad_physics(stage, health, result, samples)
            better = self._repair(here, health, result, samples, rhythm)
            if better is None:
                break
            here = better
        else:
            raise ResourceError(
                f"stage {stage.name}, step {done}: neighbour lists still fail after {MOST_ATTEMPTS} attempts "
                f"(rows {int(health.outer_rows)} of {here.plan.lists.outer}); lower the time step or the temperature"
            )
        self._accept(stage, here, rhythm, health, result, samples, samples * interval, time.monotonic() - began)

    def _with_forces(self, here: Position) -> Position:
        """The position with its first forces, in lists large enough for them."""
        if int(here.state.step) > 0:
            return here
        found = first_forces(here.plan, self.potential, here.state)
        lists = here.plan.lists
        if int(found.rows) > lists.outer or int(found.occupancy) > lists.occupancy:
            larger = replace(
                lists, outer=_grown(lists.outer, int(found.rows)), occupancy=len(here.state.system.species)
            )
            return self._with_forces(replace(here, plan=replace(here.plan, lists=larger)))
        return replace(here, state=found.state)

    def _accept(
        self,
        stage: Stage,
        here: Position,
        rhythm: Rhythm,
        health: Health,
        result: BlockResult,
        samples: int,
        steps: int,
        seconds: float,
    ) -> None:
        self.thermo.append(rows(result.samples, samples, stage.name, here.elapsed_ps, stage.time_per_step, self.mass))
        converged = stage.ensemble == "minimise" and float(health.largest_force) < stage.force_tolerance
        self.position = replace(
            here,
            state=result.state,
            pace=rhythms.blend(here.pace, rhythms.measured(health, rhythm)),
            total_steps=here.total_steps + steps,
            converged=converged,
        )
        if stage.record:
            self.frames.add(here.elapsed_ps + int(result.state.step) * stage.time_per_step, result.state.system)
        density = self.mass / float(result.state.system.volume) * units.G_PER_CM3
        temperature = float(result.samples.temperature[samples - 1]) if stage.ensemble != "minimise" else 0.0
        self.progress.show(stage.name, self.position.total_steps, temperature, density, seconds, steps)

    def _refuse_bad_physics(self, stage: Stage, health: Health, result: BlockResult, samples: int) -> None:
        where = f"stage {stage.name}, steps up to {int(self.position.state.step) + samples * INTERVAL}"
        atom = int(health.fastest_atom)
        species = result.state.system.elements[int(result.state.system.species[atom])]
        if not bool(health.finite):
            if not health.inner_excess > 0:  # otherwise the list is to blame: repeat with a better one
                raise NumericalError(
                    f"{where}: energy or positions are not finite (atom {atom}, {species}); last good state kept"
                )
        elif float(health.fastest) > FASTEST_MOVE and not health.inner_excess > 0:
            raise NumericalError(
                f"{where}: atom {atom} ({species}) moved {float(health.fastest):.2f} A in one step (limit "
                f"{FASTEST_MOVE} A); "
                "last good state kept; use a shorter time step or a better start"
            )
        else:
            lowest = float(jnp.min(result.samples.potential_energy[:samples])) / len(result.state.system.species)
            if lowest < COLLAPSE:
                raise NumericalError(
                    f"{where}: {lowest:.0f} eV per atom: two ions collapsed into each other; last good state kept"
                )

    def _repair(
        self, here: Position, health: Health, result: BlockResult, samples: int, rhythm: Rhythm
    ) -> Position | None:
        """A position to repeat the block from, or None when every list was complete and valid."""
        lists, plan = here.plan.lists, here.plan
        if (
            int(health.outer_rows) > lists.outer
            or int(health.inner_rows) > lists.inner
            or int(health.occupancy) > lists.occupancy
        ):
            return replace(here, plan=replace(plan, lists=larger_lists(lists, health)))
        if bool(health.coarse):
            cell = np.asarray(here.state.system.cell)
            fresh = choose_lists(plan, cell * 0.97, len(here.state.system.species), outer_skin=2.5, inner_skin=0.9)
            return replace(here, plan=replace(plan, lists=_at_least(fresh, lists)))
        cells = np.asarray(result.samples.cell[:samples])
        too_narrow = np.isfinite(cells).all() and min(map(largest_reach, cells)) < plan.reach + float(rhythm.inner_skin)
        if float(health.inner_excess) > 0 or float(health.outer_excess) > 0 or too_narrow or not bool(health.finite):
            return replace(here, pace=rhythms.slower(here.pace))
        return None

    def _fit_mesh(self, here: Position, cell: np.ndarray) -> Position:
        """A finer mesh once the cell has outgrown the one it was planned for."""
        plan = here.plan
        volume = abs(np.linalg.det(cell))
        if volume <= plan.largest_volume:
            return here
        charges = np.asarray(self.potential.charges)[np.asarray(here.state.system.species)]
        fresh = make_plan(cell, charges, plan.cutoff, plan.relative_accuracy, plan.precision, plan.coulomb_cutoff, 1.3)
        return replace(here, plan=replace(fresh, lists=_at_least(fresh.lists, plan.lists)))

    # -- stages --------------------------------------------------------------------------------------------------

    def _stage_done(self) -> bool:
        stage = self.stages[self.position.stage]
        return self.position.converged or int(self.position.state.step) >= stage.steps

    def _next_stage(self) -> None:
        ended, here = self.stages[self.position.stage], self.position
        elapsed = here.elapsed_ps + int(here.state.step) * ended.time_per_step
        skipped = ended.steps - int(here.state.step)
        position = replace(
            here, stage=here.stage + 1, elapsed_ps=elapsed, total_steps=here.total_steps + skipped, converged=False
        )
        if position.stage < len(self.stages):
            stage = self.stages[position.stage]
            pace = rhythms.first_pace(stage.temperature[0], stage.timestep) if stage.draw_velocities else here.pace
            position = replace(position, state=self._enter(stage, here.state.system), pace=pace)
        self.position = position

    def _enter(self, stage: Stage, system: System) -> State:
        if stage.draw_velocities:
            system = maxwell_boltzmann(system, stage.temperature[0], self.seed)
        elif stage.ensemble == "minimise":
            system = replace(system, momenta=jnp.zeros_like(system.momenta))
        return start(system)

    # -- disk ----------------------------------------------------------------------------------------------------

    def _checkpoint(self) -> None:
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
        self.saved = time.monotonic()

    def _resume(self, fresh: Position) -> Position:
        found = load_latest(self.directory.checkpoints)
        if found is None:
            return fresh
        if found.note:
            self.progress.say(f"checkpoint skipped: {found.note}")
        position = restored(found.header, found.restore(fresh.state))
        if position.plan.shards > len(jax.devices()):
            self.progress.say(
                f"the run used {position.plan.shards} cores, now {len(jax.devices())}: equal within rounding, "
                "not to the bit"
            )
            position = replace(position, plan=replace(position.plan, shards=fresh.plan.shards))
        self.progress.say(f"continuing at step {position.total_steps}")
        return position

    def _trajectory(self) -> Trajectory:
        system, segments = self.position.state.system, self.directory.read_segments(list(self.position.segments))
        if not segments:  # nothing was recorded: the final state is the only frame
            now = {"time": self.position.elapsed_ps, "fractional": system.fractional, "cell": system.cell}
            segments = [{key: np.asarray(value)[None] for key, value in now.items()}]
        time_ps, fractional, cell = (
            np.concatenate([s[key] for s in segments]) for key in ("time", "fractional", "cell")
        )
        return Trajectory(time_ps, fractional, cell, np.asarray(system.species), system.elements)


def run(
    directory: RunDirectory,
    stages: Sequence[Stage],
    system: System,
    potential: Potential,
    plan: Plan,
    seed: int,
    progress: Progress | None = None,
) -> Finished:
    """Run `stages` from `system` in `directory`, continuing from its newest checkpoint if there is one."""
    return Simulation(directory, stages, system, potential, plan, seed, progress).run()


def larger_lists(lists: Lists, health: Health) -> Lists:
    """Lists with room for what the block needed and a quarter more."""
    return replace(
        lists,
        outer=_grown(lists.outer, int(health.outer_rows)),
        inner=_grown(lists.inner, int(health.inner_rows)),
        occupancy=lists.occupancy if int(health.occupancy) <= lists.occupancy else int(health.occupancy * 1.25) + 1,
    )


def _grown(size: int, needed: int) -> int:
    return size if needed <= size else -(-int(needed * 1.25) // CHUNK) * CHUNK


def _at_least(fresh: Lists, old: Lists) -> Lists:
    return replace(fresh, outer=max(fresh.outer, old.outer), inner=max(fresh.inner, old.inner))

"""The only loop: block -> check -> redo | keep -> checkpoint, for every stage of every protocol, one glass or many.

One glass has its atoms divided over the devices; many advance together as lanes of one program. Lanes share the
engine's plan and keep everything else to themselves: a lane that fails is frozen and reported, one that repeats a
block or converges early lets the others go on, and every stage begins when the last lane has reached it.
"""

import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxglass.dynamics.state import State
from jaxglass.engine.plan import Plan, common_plan, memory_estimate
from jaxglass.errors import ConfigError, JaxglassError, Preempted, ResourceError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.simulation.block import BlockResult, Order, run_block, run_blocks
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.lane import Finished, Lane
from jaxglass.simulation.progress import Progress
from jaxglass.simulation.signals import StopRequest
from jaxglass.simulation.stage import FRAME_SAMPLES, Stage

CHECKPOINT_SECONDS = 30.0
SAMPLES_PER_BLOCK = 10


def run(
    directory: RunDirectory,
    stages: Sequence[Stage],
    system: System,
    potential: Potential,
    plan: Plan,
    seed: int,
    progress: Progress | None = None,
) -> Finished:
    """Run `stages` from `system` in `directory`, continuing from its newest checkpoint if there is one.

    Raises `Preempted` after a signal, other typed errors when something is wrong.
    """
    return run_lane(Lane(directory, stages, system, potential, plan, seed), progress)


def run_lane(lane: Lane, progress: Progress | None = None) -> Finished:
    """Run one lane by itself; raises what stopped it."""
    run_lanes([lane], progress)
    if lane.error:
        raise lane.error
    return lane.finished()


def run_lanes(lanes: Sequence[Lane], progress: Progress | None = None) -> None:
    """Run all lanes to the end of their stages; a lane that fails keeps its `error`, the others go on.

    Lanes need the same elements, number of atoms, cutoff and ensemble at every stage; cells, potentials, temperatures,
    pressures and numbers of steps are their own. Raises `ConfigError` when they cannot share a program and
    `Preempted`, with a checkpoint of every lane, after a signal.
    """
    progress = progress or Progress(sum(lane.total_steps for lane in lanes), lanes[0].stages[0].timestep)
    try:
        _check_alike(lanes)
        for k, lane in enumerate(lanes):
            for note in lane.notes:
                progress.say(note if len(lanes) == 1 else f"lane {k}: {note}")
        with StopRequest() as stop:
            _run_to_the_end(lanes, progress, stop)
    finally:
        progress.close()
        for lane in lanes:
            lane.thermo.close()


def _run_to_the_end(lanes: Sequence[Lane], progress: Progress, stop: StopRequest) -> None:
    saved = time.monotonic()
    say = progress.say if len(lanes) > 1 else None
    while any(lane.active for lane in lanes):
        _advance(lanes, progress, say)
        late = time.monotonic() - saved > CHECKPOINT_SECONDS
        for lane in lanes:
            if ended := lane.active and lane.stage_done:
                _attempt(say, lane, lane.next_stage)
            # what cannot begin the next stage ends there every time: its checkpoint stays before the end of this one
            if lane.error is None and (ended or (lane.active and (stop.name or late))):
                lane.checkpoint()
        saved = time.monotonic() if late else saved
        if stop.name and any(lane.active for lane in lanes):
            steps = sum(lane.position.total_steps for lane in lanes)
            raise Preempted(f"stopped by {stop.name} at step {steps}; run the same command to continue")


def _advance(lanes: Sequence[Lane], progress: Progress, say: Callable[[str], None] | None) -> None:
    """One block of the lanes that are least far; the others rest."""
    began = time.monotonic()
    present = min(lane.position.stage for lane in lanes if lane.active)
    moving = [lane for lane in lanes if lane.active and lane.position.stage == present]
    for lane in moving:
        _attempt(say, lane, lane.prepare)
    _share_plan(lanes)
    samples = samples_per_block(len(lanes))
    orders = [lane.order(samples) if lane in moving and lane.active else lane.rest() for lane in lanes]
    plan, ensemble = lanes[0].position.plan, moving[0].stage.ensemble
    gained = 0
    for lane, order, result in zip(lanes, orders, _execute(plan, ensemble, orders), strict=True):
        if lane in moving and lane.active:
            gained += _attempt(say, lane, lane.take, order, result) or 0
    temperature, density = np.mean([lane.shown for lane in moving], axis=0)
    name = moving[0].stage.name + (f" x{len(moving)}" if len(lanes) > 1 else "")
    total = sum(lane.position.total_steps for lane in lanes)
    if gained:
        progress.show(name, total, float(temperature), float(density), time.monotonic() - began, gained)


def _attempt(say: Callable[[str], None] | None, lane: Lane, act: Callable, *arguments):
    """Result of `act`; when it fails the lane is frozen, and `say` tells why while the others go on."""
    try:
        return act(*arguments)
    except JaxglassError as error:
        lane.error = error
        if say:
            say(f"{lane.directory.path.name}: {error}")
        return None


def _execute(plan: Plan, ensemble: str, orders: Sequence[Order]) -> list[BlockResult]:
    """The blocks of all lanes, on the host: results that stay on their devices would be compiled for once more."""
    try:
        return _on_the_host(plan, ensemble, orders)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        n_atoms = len(orders) * len(orders[0].state.system.species)
        density = n_atoms / float(sum(abs(np.linalg.det(np.asarray(o.state.system.cell))) for o in orders))
        needed = memory_estimate(n_atoms, density, plan.reach) / 1e9
        where = jax.devices()[0].device_kind
        raise ResourceError(
            f"out of memory on {where}: {n_atoms} atoms need about {needed:.1f} GB; use fewer atoms or lanes at once; "
            "the last checkpoint is kept"
        ) from error


def _on_the_host(plan: Plan, ensemble: str, orders: Sequence[Order]) -> list[BlockResult]:
    if len(orders) == 1:
        return [jax.device_get(run_block(plan, ensemble, *orders[0]))]
    stacked = jax.tree.map(lambda *leaves: np.stack([np.asarray(x) for x in leaves]), *orders)
    found = jax.device_get(run_blocks(plan, ensemble, stacked))
    return [jax.tree.map(lambda leaf, k=k: leaf[k], found) for k in range(len(orders))]


def samples_per_block(lanes: int) -> int:
    """Samples of a block: fewer where a device takes many lanes in turn, so that signals are answered in seconds."""
    in_turn = -(-lanes // len(jax.devices()))
    return max(n for n in (1, 2, 5, 10) if n <= SAMPLES_PER_BLOCK and (n * in_turn <= 2 * FRAME_SAMPLES or n == 1))


def _share_plan(lanes: Sequence[Lane]) -> None:
    """The same plan for all lanes, with room for each."""
    if len(lanes) > 1:
        plan = common_plan([lane.position.plan for lane in lanes])
        for lane in lanes:
            lane.adopt(plan)


def _check_alike(lanes: Sequence[Lane]) -> None:
    def kind(lane: Lane):
        state: State = lane.position.state
        shapes = jax.tree.map(np.shape, (state, lane.potential))
        return shapes, lane.position.plan.cutoff, lane.position.plan.precision, [s.ensemble for s in lane.stages]

    for k, lane in enumerate(lanes):
        if kind(lane) != kind(lanes[0]):
            raise ConfigError(
                f"lane {k} cannot share a program with lane 0: an ensemble needs the same elements, number of atoms, "
                "cutoff, precision and ensembles"
            )

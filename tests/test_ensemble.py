"""Many glasses as one program, and one glass on many devices: the same physics as a single run on one device."""

import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_run import STAGES, small_system

from jaxglass.__main__ import main
from jaxglass.dynamics.state import State, start
from jaxglass.engine.plan import Plan, common_plan
from jaxglass.errors import ConfigError, NumericalError, ResourceError
from jaxglass.model.composition import common_size, compose
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, maxwell_boltzmann
from jaxglass.simulation import run as loop
from jaxglass.simulation.block import BlockResult, Order, _block, _run_lanes, first_forces, run_block, run_blocks
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import read_json
from jaxglass.simulation.lane import Lane, control_of
from jaxglass.simulation.rhythm import Rhythm
from jaxglass.simulation.stage import Stage

STEPS = 10
AT_ONCE, LATER = 1e-12, 1e-9  # relative, float64: at the start and after ten steps


@pytest.fixture(scope="module")
def exact_plan() -> Plan:
    return replace(small_system()[2], precision="float64")


def lane_system(k: int) -> tuple[System, Potential]:
    """Another cell, another potential and other velocities for every lane."""
    system, potential, _ = small_system()
    stretched = system.cell * jnp.asarray([1.0 + 0.01 * k, 1.0, 1.0 - 0.005 * k])[None, :]
    system = maxwell_boltzmann(replace(system, cell=stretched), 1000.0 + 300.0 * k, seed=k)
    return system, replace(potential, A=potential.A * (1 + 0.01 * k), charges=potential.charges * (1 - 0.01 * k))


def order(plan: Plan, k: int, timestep: float, steps: int) -> Order:
    """`steps` of NPT at the temperature and pressure of lane k."""
    system, potential = lane_system(k)
    stage = Stage("x", "npt", 1000, (1000.0 + 300.0 * k, 500.0), pressure=0.5 * k, timestep=timestep)
    rhythm = Rhythm(*map(jnp.asarray, (1, steps, 0.5)))
    state = first_forces(plan, "npt", potential, control_of(stage), start(system))
    return Order(potential, control_of(stage), rhythm, jnp.asarray(1), state)


def stacked(orders: list[Order]) -> Order:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *orders)


def difference(found: BlockResult, expected: BlockResult) -> float:
    """Largest relative difference of energy, pressure, forces, positions and cell."""

    def of(result: BlockResult):
        state: State = result.state
        samples = (result.samples.potential_energy[:1], result.samples.pressure[:1])
        return *samples, state.forces, state.system.fractional, state.system.cell

    pairs = zip(of(found), of(expected), strict=True)
    return max(float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b))) for a, b in pairs)


@pytest.mark.parametrize(("timestep", "steps", "limit"), [(1e-9, 1, AT_ONCE), (0.001, STEPS, LATER)])
def test_lanes_agree_with_single_runs(exact_plan, timestep, steps, limit):
    assert len(jax.devices()) == 2
    orders = [order(exact_plan, k, timestep, steps) for k in range(3)]  # odd: one device is filled up
    together = run_blocks(exact_plan, "npt", stacked(orders))
    for k, single in enumerate(orders):
        alone = run_block(exact_plan, "npt", *single)
        lane = jax.tree.map(lambda leaf, k=k: leaf[k], together)
        assert difference(lane, alone) < limit
    assert float(together.samples.potential_energy[0, 0]) != float(together.samples.potential_energy[1, 0])


@pytest.mark.slow
def test_lanes_at_once_agree_with_lanes_in_turn(exact_plan):
    """What other devices than CPUs run."""
    orders = stacked([order(exact_plan, k, 0.001, STEPS) for k in range(2)])
    in_turn = run_blocks(exact_plan, "npt", orders)
    at_once = jax.jit(jax.vmap(lambda one: partial(_block, exact_plan, "npt")(*one)))(orders)
    for k in range(2):
        assert difference(*(jax.tree.map(lambda leaf, k=k: leaf[k], x) for x in (at_once, in_turn))) < LATER


def test_atoms_on_two_devices_agree_with_one(exact_plan):
    alone, divided = (
        run_block(plan, "npt", *order(plan, 1, 0.001, STEPS)) for plan in (exact_plan, replace(exact_plan, shards=2))
    )
    assert difference(divided, alone) < LATER


def test_resting_lane_stays_as_it_is(exact_plan):
    orders = [order(exact_plan, k, 0.001, STEPS) for k in range(3)]
    orders[1] = orders[1]._replace(samples=jnp.asarray(0))
    found = run_blocks(exact_plan, "npt", stacked(orders))
    before = orders[1].state
    for a, b in zip(jax.tree.leaves(found.state), jax.tree.leaves(before), strict=True):
        assert np.array_equal(a[1], b)
    assert int(found.state.step[0]) == STEPS


@pytest.fixture
def lane(tmp_path):
    """Makes lanes in directories that are released at the end."""
    with ExitStack() as stack:

        def make(name: str, k: int, stages: list[Stage]) -> Lane:
            directory = stack.enter_context(RunDirectory(tmp_path / name))
            return Lane(directory, stages, *lane_system(k), small_system()[2], seed=k)

        yield make


def test_a_failing_lane_does_not_stop_or_change_the_others(lane):
    gentle = [Stage("warm", "nvt", 144, (600.0, 600.0), draw_velocities=1.0, record=True)]
    wild = [replace(gentle[0], timestep=0.2)]
    lanes = [lane("failing", 1, wild), lane("going on", 0, gentle)]
    loop.run_lanes(lanes)
    assert isinstance(lanes[0].error, (NumericalError, ResourceError))
    assert "stage warm" in str(lanes[0].error)
    undisturbed = [lane("fine", 1, gentle), lane("again", 0, gentle)]
    loop.run_lanes(undisturbed)
    assert lanes[1].error is None
    a, b = (run.finished().system.fractional for run in (lanes[1], undisturbed[1]))
    assert np.array_equal(a, b)


@pytest.mark.slow
def test_stages_wait_for_the_slowest_lane_and_compile_once_each(lane):
    """Minimisations end at different steps; each kind of stage is one program for all lanes."""
    jax.clear_caches()
    easy = replace(STAGES[0], force_tolerance=50.0)
    lanes = [lane(f"{k}", k, [easy if k else STAGES[0], *STAGES[1:]]) for k in range(2)]
    loop.run_lanes(lanes)
    assert all(run.error is None and not run.active for run in lanes)
    assert _run_lanes._cache_size() == len({stage.ensemble for stage in STAGES})
    assert [run.position.elapsed_ps for run in lanes] == pytest.approx([0.72, 0.72])


def test_lanes_that_cannot_share_a_program_are_refused(lane):
    lanes = [lane("a", 0, STAGES), lane("b", 1, STAGES[1:])]
    with pytest.raises(ConfigError, match="lane 1 cannot share a program with lane 0"):
        loop.run_lanes(lanes)


def test_common_plan_has_room_for_every_lane(exact_plan):
    lists = exact_plan.lists
    larger = replace(exact_plan, largest_volume=9e9, lists=replace(lists, windows=lists.windows + 1))
    fuller = replace(exact_plan, lists=replace(lists, rows=lists.rows + 32), orthorhombic=False)
    plan = common_plan([exact_plan, larger, fuller])
    assert plan.largest_volume == 9e9
    assert (plan.lists.windows, plan.lists.rows) == (lists.windows + 1, lists.rows + 32)
    assert not plan.orthorhombic


def test_common_size_of_the_papers_compositions():
    paper = [38.0, 40.0, 42.5, 45.0]
    size = common_size(paper, 864)
    assert size == 855
    for li2o in paper:
        assert compose(li2o, size).n_atoms == size
        assert abs(compose(li2o, size).li2o - li2o) < 0.15
    with pytest.raises(ConfigError, match="use 855 or 879"):
        common_size(paper, 651)


@pytest.mark.slow
def test_command_makes_run_directories_like_those_of_single_runs(tmp_path, monkeypatch, capfd):
    short = ["scale=smoke", "protocol.melt_ps=0.1", "protocol.relax_nvt_ps=0.1", "protocol.relax_npt_ps=0.2"]
    short += ["protocol.quench_rate=20000.0", "stages=[melt_quench,structure]", f"hydra.run.dir={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["jaxglass", "task=ensemble", "seed=[3,4]", *short])
    assert main() == 0
    said = capfd.readouterr().out
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir() and path.name.startswith("38LiBP-651-seed"))
    assert len(folders) == 2
    densities = []
    for folder in folders:
        held = {path.name for path in folder.iterdir()}
        assert held >= {"config.yaml", "manifest.json", "status.json", "glass.extxyz", "thermo.csv", "results.json"}
        assert read_json(folder / "status.json")["finished"] == ["melt_quench", "structure"]
        results = read_json(folder / "results.json")
        assert results["structure"]["coordination"]["P"]["value"] > 3
        densities.append(results["melt_quench"]["density"]["value"])
        assert f"done      {folder.name}  {densities[-1]:.3f} g/cm3" in said
    assert densities[0] != densities[1]
    assert [lane["state"] for lane in read_json(tmp_path / "results.json")["lanes"]] == ["done", "done"]
    assert main() == 0  # the same command again: nothing left to do
    monkeypatch.setattr(sys, "argv", ["jaxglass", "seed=3", *short[:-1], f"hydra.run.dir={folders[0]}"])
    assert main() == 0  # a lane's directory is that of the single run with its settings


@pytest.mark.parametrize("platform", ["cuda", "cpu"])
def test_block_lowers_without_callbacks(platform):
    """The step can be compiled for a GPU, and nothing in it calls the host."""
    system, potential, plan = small_system()
    rhythm = Rhythm(*map(jnp.asarray, (1, STEPS, 0.5)))
    one = Order(potential, control_of(STAGES[2]), rhythm, jnp.asarray(1), start(system))
    lowered = jax.export.export(run_block, platforms=[platform])(plan, "npt", *one)
    assert lowered.platforms == (platform,)
    program = [line for line in lowered.mlir_module().splitlines() if not line.startswith("#loc")]
    assert any("stablehlo.while" in line for line in program)
    assert not any("custom_call" in line and "callback" in line for line in program)

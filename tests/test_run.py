"""The loop: stopping, killing and continuing, list overflow, damaged files, locks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import ase.io
import ase.units
import jax
import numpy as np
import pytest
from small_run import STAGES, small_run, small_system

from jaxglass.dynamics.ensembles import ENSEMBLES
from jaxglass.engine.plan import Plan
from jaxglass.errors import CheckpointError, ConfigError, NumericalError, Preempted, ResourceError
from jaxglass.model.system import maxwell_boltzmann
from jaxglass.recipe import write_glass
from jaxglass.report.thermo import read_thermo
from jaxglass.simulation import run as loop
from jaxglass.simulation.checkpoint import load_latest, save
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import write_atomic
from jaxglass.simulation.lane import Lane
from jaxglass.simulation.stage import Stage
from jaxglass.study import run_stages

SCRIPT = Path(__file__).with_name("small_run.py")
KILL_SECONDS = 4.0


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """For child processes: they find what this one finds, and compile for as many devices, so that what they compile
    serves here, too."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "JAX_NUM_CPU_DEVICES": str(len(jax.devices()))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, environment) -> Path:
    """The small run, never interrupted, in its own process."""
    path = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([sys.executable, str(SCRIPT), str(path)], env=environment, check=True, capture_output=True)
    return path


def final_state(path: Path) -> dict[str, np.ndarray]:
    found = load_latest(path / "checkpoints")
    assert found is not None
    return found.leaves


def assert_same_run(first: Path, second: Path) -> None:
    """Final state, thermo and every frame equal to the bit."""
    a, b = final_state(first), final_state(second)
    assert a.keys() == b.keys()
    for name in a:
        assert np.array_equal(a[name], b[name]), name
    assert (first / "thermo.csv").read_bytes() == (second / "thermo.csv").read_bytes()
    frames = [sorted((p / "trajectory").glob("*.npz")) for p in (first, second)]
    for x, y in zip(*frames, strict=True):
        with np.load(x) as one, np.load(y) as two:
            assert all(np.array_equal(one[k], two[k]) for k in one.files)


def start_child(path: Path, environment: dict[str, str], pause: float) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), str(path), str(pause)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for_checkpoint(path: Path, beyond: int, child: subprocess.Popen) -> None:
    """Until the child has written a checkpoint after step `beyond`."""
    for _ in range(2400):
        if any(int(p.stem) > beyond for p in (path / "checkpoints").glob("*.npz")):
            return
        assert child.poll() is None, child.communicate()[1].decode()[-2000:]
        time.sleep(0.05)
    raise AssertionError("no checkpoint within two minutes")


def test_killed_run_continues_to_the_same_bits(undisturbed, tmp_path, environment):
    for beyond in (60, 240, 480):  # one kill in each stage kind
        child = start_child(tmp_path, environment, pause=0.1)
        wait_for_checkpoint(tmp_path, beyond, child)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], env=environment, check=True, capture_output=True)
    assert_same_run(undisturbed, tmp_path)


def test_kills_at_random_times_change_nothing(undisturbed, tmp_path, environment):
    """As many as fit: a checkpoint after every block, so that some fall into a save. 200 of whole protocols:
    `python -m validation.kills`."""
    random, kills, runs, began = np.random.default_rng(3), 0, 0, time.monotonic()
    start_child(tmp_path / "whole", environment, pause=0.0).communicate()
    length, began = time.monotonic() - began, time.monotonic()
    while time.monotonic() - began < KILL_SECONDS:
        path, runs = tmp_path / str(runs), runs + 1
        while True:
            late = time.monotonic() - began > KILL_SECONDS
            child = start_child(path, environment, pause=0.0)
            try:
                _, errors = child.communicate(timeout=None if late else random.uniform(0.0, 0.9 * length))
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                load_latest(path / "checkpoints")  # readable, or none yet
                kills += 1
            else:
                assert child.returncode == 0, errors.decode()[-2000:]
                break
        assert_same_run(undisturbed, path)
    print(f"{kills} kills in {runs} runs")
    assert kills >= runs > 0


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGUSR1, signal.SIGUSR2))]
)
def test_signal_writes_a_checkpoint_and_says_so(tmp_path, environment, number):
    child = start_child(tmp_path, environment, pause=0.3)
    wait_for_checkpoint(tmp_path, 60, child)
    began = time.monotonic()
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert time.monotonic() - began < 15
    assert b"Preempted" in errors
    assert signal.Signals(number).name.encode() in errors
    assert load_latest(tmp_path / "checkpoints") is not None


def test_time_runs_forward_and_stands_still_in_a_minimisation(undisturbed):
    history = read_thermo(undisturbed / "thermo.csv")
    assert history is not None
    assert (np.diff(history.time) >= 0).all()
    assert [(span.stage, span.start, span.end) for span in history.spans()] == [
        ("prepare", 0.0, 0.0),
        ("hot", 0.0, 0.3),
        ("cool", 0.3, 0.72),
    ]


@pytest.mark.slow  # a run that is killed ends as the undisturbed one, which says more
def test_processes_repeat_each_other(undisturbed, tmp_path, environment):
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], env=environment, check=True, capture_output=True)
    assert_same_run(undisturbed, tmp_path)


def short() -> list[Stage]:
    return [Stage("hot", "nvt", 216, (2500.0, 2000.0), record=True, draw_velocities=1.0)]


def run_with(path: Path, change) -> loop.Finished:
    """The short stages with a changed plan."""
    system, potential, plan = small_system()
    with RunDirectory(path) as directory:
        return loop.run(directory, short(), system, potential, change(plan), seed=7)


def test_overflowing_lists_change_nothing(tmp_path):
    def cramped(plan: Plan) -> Plan:
        return replace(plan, lists=replace(plan.lists, rows=64))

    roomy, tight = run_with(tmp_path / "roomy", lambda plan: plan), run_with(tmp_path / "tight", cramped)
    assert tight.plan.lists.rows > 64
    for a, b in zip(jax.tree.leaves(roomy.system), jax.tree.leaves(tight.system), strict=True):
        assert np.array_equal(a, b)


SHEAR = ((1.0, 0.02, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
KINDS = {kind: Stage(kind, kind, 144, (2500.0, 2000.0), draw_velocities=1.0) for kind in ENSEMBLES}
KINDS["nvt_stress"] = replace(KINDS["nvt_stress"], stretch=SHEAR)  # as the elastic constants: triclinic from here on
KINDS["minimise"] = replace(KINDS["minimise"], draw_velocities=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_overflow_in_every_kind_of_stage_alone_and_in_a_batch(tmp_path, kind, lanes):
    """Lists with room for 64 rows at the first block against lists that hold everything: equal to the bit."""
    system, potential, plan = small_system()

    def final(name: str, rows: int) -> list[loop.Finished]:
        tight = replace(plan, lists=replace(plan.lists, rows=rows))
        with ExitStack() as stack:
            places = [stack.enter_context(RunDirectory(tmp_path / f"{name}{k}")) for k in range(lanes)]
            some = [Lane(place, [KINDS[kind]], system, potential, tight, seed) for seed, place in enumerate(places)]
            loop.run_lanes(some)
            return [lane.finished() for lane in some]

    for roomy, tight in zip(final("roomy", 2 * plan.lists.rows), final("tight", 64), strict=True):
        assert tight.plan.lists.rows > 64
        for a, b in zip(jax.tree.leaves(roomy.system), jax.tree.leaves(tight.system), strict=True):
            assert np.array_equal(a, b)


def test_explosion_is_a_typed_error_and_keeps_the_last_state(tmp_path):
    stages = [Stage("gentle", "nvt", 60, (300.0, 300.0), draw_velocities=1.0), Stage("wild", "nvt", 120, timestep=0.2)]
    system, potential, plan = small_system()
    with RunDirectory(tmp_path) as directory, pytest.raises((NumericalError, ResourceError), match="wild"):
        loop.run(directory, stages, system, potential, plan, seed=7)
    kept = load_latest(tmp_path / "checkpoints")
    assert kept is not None
    assert np.isfinite(kept.leaves[".system.fractional"]).all()


def test_what_refuses_the_end_of_a_stage_refuses_it_again(tmp_path):
    """As a notch that has healed: the checkpoint stays before the end of the stage, so that the same command says the
    same."""

    def refuse(stage, state):
        raise NumericalError("healed")

    stages = [Stage("relax", "nvt", 36, (300.0, 300.0), draw_velocities=1.0), Stage("pull", "nvt", 12)]
    for _ in range(2):
        with RunDirectory(tmp_path) as directory, pytest.raises(NumericalError, match="healed"):
            loop.run_lane(Lane(directory, stages, *small_system(), 7, refuse))


def test_a_measurement_that_fails_stops_no_other(tmp_path):
    def fails():
        raise NumericalError("the notch healed")

    done = []
    stages = {"melt_quench": lambda: done.append("glass"), "fracture": fails, "report": lambda: done.append("report")}
    with RunDirectory(tmp_path) as directory:
        for _ in range(2):
            with pytest.raises(NumericalError, match="healed"):
                run_stages(directory, stages)
        assert done == ["glass", "report", "report"]
        status = directory.status
        assert (status["state"], status["stage"], status["error"]) == ("failed", "fracture", "the notch healed")
    with RunDirectory(tmp_path / "no glass") as directory, pytest.raises(NumericalError):
        run_stages(directory, stages | {"melt_quench": fails})
    assert done == ["glass", "report", "report"], "without a glass there is nothing to go on with"


def test_stages_refuse_nonsense():
    with pytest.raises(ConfigError, match="ensemble 'nvp'"):
        Stage("x", "nvp", 10)
    with pytest.raises(ConfigError, match="0 steps"):
        Stage("x", "nvt", 0)


# -- checkpoints ----------------------------------------------------------------------------------------------------


def write_two(folder: Path) -> None:
    for number in (10, 20):
        save(folder, number, {"stage": number}, {"x": np.arange(number), "y": np.linspace(0, 1, 500)})


def test_only_the_last_two_are_kept(tmp_path):
    for number in range(5):
        save(tmp_path, number, {}, {"x": np.arange(3)})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "000000003.npz",
        "000000003.sha256",
        "000000004.npz",
        "000000004.sha256",
    ]


def damaged(good: bytes, count: int) -> Iterator[bytes]:
    """`good` with one bit flipped or its end cut off, `count` times."""
    random = np.random.default_rng(0)
    for _ in range(count):
        bad = bytearray(good)
        if random.random() < 0.5:
            bad[random.integers(len(bad))] ^= 1 << random.integers(8)
        else:
            bad = bad[: random.integers(len(bad))]
        yield bytes(bad)


def test_damage_is_detected_and_the_previous_one_is_used(tmp_path):
    write_two(tmp_path)
    newest = tmp_path / "000000020.npz"
    for bad in damaged(newest.read_bytes(), 200):
        newest.write_bytes(bad)
        found = load_latest(tmp_path)
        assert found is not None
        assert found.header["stage"] == 10
        assert "000000020.npz: SHA-256" in found.note


def test_damage_of_a_trajectory_is_detected_or_harmless(tmp_path):
    """A segment has no hash of its own: the checksums of its archive."""
    random = np.random.default_rng(1)
    frames = {"time": np.arange(3.0), "fractional": random.random((3, 50, 3)), "cell": np.tile(np.eye(3), (3, 1, 1))}
    detected = 0
    with RunDirectory(tmp_path) as directory:
        name = directory.write_segment("000000001.npz", **frames)
        path = tmp_path / "trajectory" / name
        for bad in damaged(path.read_bytes(), 200):
            path.write_bytes(bad)
            try:
                (found,) = directory.read_segments([name])
            except CheckpointError:
                detected += 1
                continue
            assert all(np.array_equal(found[key], values) for key, values in frames.items())
    assert detected > 150


def test_no_usable_checkpoint_is_an_error(tmp_path):
    write_two(tmp_path)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        load_latest(tmp_path)


def test_stale_temporaries_are_deleted(tmp_path):
    write_two(tmp_path)
    (tmp_path / "000000030.npz.tmp").write_bytes(b"half")
    found = load_latest(tmp_path)
    assert found is not None
    assert found.header["stage"] == 20
    assert not list(tmp_path.glob("*.tmp"))


def test_full_disk_names_path_and_errno(tmp_path):
    save(tmp_path, 1, {"stage": 1}, {"x": np.arange(10)})
    code = (
        "import resource, sys, numpy as np, signal\n"
        "from pathlib import Path\nfrom jaxglass.simulation.checkpoint import save\n"
        "from jaxglass.errors import ResourceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    save(Path(sys.argv[1]), 2, {}, {'x': np.zeros(100000)})\n"
        "except ResourceError as error:\n    print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
    assert "000000002.npz" in said
    assert "errno 27" in said
    found = load_latest(tmp_path)
    assert found is not None
    assert found.header["stage"] == 1
    assert not list(tmp_path.glob("*.tmp"))


# -- run directory --------------------------------------------------------------------------------------------------


def test_second_process_is_turned_away(tmp_path):
    with RunDirectory(tmp_path), pytest.raises(ResourceError, match=f"in use by process {os.getpid()}"):
        RunDirectory(tmp_path)


def test_directory_of_another_run_is_refused(tmp_path):
    with RunDirectory(tmp_path) as directory:
        directory.claim("aaaa", "x: 1\n")
        directory.claim("bbbb", "x: 2\n")  # nothing was made with the first: a typo in a file of its settings
        assert (tmp_path / "config.yaml").read_text() == "x: 2\n"
        directory.add_results(structure={})
        directory.claim("bbbb", "x: 2\n")
        with pytest.raises(ConfigError, match="another run"):
            directory.claim("cccc", "x: 3\n")


def test_the_files_of_a_glass_have_what_lammps_and_ase_need(tmp_path):
    """Species, places, velocities and, in the data file, charges; without these LAMMPS has no Coulomb energy."""
    system, potential, _ = small_system()
    system = maxwell_boltzmann(system, 300.0, 1)
    write_glass(tmp_path, system, potential)
    data, atoms = (ase.io.read(tmp_path / name, **how) for name, how in FILES.items())
    assert data.get_chemical_symbols() == atoms.get_chemical_symbols() == list(system.symbols)
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    np.testing.assert_allclose(data.get_initial_charges(), charges, rtol=1e-12)
    velocities = np.asarray(system.momenta) / np.asarray(system.masses)[:, None] / (1e3 * ase.units.fs)
    for one in (data, atoms):
        moved = (one.get_scaled_positions() - np.asarray(system.fractional) + 0.5) % 1.0 - 0.5
        np.testing.assert_allclose(moved, 0.0, atol=1e-8)
        np.testing.assert_allclose(one.get_velocities(), velocities, rtol=1e-3, atol=1e-6)  # ASE has masses of its own


FILES: dict[str, dict[str, str]] = {
    "glass.data": {"format": "lammps-data", "atom_style": "charge", "units": "metal"},
    "glass.extxyz": {},
}


def test_results_refuse_numbers_that_are_not(tmp_path):
    with RunDirectory(tmp_path) as directory:
        directory.add_results(a={"value": 1.0})
        with pytest.raises(ValueError, match="Out of range"):
            directory.add_results(b={"value": float("nan")})
        assert json.loads((tmp_path / "results.json").read_text()) == {"a": {"value": 1.0}}


def test_atomic_write_leaves_the_old_file_on_failure(tmp_path):
    path = tmp_path / "folder" / "x"
    with pytest.raises(ResourceError, match="errno 2"):
        write_atomic(path, b"new")


def test_finished_run_continues_to_nothing(tmp_path):
    first = small_run(tmp_path, short())
    again = small_run(tmp_path, short())
    assert np.array_equal(first.system.fractional, again.system.fractional)


def test_stop_request_is_seen_at_the_next_block(tmp_path, monkeypatch):
    shown = loop.Progress.show

    def interrupt(self, *arguments, **keywords):
        shown(self, *arguments, **keywords)
        os.kill(os.getpid(), signal.SIGUSR2)

    monkeypatch.setattr(loop.Progress, "show", interrupt)
    with pytest.raises(Preempted, match="SIGUSR2"):
        small_run(tmp_path, STAGES[:1])

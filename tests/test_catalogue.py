"""The catalogue of bad input: every item is refused (or mended) with a message that tells and the right exit code.

`ITEMS` gives each of the 45 items a test here; where the item is tested more fully elsewhere, the entry names the file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from small_run import small_run, small_system
from structures import lithium_oxide, supercell

from jaxglass import doctor, manifest
from jaxglass.analysis.measured_curve import read_curve
from jaxglass.dynamics.state import start
from jaxglass.engine.plan import make_plan
from jaxglass.errors import CheckpointError, ConfigError, JaxglassError, NumericalError, ResourceError
from jaxglass.model.system import System
from jaxglass.simulation import directory as directories
from jaxglass.simulation import lane as lanes
from jaxglass.simulation import run as loop
from jaxglass.simulation.block import BlockResult, Health
from jaxglass.simulation.checkpoint import load_latest, save
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.lane import Lane
from jaxglass.simulation.rhythm import check_width
from jaxglass.simulation.stage import Stage
from jaxglass.trajectories import Reading, read_trajectory

CONFIG, INPUT, NUMERICAL, CHECKPOINT, RESOURCE, PREEMPTED = 2, 3, 4, 5, 6, 75
ITEMS: dict[int, list[Callable]] = {}


def item(*numbers: int):
    """Marks a test as that of these items."""

    def mark(test):
        for number in numbers:
            ITEMS.setdefault(number, []).append(test)
        return test

    return mark


def said(error: pytest.ExceptionInfo[JaxglassError]) -> tuple[int, str]:
    """Exit code and message, which is one line."""
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return error.value.exit_code, text


# -- settings -------------------------------------------------------------------------------------------------------

SETTINGS = [  # more in test_cli.py, test_composition.py, test_potential.py, test_sweep.py
    (1, ["xx=1"], CONFIG, "xx: unknown key"),
    (1, ["+glass.li20=1"], CONFIG, "did you mean glass.li2o"),
    (2, ["protocol.melt_temperature=-5", "protocol.timestep_fs=9"], CONFIG, "protocol.timestep_fs = 9"),
    (2, ["glass.li2o=nan"], CONFIG, "glass.li2o = nan: must be finite"),
    (2, ["glass.n_atoms=many"], CONFIG, "must be a whole number"),
    (3, ["glass.li2o=-1"], CONFIG, "must lie between 0 and 99"),
    (4, ["glass.n_atoms=20", "glass.li2o=42.7"], CONFIG, "nearest neutral composition has"),
    (5, ["potential.charges.Li=0.7"], CONFIG, "or set engine.allow_background=true"),
    (6, ["~potential.charges.Li"], CONFIG, "no charge for Li"),
    (6, ["~potential.buckingham.P-O", "~potential.buckingham.Li-O"], CONFIG, "no Buckingham pair Li-O"),
    (6, ["potential.charges.Li=nan"], CONFIG, "potential.charges.Li = nan: must be finite"),
    (9, ["glass.n_atoms=300"], CONFIG, "use more atoms (about 600 for 8 A) or a cutoff below"),
    (12, ["protocol.start_density=0.3"], CONFIG, "protocol.start_density = 0.3"),
    (12, ["protocol.start_density=6.5"], CONFIG, "must lie between 0.5 and 6"),
    (13, ["glass.n_atoms=9000000"], RESOURCE, "needs about"),
    (14, ["engine.coulomb_accuracy=1e-7"], CONFIG, "set engine.precision=float64"),
    (38, ["hydra.run.dir=outputs/../../x"], CONFIG, "'..' after a folder name"),
    (39, ["+potential._target_=os.system"], CONFIG, "code cannot be named"),
    (39, ["+potential.note={_partial_: true}"], CONFIG, "code cannot be named"),
    (39, ["+potential.note=${oc.env:HOME}"], CONFIG, "potential.note: ${oc.env:} is not allowed"),
    (40, ["engine.device=gpu"], CONFIG, "JAX finds only cpu"),
    (42, ["seed=null"], CONFIG, "seed = None: must be given"),
    (42, ["seed=-1"], CONFIG, "seed = -1: must lie between"),
    (42, ["seed=4294967296"], CONFIG, "seed = 4294967296"),
    (43, ["-m", "seed=range(0,0)"], CONFIG, "the sweep has no points"),
    (43, ["-m", "seed=1,1"], CONFIG, "share the directory"),
    (44, ["stages=[structure]"], CONFIG, "no glass in"),
    (44, ["task=analyse", "stages=[report]", "input=a.xyz"], CONFIG, "task=analyse measures"),
]


@item(*(case[0] for case in SETTINGS))
@pytest.mark.parametrize(("number", "arguments", "expected", "words"), SETTINGS)
def test_settings(command, number, arguments, expected, words):
    code, _, err = command(*arguments)
    assert code == expected, err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def glass(change: Callable[[Atoms], None] = lambda atoms: None) -> Atoms:
    symbols, fractional, cell = supercell(*lithium_oxide(), 2)
    atoms = Atoms(symbols, scaled_positions=fractional, cell=cell, pbc=True)
    change(atoms)
    return atoms


def moved(distance: float) -> Callable[[Atoms], None]:
    def change(atoms: Atoms) -> None:
        atoms.positions[1] = atoms.positions[0] + [distance, 0, 0]

    return change


STRUCTURES = [  # more in test_cli.py
    (7, moved(0.3), INPUT, "are 0.300 A apart; closest allowed 0.5 A"),
    (8, moved(0.0), INPUT, "lie on one point"),
    (10, lambda a: a.set_cell(np.diag([9.0, 9.0, 0.0])), INPUT, "the cell has no volume"),
    (10, lambda a: a.set_cell(np.diag([9.0, 9.0, -9.0])), INPUT, "left-handed"),
    (10, lambda a: a.set_cell([[9, 0, 0], [90, 9, 0], [0, 0, 9]], scale_atoms=True), INPUT, "too tilted"),
]


@item(*(case[0] for case in STRUCTURES))
@pytest.mark.parametrize(("number", "change", "expected", "words"), STRUCTURES)
def test_structures(command, number, change, expected, words):
    write("in.xyz", glass(change), format="extxyz")
    code, _, err = command("task=evaluate", "input=in.xyz")
    assert code == expected
    assert words in err
    assert len(err.strip().splitlines()) == 1


@item(11)
def test_atoms_outside_the_cell_are_wrapped(command):
    """And the energy is the same to rounding."""
    energies = []
    for shift in ([0, 0, 0], [50.0, -30.0, 7.0]):
        write("in.xyz", glass(lambda atoms, shift=shift: atoms.translate(shift)), format="extxyz")
        code, _, _ = command("task=evaluate", "input=in.xyz", "hydra.run.dir=here")
        assert code == 0
        energies.append(json.loads(Path("here/results.json").read_text())["evaluate"]["energy"]["value"])
    assert energies[1] == pytest.approx(energies[0], abs=1e-7)


@item(9)
def test_width():
    with pytest.raises(ConfigError) as error:
        check_width(np.eye(3) * 16.0, 8.0)
    code, text = said(error)
    assert code == CONFIG
    assert "a cutoff below 7.65 A" in text


@item(14)
def test_mesh_above_its_cap():
    charges = np.tile([1.0, -1.0], 500)
    with pytest.raises(ConfigError) as error:
        make_plan(np.eye(3) * 900.0, charges, 8.0, 1e-9, "float64")
    assert "ask for less accuracy" in said(error)[1]


# -- during a run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def lane(tmp_path):
    """A small lane at the beginning of its stage."""
    stages = [Stage("melt", "nvt", 216, (300.0, 300.0), draw_velocities=1.0)]
    with RunDirectory(tmp_path / "run") as directory:
        made = Lane(directory, stages, *small_system(), seed=0)
        yield made
        made.thermo.close()


def block(
    lane: Lane, energy: float = -5.0, system: System | None = None, **worst
) -> tuple[SimpleNamespace, BlockResult]:
    """An order of two samples and a result with the `worst` values given."""
    state = lane.position.state if system is None else replace(lane.position.state, system=system)
    good = {"rows": 0, "run": 0, "coarse": False, "excess": -1.0, "travel": 0.1, "fastest": 0.01, "fastest_atom": 3}
    good |= {"finite": True, "largest_force": 0.1}
    health = Health(**{key: jnp.asarray(value) for key, value in (good | worst).items()})
    n = len(state.system.species)
    samples = SimpleNamespace(potential_energy=np.full(2, energy * n), cell=np.stack([np.eye(3) * 13.6] * 2))
    order = SimpleNamespace(samples=2, rhythm=SimpleNamespace(skin=0.5))
    return order, SimpleNamespace(health=health, samples=samples, state=state)  # type: ignore[return-value]


@item(15)
def test_lists_that_keep_overflowing(lane):
    """Repeated with larger lists (test_run.py: to the same bits), in the end a typed error."""
    rows = lane.position.plan.lists.rows
    for _ in range(lanes.MOST_ATTEMPTS - 1):
        assert lane.take(*block(lane, rows=2 * lane.position.plan.lists.rows)) == 0
    with pytest.raises(ResourceError) as error:
        lane.take(*block(lane, rows=2 * lane.position.plan.lists.rows))
    code, text = said(error)
    assert code == RESOURCE
    assert "neighbour lists still fail after 12 attempts" in text
    assert lane.position.plan.lists.rows > rows
    assert int(lane.position.state.step) == -1  # nothing of the blocks was kept


@item(16)
def test_box_that_shrinks_below_its_lists(lane):
    """The block is not kept and the pace grows (test_neighbors.py: no list that misses a pair is called valid)."""
    before = lane.position
    order, result = block(lane)
    result.samples.cell[:] = np.eye(3) * 12.5
    assert lane.take(order, result) == 0
    assert lane.position.pace > before.pace
    assert lane.position.state is before.state


@item(17)
def test_atoms_too_fast(lane):
    with pytest.raises(NumericalError) as error:
        lane.take(*block(lane, fastest=0.73))
    code, text = said(error)
    assert code == NUMERICAL
    assert "stage melt, steps up to" in text
    assert "atom 3 (Li) moved 0.73 A in one step (limit 0.5 A)" in text


@item(18)
def test_not_finite(lane):
    with pytest.raises(NumericalError) as error:
        lane.take(*block(lane, finite=False))
    code, text = said(error)
    assert code == NUMERICAL
    assert "not finite (atom 3, Li); last good state kept" in text


@item(19)
def test_collapse(lane):
    """Names step, atoms, pair and energy."""
    system = lane.position.state.system
    cell = np.asarray(system.cell)
    places = np.asarray(system.fractional).copy()
    places[200] = places[7] + [0.3 / cell[0, 0], 0, 0]
    with pytest.raises(NumericalError) as error:
        lane.take(*block(lane, -5e4, replace(system, fractional=jnp.asarray(places))))
    code, text = said(error)
    assert code == NUMERICAL
    assert "-50000 eV per atom: atoms 7 (Li) and 200 (O), 0.30 A apart, collapsed into each other" in text


@item(40)
def test_out_of_device_memory(lane, monkeypatch):
    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")

    monkeypatch.setattr(loop, "run_block", full)
    with pytest.raises(ResourceError) as error:
        loop.run_lane(lane)
    code, text = said(error)
    assert code == RESOURCE
    assert "216 atoms need about" in text
    assert "the last checkpoint is kept" in text


@item(45)
def test_steps_are_64_bit(tmp_path):
    state = start(small_system()[0])
    assert state.step.dtype == jnp.int64
    far = replace(state, step=jnp.asarray(2**40, jnp.int64))
    save(tmp_path, 2**40, {}, far)
    found = load_latest(tmp_path)
    assert found is not None
    assert int(found.restore(state).step) == 2**40


# -- files of others ------------------------------------------------------------------------------------------------

ROWS = [f"{0.1 * k:.2f} {1 + 0.01 * k:.3f} 0.1" for k in range(1, 26)]


def with_row(k: int, text: str) -> list[str]:
    return [*ROWS[:k], text, *ROWS[k + 1 :]]


CURVES = [  # more in test_scattering.py
    (20, with_row(4, "0.5 nan 0.1"), "curve.txt:5: '0.5 nan 0.1' holds a value that is not finite"),
    (20, with_row(4, "0.5 inf 0.1"), "curve.txt:5"),
    (21, with_row(4, "0.4 1.0 0.1"), "curve.txt:5: x = 0.4 does not exceed 0.4 before it"),
    (21, with_row(0, "-0.1 1.0 0.1"), "curve.txt:1: x = -0.1 is negative"),
    (22, with_row(4, "0.5 1.0"), "curve.txt:5: 2 columns after lines with 3"),
    (22, with_row(4, "0,5 1,0 0,1"), "curve.txt:5: 6 columns"),
    (22, with_row(4, "r T error"), "curve.txt:5: 'r T error' is not numbers"),
    (22, [], "0 points are too few"),
    (23, ["# r (nm)", *ROWS], "the header speaks of nm"),
    (24, with_row(4, "0.5 1.0 0"), "curve.txt:5: error = 0 must be above 0"),
    (24, with_row(4, "0.5 1.0 -0.1"), "curve.txt:5: error = -0.1 must be above 0"),
]


@item(*(case[0] for case in CURVES))
@pytest.mark.parametrize(("number", "lines", "words"), CURVES)
def test_measured_curves(command, number, lines, words):
    Path("curve.txt").write_text("\n".join([*lines, ""]))
    measured = ["file=curve.txt", "quantity=T_r", "density=2.3"]
    code, _, err = command(*(f"scattering.measured.{setting}" for setting in measured))
    assert code == INPUT
    assert words in err
    assert len(err.strip().splitlines()) == 1


def curve_lines(x: np.ndarray, y: np.ndarray) -> list[str]:
    return [f"{a:.3f} {b:.6f}" for a, b in zip(x, y, strict=True)]


Q, R = np.arange(0.5, 20, 0.05), np.arange(0.5, 12, 0.02)
PEAKS, LINE = np.sin(3 * Q) * np.exp(-Q / 5), 4 * np.pi * 0.07 * R
MISTAKEN = [
    ("S_q", Q, PEAKS, "is it S - 1 or Q(S - 1)? Make it S"),
    ("S_q", Q, 40 + PEAKS, "tends to 40.00 at large Q, not to 1 as S(Q) does"),
    ("S_q", 10 * Q, 1 + PEAKS, "is it in 1/nm? Set the unit to nm"),
    ("S_q", Q + 7, 1 + PEAKS, "S(Q) begins at 7.5 1/A"),
    ("S_q", Q / 5, 1 + PEAKS, "too little for a fit"),
    ("T_r", R, np.sin(5 * R), "is it D(r) or T(r)"),
    ("D_r", R, LINE, "is it D(r) or T(r)"),
    ("D_r", R + 3, np.sin(5 * R), "covers 3.5-8 A of the 1-8 A that are fitted"),
]


@item(23)
@pytest.mark.parametrize(("quantity", "x", "y", "words"), MISTAKEN)
def test_curves_of_another_kind_or_unit_are_no_targets(command, quantity, x, y, words):
    Path("curve.txt").write_text("\n".join(curve_lines(x, y)))
    given = ("target=curve.txt", "kind=xray", f"quantity={quantity}", "density=2.3")
    code, _, err = command("task=validate_config", *(f"refit.{setting}" for setting in given))
    assert code == CONFIG
    assert words in err


def test_parameters_that_move_nothing_are_told_before_a_run(command):
    Path("curve.txt").write_text("\n".join(curve_lines(Q, 1 + PEAKS)))
    given = ("target=curve.txt", "kind=xray", "quantity=S_q", "density=2.3")
    settings = [f"refit.{setting}" for setting in given]
    assert command("task=validate_config", *settings)[0] == 0
    code, _, err = command("task=validate_config", *settings, 'refit.parameters=["V Si-O"]')
    assert code == CONFIG
    assert "'V Si-O' moves Si-O, which a glass of Li, B, P, O does not have" in err
    Path("bad.yaml").write_text("charges: {Li: 0.6, B: 1.8, P: 3.0, O: -1.2}\nbuckingham: {P-O: 7}\n")
    code, _, err = command("task=validate_config", *settings, "potential.file=bad.yaml", 'refit.parameters=["V P-O"]')
    assert code == CONFIG
    assert "internal" not in err
    code, _, err = command("task=validate_config", *settings, "refit.estimator=ensemble", "refit.bulk_modulus=60")
    assert code == CONFIG
    assert "hold no moduli" in err


@item(*(case[0] for case in CURVES))
@pytest.mark.parametrize(("number", "lines", "words"), CURVES)
def test_targets_of_a_refit(command, number, lines, words):
    Path("curve.txt").write_text("\n".join([*lines, ""]))
    given = ("target=curve.txt", "kind=xray", "quantity=T_r", "density=2.3")
    code, _, err = command("task=refit", *(f"refit.{setting}" for setting in given))
    assert code == INPUT
    assert words in err
    assert len(err.strip().splitlines()) == 1


@item(23)
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([], "refit.quantity must be given; refit.kind must be given; refit.target: give one file"),
        (["kind=xray", "quantity=S_q", "target=c.txt"], "refit.density must be given (g/cm3 of the measured glass)"),
        (["kind=light", "quantity=S_q"], "refit.kind = 'light': must be one of xray, neutron"),
        (
            ["kind=xray", "quantity=S_q", "targets=[{file: c.txt}]"],
            "refit.targets[0]: density is missing; li2o is missing",
        ),
        (["kind=xray", "quantity=S_q", "targets=[{fil: c.txt}]"], "refit.targets[0]: unknown fil"),
        (["kind=xray", "quantity=S_q", "targets=[{file: c, li2o: 40, density: 99}]"], "density = 99: must lie between"),
    ],
)
def test_a_refit_must_be_told_what_was_measured(command, settings, words):
    code, _, err = command("task=refit", *(f"refit.{setting}" for setting in settings))
    assert code == CONFIG
    assert words in err
    assert len(err.strip().splitlines()) == 1


@item(22)
@pytest.mark.parametrize("ending", ["\r\n", "\n"])
def test_harmless_curves(tmp_path, ending):
    path = tmp_path / "curve.txt"
    path.write_bytes(b"\xef\xbb\xbf" + ending.join(["# r, T", *ROWS, ""]).encode())
    assert len(read_curve(path, "T_r").x) == 25


@item(23)
def test_kind_and_density_must_be_given(command):
    code, _, err = command("scattering.measured.file=curve.txt")
    assert code == CONFIG
    assert "scattering.measured.density: must be given with scattering.measured.file" in err


FRAME = '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3\nLi 0 0 0\nO 2 0 0\n'
DATA = (
    "title\n\n2 atoms\n2 atom types\n0 5 xlo xhi\n0 5 ylo yhi\n0 5 zlo zhi\n\nMasses\n\n1 6.94\n2 15.999\n\n"
    "Atoms # charge\n\n1 1 0.6 0 0 0\n2 2 -1.2 2 0 0\n"
)
FILES = [  # more in test_trajectories.py
    (30, "in.xyz", FRAME * 2 + FRAME[:-8], "frame 2 has 1 of its 2 atoms, 1 is missing"),
    (31, "in.xyz", FRAME + FRAME.replace("Li 0 0 0", "O 0 0 0"), "frame 1: atom 1 is O, in frame 0 it is Li"),
    (
        31,
        "in.xyz",
        FRAME + FRAME.replace("2\n", "1\n", 1).replace("O 2 0 0\n", ""),
        "frame 1 has 1 atoms, frame 0 has 2",
    ),
    (32, "in.data", DATA.replace("2 atoms", "3 atoms"), "in.data:14: 2 atoms, but the header says 3"),
    (32, "in.data", DATA.replace("2 15.999\n", ""), "Masses must give each of the 2 types once"),
    (32, "in.data", DATA.replace("# charge", "# bond"), "in.data:14: atom style bond"),
    (32, "in.data", DATA.replace("1 1 0.6", "1 7 0.6"), "in.data:16: type 7 of 2 atom types"),
    (32, "in.data", DATA.replace("2 2 -1.2", "1 2 -1.2"), "id 1 occurs twice"),
    (32, "in.data", DATA.replace("0 5 xlo", "0 nan xlo"), "in.data:5"),
]


@item(*(case[0] for case in FILES))
@pytest.mark.parametrize(("number", "name", "content", "words"), FILES)
def test_trajectories(command, number, name, content, words):
    Path(name).write_text(content)
    code, _, err = command("task=analyse", f"input={name}")
    assert code == INPUT
    assert words in err
    assert len(err.strip().splitlines()) == 1


@item(30)
def test_whole_frames_before_a_half_one_are_read(tmp_path):
    (tmp_path / "in.xyz").write_text(FRAME * 2 + FRAME[:-8])
    assert len(read_trajectory(tmp_path / "in.xyz", Reading(frames=":2")).time) == 2


# -- files of our own -----------------------------------------------------------------------------------------------


@item(25)
def test_damaged_checkpoint_falls_back_and_says_so(tmp_path):
    for number in (1, 2):
        save(tmp_path, number, {"stage": number}, {"x": np.arange(10)})
    (tmp_path / "000000002.npz").write_bytes(b"half")
    found = load_latest(tmp_path)
    assert found is not None
    assert found.header["stage"] == 1
    assert "000000002.npz: SHA-256 does not match, the file is damaged" in found.note
    (tmp_path / "000000001.npz").write_bytes(b"")
    with pytest.raises(CheckpointError) as error:
        load_latest(tmp_path)
    code, text = said(error)
    assert code == CHECKPOINT
    assert text.startswith("no usable checkpoint: 000000002.npz")


@item(26, 34)
def test_directory_of_another_run_names_what_differs(tmp_path):
    with RunDirectory(tmp_path) as directory:
        directory.claim("aaaa", "glass: {li2o: 38}\nseed: 0\n")
        directory.add_results(structure={})
        with pytest.raises(ConfigError) as error:
            directory.claim("bbbb", "glass: {li2o: 45}\nseed: 0\n")
    code, text = said(error)
    assert code == CONFIG
    assert "glass.li2o: 38 there, 45 here" in text
    assert "seed" not in text


@item(26)
def test_checkpoint_of_another_glass(tmp_path):
    save(tmp_path, 1, {}, {"x": np.zeros(10)})
    found = load_latest(tmp_path)
    assert found is not None
    with pytest.raises(CheckpointError) as error:
        found.restore({"x": np.zeros(11)})
    assert said(error)[0] == CHECKPOINT
    assert "it belongs to another run" in said(error)[1]


@item(27)
def test_checkpoint_of_another_schema(tmp_path, monkeypatch):
    from jaxglass.simulation import checkpoint

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "SCHEMA", 99)
        save(tmp_path, 1, {}, {"x": np.zeros(1)})
    with pytest.raises(CheckpointError) as error:
        load_latest(tmp_path)
    assert "schema 99, this version reads 1" in said(error)[1]


@item(27)
def test_other_versions_continue_and_say_so():
    new = manifest.manifest("hash", 0, "mixed")
    assert manifest.differences(new, new) == ""
    old = new | {"versions": new["versions"] | {"jax": "0.1"}, "cores": 99}
    text = manifest.differences(old, new)
    assert text.startswith("jax 0.1 before, ")
    assert "cores 99 before" in text
    assert "not to the bit" in text


@item(28, 29)
@pytest.mark.parametrize(("arrays", "words"), [("objects", "holds objects"), ("packed", "declares")])
def test_checkpoints_that_nobody_here_wrote(tmp_path, arrays, words):
    """With the right hash. Shapes beyond the file: test_fuzz.py."""
    import hashlib

    path = tmp_path / "000000001.npz"
    if arrays == "objects":
        np.savez(path, x=np.array([{}], dtype=object))
    else:
        np.savez_compressed(path, x=np.zeros(1_000_000))
    path.with_suffix(".sha256").write_text(hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(CheckpointError) as error:
        load_latest(tmp_path)
    assert said(error)[0] == CHECKPOINT
    assert words in said(error)[1]


@contextmanager
def small_disk(path: Path, megabytes: int):
    """A tmpfs of so many MB mounted on `path`."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@item(33)
def test_full_disk(tmp_path, monkeypatch):
    """A disk of 2 MB fills up: path and errno, the checkpoint before it is whole; it is continued with more room."""
    monkeypatch.setattr(directories, "LEAST_FREE", 0)
    with small_disk(tmp_path / "disk", 2):
        run = tmp_path / "disk" / "run"
        (tmp_path / "disk" / "ballast").write_bytes(bytes(2 * 2**20 - 48 * 1024))
        with pytest.raises(ResourceError) as error:
            small_run(run)
        code, text = said(error)
        assert code == RESOURCE
        assert "No space left on device (errno 28)" in text
        assert str(run) in text
        assert not list(run.rglob("*.tmp"))
        assert load_latest(run / "checkpoints") is not None
        (tmp_path / "disk" / "ballast").unlink()
        assert np.isfinite(np.asarray(small_run(run).system.fractional)).all()


@item(33)
def test_hardly_any_disk_left(tmp_path):
    with small_disk(tmp_path / "disk", 4), pytest.raises(ResourceError) as error:
        RunDirectory(tmp_path / "disk" / "run")
    assert "MB are free on this disk, 20 MB are needed" in said(error)[1]


@item(33)
def test_no_such_place():
    with pytest.raises(ResourceError) as error:
        RunDirectory(Path("/proc/nowhere"))
    assert said(error)[0] == RESOURCE
    assert "cannot use run directory /proc/nowhere" in said(error)[1]


@item(35)
def test_second_process_in_one_directory(tmp_path):
    code = f"from jaxglass.simulation.directory import RunDirectory; RunDirectory({str(tmp_path)!r})"
    known = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with RunDirectory(tmp_path):
        text = subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True).stderr
    assert f"in use by process {os.getpid()}; wait or choose another" in text
    assert ResourceError.exit_code == RESOURCE


@item(36)
def test_half_written_files_are_forgotten(tmp_path):
    """The kills themselves: test_run.py, test_mechanics.py."""
    save(tmp_path, 1, {"stage": 1}, {"x": np.zeros(3)})
    (tmp_path / "000000002.npz.tmp").write_bytes(b"half")
    found = load_latest(tmp_path)
    assert found is not None
    assert found.header["stage"] == 1
    assert not list(tmp_path.glob("*.tmp"))


@item(37)
def test_stopped(command, monkeypatch):
    """The four signals and max_walltime: test_run.py, test_signals.py, test_sweep.py."""
    from jaxglass import tasks
    from jaxglass.errors import Preempted

    def stopped(_):
        raise Preempted("stopped by SIGTERM at step 7; run the same command to continue")

    monkeypatch.setattr(tasks, "TASKS", tasks.TASKS | {"study": stopped})
    code, _, err = command()
    assert code == PREEMPTED
    assert err == "jaxglass: stopped by SIGTERM at step 7; run the same command to continue\n"


@item(38)
def test_sweeps_stay_in_their_folder(command):
    code, _, err = command("-m", "seed=1,2", "hydra.sweep.subdir='../../${seed}'")
    assert code == CONFIG
    assert "must lie inside hydra.sweep.dir" in err


@item(41)
def test_lammps_that_does_not_start(monkeypatch):
    """The doctor names the reason and is content; the benchmark leaves it out (test_benchmark.py)."""

    def missing(*_, **__):
        raise OSError("libmpi.so.12: cannot open shared object file")

    monkeypatch.setattr(subprocess, "run", missing)
    monkeypatch.setattr("jaxglass.lammps.launch.executable", lambda: "lmp")
    found = next(check for check in doctor.CHECKS if check.__name__ == "_lammps")()
    assert (found.good, found.required) == (False, False)
    assert "lmp does not start: libmpi.so.12: cannot open shared object file" in found.text


@item(44)
def test_nothing_to_analyse_is_null_with_a_reason(command):
    """One frame of Li2O: no boron, no error; more in test_analyse.py."""
    write("in.xyz", glass(), format="extxyz")
    code, _, err = command("task=analyse", "input=in.xyz", "stages=[structure]", "hydra.run.dir=here")
    assert code == 0, err
    text = Path("here/results.json").read_text()
    assert "NaN" not in text
    n4 = json.loads(text)["structure"]["n4"]
    assert n4["value"] is None
    assert n4["reason"]


def test_every_item_has_a_test():
    assert sorted(ITEMS) == list(range(1, 46))

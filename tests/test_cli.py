"""The command: settings refused in one line with the right exit code before anything compiles, evaluate, doctor."""

import ast
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from systems import AS_USERS

from jaxglass import doctor, runtime
from jaxglass.errors import ConfigError, ResourceError
from jaxglass.simulation.directory import RunDirectory

ROOT = Path(__file__).parents[1]
LI2O = Atoms(
    "Li8O4",
    scaled_positions=[[x, y, z] for x in (0.25, 0.75) for y in (0.25, 0.75) for z in (0.25, 0.75)]
    + [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    cell=[4.619] * 3,
    pbc=True,
)
LI2O_ENERGY = -52.238597815 + 1.579924008  # tests/data/crystal_energies.csv


COMES_WITH = {"yaml": "pyyaml", "hydra": "hydra-core", "omegaconf": "hydra-core", "PIL": "matplotlib"}


def test_whatever_is_imported_is_a_dependency():
    """Tests run with extras, which bring more than `pip install jaxglass` does."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    dependencies = {re.match(r"[\w-]+", line)[0] for line in declared}
    for path in (ROOT / "jaxglass").rglob("*.py"):
        if path.name == "stock_jax_md.py":  # for task=benchmark, which says so where it is missing
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
        packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"jaxglass"}
        missing = {COMES_WITH.get(name, name) for name in packages} - dependencies
        assert not missing, path


def test_help_is_quick():
    """One second here; the limit leaves room for a busy machine, best of three."""
    times = []
    for _ in range(3):
        began = time.monotonic()
        said = subprocess.run(
            [sys.executable, "-m", "jaxglass", "--help"], capture_output=True, text=True, check=True
        ).stdout
        times.append(time.monotonic() - began)
    assert "task=doctor" in said
    assert min(times) < 2.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["xx=1"], "xx: unknown key"),
        (["+xx=1"], "xx: unknown key"),
        (["+glas.li2o=1"], "did you mean glass.li2o"),
        (["glass.li20=40"], "did you mean glass.li2o"),
        (["protocol.melt_temperature=-5", "glass.li2o=abc", "seed=1.5"], "protocol.melt_temperature = -5"),
        (["glass.li2o=nan"], "glass.li2o = nan"),
        (["glass.li2o=101"], "between 0 and 99"),
        (["protocol.timestep_fs=0"], "protocol.timestep_fs"),
        (["protocol.timestep_fs=6"], "protocol.timestep_fs"),
        (["potential.cutoff=0"], "potential.cutoff"),
        (["glass.n_atoms=20", "glass.li2o=42.7"], "n_atoms = 20"),
        (["glass.li2o=[38,45]"], "a list needs task=ensemble"),
        (["task=ensemble", "seed=[0,0]"], "must be different values"),
        (["task=ensemble", "seed=[0,-1]"], "seed = "),
        (["task=ensemble", "glass.li2o=[]"], "at least one"),
        (["task=ensemble", "glass.n_atoms=[700,800]"], "must be a whole number"),
        (["task=ensemble", "glass.li2o=[38,40,42.5,45]", "glass.n_atoms=650"], "use 855 or 879"),
        (["glass.n_atoms=300"], "use more atoms"),
        (["potential.charges.Li=0.7"], "the cell carries +"),
        (["~potential.charges.Li"], "no charge for Li"),
        (["~potential.buckingham.P-O"], "no Buckingham pair P-O"),
        (["+potential.buckingham.O-P={A: 1.0, rho: 1.0, C: 1.0}"], "given twice"),
        (["potential.buckingham.O-O.C=9e9"], "no core splice"),
        (["potential.a_bo=c9"], "one of c1, c2, c3, n4_input"),
        (["potential.a_bo=n4_input"], "needs a share"),
        (["protocol.start_density=0.3"], "start_density"),
        (["protocol.start_density=7"], "start_density"),
        (["engine.coulomb_accuracy=1e-7"], "engine.precision=float64"),
        (["engine.coulomb_accuracy=1e-12"], "coulomb_accuracy"),
        (["engine.precision=float16"], "mixed, float64"),
        (["engine.device=gpu"], "JAX finds only"),
        (["seed=-1"], "seed = -1"),
        (["seed=null"], "seed = None: must be given"),
        (["seed=4294967296"], "seed"),
        (["stages=[melting]"], "not one of"),
        (["stages=[fracture]"], "run melt_quench first"),
        (["stages=[]"], "stages"),
        (["stages=[structure]"], "structure and topology need melt_quench first"),
        (["input=a.xyz"], "melt_quench, structure, topology are of a glass that the run makes itself"),
        (["fracture.supercell=[1]"], "must be a list of 3 whole numbers"),
        (["structure.cutoffs.Si-O=2.0"], "write +structure.cutoffs.Si-O=VALUE"),
        (["task=simulate"], "task"),
        (["+potential._target_=os.system"], "code cannot be named"),
        (["scale=huge"], "huge"),
        (["scattering.q_max=0.5"], "scattering.q_max = 0.5"),
        (["scattering.q_min=9", "scattering.q_max=8"], "q_min = 9 must be below q_max = 8"),
        (["scattering.radiaton=xray"], "did you mean scattering.radiation"),
        (["scattering.scatterers={O: Li1+}"], "'Li1+' is no O"),
        (["scattering.measured.file=a.txt"], "scattering.measured.density: must be given"),
        (["scattering.measured.quantity=G"], "S_q, D_r, T_r"),
        (["rings.criterion=all"], "guttman, king"),
        (["rings.max_size=1"], "rings.max_size = 1"),
        (["rings.cutoffs.B-O=-1"], "rings.cutoffs.B-O = -1"),
        (["+rings.cutoffs.P-S=2.0"], "cutoff P-S must end in -O"),
        (["topology.mode=open"], "periodic, plain"),
        (["topology.frames=0"], "topology.frames = 0"),
        (["topology.alpha_max=0"], "topology.alpha_max = 0"),
        (["topology.margins=3"], "did you mean topology.margin"),
    ],
)
def test_refused_settings(command, arguments, words):
    code, _, err = command(*arguments)
    assert code == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_all_problems_at_once(command):
    _, _, err = command("protocol.melt_temperature=-5", "glass.li2o=abc", "seed=1.5")
    assert err.count(";") == 2


def test_too_large_for_memory(command):
    code, _, err = command("glass.n_atoms=9000000")
    assert code == 6
    assert "GB" in err


def broken(atoms: Atoms, **changes) -> Atoms:
    other = atoms.copy()
    for name, value in changes.items():
        getattr(other, f"set_{name}")(value)
    return other


def bad_structures() -> dict[str, tuple[object, int, str]]:
    """Content of a file or atoms, exit code, words of the refusal."""
    positions = LI2O.positions.copy()
    close, same, lost = positions.copy(), positions.copy(), positions.copy()
    close[1] = close[0] + [0.3, 0, 0]
    same[1] = same[0]
    lost[3, 1] = np.nan
    return {
        "overlap": (broken(LI2O, positions=close), 3, "0.300 A apart"),
        "one_point": (broken(LI2O, positions=same), 3, "lie on one point"),
        "not_a_number": (broken(LI2O, positions=lost), 3, "in.xyz:6: pos.y = nan is not a number"),
        "left_handed": (broken(LI2O, cell=np.diag([4.619, 4.619, -4.619])), 3, "left-handed"),
        "flat": (broken(LI2O, cell=np.diag([4.619, 4.619, 0.0])), 3, "no volume"),
        "tilted": (broken(LI2O, cell=[[4.6, 0, 0], [60, 4.6, 0], [0, 0, 4.6]]), 3, "too tilted"),
        "charged": (LI2O[:-1], 2, "carries +1.2000 e"),
        "unknown_element": (
            Atoms("LiXe", positions=[[0, 0, 0], [2, 2, 2]], cell=[5] * 3, pbc=True),
            2,
            "no charge for Xe",
        ),
        "empty": ("", 3, "the file is empty"),
        "garbage": ("12\nnothing\nLi a b c\n", 3, "frame 0 has 1 of its 12 atoms"),
    }


@pytest.mark.parametrize("name", bad_structures())
def test_refused_structures(command, name):
    content, expected, words = bad_structures()[name]
    if isinstance(content, str):
        Path("in.xyz").write_text(content)
    else:
        write("in.xyz", content, format="extxyz")
    code, _, err = command("task=evaluate", "input=in.xyz")
    assert code == expected
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_missing_input(command):
    assert command("task=evaluate")[0] == 3
    code, _, err = command("task=evaluate", "input=nowhere.xyz")
    assert code == 3
    assert "no such file" in err


@pytest.mark.parametrize("coulomb", ["ewald", "mesh"])
def test_evaluate(command, coulomb):
    """Atoms outside the cell, a cell far smaller than the cutoff; results, forces and printed energy agree."""
    atoms = LI2O.copy()
    atoms.positions += [50.0, -3.0, 7.0]
    write("in.xyz", atoms, format="extxyz")
    code, out, _ = command("task=evaluate", "input=in.xyz", f"evaluate.coulomb={coulomb}", "hydra.run.dir=here")
    assert code == 0
    found = json.loads(Path("here/results.json").read_text())["evaluate"]
    with RunDirectory(Path("study")) as study:
        study.claim("of a study", "seed: 1")
        study.add_results(structure={})
    assert command("task=evaluate", "input=in.xyz", "hydra.run.dir=study")[0] == 2, "it holds another run"
    tolerance = 1e-8 if coulomb == "ewald" else 1e-3
    assert found["energy"]["value"] == pytest.approx(LI2O_ENERGY, abs=tolerance)
    assert found["stress"]["unit"] == "GPa"
    assert len(found["stress"]["value"]) == 6
    evaluated = read("here/evaluated.extxyz")
    assert np.abs(evaluated.get_forces()).max() < 2e-3
    assert f"{found['energy']['value']:.8f} eV" in out


def test_charged_cell_with_background(command):
    write("in.xyz", LI2O[:-1], format="extxyz")
    assert command("task=evaluate", "input=in.xyz", "engine.allow_background=true")[0] == 0


@pytest.mark.parametrize("suffix", [".data", ".dump"])
def test_evaluate_reads_lammps_files(command, suffix):
    if suffix == ".data":
        write(
            "in.data",
            LI2O,
            format="lammps-data",
            atom_style="charge",
            units="metal",
            masses=True,
            specorder=["Li", "O"],
        )
    else:
        lines = "".join(
            f"{i + 1} {s} {x:.6f} {y:.6f} {z:.6f}\n"
            for i, (s, (x, y, z)) in enumerate(zip(LI2O.symbols, LI2O.positions, strict=True))
        )
        box = "0 4.619\n" * 3
        Path("in.dump").write_text(
            f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n12\nITEM: BOX BOUNDS pp pp pp\n{box}ITEM: ATOMS id "
            f"element x y z\n{lines}"
        )
    code, out, err = command("task=evaluate", f"input=in{suffix}")
    assert code == 0, err
    assert f"{LI2O_ENERGY:.5f}" in out


def test_doctor_passes_here(command):
    code, out, _ = command("task=doctor")
    assert code == 0
    assert "fit to simulate" in out


def test_doctor_notices_a_miscompiling_jax(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "miscompilation", lambda *_: 0.5)
    with pytest.raises(ResourceError, match="compiler"):
        doctor.run_doctor()
    with pytest.raises(ResourceError, match="miscompiles"):
        runtime.check_compiler()
    assert "FAIL compiler" in capsys.readouterr().out


@pytest.mark.parametrize(("rows", "dtype"), [(16_385, np.float64), (32_769, np.float32)])
def test_bare_matrix_vector_sentinel(rows, dtype):
    """The smallest cases that jax 0.10.2 gets wrong: a vmapped 3 x 3 product followed by a reduction."""
    cell = np.array([[20.0, 0, 0], [3, 21, 0], [-2, 4, 19]], dtype)
    d = np.random.default_rng(0).random((rows, 3)).astype(dtype)
    found = jax.jit(jax.vmap(lambda x: ((cell.T @ x) ** 2).sum()), compiler_options=AS_USERS)(d)
    np.testing.assert_allclose(found, ((d @ cell) ** 2).sum(1), rtol=3e-6 if dtype == np.float32 else 1e-13)


def test_programs_compiled_as_users_compile_them_agree(command):
    """The energy of the mesh: tests have less optimisation than users (`conftest.py`)."""
    write("in.xyz", LI2O, format="extxyz")
    arguments = "task=evaluate", "input=in.xyz", "evaluate.coulomb=mesh"
    assert command(*arguments, "hydra.run.dir=here")[0] == 0
    child = [sys.executable, "-m", "jaxglass", *arguments, "hydra.run.dir=there"]
    known = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "XLA_FLAGS": ""}
    subprocess.run(child, env=known, check=True, capture_output=True)
    here, there = (
        json.loads(Path(name, "results.json").read_text())["evaluate"]["energy"]["value"] for name in ("here", "there")
    )
    assert here == pytest.approx(there, rel=1e-12)


def test_sentinel_is_quick():
    began = time.monotonic()
    assert runtime.miscompilation() < 1e-12
    assert time.monotonic() - began < 2.0


def test_float64_is_required():
    code = "from jaxglass.model.potential import make_potential; make_potential(('O',), {'O': 0}, {})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigError: JAX runs without float64" in said.stderr


def test_gpu_is_not_replaced_silently():
    with pytest.raises(ConfigError, match="engine.device"):
        runtime.configure(device="gpu")


def test_debug_shows_the_traceback(command):
    assert "Traceback" in command("debug=true", "seed=-1")[2]

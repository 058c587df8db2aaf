"""task=analyse from end to end: results, report, errors over frames, refusals, and what a second call does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from systems import ELEMENTS, Glass

from jaxglass import analyse, catalogue
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation.directory import RunDirectory

UNITS = {
    *("1", "Angstrom", "Angstrom2", "1/Angstrom", "1/Angstrom2", "1/Angstrom3", "g/cm3", "degree", "1/degree"),
}
QUICK = ("hydra.run.dir=here", "structure.r_max=4.0", "scattering.dq=0.1")


@pytest.fixture
def frames(glass: Glass) -> list[Atoms]:
    """Three frames of the trembling glass."""
    species, fractional, cell = glass.glass
    symbols, rng = [ELEMENTS[s] for s in species], np.random.default_rng(3)
    return [
        Atoms(symbols, scaled_positions=fractional + rng.normal(0, 0.002, fractional.shape), cell=cell * x, pbc=True)
        for x in (1.0, 1.002, 0.998)
    ]


def write_dump(path: Path, frames: list[Atoms]) -> None:
    """A LAMMPS dump with types, every tenth femtosecond."""
    lines = []
    for k, atoms in enumerate(frames):
        box = [f"0 {edge:.17g}" for edge in np.diag(atoms.cell)]
        rows = [
            f"{i + 1} {ELEMENTS.index(s) + 1} {x:.8f} {y:.8f} {z:.8f}"
            for i, (s, (x, y, z)) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
        ]
        lines += ["ITEM: TIMESTEP", f"{10 * k}", "ITEM: NUMBER OF ATOMS", f"{len(rows)}", "ITEM: BOX BOUNDS pp pp pp"]
        lines += [*box, "ITEM: ATOMS id type xu yu zu", *rows]
    path.write_text("\n".join(lines) + "\n")


def results() -> dict:
    return json.loads(Path("here/results.json").read_text())


def status() -> dict:
    return json.loads(Path("here/status.json").read_text())


def test_a_trajectory_is_measured_and_reported(command, frames):
    write("in.extxyz", frames, format="extxyz")
    code, out, err = command("task=analyse", "input=in.extxyz", *QUICK)
    assert code == 0, err
    assert out.strip().splitlines()[-1].endswith("here/report.html")
    found = results()
    assert found["input"] | {"sha256": ""} == {
        "file": "in.extxyz",
        "sha256": "",
        "frames": 3,
        "unwrapped": False,
        "time": None,
    }
    assert found["glass"]["counts"] == {e: frames[0].get_chemical_symbols().count(e) for e in ELEMENTS}
    lithium, boron, *_ = found["glass"]["counts"].values()
    assert found["glass"]["li2o"] == pytest.approx(100 * lithium / (lithium + 2 * boron))
    density = found["structure"]["density"]
    volumes = np.array([atoms.get_volume() for atoms in frames])
    mass = sum({"Li": 6.94, "B": 10.81, "P": 30.973761998, "O": 15.999}[s] for s in frames[0].symbols)
    assert density["value"] == pytest.approx(np.mean(mass / volumes) / 0.602214076, rel=1e-3)
    assert density["error"] > 0
    assert status()["state"] == "done"
    assert json.loads(Path("here/manifest.json").read_text())["config_hash"] == status()["config_hash"]
    page = Path("here/report.html").read_text()
    assert "What was analysed" in page
    assert "One file: the errors are those of the fluctuations over its frames" in page
    assert len(list(Path("here/figures").glob("*.png"))) >= 4
    assert "task: analyse" in Path("here/config.yaml").read_text()
    last = read("here/structure.extxyz")
    np.testing.assert_allclose(last.get_scaled_positions(), frames[-1].get_scaled_positions(), atol=1e-8)
    assert 'id="view3d"' in page


def test_a_structure_too_large_for_the_view_is_not_copied(command, frames, monkeypatch):
    write("in.extxyz", frames[0], format="extxyz")
    Path("here").mkdir()
    Path("here/structure.extxyz").write_text("of another file")
    monkeypatch.setattr(analyse, "LARGEST_COPY", 504)
    assert command("task=analyse", "input=in.extxyz", *QUICK)[0] == 0
    assert not Path("here/structure.extxyz").exists()
    assert "view3d" not in Path("here/report.html").read_text()


def test_dump_and_extended_xyz_give_the_same_results(command, frames):
    write("in.extxyz", frames, format="extxyz")
    write_dump(Path("in.dump"), frames)
    named = ("analyse.species=[Li,B,P,O]", "analyse.timestep_fs=1.0")
    only = ("stages=[structure]", "structure.r_max=4.0", "scattering.dq=0.1")
    assert command("task=analyse", "input=in.extxyz", *only, "hydra.run.dir=here")[0] == 0
    assert command("task=analyse", "input=in.dump", *named, *only, "hydra.run.dir=there")[0] == 0
    expected = results()["structure"]
    found = json.loads(Path("there/results.json").read_text())
    assert found["input"]["unwrapped"]
    assert found["input"]["time"] == {"first": 0.0, "last": pytest.approx(0.02), "unit": "ps"}
    for key in ("coordination", "n4", "oxygen", "edge_sharing"):
        assert found["structure"][key] == expected[key]
    assert found["structure"]["density"]["value"] == pytest.approx(expected["density"]["value"], rel=1e-9)


def test_one_structure_has_no_errors_but_reasons(command, frames):
    write("in.extxyz", frames, format="extxyz")
    assert (
        command("task=analyse", "input=in.extxyz", "analyse.frames=-1:", "stages=[structure,topology]", *QUICK)[0] == 0
    )
    found = results()
    loops, structure = found["topology"], found["structure"]
    single = [structure["density"], structure["connectivity"]["q"]["P"]["mean"], found["rings"]["mean_size"]]
    for entry in (*single, loops["total_apf"]["periodic"], loops["loops"]["finite"]):
        assert entry["value"] > 0
        assert entry["error"] is None
        assert "one frame" in entry["reason"]
    assert loops["apf"]["error"] is None
    assert "one frame" in loops["apf"]["reason"]
    assert not Path("here/report.html").exists()


def curve_of(file: str) -> list[str]:
    """Settings of a measured T(r)."""
    given = {"file": file, "quantity": "T_r", "density": "2.4"}
    return [f"scattering.measured.{key}={value}" for key, value in given.items()]


def numbers(tree: object, path: str = ""):
    """Every number and curve below `tree` with its path: what has a value or values."""
    if isinstance(tree, dict):
        if {"value", "values"} & set(tree):
            yield path, tree
        for key, item in tree.items():
            yield from numbers(item, f"{path}.{key}")


def test_every_key_has_its_unit(command, frames):
    """Rings, loops, links and scattering of three frames; a T(r) of its own is measured back."""
    write("in.extxyz", frames, format="extxyz")
    assert command("task=analyse", "input=in.extxyz", *QUICK, "stages=[structure,topology]")[0] == 0
    found = results()
    structure, rings, loops = found["structure"], found["rings"], found["topology"]
    for path, entry in numbers({"structure": structure, "rings": rings, "topology": loops}):
        assert entry["unit"] in UNITS, path
        if entry.get("value", 0) is None:
            assert entry["reason"], path
    assert len(structure["S_q"]["partials"]) == 10
    for key, unit in (("D_r", "1/Angstrom2"), ("T_r", "1/Angstrom2")):
        assert structure[key]["total"]["unit"] == unit
        absent = {"value": None, "error": None, "unit": "1", "reason": "no measured curve was given"}
        assert structure["r_chi"][key] == absent
    D, T, r = (np.array(structure[a][b]["values"]) for a, b in (("D_r", "total"), ("T_r", "total"), ("D_r", "r")))
    np.testing.assert_allclose(T - D, 4 * np.pi * structure["number_density"]["value"] * r, atol=1e-5)
    assert "xray" in structure["conventions"]
    effects = structure["convention_effects"]["rows"]
    zero = pytest.approx(0, abs=1e-12)
    assert effects[0] == {"change": "as set", "T_r": zero, "D_r": zero, "unit": "1"}
    assert len(effects) > 10
    assert {"P", "BO3", "BO4"} == set(structure["connectivity"]["q"])
    for q in structure["connectivity"]["q"].values():
        assert sum(share["value"] for share in q["share"].values()) == pytest.approx(1)
        assert q["mean"]["error"] >= 0
    links = structure["connectivity"]["links"]
    assert {"B-O-B", "B-O-P", "P-O-P"} == set(links)
    for column in ("share", "random"):
        assert sum(link[column]["value"] for link in links.values()) == pytest.approx(1)
    assert links["P-O-P"]["angle"]["unit"] == "degree"
    assert rings["frames"] == loops["frames"] == 3
    assert list(rings["histogram"]) == [str(n) for n in range(2, 21)]
    for entry, cutoff in ((rings, 1.8), (rings["B-O_2.0"], 2.0)):
        assert entry["cutoffs"]["B-O"]["value"] == cutoff
        shortest = sum(share["value"] for share in entry["shortest"].values())
        assert shortest + entry["without_ring"]["value"] == pytest.approx(1)
    assert rings["B-O_2.0"]["dead_ends"]["value"] < rings["dead_ends"]["value"]
    births, deaths, t = (np.array(x["values"]) for x in (loops["births"], loops["deaths"], loops["apf"]["t"]))
    assert (births <= deaths).all()  # seven digits are kept
    assert len(births) == len(loops["region"]["index"])
    assert abs(len(births) - loops["loops"]["finite"]["value"]) < 0.02 * len(births)
    assert loops["loops"]["infinite"]["value"] == 3
    assert loops["loops"]["alive_at_alpha_max"]["value"] is None
    assert loops["total_apf"]["plain"]["value"] < 0.85 * loops["total_apf"]["periodic"]["value"]  # no surface loops
    assert loops["total_apf"]["periodic"]["value"] == pytest.approx(np.sum(deaths - births), rel=0.02)
    assert loops["apf"]["mean"]["values"][-1] == pytest.approx(loops["total_apf"]["periodic"]["value"], rel=1e-6)
    per_atom = loops["total_apf_per_atom"]["periodic"]["value"]
    assert per_atom == pytest.approx(loops["total_apf"]["periodic"]["value"] / loops["n_atoms"])
    assert len(loops["apf"]["error"]["values"]) == len(t)
    for column in ("loops", "apf"):
        assert sum(region[column]["value"] for region in loops["regions"].values()) == pytest.approx(1)
    assert Path("here/results.json").stat().st_size < 400_000


def test_a_measured_curve_is_compared(command, frames):
    """T(r) of the same frames with a line that belongs to 5 % more density."""
    write("in.extxyz", frames, format="extxyz")
    assert command("task=analyse", "input=in.extxyz", *QUICK, "stages=[structure]")[0] == 0
    own = results()["structure"]
    r, T = (np.array(own["T_r"][key]["values"]) for key in ("r", "total"))
    line = 4 * np.pi * own["number_density"]["value"] * r
    np.savetxt("measured.txt", np.stack([r, T + 0.05 * line], 1))
    density = 1.05 * own["density"]["value"]
    measured = [*curve_of("measured.txt")[:2], f"scattering.measured.density={density}", "stages=[structure,report]"]
    code, _, err = command(
        "task=analyse", "input=in.extxyz", *QUICK[1:], *measured, "stages=[structure,report]", "hydra.run.dir=there"
    )
    assert code == 0, err
    found = json.loads(Path("there/results.json").read_text())["structure"]["r_chi"]
    inside = (r > 0.99) & (r < 8.01)
    expected = np.sqrt(np.sum((0.05 * line) ** 2 * inside) / np.sum((T + 0.05 * line) ** 2 * inside))
    assert found["T_r"]["value"] == pytest.approx(expected, rel=1e-3)
    assert found["D_r"]["value"] < 1e-3  # the density is all that differs
    assert found["measured"]["file"] == "measured.txt"
    page = Path("there/report.html").read_text()
    assert "against the measured curve" in page
    assert "5.1 % (38 mol %)" in page


@pytest.mark.parametrize(
    ("keep", "stages"), [("LiPO", "[structure,topology]"), ("BPO", "[structure,topology]"), ("LiO", "default")]
)
def test_elements_that_are_missing_give_reasons(command, frames, keep, stages):
    """No boron, no lithium, no former at all: nulls with reasons, and a report."""
    atoms = frames[0]
    write("in.extxyz", atoms[[s in keep for s in atoms.symbols]], format="extxyz")
    code, _, err = command("task=analyse", "input=in.extxyz", *QUICK, "topology.mode=plain", f"stages={stages}")
    assert code == 0, err
    found = results()
    links, q = (found["structure"]["connectivity"][key] for key in ("links", "q"))
    for name, entry in numbers(found):
        assert entry.get("value", 0) is not None or entry["reason"], name
    assert (q["BO3"]["mean"]["value"] is None) == ("B" not in keep)
    assert (links["P-O-P"]["share"]["value"] is None) == ("P" not in keep)
    assert (found["rings"]["per_former"]["6"]["value"] is None) == ("P" not in keep)
    assert found["topology"]["loops"]["finite"]["value"] > 100
    if stages == "default":
        page = Path("here/report.html").read_text()
        assert "a frame has no B-O-P" in page
        assert "Loops by persistent homology" in page


def test_a_structure_without_diagram_says_why(command, frames):
    """Silicon has no ball radius; rings are measured all the same."""
    atoms = frames[0]
    atoms.symbols[atoms.symbols == "P"] = "Si"
    write("in.extxyz", atoms, format="extxyz")
    assert command("task=analyse", "input=in.extxyz", *QUICK, "stages=[topology,report]")[0] == 0
    loops = results()["topology"]
    assert results()["rings"]["without_ring"]["value"] > 0
    assert "no ball radius for Si" in loops["reason"]
    assert loops["births"] is None
    assert loops["total_apf"]["periodic"]["value"] is None
    assert "no ball radius for Si" in Path("here/report.html").read_text()


def test_long_trajectories_are_thinned_for_topology(command, frames):
    write("in.extxyz", frames, format="extxyz")
    only = ("stages=[topology]", "topology.frames=2", "topology.mode=plain")
    code, _, err = command("task=analyse", "input=in.extxyz", *QUICK, *only)
    assert code == 0
    assert "topology: 2 of 3 frames, evenly spread (topology.frames)" in err
    assert results()["topology"]["frames"] == results()["rings"]["frames"] == 2


def test_frames_are_spread_from_the_first_to_the_last():
    whole = Trajectory(np.arange(7.0), np.zeros((7, 1, 3)), np.ones((7, 3, 3)), np.zeros(1, int), ("O",))
    expected = {1: [6], 2: [0, 6], 3: [0, 3, 6], 7: list(range(7)), 9: list(range(7))}
    for count, times in expected.items():
        assert whole.spread(count).time.tolist() == times
        assert len(whole.spread(count).cell) == len(times)


def test_jax_is_not_needed(frames, tmp_path):
    write(tmp_path / "in.extxyz", frames[:1], format="extxyz")
    code = (
        "import sys; from jaxglass.__main__ import main; sys.argv = ['jaxglass', *sys.argv[1:]]; code = main(); "
        "sys.exit(code or bool({'jax', 'jax_md'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "task=analyse", "input=in.extxyz", *QUICK]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_the_frames_of_a_run_are_measured_in_another_way(command, frames):
    """Its folder as input: the recorded frames, of which glass.extxyz is but the last."""
    write("in.extxyz", frames, format="extxyz")
    with RunDirectory(Path("run")) as run:
        write(run.path / "glass.extxyz", frames[-1], format="extxyz")
        x, cells = (
            np.array(v) for v in zip(*((a.get_scaled_positions(False), a.cell[:]) for a in frames), strict=True)
        )
        run.write_segment("000000001.npz", np.arange(3.0), x, cells)
    assert command("task=analyse", "input=in.extxyz", "stages=[structure]", *QUICK)[0] == 0
    file = results()["structure"]
    more = ("stages=[structure]", *QUICK[1:], "hydra.run.dir=there")
    code, _, err = command("task=analyse", "input=run", *more)
    assert code == 0, err
    there = json.loads(Path("there/results.json").read_text())
    assert there["structure"]["density"]["value"] == pytest.approx(file["density"]["value"])
    assert (there["input"]["file"], there["input"]["frames"]) == ("run", 3)
    code, _, err = command("task=analyse", "input=run", "analyse.frames=5:", *more[:-1], "hydra.run.dir=none")
    assert (code, "none of those wanted" in err) == (3, True)
    Path("empty").mkdir()
    code, _, err = command("task=analyse", "input=empty", *more[:-1], "hydra.run.dir=nothing")
    assert (code, "neither a file nor the directory of a run" in err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "expected", "words"),
    [
        ([], 3, "needs input=FILE"),
        (["input=nowhere.xyz"], 3, "nowhere.xyz: no such file"),
        (["input=cut.extxyz"], 3, "of its 504 atoms"),
        (["input=in.dump"], 3, "analyse.species=[Li,B,O,P]"),
        (["input=in.dump", "analyse.species=[Li,B,P]"], 3, "type 4 has no name"),
        (["input=in.dump", "analyse.species=[Li,B,P,Q]"], 3, "element 'Q' is unknown"),
        (["input=in.extxyz", "analyse.frames=9:"], 3, "no frames"),
        (["input=in.extxyz", "analyse.frames=2"], 2, "analyse.frames = 2: must be start:stop:step"),
        (["input=in.extxyz", "analyse.frames=::0"], 2, "must be start:stop:step"),
        (["input=in.extxyz", "analyse.species=Li"], 2, "must be a list of text"),
        (["input=in.extxyz", "analyse.species=[1,2]"], 2, "every entry must be text"),
        (["input=in.extxyz", "analyse.timestep_fs=0"], 2, "analyse.timestep_fs"),
        (["input=in.extxyz", "stages=[melt_quench]"], 2, "task=analyse measures structure, topology"),
        (["input=in.extxyz", *curve_of("nowhere.txt")], 3, "nowhere.txt: cannot be read"),
        (["input=in.extxyz", *curve_of("in.dump")], 3, "in.dump:1: 'ITEM: TIMESTEP' is not numbers"),
    ],
)
def test_refusals(command, frames, arguments, expected, words):
    write("in.extxyz", frames, format="extxyz")
    write_dump(Path("in.dump"), frames)
    text = Path("in.extxyz").read_text()
    Path("cut.extxyz").write_text(text[: len(text) // 2])
    code, _, err = command("task=analyse", *arguments, *QUICK)
    assert code == expected, err
    assert words in err
    assert len(err.strip().splitlines()) == 1
    if expected == 3 and arguments and "measured" not in "".join(arguments):  # a bad curve: before the run begins
        assert status()["state"] == "failed"
        assert words in status()["error"]


def test_a_second_call_measures_only_what_is_new(command, frames, monkeypatch):
    calls = []
    structure = catalogue.ANALYSES["structure"]
    counted = catalogue.Analysis(lambda *a: calls.append(1) or structure.measure(*a))  # type: ignore[arg-type, func-returns-value]
    monkeypatch.setitem(catalogue.ANALYSES, "structure", counted)  # type: ignore[arg-type]
    write("in.extxyz", frames[:1], format="extxyz")
    for expected in (1, 1):
        assert command("task=analyse", "input=in.extxyz", "stages=[structure]", *QUICK)[0] == 0
        assert len(calls) == expected
    write("in.extxyz", frames[:2], format="extxyz")
    assert command("task=analyse", "input=in.extxyz", "stages=[structure]", *QUICK)[0] == 0
    assert len(calls) == 2
    assert results()["structure"]["frames"] == results()["input"]["frames"] == 2
    code, _, err = command("task=analyse", "input=in.extxyz", "analyse.frames=:1", *QUICK)
    assert code == 2
    assert "another run" in err


def test_default_directory_names_the_file(command, frames):
    write("my glass.extxyz", frames[:1], format="extxyz")
    assert command("task=analyse", "input='my glass.extxyz'", "stages=[structure]", "structure.r_max=3.0")[0] == 0
    assert [path.name.rsplit("-", 1)[0] for path in Path("outputs").iterdir()] == ["analyse-my_glass.extxyz"]


def test_long_files_tell_how_far_they_are(command, frames, monkeypatch):
    monkeypatch.setattr(analyse, "PATIENCE", 0.0)
    monkeypatch.setattr(analyse, "MANY_FRAMES", 2)
    write("in.extxyz", frames, format="extxyz")
    _, _, err = command("task=analyse", "input=in.extxyz", "stages=[structure]", *QUICK)
    assert "% reading, frame 0" in err
    assert "structure: 3 frames, about" in err

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

QUICK = ("hydra.run.dir=here", "structure.r_max=4.0")


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
    only = ("stages=[structure]", "structure.r_max=4.0")
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
    assert command("task=analyse", "input=in.extxyz", "analyse.frames=-1:", "stages=[structure]", *QUICK)[0] == 0
    density = results()["structure"]["density"]
    assert density["error"] is None
    assert "one frame" in density["reason"]
    assert not Path("here/report.html").exists()


def test_jax_is_not_needed(frames, tmp_path):
    write(tmp_path / "in.extxyz", frames[:1], format="extxyz")
    code = (
        "import sys; from jaxglass.__main__ import main; sys.argv = ['jaxglass', *sys.argv[1:]]; code = main(); "
        "sys.exit(code or bool({'jax', 'jax_md'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "task=analyse", "input=in.extxyz", *QUICK]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


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
        (["input=in.extxyz", "stages=[melt_quench]"], 2, "task=analyse measures structure"),
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
    if expected == 3 and arguments:
        assert status()["state"] == "failed"
        assert words in status()["error"]


def test_a_second_call_measures_only_what_is_new(command, frames, monkeypatch):
    calls = []
    measure = catalogue.ANALYSES["structure"]
    monkeypatch.setitem(catalogue.ANALYSES, "structure", lambda *a: calls.append(1) or measure(*a))  # type: ignore[arg-type]
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

"""Files of other programs: what LAMMPS wrote in any style is the same trajectory, what is damaged is refused."""

import gzip
import itertools
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from systems import ELEMENTS, Structure

from jaxglass import lammps
from jaxglass.analysis.results import structure_results
from jaxglass.analysis.structure import StructureSettings, analyse_structure
from jaxglass.errors import InputDataError
from jaxglass.model.potential import Potential
from jaxglass.model.trajectory import Trajectory
from jaxglass.trajectories import Reading, read_trajectory

FRAMES, EVERY = 5, 10
DUMPS = {  # columns of a dump: unwrapped
    "id type x y z": False,
    "id element xs ys zs": False,
    "type element xu yu zu": False,
    "id element xu yu zu": True,
    "id type xsu ysu zsu vx": True,
    "vx id type x y z ix iy iz": True,
    "id mass xs ys zs ix iy iz": True,
}
NAMED = Reading(species=ELEMENTS)
CELLS = ("glass", "sheared", "leaning")  # leaning: tilts of the opposite signs


def lammps_lines(sheared: bool) -> list[str]:
    """Free flight of atoms that LAMMPS sorts anew, in a box that changes, dumped in every style and as extended XYZ."""
    change = "y vel 0.5" + (" xy vel 1.0 xz vel -1.0" if sheared else "")
    lines = [
        "units metal",
        "atom_style charge",
        "atom_modify map array sort 5 2.0",
        "read_data start.data",
        "pair_style zero 3.0",
        "pair_coeff * *",
        "neighbor 0.3 bin",
        "neigh_modify every 1 delay 0 check yes",
        "timestep 0.001",
        "velocity all create 600 4711",
        "fix nve all nve",
        f"fix box all deform 1 {change}",
    ]
    for k, columns in enumerate(DUMPS):
        ordered = "" if "id" in columns.split() else " sort id"
        element = " element Li B P O" if "element" in columns else ""
        lines.append(f"dump {k} all custom {EVERY} {k}.dump {columns}")
        lines.append(f"dump_modify {k} format float %.17g time yes units yes{element}{ordered}")
    row = '"%s %.17g %.17g %.17g"'
    lines.append(f"dump e all extxyz {EVERY} all.extxyz")
    lines.append(f"dump_modify e vel no forces no element Li B P O sort id format line {row}")
    lines.append(f"dump plain all atom {EVERY} plain.dump")
    return [*lines, f"run {(FRAMES - 1) * EVERY}", "write_data end.data"]


@pytest.fixture(scope="module")
def written(tmp_path_factory, cells: dict[str, Structure], potential: Potential) -> dict[str, Path]:
    """Folders with the files that LAMMPS wrote, by cell."""
    if lammps.available() is not None:
        pytest.skip(str(lammps.available()))
    folders = {name: tmp_path_factory.mktemp(name) for name in CELLS}
    species, fractional, cell = cells["glass"]
    leaning = Structure(species, fractional, cell @ np.array([[1, 0, 0], [-0.08, 1, 0], [-0.1, 0.05, 1]]))
    for name, folder in folders.items():
        lammps.write_structure(potential, *(cells | {"leaning": leaning})[name], folder / "start.data")
        lammps.run(lammps_lines(name != "glass"), folder)
    return folders


def difference(found: Trajectory, expected: Trajectory) -> float:
    """Largest distance (fractional) between the atoms, up to lattice vectors and one shift of every frame."""
    moved = found.fractional - expected.fractional
    moved = moved - moved[:, :1]
    return float(np.abs(moved - np.round(moved)).max())


def results(trajectory: Trajectory) -> dict[str, float]:
    """Every number of the structure analysis by its place."""

    def leaves(node, name=""):
        if isinstance(node, dict):
            for key, item in node.items():
                yield from leaves(item, f"{name}.{key}")
        elif isinstance(node, list):
            for k, item in enumerate(node):
                yield from leaves(item, f"{name}.{k}")
        elif isinstance(node, (int, float)):
            yield name, node

    return dict(leaves(structure_results(analyse_structure(trajectory, StructureSettings(r_max=5.0)))))


@pytest.mark.parametrize("cell", CELLS)
def test_every_dump_of_lammps_is_the_same_trajectory_as_its_extended_xyz(written, cell):
    expected = read_trajectory(written[cell] / "all.extxyz")
    assert len(expected.time) == FRAMES
    assert not expected.unwrapped
    assert np.isnan(expected.time).all()
    assert np.linalg.norm(np.diff(expected.cell, axis=0)) > 0.005
    images = 0
    for k, (columns, unwrapped) in enumerate(DUMPS.items()):
        named = "element" in columns or "mass" in columns
        found = read_trajectory(written[cell] / f"{k}.dump", Reading() if named else NAMED)
        assert found.elements == ELEMENTS, columns
        np.testing.assert_array_equal(found.symbols, expected.symbols)
        np.testing.assert_allclose(found.cell, expected.cell, atol=1e-12)
        np.testing.assert_allclose(found.time, 0.01 * np.arange(FRAMES), atol=1e-12)
        assert difference(found, expected) < 1e-12, columns
        assert found.unwrapped == unwrapped, columns
        jump = np.abs(np.diff(found.fractional, axis=0)).max()
        images += jump > 0.5
        assert jump < 0.1 or not unwrapped, columns
    assert images > 0  # an atom crossed a face, so the wrapped styles do jump


@pytest.mark.parametrize("cell", CELLS)
def test_results_are_identical_whichever_file_is_read(written, cell):
    expected = results(read_trajectory(written[cell] / "all.extxyz"))
    assert len(expected) > 1000
    for k in (0, 3, 6):
        reading = NAMED if k == 0 else Reading()
        assert results(read_trajectory(written[cell] / f"{k}.dump", reading)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_data_file_is_named_by_its_masses(written, cell):
    found = read_trajectory(written[cell] / "end.data")
    last = read_trajectory(written[cell] / "3.dump", Reading(frames="-1:"))
    assert found.elements == ELEMENTS
    assert found.unwrapped
    np.testing.assert_array_equal(found.symbols, last.symbols)
    np.testing.assert_allclose(found.cell, last.cell, atol=1e-12)
    np.testing.assert_allclose(found.fractional, last.fractional, atol=1e-12)


def test_general_triclinic_cells(cells, tmp_path):
    """A cell that LAMMPS turns for itself and turns back in its files."""
    if lammps.available() is not None:
        pytest.skip(str(lammps.available()))
    species, fractional, cell = cells["sheared"]
    cell = cell @ np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    cell, home = cell * np.sign(np.linalg.det(cell)), fractional - np.floor(fractional)
    vectors = [" ".join(f"{x:.17g}" for x in row) + f" {name}vec" for name, row in zip("abc", cell, strict=True)]
    rows = [
        f"{k + 1} {s + 1} {x:.17g} {y:.17g} {z:.17g}"
        for k, (s, (x, y, z)) in enumerate(zip(species, home @ cell + [1, 2, 3], strict=True))
    ]
    header = ["", f"{len(species)} atoms", "4 atom types", *vectors, "1 2 3 abc origin", "", "Atoms # atomic", ""]
    (tmp_path / "start.data").write_text("\n".join([*header, *rows]) + "\n")
    lines = [
        "units metal",
        "atom_style atomic",
        "read_data start.data",
        "mass * 1.0",
        "pair_style zero 3.0",
        "pair_coeff * *",
    ]
    lines += ["dump g all custom 1 g.dump id type x y z", "dump_modify g format float %.17g triclinic/general yes"]
    lammps.run([*lines, "run 0", "write_data end.data triclinic/general"], tmp_path)
    for name in ("start.data", "g.dump", "end.data"):
        found = read_trajectory(tmp_path / name, NAMED)
        moved = found.fractional[0] - home
        np.testing.assert_allclose(found.cell[0], cell, atol=1e-12)
        assert np.abs(moved - np.round(moved)).max() < 1e-12


def test_plain_atom_style_needs_names(written):
    with pytest.raises(InputDataError, match=r"plain\.dump:10: frame 0: no masses .* analyse\.species=\[Li,B,O,P\]"):
        read_trajectory(written["glass"] / "plain.dump")
    assert read_trajectory(written["glass"] / "plain.dump", NAMED).elements == ELEMENTS


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_compressed_files(written, tmp_path, pack):
    ending = {gzip.compress: "gz", lzma.compress: "xz"}[pack]
    packed = pack((written["glass"] / "all.extxyz").read_bytes())
    path = tmp_path / f"all.extxyz.{ending}"
    path.write_bytes(packed)
    found, expected = read_trajectory(path), read_trajectory(written["glass"] / "all.extxyz")
    np.testing.assert_array_equal(found.fractional, expected.fractional)
    for end in (10, len(packed) // 2, len(packed) - 3):
        path.write_bytes(packed[:end])
        with pytest.raises(InputDataError, match="not readable beyond"):
            read_trajectory(path)


@pytest.mark.parametrize(
    ("frames", "steps"),
    [(":", range(5)), ("2:", [2, 3, 4]), (":2", [0, 1]), ("::2", [0, 2, 4]), ("-2:", [3, 4]), ("1:-1:2", [1, 3])],
)
def test_wanted_frames(written, frames, steps):
    found = read_trajectory(written["glass"] / "3.dump", Reading(frames=frames, timestep=0.002))
    np.testing.assert_allclose(found.time, [0.002 * EVERY * step for step in steps])


def test_times_in_femtoseconds_of_real_units(tmp_path):
    lines = [line for item in ("UNITS\nreal", "TIME\n250.0") for line in f"ITEM: {item}".split("\n")]
    (tmp_path / "t.dump").write_text("\n".join([*lines, *dump_lines()]) + "\n")
    assert read_trajectory(tmp_path / "t.dump").time == [0.25]


# ---- small files, written here -------------------------------------------------------------------------------------

SITES = np.array([[0.1, 0.1, 0.1], [0.6, 0.1, 0.3], [0.2, 0.7, 0.5], [0.8, 0.8, 0.9]])
SYMBOLS = ("Li", "B", "O", "O")


def dump_lines(frame: int = 0) -> list[str]:
    rows = [
        f"{k + 1} {s} {x + 0.01 * frame:.3f} {y:.3f} {z:.3f}"
        for k, (s, (x, y, z)) in enumerate(zip(SYMBOLS, 5 * SITES, strict=True))
    ]
    box = ["0 5"] * 3
    return [
        "ITEM: TIMESTEP",
        f"{100 * frame}",
        "ITEM: NUMBER OF ATOMS",
        "4",
        "ITEM: BOX BOUNDS pp pp pp",
        *box,
        "ITEM: ATOMS id element x y z",
        *rows,
    ]


def xyz_lines(frame: int = 0) -> list[str]:
    rows = [f"{s} {x + 0.01 * frame:.3f} {y:.3f} {z:.3f}" for s, (x, y, z) in zip(SYMBOLS, 5 * SITES, strict=True)]
    return ["4", f'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 step={100 * frame} pbc="T T T"', *rows]


def data_lines() -> list[str]:
    rows = [
        f"{k + 1} {('Li', 'B', 'O').index(s) + 1} 0.5 {x:.3f} {y:.3f} {z:.3f}"
        for k, (s, (x, y, z)) in enumerate(zip(SYMBOLS, 5 * SITES, strict=True))
    ]
    box = [f"0 5 {a}lo {a}hi" for a in "xyz"]
    masses = ["Masses", "", "1 6.94", "2 10.811 # boron", "3 16.0"]
    return [
        "title",
        "",
        "4 atoms",
        "3 atom types",
        "",
        *box,
        "",
        *masses,
        "",
        "Atoms # charge",
        "",
        *rows,
        "",
        "Velocities",
        "",
        *(f"{k + 1} 0 0 0" for k in range(4)),
    ]


WHOLE = {
    "t.dump": [line for k in range(3) for line in dump_lines(k)],
    "t.extxyz": [line for k in range(3) for line in xyz_lines(k)],
    "t.data": data_lines(),
}


def read_lines(folder: Path, name: str, text: str, **reading) -> Trajectory:
    (folder / name).write_text(text)
    return read_trajectory(folder / name, Reading(**reading))


def is_prefix(found: Trajectory, whole: Trajectory) -> bool:
    """Whether the frames of `found` are the first ones of `whole`."""
    frames = len(found.time)
    return (
        0 < frames <= len(whole.time)
        and found.elements == whole.elements
        and found.fractional.shape[1:] == whole.fractional.shape[1:]
        and np.array_equal(found.species, whole.species)
        and np.array_equal(found.fractional, whole.fractional[:frames])
        and np.array_equal(found.cell, whole.cell[:frames])
    )


@pytest.mark.parametrize("name", WHOLE)
def test_small_files_are_what_they_say(tmp_path, name):
    found = read_lines(tmp_path, name, "\n".join(WHOLE[name]) + "\n")
    assert found.symbols.tolist() == list(SYMBOLS)
    np.testing.assert_allclose(found.fractional[0], SITES)
    if name != "t.data":
        np.testing.assert_allclose(found.fractional[:, 0, 0], 0.1 + 0.002 * np.arange(3))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_a_file_cut_anywhere_is_refused_or_a_true_prefix(tmp_path, name, data):
    text = "\n".join(WHOLE[name]) + "\n"
    cut = data.draw(st.integers(0, len(text) - 1))
    refused_or_prefix(tmp_path, name, text[:cut], text)


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_without_one_of_its_lines_is_refused_or_the_same(tmp_path, name):
    lines = WHOLE[name]
    outcomes = [
        refused_or_prefix(tmp_path, name, "\n".join(lines[:k] + lines[k + 1 :]) + "\n", "\n".join(lines) + "\n")
        for k in range(len(lines))
    ]
    assert outcomes.count(False) >= 0.5 * len(lines)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_a_file_without_several_lines_is_refused_or_a_true_prefix(tmp_path, name, data):
    """Up to three lines in a row: fewer than a frame, which nothing would miss."""
    lines = WHOLE[name]
    first, count = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(1, 3))
    refused_or_prefix(tmp_path, name, "\n".join(lines[:first] + lines[first + count :]) + "\n", "\n".join(lines) + "\n")


def refused_or_prefix(folder: Path, name: str, text: str, whole: str) -> bool:
    """True for a prefix, False for a refusal in one line that names the file; anything else fails."""
    expected = read_lines(folder, name, whole)
    try:
        found = read_lines(folder, name, text)
    except InputDataError as error:
        said = str(error)
    else:
        assert is_prefix(found, expected)
        return True
    assert said.startswith(str(folder / name))
    assert "\n" not in said
    return False


REFUSALS = [
    # file, lines to replace (by text), message
    ("t.dump", {}, 12, "t.dump:12: frame 0 has 3 of its 4 atoms, 1 is missing: the file ends here$"),
    ("t.dump", {}, 35, r"t.dump:35: frame 2 has 0 of its 4 atoms, 4 are missing: .*analyse.frames=:2 reads the frames"),
    (
        "t.dump",
        {"ITEM: NUMBER OF ATOMS\n4\nITEM: BOX": "ITEM: NUMBER OF ATOMS\n5\nITEM: BOX"},
        None,
        "t.dump:14: 2 columns instead of 5",
    ),
    ("t.dump", {"pp pp pp": "pp pp ff"}, None, "t.dump:5: boundaries are pp pp ff"),
    ("t.dump", {"BOUNDS pp pp pp": "BOUNDS"}, None, "boundaries are not given"),
    ("t.dump", {"0 5\n0 5\n0 5": "0 5\n5 5\n0 5"}, None, "the upper bound is not above"),
    (
        "t.dump",
        {"BOUNDS pp pp pp\n0 5\n0 5\n0 5": "BOUNDS abc origin pp pp pp\n5 0 0 0\n5 0 0 0\n0 0 5 0"},
        None,
        "t.dump:9: the cell has no volume",
    ),
    ("t.dump", {"2 B 3.000": "2 B nan"}, None, "t.dump:11: x = nan is not a number that can be used"),
    ("t.dump", {"2 B 3.000": "2 B 3,000"}, None, "t.dump:11: x = '3,000' is not a number"),
    ("t.dump", {"2 B": "1 B"}, None, "t.dump:10: frame 0: id 1 occurs twice"),
    ("t.dump", {"2 B": "2 Bo"}, None, "frame 0: element 'Bo' is unknown"),
    ("t.dump", {"2 B 3.010": "2 O 3.010"}, None, "t.dump:23: frame 1: atom 2 is O, in frame 0 it is B"),
    ("t.dump", {"2 B 3.010": "7 B 3.010"}, None, "frame 1: the ids of the atoms are not those of frame 0"),
    ("t.dump", {"id element x y z": "id element x y vz"}, None, "t.dump:9: no positions among the columns"),
    ("t.dump", {"id element": "id colour"}, None, "no masses and no elements.*; write a column element"),
    ("t.dump", {"ITEM: TIMESTEP\n100": "ITEM: UNITS\nlj\nITEM: TIMESTEP\n100"}, None, "t.dump:15: units lj"),
    ("t.dump", {"2 B 3.000 0.500 1.500": "2 B 0.500 0.500 0.700"}, None, "atoms 1 .Li. and 2 .B. are 0.200 A apart"),
    ("t.extxyz", {}, 5, "t.extxyz:5: frame 0 has 3 of its 4 atoms"),
    ("t.extxyz", {"Lattice": "Matrix"}, None, "t.extxyz:2: frame 0 has no Lattice"),
    ("t.extxyz", {'pbc="T T T"': 'pbc="T T F"'}, None, "t.extxyz:2: pbc = 'T T F'"),
    ("t.extxyz", {"0 0 5": "0 0 0"}, None, "the cell has no volume"),
    ("t.extxyz", {"5 0 0 0": "5 0 0"}, None, "9 numbers are expected"),
    ("t.extxyz", {'0 0 5"': '0 0 -5"'}, None, "left-handed"),
    ("t.extxyz", {"pos:R:3": "pos:R:2"}, None, "species:S:1 and pos:R:3 are needed"),
    ("t.extxyz", {"B 3.000": "B three"}, None, "t.extxyz:4: pos.x = 'three' is not a number"),
    ("t.extxyz", {"B 3.000": "Bo 3.000"}, None, "element 'Bo' is unknown"),
    ("t.extxyz", {"4\nLattice": "0\nLattice"}, None, "t.extxyz:1: number of atoms of frame 0 = '0'"),
    ("t.data", {"2 10.811": "2 10.3"}, None, "t.data:18: frame 0: mass 10.3 fits no element"),
    ("t.data", {"2 10.811": "2 58.8"}, None, "mass 58.8 fits Co and Ni"),
    ("t.data", {"2 10.811": "1 10.811"}, None, "Masses must give each of the 3 types once"),
    ("t.data", {"2 2 0.5": "2 4 0.5"}, None, "t.data:19: type 4 of 3 atom types"),
    ("t.data", {"Atoms # charge": "Atoms # sphere"}, None, "t.data:16: atom style sphere"),
    ("t.data", {"Atoms # charge": "Atoms"}, None, "the atom style is not clear"),
    ("t.data", {"zlo zhi": "zlow zhigh"}, None, "t.data:8: '0 5 zlow zhigh' is not known"),
    ("t.data", {"4 atoms": "5 atoms"}, None, "t.data:16: 4 atoms, but the header says 5"),
]


@pytest.mark.parametrize(("name", "changes", "length", "message"), REFUSALS)
def test_refusals_name_the_place(tmp_path, name, changes, length, message):
    text = "\n".join(WHOLE[name][:length]) + "\n"
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(InputDataError, match=message):
        read_lines(tmp_path, name, text)


def test_number_of_atoms_must_not_change(tmp_path):
    lines = [*xyz_lines(0), "3", *xyz_lines(1)[1:-1]]
    with pytest.raises(InputDataError, match=r"t\.extxyz:9: frame 1 has 3 atoms, frame 0 has 4"):
        read_lines(tmp_path, "t.extxyz", "\n".join(lines) + "\n")


def test_the_frames_before_a_damaged_one_can_be_read(tmp_path):
    text = "\n".join(WHOLE["t.dump"][:30]) + "\n"
    found = read_lines(tmp_path, "t.dump", text, frames=":2")
    assert is_prefix(found, read_lines(tmp_path, "t.dump", "\n".join(WHOLE["t.dump"]) + "\n"))
    assert len(found.time) == 2


def test_types_are_named_or_refused(tmp_path):
    text = "\n".join(WHOLE["t.data"]) + "\n"
    assert read_lines(tmp_path, "t.data", text, species=("Na", "Si", "O")).symbols.tolist() == ["Na", "Si", "O", "O"]
    with pytest.raises(InputDataError, match=r"type 3 has no name, analyse\.species has 2"):
        read_lines(tmp_path, "t.data", text, species=("Li", "B"))
    with pytest.raises(InputDataError, match="the file has no types"):
        read_lines(tmp_path, "t.extxyz", "\n".join(xyz_lines()) + "\n", species=("Li", "B"))


def test_carbon_everywhere_is_the_default_of_lammps_not_a_name(tmp_path):
    carbon = "\n".join(dump_lines()).replace(" Li ", " C ").replace(" B ", " C ").replace(" O ", " C ") + "\n"
    with pytest.raises(InputDataError, match="dump_modify element"):
        read_lines(tmp_path, "t.dump", carbon)


@pytest.mark.parametrize("name", WHOLE)
def test_formats_are_known_by_their_content(tmp_path, name):
    text = "\n".join(WHOLE[name]) + "\n"
    assert is_prefix(read_lines(tmp_path, "unnamed", text), read_lines(tmp_path, name, text))


def test_order_of_ids_and_line_ends_do_not_matter(tmp_path):
    lines = WHOLE["t.dump"]
    shuffled = [*lines[:9], *lines[12:8:-1], *lines[13:]]
    found = read_lines(tmp_path, "t.dump", "\r\n".join(shuffled) + "\r\n\r\n")
    assert is_prefix(found, read_lines(tmp_path, "t.dump", "\n".join(lines) + "\n"))


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputDataError, match="no such file"):
        read_trajectory(tmp_path / "nowhere.xyz")
    with pytest.raises(InputDataError, match="neither extended XYZ nor"):
        read_lines(tmp_path, "notes", "some words\n")
    with pytest.raises(InputDataError, match="no frames"):
        read_lines(tmp_path, "t.extxyz", "")
    with pytest.raises(InputDataError, match="no frames"):
        read_lines(tmp_path, "t.extxyz", "\n".join(WHOLE["t.extxyz"]) + "\n", frames="7:")
    (tmp_path / "t.dump").write_bytes(bytes(itertools.islice(itertools.cycle(range(128, 256)), 300)))
    with pytest.raises(InputDataError, match=r"t\.dump:0: not readable"):
        read_trajectory(tmp_path / "t.dump")

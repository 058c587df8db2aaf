"""Bond switching: a naive twin, exchanges made by hand, a LAMMPS dump through task=analyse."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from structures import ELEMENTS, TRICLINIC, frames, images_within, molecule, random_network
from systems import Glass
from test_analyse import write_dump

from jaxglass.analysis.bond_switching import DECREASED, INCREASED, KINDS, SWAPPED, UNCHANGED, bond_switching
from jaxglass.analysis.bonds import CUTOFFS
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory

BOX = 20.0 * np.eye(3)


def joined(*trajectories: Trajectory) -> Trajectory:
    """Frames of several trajectories of the same atoms."""
    first = trajectories[0]
    cells, places = ([getattr(t, name) for t in trajectories] for name in ("cell", "fractional"))
    time = np.arange(float(len(trajectories)))
    return Trajectory(time, np.concatenate(places), np.concatenate(cells), first.species, first.elements)


def partners_twin(symbols, fractional, cell) -> list[Counter]:
    """Bonded partners of every atom, by brute force."""
    found: list[Counter] = [Counter() for _ in symbols]
    for i, j, _, length in images_within(fractional, cell, max(CUTOFFS.values())):
        names = {symbols[i], symbols[j]}
        if "O" in names and length < CUTOFFS.get(f"{''.join(names - {'O'})}-O", 0.0):
            found[i][j] += 1
    return found


def code_twin(now: Counter, before: Counter) -> int:
    if now.total() != before.total():
        return DECREASED if now.total() < before.total() else INCREASED
    return UNCHANGED if now == before else SWAPPED


@pytest.mark.parametrize("scale", [1.0, 1.4])
@pytest.mark.parametrize("seed", range(4))
def test_codes_equal_a_naive_twin(seed, scale):
    symbols, fractional, cell = random_network(seed, scale * TRICLINIC, 14)
    moved = fractional + np.random.default_rng(seed).normal(0, 0.1, fractional.shape)
    found = bond_switching(joined(frames(symbols, fractional, cell), frames(symbols, moved, 1.01 * cell)))
    before, now = partners_twin(symbols, fractional, cell), partners_twin(symbols, moved, 1.01 * cell)
    expected = [code_twin(*pair) for pair in zip(now, before, strict=True)]
    assert len(set(expected) - {UNCHANGED}) >= 2
    np.testing.assert_array_equal(found.codes, [[UNCHANGED] * 14, expected])
    for element, shares in found.shares.items():
        own = [c for c, s in zip(expected, symbols, strict=True) if s == element]
        np.testing.assert_allclose(shares[1], [own.count(k) / len(own) for k in range(4)])


def boron(places: dict[str, float]) -> Trajectory:
    """A boron and oxygens A, B, ... each on its own ray, at the given distances."""
    rays = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]])[: len(places)]
    positions = np.concatenate([np.zeros((1, 3)), rays * np.array(list(places.values()))[:, None]]) + 0.5
    return frames(*molecule(["B", *"O" * len(places)], positions, BOX))


NEAR, FAR = 1.4, 3.0
BO3 = {"A": NEAR, "B": NEAR, "C": NEAR, "D": FAR}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({**BO3, "D": NEAR}, [INCREASED, UNCHANGED, UNCHANGED, UNCHANGED, INCREASED]),
        ({**BO3, "C": FAR}, [DECREASED, UNCHANGED, UNCHANGED, DECREASED, UNCHANGED]),
        ({**BO3, "C": FAR, "D": NEAR}, [SWAPPED, UNCHANGED, UNCHANGED, DECREASED, INCREASED]),
        ({**BO3, "A": 1.79}, [UNCHANGED] * 5),
        ({**BO3, "A": 1.81}, [DECREASED, DECREASED, UNCHANGED, UNCHANGED, UNCHANGED]),
    ],
)
def test_exchanges_made_by_hand(after, expected):
    found = bond_switching(joined(boron(BO3), boron(after)))
    assert found.codes.tolist() == [[UNCHANGED] * 5, expected]
    assert found.shares["B"][1].tolist() == [float(expected[0] == k) for k in range(4)]
    np.testing.assert_array_equal(found.shares["O"].sum(1), 1)


def test_an_oxygen_that_changes_its_former_is_swapped():
    def bridge(x: float) -> Trajectory:
        return frames(*molecule(["B", "P", "O"], [[0, 0, 0], [4, 0, 0], [x, 0, 0]], BOX))

    assert bond_switching(joined(bridge(1.4), bridge(2.6))).codes[1].tolist() == [DECREASED, INCREASED, SWAPPED]


def glass_frames(glass: Glass) -> Trajectory:
    """The quenched glass and the melt that it was made from."""
    species, fractional, cell = glass.glass
    symbols = [("Li", "B", "P", "O")[s] for s in species]
    return joined(frames(symbols, fractional, cell), frames(symbols, glass.melt.fractional, cell))


def test_glass_against_its_melt(glass):
    """Fewer and more bonds change places with the two structures, the rest does not."""
    both = glass_frames(glass)
    forth, back = bond_switching(both), bond_switching(both, both.frame(1))
    for element in ("Li", "B", "P", "O"):
        shares = forth.shares[element]
        np.testing.assert_array_equal(shares[0], [0, 0, 0, 1])
        np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-14)
        np.testing.assert_array_equal(back.shares[element], shares[::-1, [1, 0, 2, 3]])
    assert forth.shares["B"][1].min() > 0
    assert list(forth.shares) == ["Li", "B", "P", "O"]


def test_wrapping_breaks_no_bond(glass):
    both = glass_frames(glass)
    wrapped = both.fractional + np.random.default_rng(1).integers(-2, 3, both.fractional.shape)
    moved = Trajectory(both.time, wrapped, both.cell, both.species, both.elements)
    np.testing.assert_array_equal(bond_switching(moved, both.frame(0)).codes, bond_switching(both).codes)


def test_refusals(glass):
    both = glass_frames(glass)
    order = Trajectory(both.time, both.fractional, both.cell, both.species[::-1], both.elements)
    for reference in (both, order.frame(0), both.frame(9)):
        with pytest.raises(InputDataError, match="one frame of the same atoms"):
            bond_switching(both, reference)
    with pytest.raises(InputDataError, match="no frames"):
        bond_switching(both.frame(9))
    with pytest.raises(InputDataError, match="none of Na, S"):
        bond_switching(both, cutoffs={"Na-S": 2.5})


# --- task=analyse ---------------------------------------------------------------------------------


@pytest.fixture
def dump(glass, tmp_path) -> Trajectory:
    """strained.dump in the working directory: the glass, 15 % longer, and the melt; 10 fs apart."""
    both = glass_frames(glass)
    cells = both.cell[0] * np.array([[1, 1, 1], [1, 1, 1.15], [1, 1, 1]])[:, None]
    symbols = both.symbols
    atoms = [
        Atoms(symbols, scaled_positions=f, cell=c, pbc=True)
        for f, c in zip(both.fractional[[0, 0, 1]], cells, strict=True)
    ]
    write_dump(tmp_path / "strained.dump", atoms)
    write(tmp_path / "strained.extxyz", atoms, format="extxyz")
    return Trajectory(np.arange(3) * 0.01, both.fractional[[0, 0, 1]], cells, both.species, ELEMENTS)


NAMED = ("analyse.species=[Li,B,P,O]", "hydra.run.dir=here")


def test_a_dump_is_compared_frame_by_frame(command, dump):
    stages = "stages=[bond_switching,report]"
    code, _, err = command("task=analyse", "input=strained.dump", *NAMED, "analyse.timestep_fs=1", stages)
    assert code == 0, err
    found = json.loads(Path("here/results.json").read_text())["bond_switching"]
    expected = bond_switching(dump)
    assert expected.shares["B"][1, UNCHANGED] < 1
    for k, kind in enumerate(KINDS):
        assert list(found[kind]) == ["Li", "B", "P", "O"]
        for element, entry in found[kind].items():
            assert entry["unit"] == "1"
            np.testing.assert_allclose(entry["values"], expected.shares[element][:, k], atol=1e-7)
    assert found["time"] == {"values": pytest.approx([0, 0.01, 0.02]), "unit": "ps"}
    assert found["frame"]["values"] == [0, 1, 2]
    assert (found["frames"], found["n_atoms"], found["reference"]) == (3, 504, "first frame")
    assert found["cutoffs"]["B-O"] == {"value": 1.8, "unit": "Angstrom"}
    assert Path("here/report.html").exists()


def test_reference_and_cutoffs_can_be_set(command, dump):
    settings = ("bond_switching.reference=last", "structure.cutoffs.B-O=2.0", "stages=[bond_switching]")
    assert command("task=analyse", "input=strained.extxyz", "hydra.run.dir=here", *settings)[0] == 0
    found = json.loads(Path("here/results.json").read_text())["bond_switching"]
    expected = bond_switching(dump, dump.frame(2), {**CUTOFFS, "B-O": 2.0})
    np.testing.assert_allclose(found["swapped"]["B"]["values"], expected.shares["B"][:, SWAPPED], atol=1e-7)
    assert found["unchanged"]["O"]["values"][-1] == 1
    assert found["time"] is None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("bond_switching.reference=7", "must be text"),
        ("bond_switching.reference=middle", "first, last"),
        ("bond_switching.cutoffs.B-O=-1", "bond_switching.cutoffs.B-O = -1"),
        ("+bond_switching.cutoffs.BO=2", "write it as centre-ligand"),
    ],
)
def test_refused_settings(command, dump, setting, words):
    code, _, err = command("task=analyse", "input=strained.dump", *NAMED, "stages=[bond_switching]", setting)
    assert code == 2
    assert words in err

"""Supercells and the notch: the stated ellipse and nothing else, composition, neutrality, refusals."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import structures
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import ELEMENTS, Glass, glass_potential

from jaxglass.errors import ConfigError
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, make_system, maxwell_boltzmann
from jaxglass.protocols.notch import OXYGENS, Notched, cut_notch, supercell

POTENTIAL = glass_potential()


@pytest.fixture(scope="module")
def system(glass: Glass) -> System:
    """The quenched glass of 504 atoms, moving."""
    species, fractional, cell = glass.glass
    return maxwell_boltzmann(make_system([ELEMENTS[s] for s in species], fractional, cell), 300.0, seed=1)


def counts(system: System) -> np.ndarray:
    return np.bincount(system.species, minlength=len(system.elements))


def depths(system: System, width: float, height: float) -> np.ndarray:
    """By hand, atom by atom: below 1 inside the ellipse in the middle of the cell."""
    _, ly, lz = np.diag(system.cell)
    places = np.asarray(system.fractional) % 1.0
    return np.array([((y - 0.5) * ly / (width / 2)) ** 2 + ((z - 0.5) * lz / (height / 2)) ** 2 for _, y, z in places])


def check(before: System, notched: Notched, width: float, height: float) -> None:
    """All that is promised of a notch of `width` x `height` (A)."""
    after = notched.system
    assert (notched.width, notched.height) == pytest.approx((width, height), rel=1e-12)
    depth, oxygen = depths(before, width, height), np.array(before.symbols) == "O"
    left = {tuple(row) for row in np.asarray(after.fractional)}
    keep = np.array([tuple(row) in left for row in np.asarray(before.fractional)])
    assert keep.sum() == len(after.species)
    np.testing.assert_array_equal(keep[~oxygen], depth[~oxygen] >= 1)
    assert keep[depth >= 1].all()
    gone, stays = depth[oxygen & ~keep], depth[oxygen & keep & (depth < 1)]
    assert gone.max(initial=0.0) <= stays.min(initial=1.0)
    assert list(notched.removed.values()) == (counts(before) - counts(after)).tolist()
    np.testing.assert_array_equal(np.asarray(after.species), np.asarray(before.species)[keep])
    assert (np.diff(after.species) >= 0).all()
    asked = counts(after)[:-1] @ [OXYGENS[e] for e in after.elements[:-1]]
    assert abs(counts(after)[-1] - notched.excess_oxygen - asked) <= 0.5
    charges = np.asarray(notched.potential.charges)
    assert abs(charges @ counts(after)) < 1e-9
    assert charges[-1] == notched.oxygen_charge
    np.testing.assert_array_equal(charges[:-1], POTENTIAL.charges[:-1])
    assert not np.any(after.momenta)


def atoms_at(symbols: list[str], fractional: np.ndarray) -> list[tuple]:
    """Symbols and rounded places, in an order of their own."""
    return sorted(zip(symbols, np.round(fractional, 12).tolist(), strict=True))


# --- supercell ------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [(1, 2, 2), (3, 1, 2)])
def test_supercell_holds_every_copy(system, copies):
    found, origin = supercell(system, copies), np.asarray(system.fractional)
    symbols, fractional, cell = structures.supercell(system.symbols, origin, np.array(system.cell), copies)
    np.testing.assert_array_equal(found.cell, cell)
    assert found.symbols == sorted(symbols, key=ELEMENTS.index)
    places = np.asarray(found.fractional)
    assert atoms_at(found.symbols, places) == atoms_at(symbols, fractional)
    before = pair_list(origin, np.asarray(system.cell), 4.0)
    after = pair_list(places, np.asarray(found.cell), 4.0)
    assert len(after.i) == np.prod(copies) * len(before.i)
    velocities = [np.asarray(s.momenta / s.masses[:, None]) for s in (system, found)]
    copy, atom = np.nonzero((np.abs((places * copies)[:, None] - origin) < 1e-9).all(2))
    assert sorted(atom) == list(range(len(origin)))
    np.testing.assert_array_equal(velocities[1][copy], velocities[0][atom])


def test_supercell_of_no_copies_is_refused(system):
    with pytest.raises(ConfigError, match="at least one copy"):
        supercell(system, (1, 0, 2))


# --- notch ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [(1, 2, 2), (2, 2, 2), (1, 3, 3)])
def test_notch_of_the_paper(system, copies):
    large = supercell(system, copies)
    notched = cut_notch(large, POTENTIAL)
    width = float(large.cell[1, 1]) / 3
    check(large, notched, width, width / 5)
    assert sum(notched.removed.values()) > 20
    assert notched.oxygen_charge == pytest.approx(-1.2, abs=0.01)


@settings(max_examples=12, deadline=None)
@given(width=st.floats(0.2, 0.7), height=st.floats(0.15, 0.9), seed=st.integers(0, 99))
def test_any_notch_of_unwrapped_atoms(system, width, height, seed):
    rng = np.random.default_rng(seed)
    moved = np.asarray(system.fractional) + rng.integers(-2, 3, system.fractional.shape) + rng.random(3)
    shifted = supercell(replace(system, fractional=jnp.asarray(moved)), (1, 2, 1))
    longest = float(shifted.cell[1, 1])
    if height * width * longest < float(shifted.cell[2, 2]):
        notched = cut_notch(shifted, POTENTIAL, width=width, height=height)
        check(shifted, notched, width * longest, height * width * longest)


def rows(middle: str, outside: str) -> System:
    """Atoms 1 A apart along y in the middle of 4 x 10 x 10 A, 0.4, 0.6, 1.4 ... A from the centre; more at z = 0."""
    places = [(0.5, (k + 0.6) / 10, 0.5) for k in range(len(middle))]
    places += [(0.5, k / 10, 0.0) for k in range(len(outside))]
    symbols = ["Li" if letter == "L" else "O" for letter in middle + outside]
    return make_system(symbols, np.array(places), np.diag([4.0, 10.0, 10.0]), ("Li", "O"))


def lithium_oxide() -> Potential:
    """The part of the potential for Li and O."""
    pair = np.ix_([0, 3], [0, 3])
    square = {name: getattr(POTENTIAL, name)[pair] for name in ("A", "rho", "C")}
    return replace(POTENTIAL, charges=POTENTIAL.charges[np.array([0, 3])], elements=("Li", "O"), **square)


@pytest.mark.parametrize(
    ("middle", "outside", "width", "removed", "excess", "charge", "first"),
    [
        ("LLLOOOOLLL", "LLLLLLOO", 0.6, {"Li": 2, "O": 1}, 0, -1.2, 0.46),  # two Li take the innermost O along
        ("LLLOOOOLLL", "LLLLLLOO", 0.5, {"Li": 1, "O": 0}, 0, -1.1, None),  # half an O stays whole
        ("OOOLLLLOOO", "LLLLLLLL", 0.41, {"Li": 4, "O": 0}, 2, -0.8, None),  # no O inside to go with four Li
        ("LLLOOOOLLL", "LLLLLLLO", 0.6, {"Li": 2, "O": 0}, -1, -1.32, None),  # too few O from the start
    ],
)
def test_oxygens_in_a_row(middle, outside, width, removed, excess, charge, first):
    row = rows(middle, outside)
    notched = cut_notch(row, lithium_oxide(), width=width, height=0.2)
    assert (notched.removed, notched.excess_oxygen) == (removed, excess)
    assert notched.oxygen_charge == pytest.approx(charge, rel=1e-14)
    if first is not None:
        in_the_middle = np.asarray(notched.system.fractional)[:, 2] == 0.5
        oxygens = in_the_middle & (np.asarray(notched.system.species) == 1)
        np.testing.assert_allclose(np.asarray(notched.system.fractional)[oxygens, 1], [0.36, 0.56, 0.66])


def test_other_oxides(system):
    """Boron as B2O3 in the table of the caller, too."""
    large = supercell(system, (1, 2, 2))
    usual, rich = cut_notch(large, POTENTIAL), cut_notch(large, POTENTIAL, {**OXYGENS, "B": 2.0})
    assert rich.excess_oxygen < usual.excess_oxygen
    assert rich.removed["O"] == 0


@pytest.mark.parametrize(
    ("copies", "options", "words"),
    [
        ((2, 1, 2), {}, "y must be the longest side of 36.0 x 18.4 x 35.3 A"),
        ((1, 2, 2), {"width": 1.2}, "does not fit"),
        ((1, 2, 2), {"width": 0.9, "height": 1.2}, "does not fit"),
        ((1, 2, 2), {"width": 0.0}, "does not fit"),
        ((1, 2, 2), {"width": 0.005}, "no cation in"),
        ((1, 2, 2), {"oxides": {"Li": 0.5, "B": 1.5}}, "no oxide known of P; known: Li, B"),
    ],
)
def test_refusals(system, copies, options, words):
    with pytest.raises(ConfigError, match=words):
        cut_notch(supercell(system, copies), POTENTIAL, **options)


def test_what_cannot_be_cut(system):
    leaning = replace(system, cell=system.cell.at[0, 1].set(0.1))
    with pytest.raises(ConfigError, match="must be orthogonal"):
        cut_notch(leaning, POTENTIAL)
    with pytest.raises(ConfigError, match="a potential for Li, B, P, O"):
        cut_notch(system, lithium_oxide())
    alone = make_system(["O", "Li"], np.array([[0.5, 0.5, 0.5], [0.5, 0.6, 0.5]]), np.eye(3) * 9, ("Li", "O"))
    with pytest.raises(ConfigError, match="no oxygen is left"):
        cut_notch(alone, lithium_oxide(), width=0.5)

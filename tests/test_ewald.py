"""Exact Ewald sum: crystals with known energies, identities and symmetries (reliability.md, S1-S5)."""

from functools import partial

import numpy as np
import pytest
from systems import Structure, crystal, ionic, lattice, random_ions, relative, within

from jaxglass.engine import ewald
from jaxglass.engine.energy import Evaluation, evaluate

ION_CELLS = ("cubic", "orthorhombic", "triclinic")


def ions(kind: str, excess_charge: float = 0.0, count: int = 40):
    """(potential, structure) of random point charges, neutral unless `excess_charge` per ion is given."""
    charges, fractional = random_ions(count, seed=7)
    potential, species = ionic(charges + excess_charge)
    return potential, Structure(species, fractional, lattice(kind))


def close(found: Evaluation, expected: Evaluation, tolerance: float) -> None:
    """Energy, forces and stress agree to a relative tolerance."""
    within("energy", found.energy / expected.energy - 1, tolerance)
    within("forces", relative(found.forces, expected.forces), tolerance)
    within("stress", relative(found.stress, expected.stress), tolerance)


@pytest.mark.parametrize("name", ["NaCl", "CsCl", "ZnS", "CaF2"])
def test_madelung_constants(name):
    known = crystal(name)
    potential, species = ionic(known.charges)
    origin = np.random.default_rng(1).random(3)
    found = evaluate(potential, species, known.fractional + origin, known.cell)
    within("Madelung constant", (found.energy * known.nearest - known.energy) / known.formulas, 1e-11)
    within("forces on lattice sites", np.abs(found.forces).max(), 1e-11)


@pytest.mark.parametrize("kind", ION_CELLS)
def test_trace_of_the_strain_derivative_is_minus_the_energy(kind):
    potential, structure = ions(kind)
    found = evaluate(potential, *structure)
    trace = np.trace(found.stress) * abs(np.linalg.det(structure.cell))
    within("trace", trace / found.energy + 1, 1e-10)


@pytest.mark.parametrize("excess_charge", [0.0, 0.05])
def test_nothing_depends_on_the_splitting(excess_charge):
    potential, structure = ions("triclinic", excess_charge)
    found = [
        evaluate(potential, *structure, splitting=ewald.exact_splitting(structure.cell, 40, cutoff))
        for cutoff in (5.0, 6.5, 9.0)
    ]
    assert found[0].energy != 0
    close(found[1], found[0], 1e-9)
    close(found[2], found[0], 1e-9)


def test_a_charged_cell_sees_the_neutralising_background():
    potential, structure = ions("cubic", 0.05)
    found = evaluate(potential, *structure)
    trace = np.trace(found.stress) * abs(np.linalg.det(structure.cell))
    within("trace", trace / found.energy + 1, 1e-10)


@pytest.mark.parametrize("kind", ["1:2:2", "1:1.01:1", "triclinic"])
@pytest.mark.parametrize("axes", [(1, 2, 0), (1, 0, 2)])
def test_axes_can_be_relabelled(kind, axes):
    potential, (species, fractional, cell) = ions(kind)
    axes = list(axes)
    split = ewald.exact_splitting(cell, len(species), 6.0)
    turned = split._replace(n=split.n[:, axes])
    before = evaluate(potential, species, fractional, cell, split)
    after = evaluate(potential, species, fractional[:, axes], cell[np.ix_(axes, axes)], turned)
    expected = Evaluation(before.energy, before.forces[:, axes], before.stress[np.ix_(axes, axes)])
    close(after, expected, 1e-11)


def shift_origin(s: Structure) -> Structure:
    return s._replace(fractional=s.fractional + [0.123, -4.7, 0.31])


def wrap(s: Structure) -> Structure:
    return s._replace(fractional=s.fractional - np.floor(s.fractional))


def shift_images(s: Structure) -> Structure:
    return s._replace(fractional=s.fractional + np.random.default_rng(0).integers(-3, 4, s.fractional.shape))


@pytest.mark.parametrize("change", [shift_origin, wrap, shift_images])
def test_translations_change_nothing(change):
    potential, structure = ions("triclinic")
    moved = structure._replace(fractional=structure.fractional + 0.4)
    look = partial(evaluate, potential, splitting=ewald.exact_splitting(structure.cell, 40, 6.0))
    close(look(*change(moved)), look(*moved), 1e-11)


def test_atoms_can_be_permuted():
    potential, (species, fractional, cell) = ions("triclinic")
    order = np.random.default_rng(5).permutation(len(species))
    before, after = (
        evaluate(potential, species, fractional, cell),
        evaluate(potential, species[order], fractional[order], cell),
    )
    close(after, before._replace(forces=before.forces[order]), 1e-11)

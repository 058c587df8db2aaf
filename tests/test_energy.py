"""Static evaluation: crystals to 1e-8 eV, every term against differences, parameter gradients (S5-S7)."""

import csv
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    ELEMENTS,
    Structure,
    compiled,
    force_differences,
    gap_cutoff,
    glass_potential,
    lattice,
    random_atoms,
    relative,
    strain_differences,
    within,
)

from jaxglass.engine import energy as terms
from jaxglass.engine import ewald
from jaxglass.engine.energy import buckingham_energy, device_pairs, evaluate, exact_energy, screened_energy
from jaxglass.engine.mesh import Mesh, mesh_forces
from jaxglass.model.potential import Potential
from jaxglass.units import COULOMB, COULOMB_LAMMPS

DATA = Path(__file__).parent / "data"
CRYSTALS = {row["structure"]: row for row in csv.DictReader((DATA / "crystal_energies.csv").read_text().splitlines())}
MESH = Mesh((24, 30, 20), 5, 0.7)


def crystal_structure(name: str) -> Structure:
    """A crystal of tests/data, sorted by species."""
    found = json.loads((DATA / CRYSTALS[name]["file"]).read_text())
    species = np.array([ELEMENTS.index(e) for e in found["symbols"]])
    order = np.argsort(species, kind="stable")
    return Structure(species[order], np.array(found["frac"])[order], np.array(found["cell"]))


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("cutoff", [8, 10, 12])
def test_short_range_energy_of_crystals(name, cutoff):
    structure, potential = crystal_structure(name), glass_potential(cutoff)
    near = device_pairs(structure.fractional, structure.cell, cutoff)
    found = float(buckingham_energy(potential, near, *structure))
    within("short-range energy, eV", found - float(CRYSTALS[name][f"E_short_rc{cutoff}_eV"]), 1e-8)


@pytest.mark.parametrize("name", CRYSTALS)
def test_energy_of_crystals(name):
    structure, row = crystal_structure(name), CRYSTALS[name]
    split = ewald.exact_splitting(structure.cell, len(structure.species))
    near, screened = (device_pairs(structure.fractional, structure.cell, r) for r in (8.0, split.cutoff))
    for constant, column in ((COULOMB, "codata"), (COULOMB_LAMMPS, "lammps_metal")):
        potential = glass_potential(8.0, constant)
        found = float(exact_energy(potential, near, screened, split.alpha, split.n, *structure))
        reference = float(row[f"E_coulomb_eV_{column}"]) + float(row["E_short_rc8_eV"])
        within(f"energy with {constant}, eV", found - reference, 1e-8)


class Terms:
    """Terms of the energy of one structure, functions of (fractional, cell) with fixed pairs and waves."""

    def __init__(self, kind: str):
        potential, structure = random_atoms(lattice(kind, 7.0), count=27)
        cutoff = gap_cutoff(structure, 5.0)
        self.potential, self.structure = replace(potential, cutoff=cutoff), structure
        self.split = ewald.exact_splitting(structure.cell, len(structure.species), 7.0)
        self.near = device_pairs(structure.fractional, structure.cell, cutoff)  # no pair crosses the gap
        self.screened = device_pairs(structure.fractional, structure.cell, 7.0)
        self.n = jnp.asarray(self.split.n, float)

    def functions(self) -> dict:
        """Name -> energy(fractional, cell) in eV."""
        p, s, alpha = self.potential, jnp.asarray(self.structure.species), self.split.alpha
        charges, k = p.charges[s], p.coulomb_constant
        return {
            "buckingham": partial(buckingham_energy, p, self.near, s),
            "screened": partial(screened_energy, p, self.screened, alpha, s),
            "reciprocal": lambda f, c: ewald.reciprocal_energy(charges, alpha, self.n, f, c, k),
            "self": lambda f, c: ewald.self_energy(charges, alpha, jnp.abs(jnp.linalg.det(c)), k),
            "sum": partial(exact_energy, p, self.near, self.screened, alpha, self.n, s),
            "screened, within the cutoff of the mesh": partial(screened_energy, p, self.near, MESH.alpha, s),
        }

    def evaluate(self, **options) -> terms.Evaluation:
        """What `evaluate` says about the same structure."""
        return evaluate(self.potential, *self.structure, **options)


@pytest.fixture(scope="module", params=["triclinic", pytest.param("orthorhombic", marks=pytest.mark.slow)])
def system(request) -> Terms:
    """Twenty-seven Li, B, P, O atoms with large forces, slightly charged."""
    return Terms(request.param)


@pytest.mark.parametrize("term", ["buckingham", "screened", "reciprocal", "self"])
def test_forces_and_stress_of_each_term_are_differences_of_its_energy(system, term):
    _, fractional, cell = system.structure
    energy = compiled(system.functions()[term])
    gradient, in_cell = compiled(jax.grad(system.functions()[term], (0, 1)))(jnp.asarray(fractional), jnp.asarray(cell))
    strain = cell.T @ np.asarray(in_cell)
    differences = strain_differences(lambda c: float(energy(fractional, c)), cell)
    within("strain derivative", relative((strain + strain.T) / 2, differences), 1e-6)
    if term != "self":
        forces = force_differences(lambda f: float(energy(f, cell)), fractional, cell)
        within("forces", relative(-np.asarray(gradient) @ np.linalg.inv(cell).T, forces), 1e-7)


def test_evaluate_is_the_sum_of_the_terms(system):
    _, fractional, cell = system.structure
    found = system.evaluate(splitting=system.split)
    energy = compiled(system.functions()["sum"])
    assert found.energy == pytest.approx(float(energy(fractional, cell)), rel=1e-13)
    within(
        "forces",
        relative(found.forces, force_differences(lambda f: float(energy(f, cell)), fractional, cell)),
        1e-7,
    )
    strain = strain_differences(lambda c: float(energy(fractional, c)), cell) / abs(np.linalg.det(cell))
    within("stress", relative(found.stress, strain), 1e-6)


def test_mesh_evaluation_is_differentiated_exactly(system):
    species, fractional, cell = system.structure
    cutoff = system.potential.cutoff
    charges = system.potential.charges[species]
    found = system.evaluate(mesh=MESH, coulomb_cutoff=cutoff)
    pairs = [compiled(system.functions()[name]) for name in ("buckingham", "screened, within the cutoff of the mesh")]

    @compiled
    def coulomb(f, c):
        reciprocal = mesh_forces(MESH, charges, COULOMB, tuple(f.T), c, jnp.float64, True).energy
        return reciprocal + ewald.self_energy(charges, MESH.alpha, jnp.abs(jnp.linalg.det(c)), COULOMB)

    def energy(f, c):
        return float(coulomb(f, c) + sum(pair(f, c) for pair in pairs))

    assert found.energy == pytest.approx(energy(fractional, cell), rel=1e-12)
    within("forces", relative(found.forces, force_differences(lambda f: energy(f, cell), fractional, cell)), 1e-7)
    strain = strain_differences(lambda c: energy(fractional, c), cell) / abs(np.linalg.det(cell))
    within("stress", relative(found.stress, strain), 1e-6)


def test_energy_does_not_depend_on_order_or_images(system):
    species, fractional, cell = system.structure
    rng = np.random.default_rng(3)
    order = rng.permutation(len(species))
    before = system.evaluate(splitting=system.split)
    images = fractional + rng.integers(-2, 3, fractional.shape)
    after = evaluate(system.potential, species[order], images[order], cell, splitting=system.split)
    within("energy", after.energy / before.energy - 1, 1e-11)
    within("forces", relative(after.forces, before.forces[order]), 1e-11)
    within("stress", relative(after.stress, before.stress), 1e-11)
    within("net force, eV/A", np.abs(before.forces.sum(0)).max(), 1e-9)


def test_gradients_of_every_parameter_are_finite_and_right(system):
    species, fractional, cell = system.structure

    def energy(potential: Potential):
        return exact_energy(
            potential, system.near, system.screened, system.split.alpha, system.n, species, fractional, cell
        )

    gradient = compiled(jax.grad(energy))(system.potential)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    direction = jax.tree.map(lambda x: 0.1 * x, system.potential)
    h, value = 1e-4, compiled(energy)
    up, down = (value(jax.tree.map(lambda x, d, s=s: x + s * h * d, system.potential, direction)) for s in (1, -1))
    slope = sum(float(jnp.vdot(g, d)) for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
    assert slope == pytest.approx(float(up - down) / (2 * h), rel=1e-7)

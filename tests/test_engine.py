"""Hot path: lists, pair kernel and mesh against the exact sum, in both precisions (S5, S7, S11)."""

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from systems import (
    HOT_RMS,
    Structure,
    compiled,
    gap_cutoff,
    glass_potential,
    hot_path,
    plan_for,
    random_ions,
    relative,
    rms,
    strain_differences,
    within,
)

from jaxglass.engine.energy import evaluate
from jaxglass.engine.kernel import pair_energy, pair_forces
from jaxglass.engine.neighbors import build

EDGE = 14.5  # A
TRICLINIC, SLAB = "triclinic", "slab with vacuum, unequal edges"
CELLS = {
    TRICLINIC: EDGE * np.array([[1.0, 0.05, -0.1], [0.2, 1.1, 0.07], [-0.15, 0.25, 1.2]]),
    SLAB: EDGE * np.diag([1.0, 1.15, 2.0]),
}
CUTOFF = 6.5  # A, so that three hundred atoms suffice


def structure_in(name: str) -> Structure:
    """Three hundred atoms with pairs down to about 1.2 A; neutral; some outside the cell."""
    _, fractional = random_ions(300, seed=2)
    species = np.repeat([0, 1, 2, 3], [48, 38, 38, 176])
    fractional = np.where(np.arange(300)[:, None] % 7 == 0, fractional + [1, 0, -2], fractional)
    if name == SLAB:
        fractional = (fractional - np.floor(fractional)) * [1, 1, 0.55]
    return Structure(species, fractional, CELLS[name])


@pytest.fixture(scope="module", params=[TRICLINIC, pytest.param(SLAB, marks=pytest.mark.slow)])
def case(request):
    """(potential, structure, exact evaluation): the cutoff lies in a gap between pair distances."""
    structure = structure_in(request.param)
    potential = glass_potential(gap_cutoff(structure, CUTOFF))
    assert abs(float(potential.charges[structure.species].sum())) < 1e-9
    return potential, structure, evaluate(potential, *structure)


@pytest.fixture(scope="module")
def plans(case):
    """The plan in both precisions: one mesh."""
    potential, structure, _ = case
    plan = plan_for(potential, structure)
    return {"mixed": plan, "float64": replace(plan, precision="float64")}


@pytest.mark.parametrize("precision", ["mixed", "float64"])
def test_forces_agree_with_the_exact_sum(case, plans, precision):
    potential, structure, exact = case
    found = hot_path(plans[precision], potential, structure)
    within("RMS force error, eV/A", rms(found.forces - exact.forces), HOT_RMS)
    within("energy per atom, eV", (found.energy - exact.energy) / 300, 2e-5)
    within("net force, eV/A", np.abs(found.forces.mean(0)).max(), 1e-4)


def test_mixed_precision_costs_less_than_the_mesh(case, plans):
    potential, structure, exact = case
    mixed, double = (hot_path(plans[p], potential, structure) for p in ("mixed", "float64"))
    within("RMS force error of mixed precision, eV/A", rms(mixed.forces - double.forces), 3e-5)
    # pair terms are float32: a tenth of the error of LAMMPS's own energy (3e-6 to 9e-6 eV per atom)
    within("energy per atom, eV", (mixed.energy - double.energy) / 300, 5e-7)
    within("stress", relative(mixed.stress, double.stress), 1e-4)


def test_stress_is_the_strain_derivative_of_the_energy(case, plans):
    potential, structure, _ = case
    species, fractional, cell = structure
    if plans["mixed"].orthorhombic:
        pytest.skip("shear needs a triclinic plan; covered by the other cell")
    expected = strain_differences(
        lambda c: hot_path(plans["float64"], potential, Structure(species, fractional, c)).energy, cell
    )
    for precision, tolerance in (("float64", 1e-6), ("mixed", 1e-4)):
        found = hot_path(plans[precision], potential, structure)
        within(f"stress, {precision}", relative(found.stress, expected / abs(np.linalg.det(cell))), tolerance)


def test_float64_equals_the_static_mesh_evaluation(case, plans):
    potential, structure, _ = case
    plan = plans["float64"]
    found = hot_path(plan, potential, structure)
    static = evaluate(potential, *structure, mesh=plan.mesh, coulomb_cutoff=plan.coulomb_cutoff)
    within("energy", found.energy / static.energy - 1, 1e-11)
    within("forces", relative(found.forces, static.forces), 1e-11)
    within("stress", relative(found.stress, static.stress), 1e-11)


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-11), ("mixed", 1e-5)])
def test_images_change_nothing(case, plans, precision, tolerance):
    potential, structure, _ = case
    shift = np.random.default_rng(1).integers(-4, 5, structure.fractional.shape)
    moved = structure._replace(fractional=structure.fractional + shift)
    before, after = (hot_path(plans[precision], potential, s) for s in (structure, moved))
    within("forces", relative(after.forces, before.forces), tolerance)
    within("stress", relative(after.stress, before.stress), tolerance)


def test_gradients_are_finite_and_coinciding_list_slots_harmless(case, plans):
    """Unused slots hold the atom itself, at distance zero."""
    potential, structure, _ = case
    plan = plans["float64"]
    where = tuple(jnp.asarray(x) for x in structure)
    near = build(plan, *where[1:], jnp.asarray(plan.reach + 0.1))
    longer = replace(near, rows=jnp.full_like(near.rows, near.index.shape[1]))
    forces = compiled(partial(pair_forces, derivatives=True), static_argnums=0)
    tight, loose = (forces(plan, potential, *where, n) for n in (near, longer))
    np.testing.assert_allclose(tight.forces, loose.forces, rtol=1e-12, atol=1e-12)
    assert bool(jnp.isfinite(loose.strain_derivative).all())
    energy = compiled(pair_energy, static_argnums=0)
    assert bool(jnp.isfinite(energy(plan, potential, *where, longer).energy))

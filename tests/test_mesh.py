"""Mesh Coulomb sum: splines, exact derivatives of its energy, promised accuracy (S1, S2, S4, S7, S10)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline
from systems import (
    compiled,
    crystal,
    force_differences,
    glass_potential,
    ionic,
    lattice,
    random_ions,
    relative,
    rms,
    screened_forces,
    stored_glass,
    strain_differences,
    within,
)

from jaxglass.engine import ewald
from jaxglass.engine.energy import evaluate
from jaxglass.engine.ewald import real_space_alpha
from jaxglass.engine.mesh import Mesh, influence_weights, mesh_forces, rms_force_error, spline_weights
from jaxglass.engine.plan import ALPHA_STEP, make_plan
from jaxglass.units import COULOMB

MESH = Mesh((20, 18, 15), 5, 0.6)


@partial(compiled, static_argnums=0, static_argnames="derivatives")
def reciprocal(mesh, charges, fractional, cell, derivatives=True):
    """`mesh_forces` in float64."""
    return mesh_forces(mesh, charges, COULOMB, tuple(fractional.T), cell, jnp.float64, derivatives)


@pytest.mark.parametrize("order", [3, 4, 5, 6, 8])
def test_splines_are_cardinal_b_splines(order):
    u = np.linspace(0, 1, 11, endpoint=False)
    weights, slopes = spline_weights(jnp.asarray(u), order)
    exact = BSpline.basis_element(np.arange(order + 1), extrapolate=False)
    for m in range(order):  # weight m belongs to point floor(x) - order + 1 + m: argument u + order - 1 - m
        x = u + order - 1 - m
        np.testing.assert_allclose(weights[:, m], exact(x), atol=1e-14)
        np.testing.assert_allclose(slopes[1:, m], exact.derivative()(x)[1:], atol=1e-13)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-14)
    np.testing.assert_allclose(slopes.sum(1), 0, atol=1e-14)


def test_influence_weights_tend_to_one_at_long_waves():
    w = influence_weights(64, 6)
    assert w[0] == 1
    assert abs(w[1] - 1) < 1e-2
    np.testing.assert_allclose(w[1:], w[:0:-1])


@pytest.mark.parametrize("kind", ["1:2:2", "1:1.01:1", "triclinic"])
def test_forces_and_stress_are_exact_derivatives_of_the_mesh_energy(kind):
    charges, fractional = random_ions(27)
    cell = lattice(kind)
    found = reciprocal(MESH, charges, fractional, cell)
    forces = force_differences(lambda f: float(reciprocal(MESH, charges, f, cell).energy), fractional, cell)
    strain = strain_differences(lambda c: float(reciprocal(MESH, charges, fractional, c).energy), cell)
    within("forces", relative(np.asarray(found.forces), forces), 1e-7)
    within("strain derivative", relative(np.asarray(found.strain_derivative), strain), 1e-8)


def test_forces_do_not_depend_on_asking_for_derivatives():
    charges, fractional = random_ions(27)
    with_, without = (reciprocal(MESH, charges, fractional, lattice("cubic"), derivatives=d) for d in (True, False))
    np.testing.assert_allclose(with_.forces, without.forces, rtol=1e-12, atol=1e-12)
    assert without.energy == 0


@pytest.mark.parametrize("axes", [(1, 2, 0), (1, 0, 2), (2, 1, 0)])
@pytest.mark.parametrize("kind", ["1:2:2", "1:1.01:1", "triclinic"])
def test_axes_can_be_relabelled(kind, axes):
    charges, fractional = random_ions(27)
    axes, cell = list(axes), lattice(kind)
    mesh = MESH._replace(shape=(21, 25, 15))  # odd: an even mesh has one-sided waves at its edge, here 1e-11
    turned = mesh._replace(shape=tuple(mesh.shape[a] for a in axes))
    before = reciprocal(mesh, charges, fractional, cell)
    after = reciprocal(turned, charges, fractional[:, axes], cell[np.ix_(axes, axes)])
    within("forces", relative(np.asarray(after.forces), np.asarray(before.forces)[:, axes]), 1e-11)
    expected = np.asarray(before.strain_derivative)[np.ix_(axes, axes)]
    within("strain derivative", relative(np.asarray(after.strain_derivative), expected), 1e-11)


def test_wrapping_and_mesh_translations_change_nothing():
    charges, fractional = random_ions(27)
    shift = np.random.default_rng(0).integers(-3, 4, fractional.shape) + np.array([3, 7, 2]) / MESH.shape
    before, after = (reciprocal(MESH, charges, f, lattice("triclinic")) for f in (fractional, fractional + shift))
    within("forces", relative(np.asarray(after.forces), np.asarray(before.forces)), 1e-11)
    within("energy", float(after.energy / before.energy) - 1, 1e-11)


@pytest.mark.parametrize("name", ["NaCl", "CsCl", "ZnS", "CaF2"])
def test_madelung_constants(name):
    known = crystal(name)
    potential, species = ionic(known.charges)
    plan = make_plan(known.cell, known.charges, 8.0)
    origin = np.random.default_rng(2).random(3)
    # a long real-space sum leaves the error of the mesh: crystal shells beyond 8 A alone add up to 1.0e-5
    found = evaluate(potential, species, known.fractional + origin, known.cell, mesh=plan.mesh, coulomb_cutoff=12.0)
    within("Madelung constant", found.energy * known.nearest / known.energy - 1, 1e-5)


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("cubic", "orthorhombic")), "triclinic"]
)
def test_trace_of_the_strain_derivative_is_minus_the_energy(kind):
    charges, fractional = random_ions(40, seed=7)
    potential, species = ionic(charges)
    cell = lattice(kind)
    plan = make_plan(cell, charges, 6.0)
    found = evaluate(potential, species, fractional, cell, mesh=plan.mesh, coulomb_cutoff=6.0)
    within("trace", np.trace(found.stress) * np.linalg.det(cell) / found.energy + 1, 1e-4)


CASES = [
    (1e-5, 1.0, 8.0),
    *((a, 1.0, 8.0) for a in (1e-3, 1e-4, 1e-6)),
    (1e-5, 1.0, 6.0),
    (1e-5, 1.0, 10.0),
    (1e-5, 2.1, 8.0),
]
OTHERS = [
    (a, *cell)
    for a in (1e-3, 1e-4, 1e-5, 1e-6)
    for cell in ((1.0, 6.0), (1.0, 8.0), (1.0, 10.0), (2.1, 8.0))
    if (a, *cell) not in CASES
]


@pytest.mark.parametrize(
    ("accuracy", "stretch", "cutoff"), [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS)]
)
def test_promised_accuracy_is_kept(ions_122, accuracy, stretch, cutoff):
    charges, fractional, cell, exact = ions_122[stretch]
    plan = make_plan(cell, charges, cutoff, accuracy, precision="float64")
    mesh = reciprocal(plan.mesh, charges, fractional, cell, derivatives=False)
    found = screened_forces(charges, fractional, cell, plan.mesh.alpha, cutoff) + np.asarray(mesh.forces)
    requested = accuracy * COULOMB
    within(f"RMS force error, {plan.mesh}", rms(found - exact), 2 * requested)


@pytest.fixture(scope="module")
def ions_122():
    """Random ions in a 1:2:2 box and in one 2.1 times as long: charges, fractional, cell, exact forces."""
    charges, fractional = random_ions(343, seed=11)
    potential, species = ionic(charges)
    systems = {}
    for stretch in (1.0, 2.1):
        cell = lattice("1:2:2", 16.0) @ np.diag([1, 1, stretch])
        exact = COULOMB * evaluate(potential, species, fractional, cell).forces
        systems[stretch] = charges, fractional, cell, exact
    return systems


@pytest.mark.parametrize("shape", [(24, 36, 36), (32, 64, 64)])
def test_the_error_estimate_is_the_measured_error(ions_122, shape):
    charges, fractional, cell, _ = ions_122[1.0]
    mesh = Mesh(shape, 4, 0.5)
    split = ewald.Splitting(0.5, 9.0, ewald.half_space(cell, 6.5))
    potential, species = ionic(charges)
    n = jnp.asarray(split.n, float)
    energy = partial(ewald.reciprocal_energy, potential.charges[species], 0.5, n)
    gradient = jax.grad(lambda f: energy(f, jnp.asarray(cell), COULOMB))(jnp.asarray(fractional))
    exact = -np.asarray(gradient) @ np.linalg.inv(cell).T
    measured = rms(np.asarray(reciprocal(mesh, charges, fractional, cell).forces) - exact)
    assert 0.6 < rms_force_error(mesh, charges, cell) / measured < 1.6


def test_cells_nearly_alike_share_one_program():
    """Plans are static: with an alpha of its own every step of a relaxing cell would be compiled for."""
    glass = stored_glass().glass
    charges = np.asarray(glass_potential().charges)[glass.species]
    scales = np.linspace(0.998, 1.002, 21)
    exact = [real_space_alpha(8.0, 0.55e-5 * COULOMB, charges, abs(np.linalg.det(s * glass.cell))) for s in scales]
    plans = [make_plan(s * glass.cell, charges, 8.0) for s in scales]
    assert len({plan.mesh.alpha for plan in plans}) <= 2
    assert len(set(plans)) <= 4
    for scale, alpha, plan in zip(scales, exact, plans, strict=True):
        assert alpha <= plan.mesh.alpha <= alpha + ALPHA_STEP, "rounded up: no less accurate in real space"
        assert plan.largest_volume >= abs(np.linalg.det(scale * glass.cell))

"""Derivatives of a refit against differences, on the stored glass of 504 atoms at rest at zero pressure."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import compiled, glass_potential, nearly_at_rest, relative, stored_glass, within

from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.engine import twin
from jaxglass.engine.neighbors import complete
from jaxglass.engine.plan import Plan, make_plan
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, make_system
from jaxglass.refit.basin import Basin, implicit
from jaxglass.refit.observables import View, curves, make_view, smooth_coordination
from jaxglass.refit.parameters import moved, parameters
from jaxglass.response.gradient import Gradient, expansion, gradient, pair_curvature, without_mean
from jaxglass.response.gradient import moved as displaced
from jaxglass.response.minimum import SKIN, Rest
from jaxglass.response.moduli import stiffness
from jaxglass.response.newton import trust_region_step
from jaxglass.response.preconditioner import Factor, blocks, factor, stiffness_of_pairs
from jaxglass.response.stiffness import followers, relaxed_moduli
from jaxglass.response.zero_pressure import at_rest, newton, settle

MOVING = parameters(["V P-O", "rho P-O", "C P-O", "V B-O", "rho B-O", "V O-O", "rho O-O", "C O-O", "V Li-O", "charges"])
LI2O = 40.0


def smooth_potential() -> Potential:
    return replace(glass_potential(), switch=1.0)


def system_of(potential: Potential) -> System:
    glass = stored_glass().glass
    symbols = [potential.elements[s] for s in glass.species]
    return make_system(symbols, glass.fractional, glass.cell, potential.elements)


def plan_of(potential: Potential, system: System, accuracy: float = 1e-6, coulomb_cutoff: float = 8.0) -> Plan:
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    return make_plan(np.asarray(system.cell), charges, 8.0, accuracy, "float64", coulomb_cutoff, 1.1)


@pytest.fixture(scope="module")
def rest() -> Rest:
    """The stored glass at rest under the smooth potential; kept, as the way down from 300 K takes a minute."""
    potential = smooth_potential()
    system = system_of(potential)
    with np.load(Path(__file__).parent / "data" / "rest.npz") as kept:
        at_rest = replace(system, fractional=jnp.asarray(kept["fractional"]), cell=jnp.asarray(kept["cell"]))
    return newton(nearly_at_rest(plan_of(potential, system), potential, at_rest), potential)


@pytest.mark.slow
def test_the_way_down_ends_where_it_did(rest):
    """From 300 K to the glass that is kept."""
    potential = smooth_potential()
    system = system_of(potential)
    found = settle(plan_of(potential, system), potential, system, 1e-9)
    within("energy (eV)", float(found.energy - rest.energy), 1e-6)


def away(direction: int, h: float) -> np.ndarray:
    z = np.zeros(len(MOVING))
    z[direction] = h
    return z


def test_energy_and_forces_follow_every_parameter(rest):
    """U1: dU/dz and dF/dz against differences, charges and the moving core splice included."""
    species, x, cell, near = rest.system.species, rest.system.fractional, rest.system.cell, rest.near
    x = x + 0.002 * np.random.default_rng(0).normal(size=x.shape)  # forces, and some pairs closer than at rest

    where = species, x, cell, near  # arguments: what a program closes over is folded while it compiles

    def both(z, where):
        potential = moved(MOVING, rest.potential, LI2O, z)
        return twin.energy(rest.plan, potential, *where), gradient(rest.plan, potential, *where[:3], where[3].columns).u

    @compiled
    def slope(e, where):
        return jax.jvp(lambda z: both(z, where), (jnp.zeros(len(MOVING)),), (e,))[1]

    h, value = 1e-4, compiled(both)
    for p, parameter in enumerate(MOVING):
        (e_up, f_up), (e_down, f_down) = value(away(p, h), where), value(away(p, -h), where)
        change = float(e_up - e_down) / (2 * h)
        dU, dF = slope(jnp.asarray(away(p, 1.0)), where)
        within(f"dU of {parameter.name}, relative", float(dU) / change - 1, 1e-6)
        within(f"dF of {parameter.name}, relative", relative(dF, (f_up - f_down) / (2 * h)), 1e-6)


def test_expansion_holds_the_gradient_and_its_derivative(rest):
    """H y, pairs by hand and mesh linearised, against differentiating the gradient as it is written."""
    where = rest.plan, rest.potential, rest.system.species
    x, cell, index = rest.system.fractional, rest.system.cell, rest.near.columns
    y = Gradient(jnp.asarray(np.random.default_rng(2).normal(size=x.shape)), jnp.asarray(0.3))

    @compiled
    def both(y):
        zero = jax.tree.map(jnp.zeros_like, y)
        change = jax.jvp(lambda y: gradient(*where, *displaced(x, cell, y), index), (zero,), (y,))[1]
        g, hessian = expansion(*where, x, cell, index)
        return hessian(y), without_mean(change), g, without_mean(gradient(*where, x, cell, index))

    by_hand, differentiated, g, plain = both(y)
    within("g_u (eV/A)", float(jnp.abs(g.u - plain.u).max()), 1e-11)
    within("g_v (eV)", float(g.v - plain.v), 1e-9)
    within("H_u y, relative", relative(by_hand.u, differentiated.u), 1e-11)
    within("H_v y, relative", float(by_hand.v / differentiated.v) - 1, 1e-11)


@pytest.mark.slow  # it is about cost
def test_the_factor_saves_products_with_the_hessian(rest):
    """Both preconditioners lead to the same answer to a random force, the factor with a fifth of the products."""
    where = rest.plan, rest.potential, rest.system.species, rest.system.fractional, rest.system.cell, rest.near.columns
    force = without_mean(Gradient(jnp.asarray(np.random.default_rng(3).normal(size=where[3].shape)), jnp.asarray(1.0)))
    assert isinstance(rest.precondition, Factor)

    @compiled
    def answers(*preconditioners):
        _, hessian = expansion(*where)
        far, tolerance = jnp.asarray(1e9), jnp.asarray(1e-3)
        return [trust_region_step(force, hessian, each, far, tolerance, 1000) for each in preconditioners]

    by_factor, by_blocks = answers(rest.precondition, blocks(rest.plan, rest.potential, rest.system, rest.near))
    within("products with the factor over those with blocks", int(by_factor.applied) / int(by_blocks.applied), 0.2)
    within("difference of the answers, relative", relative(by_factor.step.u, by_blocks.step.u), 1e-2)


def test_the_factor_is_positive_where_the_energy_is_not_convex(rest):
    """Atoms at random places: L L^T is the pairs' matrix, which is not positive, and as much on its diagonal as it
    takes."""
    x = np.random.default_rng(4).random(rest.system.fractional.shape)
    system = replace(rest.system, fractional=jnp.asarray(x))
    plan, near = complete(rest.plan, system.fractional, system.cell, rest.plan.reach + SKIN)
    where = plan, rest.potential, system.species, system.fractional, system.cell, near.columns
    pairs = np.asarray(stiffness_of_pairs(pair_curvature(*where)), np.float64)
    lower = np.asarray(factor(plan, rest.potential, system, near).lower, np.float64)
    added = lower @ lower.T - pairs
    shift = np.median(np.diag(added))
    assert np.linalg.eigvalsh(pairs)[0] < 0 < shift
    within(
        "what else was added, relative", np.abs(added - shift * np.eye(len(pairs))).max() / np.abs(pairs).max(), 1e-5
    )
    nowhere = replace(system, fractional=system.fractional.at[0].set(jnp.nan))
    assert not np.isfinite(factor(plan, rest.potential, nowhere, near).lower).all()  # and it ends


def test_derivatives_are_finite_everywhere():
    """U2: grad, jacrev and jacfwd at a collision inside r0, at the ends of the switch, and with padded slots."""
    potential = smooth_potential()
    species = jnp.asarray([0, 1, 2, 3, 3, 3])
    cell = 20.0 * jnp.eye(3)
    x = jnp.asarray([[0, 0, 0], [2, 0, 0], [4, 0, 0], [4.6, 0, 0], [11, 0, 0], [12, 0.0, 0]]) / 20
    plan = make_plan(np.asarray(cell), np.asarray(potential.charges)[species], 8.0, 1e-5, "float64")
    plan, near = complete(plan, x, cell, plan.reach + SKIN)

    def energy(z, x, cell):
        return twin.energy(plan, moved(MOVING, potential, LI2O, z), species, x, cell, near)

    def force(z, x, cell):
        return gradient(plan, moved(MOVING, potential, LI2O, z), species, x, cell, near.columns).u

    @compiled
    def all_of_them(*where):
        first = [mode(f, (0, 1, 2))(*where) for f in (energy, force) for mode in (jax.jacfwd, jax.jacrev)]
        second = [mode(jax.grad(energy, 1), (0, 1))(*where) for mode in (jax.jacfwd, jax.jacrev)]
        return first, second

    for found in jax.tree.leaves(all_of_them(jnp.zeros(len(MOVING)), x, cell)):
        assert jnp.isfinite(found).all()


def test_curves_follow_positions_and_cell(rest, view):
    """U3, derivatives: D(r) against differences; a Debye sum is in the tests of scattering."""
    species, x, cell = rest.system.species, rest.system.fractional, rest.system.cell
    push = jnp.asarray(np.random.default_rng(0).normal(size=x.shape)) / 18
    strain = jnp.asarray(np.random.default_rng(1).normal(size=(3, 3)))

    def D(a, b):
        return curves(view, species, x + a * push, cell @ (jnp.eye(3) + b * strain)).D

    zero, value = jnp.zeros(()), compiled(D)
    for k, name in enumerate(("positions", "cell")):
        found = compiled(jax.jacfwd(D, k))(zero, zero)
        h = 1e-5
        up, down = (value(h, 0.0), value(-h, 0.0)) if k == 0 else (value(0.0, h), value(0.0, -h))
        within(f"dD/d {name}, relative", relative(found, (up - down) / (2 * h)), 1e-6)


def test_what_follows_does_not_depend_on_the_splitting(rest):
    """U5: dU/d ln q and the pressure's answer to every parameter for two splittings of the Coulomb sum."""
    found = []
    for cutoff in (8.0, 6.5):
        plan = plan_of(rest.potential, rest.system, coulomb_cutoff=cutoff)
        plan, near = complete(plan, rest.system.fractional, rest.system.cell, plan.reach + SKIN)

        def answer(z, where, near, plan=plan):
            potential = moved(MOVING, rest.potential, LI2O, z)
            return twin.energy(plan, potential, *where, near), gradient(plan, potential, *where, near.columns).v

        where = rest.system.species, rest.system.fractional, rest.system.cell
        found.append(compiled(jax.jacfwd(answer))(jnp.zeros(len(MOVING)), where, near))
    for k, name in enumerate(("dU/dz", "dP/dz")):
        within(f"{name}, relative", relative(found[0][k], found[1][k]), 1e-4)


@pytest.fixture(scope="module")
def view(rest):
    return make_view(rest.system.counts, ScatteringSettings(), 8.0)


def seen(view: View, rest: Rest, potential: Potential) -> tuple[jax.Array, jax.Array]:
    """D(r) and ln density of the glass at rest, as functions of the potential."""
    found = curves(view, rest.system.species, *at_rest(rest, potential))
    return found.D, jnp.log(found.density)


def test_the_glass_at_rest_follows_the_potential(rest, view):
    """U6: D(r) and density against minimising again."""
    h, moving, z = 2e-4, MOVING[:1], jnp.zeros(1)
    basin = Basin(rest, rest.system, rest.potential, view, None, jnp.asarray(LI2O))
    found = implicit("D_r", moving, basin, z)
    ends, shown = [], compiled(seen)
    for sign in (1, -1):
        other = newton(rest, moved(moving, rest.potential, LI2O, z + sign * h), 1e-10)
        ends.append(shown(view, other, other.potential))
    change = jax.tree.map(lambda a, b: (a - b) / (2 * h), *ends)
    within("D", np.abs(found.mean[:-1] - shown(view, rest, rest.potential)[0]).max(), 1e-9)
    within("dD, relative", relative(found.jacobian[0, :-1], change[0]), 1e-4)
    within("d ln density, relative", found.jacobian[0, -1] / float(change[1]) - 1, 1e-4)


def scaled(potential: Potential, t: jax.Array) -> Potential:
    """All energies times e^t."""
    factor = jnp.exp(t)
    A, C, charges = potential.A * factor, potential.C * factor, potential.charges * jnp.sqrt(factor)
    return replace(potential, A=A, C=C, charges=charges)


def test_the_scale_of_the_energy_does_not_show_in_a_structure(rest, view):
    """U7: u = (ln A 1, ln C 1, ln q 1/2) scales the energy: D and density stay."""

    @compiled
    def along(t, view, rest):
        return jax.jvp(lambda t: seen(view, rest, scaled(rest.potential, t)), (t,), (jnp.ones(()),))

    value, (D, density) = along(jnp.zeros(()), view, rest)
    within("D along the null mode", float(jnp.linalg.norm(D) / jnp.linalg.norm(value[0])), 1e-10)
    within("ln density along it", float(density), 1e-10)


@pytest.mark.slow
def test_moduli_follow_the_scale_of_the_energy_and_the_potential(rest):
    """U7 and U6: ln K along the null mode is 1; K and G in a parameter against minimising again."""
    moves = compiled(followers)(rest)
    moduli = compiled(relaxed_moduli)
    along = compiled(lambda t: jax.jvp(lambda t: relaxed_moduli(rest, scaled(rest.potential, t), moves), (t,), (1.0,)))
    value, slope = along(0.0)
    within("ln K along the null mode", float(slope.bulk / value.bulk) - 1, 1e-2)
    h, p = 1e-3, 0
    in_z = compiled(
        lambda z: jax.jvp(lambda z: relaxed_moduli(rest, moved(MOVING, rest.potential, LI2O, z), moves), (z,), (e,))[1]
    )
    e = jnp.asarray(away(p, 1.0))
    found = in_z(jnp.zeros(len(MOVING)))
    ends = []
    for sign in (1, -1):
        other = newton(rest, moved(MOVING, rest.potential, LI2O, jnp.asarray(away(p, sign * h))), 1e-10)
        ends.append(moduli(other, other.potential, compiled(followers)(other)))
    for name in ("bulk", "shear"):
        change = float(getattr(ends[0], name) - getattr(ends[1], name)) / (2 * h)
        within(f"d{name}, relative", float(getattr(found, name)) / change - 1, 2e-3)


@pytest.mark.slow
def test_moduli_are_those_of_the_stiffness_matrix(rest):
    C = np.asarray(compiled(stiffness)(rest, rest.potential))
    found = compiled(relaxed_moduli)(rest, rest.potential, compiled(followers)(rest))
    normal, shear = C[:3, :3], np.diag(C)[3:]
    K = normal.sum() / 9
    trace_free = (np.trace(normal) - (normal.sum() - np.trace(normal)) / 2) / 3
    within("K (GPa), relative", float(found.bulk) / K - 1, 1e-3)
    within("G (GPa), relative", float(found.shear) / ((trace_free + 3 * shear.mean()) / 5) - 1, 1e-2)


def test_smooth_coordination_is_the_count_where_the_edge_is_sharp(rest):
    where = rest.system.species, rest.system.fractional, rest.system.cell, rest.near.columns
    sharp = float(smooth_coordination(*where, 1, 3, 2.0, 1e-4))
    d = rest.system.fractional[None] - rest.system.fractional[:, None]
    r = np.linalg.norm(np.asarray(d - jnp.round(d)) @ np.asarray(rest.system.cell), axis=-1)
    kind = np.asarray(rest.system.species)
    within("mean number of O round B", sharp - (r[kind == 1][:, kind == 3] < 2.0).sum(1).mean(), 1e-9)
    slope = jax.grad(lambda x: smooth_coordination(where[0], x, *where[2:], 1, 3, 2.0, 0.1))(where[1])
    assert jnp.isfinite(slope).all()
    assert float(jnp.abs(slope).max()) > 0


LARGE = """
import resource, time
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_enable_x64", True)
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.refit.observables import curves, make_view
atoms = {"Li": 1539, "B": 1256, "P": 1256, "O": 5794}
species = jnp.repeat(jnp.arange(4), jnp.asarray(list(atoms.values())), total_repeat_length=sum(atoms.values()))
x = jnp.asarray(np.random.default_rng(0).random((len(species), 3)))
view = make_view(atoms, ScatteringSettings(), 14.0)
cost = lambda x, cell: jnp.sum(curves(view, species, x, cell).D ** 2)
found = jax.jit(jax.value_and_grad(cost, (0, 1)))(x, 48 * jnp.eye(3))
assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(found))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


@pytest.mark.slow
def test_a_curve_of_the_paper_s_glass_and_its_gradient_stay_under_four_gigabytes():
    """D(r) of 9,845 atoms, all pairs, with the gradient in positions and cell."""
    said = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    within("memory, GB", float(said.stdout.split()[-1]), 4.0)

"""Derivatives of the hot path, of g(r) and of short dynamics against differences, forward against reverse (R11)."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline
from systems import Structure, compiled, glass_potential, neighbors, plan_for, random_ions, relative, within

from jaxglass.analysis.pair_distribution import pair_distribution
from jaxglass.analysis.pair_histogram import everyone, pair_histogram, partial_g
from jaxglass.analysis.radial_bins import spline_knots
from jaxglass.dynamics.ensembles import Control, advance
from jaxglass.dynamics.state import start
from jaxglass.engine import forces as hot
from jaxglass.engine import twin
from jaxglass.engine.mesh import Mesh
from jaxglass.engine.neighbors import nobody
from jaxglass.engine.plan import WINDOW, Lists, rounded_up
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import splice
from jaxglass.model.system import kinetic_energy, make_system, maxwell_boltzmann
from jaxglass.model.trajectory import Trajectory

EDGE = 13.6  # A
CELLS = {
    "orthorhombic": EDGE * np.diag([0.98, 1.0, 1.03]),
    "triclinic": EDGE * np.array([[1.0, 0.05, -0.1], [0.1, 1.0, 0.07], [-0.15, 0.1, 1.0]]),
}
MESH = Mesh((16, 15, 16), 4, 0.6)
LOSSES = ("energy", "forces", "stress", "g(r)")
KNOTS, WIDTH = 50, 0.1  # of g(r)
LEAVES = ("charges", "A", "rho", "C", "coulomb_constant", "fractional", "cell")
STEP = {"fractional": 2e-5, "cell": 1e-5} | dict.fromkeys(LEAVES[:5], 3e-4)  # relative; A/edge; A

# a derivative compiles for longer than it runs: the compiler is asked for less


def structure_in(kind: str) -> Structure:
    """216 atoms, charged as a whole, one outside the cell; O-O and P-O pairs inside the splice."""
    fractional, cell = random_ions(216, seed=2)[1], CELLS[kind]
    oxygen = fractional[74:] - fractional[60]
    oxygen = (oxygen - np.round(oxygen)) @ cell
    nearest = int(np.argmin(np.linalg.norm(oxygen, axis=1)))
    bond = oxygen[nearest] / np.linalg.norm(oxygen[nearest])
    fractional[74 + nearest] = fractional[60] + 1.05 * bond @ np.linalg.inv(cell)
    fractional[0] += [1.0, -2.0, 0.0]
    return Structure(np.repeat([0, 1, 2, 3], [30, 24, 20, 142]), fractional, cell)


def distances(structure: Structure, reach: float) -> np.ndarray:
    """Pair distances below `reach` (A)."""
    pairs = pair_list(structure.fractional, structure.cell, reach)
    return np.linalg.norm(pairs.vectors(structure.fractional, structure.cell), axis=1)


def common_cutoff() -> float:
    """A cutoff in a gap of the distances of both structures that no difference below crosses."""
    r = np.sort(np.concatenate([distances(structure_in(kind), 5.5) for kind in CELLS]))[-2000:]
    widest = int(np.argmax(np.diff(r)))
    assert r[widest + 1] - r[widest] > 6e-4
    return float((r[widest] + r[widest + 1]) / 2)


class Case:
    """A structure with its list, a general plan with a coarse mesh (one program for both cells), and its losses."""

    def __init__(self, kind: str):
        self.structure, self.potential = structure_in(kind), glass_potential(common_cutoff())
        plan = plan_for(self.potential, self.structure, accuracy=1e-3, precision="float64")
        same = Lists((1, 1, 1), rounded_up(len(self.structure.species), WINDOW) // WINDOW, 112)
        self.plan = replace(plan, mesh=MESH, orthorhombic=False, lists=same, largest_volume=0.0)
        self.species, fractional, cell = (jnp.asarray(x) for x in self.structure)
        self.near = neighbors(self.plan, fractional, cell)
        assert int(self.near.needed) <= 112
        strong = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), self.potential)  # weak types would compile twice
        self.at = (strong, fractional, cell)

    def directions(self, seed: int = 5) -> dict[str, tuple]:
        """For every leaf a direction that moves it alone; tables of pairs move symmetrically, by fractions."""
        rng = np.random.default_rng(seed)
        still = jax.tree.map(jnp.zeros_like, self.at)
        found = {}
        for name in LEAVES[:5]:
            value = getattr(self.potential, name)
            factor = rng.uniform(0.5, 1.5, value.shape)
            step = value * (factor + factor.T if factor.ndim == 2 else factor)
            found[name] = (replace(still[0], **{name: step}), *still[1:])
        moves = jnp.asarray(rng.uniform(-1, 1, (216, 3)))
        found["fractional"] = (still[0], moves @ jnp.linalg.inv(self.at[2]), still[2])
        found["cell"] = (*still[:2], jnp.asarray(rng.uniform(-1, 1, (3, 3))))
        return found


def moved(at: tuple, direction: tuple, size: float) -> tuple:
    """`at` after a step along `direction`."""
    return jax.tree.map(lambda x, d: x + size * d, at, direction)


def slope(function, at: tuple, direction: tuple, h: float):
    """Directional derivative of `function(*at)` from central differences of fourth order."""
    up, down, up2, down2 = (np.asarray(function(*moved(at, direction, s * h))) for s in (1, -1, 2, -2))
    return (8 * (up - down) - (up2 - down2)) / (12 * h)


def inner(a, b) -> float:
    """Scalar product of two pytrees."""
    return sum(float(jnp.vdot(x, y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def losses(plan, species, near, potential, fractional, cell):
    """Energy, mean squared force and stress, and a sum over squared g(r), (4,)."""
    found = hot.forces(plan, potential, species, fractional, cell, near, True)
    g = partial_g(species, 4, fractional, cell, near.columns, KNOTS, WIDTH)
    return jnp.stack(
        [
            hot.energy(plan, potential, species, fractional, cell, near).energy,
            jnp.mean(found.forces**2),
            # both ways to the stress: of the forces, and of the energy
            jnp.sum((found.strain_derivative / 100) ** 2)
            + jnp.sum((20 * hot.stress(plan, potential, species, fractional, cell, near)) ** 2),
            jnp.sum(g**2) * WIDTH,
        ]
    )


histogram = compiled(pair_histogram, static_argnums=(1, 5, 6))
smooth_g = compiled(partial_g, static_argnums=(1, 5, 6))


@partial(compiled, static_argnums=0)
def forward(plan, species, near, at, direction):
    """Losses and their derivatives along `direction`."""
    return jax.jvp(partial(losses, plan, species, near), at, direction)


@partial(compiled, static_argnums=0)
def backward(plan, species, near, at, weights):
    """Gradient of the losses under `weights`."""
    return jax.grad(lambda *at: losses(plan, species, near, *at) @ weights, (0, 1, 2))(*at)


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    """Both cells."""
    return {kind: Case(kind) for kind in CELLS}


@pytest.fixture(scope="module", params=CELLS)
def case(request, cases) -> Case:
    """One cell after the other."""
    return cases[request.param]


@pytest.fixture(scope="module")
def tangents(case) -> dict[str, np.ndarray]:
    """Forward derivatives of all losses along the direction of every leaf."""
    return {
        name: np.asarray(forward(case.plan, case.species, case.near, case.at, d)[1])
        for name, d in case.directions().items()
    }


def test_the_structures_reach_into_the_splice(case):
    r0 = np.asarray(splice(case.potential).r0)
    pairs = pair_list(case.structure.fractional, case.structure.cell, 2.0)
    r = np.linalg.norm(pairs.vectors(case.structure.fractional, case.structure.cell), axis=1)
    a, b = (np.asarray(case.species)[x] for x in (pairs.i, pairs.j))
    inside = {(x, y) for x, y, deep in zip(a, b, r < r0[a, b], strict=True) if deep}
    assert {(2, 3), (3, 3)} <= inside
    assert np.abs(r - r0[a, b]).min() > 1e-4


@partial(compiled, static_argnums=0)
def both(plan, species, near, potential, fractional, cell):
    """Energy and forces of the hot path and of its twin, strain derivatives included."""
    rest = (plan, potential, species, fractional, cell, near)
    return (hot.energy(*rest).energy, *hot.forces(*rest, True)), (twin.energy(*rest), *twin.forces(*rest, True))


def test_twin_has_the_energy_and_forces_of_the_hot_path(case):
    found, same = both(case.plan, case.species, case.near, *case.at)
    for name, one, other in zip(("energy", "forces", "strain derivative"), same, found, strict=True):
        within(name, relative(np.asarray(one), np.asarray(other)), 1e-12)


@pytest.mark.parametrize("leaf", LEAVES)
def test_losses_change_as_their_derivatives_say(case, tangents, leaf):
    def values(*at):
        return forward(case.plan, case.species, case.near, at, case.directions()[leaf])[0]

    differences = slope(values, case.at, case.directions()[leaf], STEP[leaf])
    for name, found, expected in zip(LOSSES, tangents[leaf], differences, strict=True):
        if name == "g(r)" and leaf not in ("fractional", "cell"):
            assert found == expected == 0
        else:
            within(f"{name} by {leaf}", found / expected - 1, 1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_reverse_equals_forward(case, tangents, loss):
    gradient = backward(case.plan, case.species, case.near, case.at, jnp.eye(4)[LOSSES.index(loss)])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    for leaf, direction in case.directions().items():
        expected = tangents[leaf][LOSSES.index(loss)]
        within(f"{loss} by {leaf}", inner(gradient, direction) - expected, 1e-10 * abs(expected) + 1e-300)


@pytest.mark.slow
def test_second_order_agrees_with_differences_of_first_order(cases):
    """Hessian-vector products of the energy over potential and positions together, in two ways."""
    case = cases["triclinic"]

    @compiled
    def products(at, v, w):
        def energy(potential, fractional):
            return hot.energy(case.plan, potential, case.species, fractional, case.at[2], case.near).energy

        gradient = jax.grad(energy, (0, 1))
        first, over_reverse = jax.jvp(gradient, at, v)
        reverse = jax.grad(lambda at: sum(map(jnp.vdot, jax.tree.leaves(gradient(*at)), jax.tree.leaves(w))))(at)
        return first, over_reverse, reverse

    at = case.at[:2]
    v, w = (jax.tree.map(lambda *x: 0.1 * sum(x), *case.directions(seed).values())[:2] for seed in (6, 7))
    _, forward_over_reverse, reverse_over_reverse = products(at, v, w)
    found = inner(forward_over_reverse, w)
    within("w.H v, reverse over reverse", inner(reverse_over_reverse, v) / found - 1, 1e-10)
    differences = slope(lambda *at: inner(products(at, v, w)[0], w), at, v, 2e-4)
    within("w.H v, differences", differences / found - 1, 1e-6)


def test_forces_are_minus_the_gradient_of_the_energy(cases):
    """The chain from closed-form forces and strain derivative to gradients in fractional coordinates and cell."""
    case = cases["triclinic"]
    gradient = backward(case.plan, case.species, case.near, case.at, jnp.eye(4)[0])
    cell = np.asarray(case.at[2])
    _, forces, strain = both(case.plan, case.species, case.near, *case.at)[0]
    within("forces", relative(-np.asarray(gradient[1]) @ np.linalg.inv(cell).T, np.asarray(forces)), 1e-12)
    within("strain", relative(cell.T @ np.asarray(gradient[2]), np.asarray(strain)), 1e-12)


@pytest.mark.slow
def test_the_rule_costs_the_hot_path_nothing(cases):
    """Forces: the compiler is handed the same program with and without the rule. Energy: the same bits."""
    case = cases["triclinic"]

    def with_and_without(rule, plan, *more):
        for function in (rule, rule.__wrapped__):

            def run(species, near, potential, fractional, cell, function=function):
                return function(plan, potential, species, fractional, cell, near, *more)

            yield compiled(run, keep_unused=True).lower(case.species, case.near, *case.at)

    for precision, derivatives in (("mixed", False), ("mixed", True), ("float64", False), ("float64", True)):
        ruled, plain = with_and_without(hot.forces, replace(case.plan, precision=precision), derivatives)
        assert ruled.as_text() == plain.as_text()
    programs = with_and_without(hot.energy, case.plan)
    ruled, plain = (program.compile()(case.species, case.near, *case.at) for program in programs)
    for one, other in zip(ruled, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_devices_are_refused(cases):
    case = cases["triclinic"]
    plan = replace(case.plan, shards=2)
    with pytest.raises(NotImplementedError, match="shards=1"):
        jax.grad(lambda f: hot.energy(plan, case.potential, case.species, f, case.at[2], case.near).energy)(case.at[1])


@pytest.mark.slow
def test_memory_of_gradients_is_linear_in_the_atoms(cases):
    """Reverse mode of a loss on forces: eight times the atoms and mesh points, rows of the list as before."""
    case = cases["triclinic"]

    @partial(compiled, static_argnums=0)
    def gradient(plan, species, near, at):
        def loss(fractional):
            return jnp.mean(hot.forces(plan, at[0], species, fractional, at[2], near).forces ** 2)

        return jax.grad(loss)(at[1])

    def bytes_per_atom(times: int) -> float:
        n = 216 * times**3
        plan = replace(case.plan, mesh=MESH._replace(shape=tuple(times * m for m in MESH.shape)))

        def shaped(x):
            return jax.ShapeDtypeStruct(tuple(n if s == 216 else s for s in x.shape), x.dtype)

        species, at = jax.tree.map(shaped, (case.species, case.at))
        near = jax.eval_shape(partial(nobody, plan), at[1], at[2])
        return gradient.lower(plan, species, near, at).compile().memory_analysis().temp_size_in_bytes / n

    small, large = bytes_per_atom(1), bytes_per_atom(2)
    print(f"{small:.0f} bytes per atom for 216 atoms, {large:.0f} for 1728")
    assert large < 1.5 * small  # 8 times if it grew with the square


def test_histogram_counts_pairs_and_their_distances(case):
    species, (_, fractional, cell) = case.species, case.at
    found = np.asarray(histogram(species, 4, fractional, cell, everyone(216), KNOTS, WIDTH))
    listed = np.asarray(histogram(species, 4, fractional, cell, case.near.columns, KNOTS, WIDTH))
    np.testing.assert_allclose(found, listed, rtol=1e-12, atol=1e-12)
    x = distances(case.structure, (KNOTS + 1) * WIDTH)[:, None] / WIDTH - np.arange(KNOTS)
    spline = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    expected = np.nan_to_num(spline(x)).sum(0)
    within("pairs at each knot", relative(found.sum((0, 1)) / 2, expected), 1e-12)


def test_g_is_that_of_the_analysis_through_its_window(case):
    species, (_, fractional, cell) = case.species, case.at
    g = np.asarray(smooth_g(species, 4, fractional, cell, case.near.columns, KNOTS, WIDTH))
    fine = 10  # shells to a knot
    sharp = pair_distribution(
        Trajectory(
            time=np.zeros(1),
            fractional=case.structure.fractional[None],
            cell=case.structure.cell[None],
            species=np.asarray(species),
            elements=case.potential.elements,
        ),
        5.5,
        WIDTH / fine,
    )
    for a, b in ((2, 3), (3, 3), (0, 1)):
        names = case.potential.elements[a], case.potential.elements[b]
        shells = 4 * np.pi * sharp.r**2 * sharp.width
        expected = np.cumsum(sharp.partials[names] * shells)
        r = spline_knots(KNOTS, WIDTH).r[20:]
        running = np.cumsum(g[a, b] * spline_knots(KNOTS, WIDTH).volume)[20:]
        difference = running - np.interp(r + WIDTH / 2, sharp.r + sharp.width / 2, expected)
        within(f"running integral of g, {names}", np.abs(difference).max() / expected[-1], 0.03)


def test_ideal_gas_has_g_of_one():
    rng = np.random.default_rng(0)
    g = smooth_g(jnp.zeros(600, int), 1, jnp.asarray(rng.random((600, 3))), jnp.eye(3) * 20.0, everyone(600), 90, 0.1)
    weights = spline_knots(90, 0.1).r[10:] ** 2
    within("mean g", float(np.average(g[0, 0, 10:], weights=weights)) - 1, 0.01)


def trajectory_loss(case, system, potential, fractional, steps=5):
    """Kinetic energy and a projection of the positions after `steps` of NVE (0.5 fs)."""
    control = Control(*map(jnp.asarray, (0.0005, 300.0, 300.0, 100.0, 0.0, 0.03, 1.0)))
    timesteps = jnp.full(steps + 1, control.timestep).at[0].set(0)  # a step of no length finds the first forces

    def force_field(fractional, cell):
        found = hot.forces(case.plan, potential, system.species, fractional, cell, case.near)
        return found._replace(forces=found.forces - jnp.mean(found.forces, 0))

    @jax.checkpoint
    def step(state, timestep):
        return advance("nve", replace(control, timestep=timestep), force_field, state), None

    state = start(replace(system, fractional=fractional))
    system = jax.lax.scan(step, state, timesteps)[0].system
    waves = jnp.cos(2 * jnp.pi * system.fractional @ jnp.asarray([1.0, 2.0, -1.0]))
    return kinetic_energy(system) + jnp.sum(waves)


@pytest.mark.slow
def test_gradients_go_through_a_few_steps_of_dynamics(cases):
    case = cases["triclinic"]
    symbols = [case.potential.elements[s] for s in case.structure.species]
    system = make_system(symbols, case.structure.fractional, case.structure.cell, case.potential.elements)
    system = maxwell_boltzmann(system, 300.0, seed=1)
    loss = partial(trajectory_loss, case, system)
    gradient = compiled(jax.grad(loss, (0, 1)))(*case.at[:2])
    along = compiled(lambda at, direction: jax.jvp(loss, at, direction))
    for leaf in ("charges", "A", "fractional"):
        direction = case.directions()[leaf][:2]
        found = float(along(case.at[:2], direction)[1])
        differences = slope(lambda *at, d=direction: along(at, d)[0], case.at[:2], direction, 1e-6)
        within(f"forward, by {leaf}", found / differences - 1, 1e-5)
        within(f"reverse, by {leaf}", inner(gradient, direction) / found - 1, 1e-10)

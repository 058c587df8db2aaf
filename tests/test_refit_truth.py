"""Estimators of a refit against what really happens: a damped glass run again, a quench repeated, LAMMPS's counts."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import compiled, glass_potential, nearly_at_rest, relative, stored_glass, within
from test_refit_task import MOVING, small_glass

from jaxglass import lammps
from jaxglass.analysis.pair_distribution import pair_distribution
from jaxglass.analysis.pair_histogram import everyone, partial_g
from jaxglass.analysis.radial_bins import spline_knots
from jaxglass.engine import twin
from jaxglass.engine.energy import evaluate
from jaxglass.engine.neighbors import complete
from jaxglass.engine.plan import make_plan
from jaxglass.model.composition import li2o_percent
from jaxglass.model.system import maxwell_boltzmann
from jaxglass.model.trajectory import Trajectory
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.refit.export import potential_file
from jaxglass.refit.parameters import moved, parameters
from jaxglass.refit.reweighting import average, longest_step, weights
from jaxglass.refit.tangents import BURST, tangents, window
from jaxglass.refit.topology import regress
from jaxglass.response.minimum import Rest
from jaxglass.response.stiffness import Moduli, followers, relaxed_moduli
from jaxglass.response.zero_pressure import newton

FEMTOSECOND = 1e-3
SMALL, LARGE = 1e-5, 1e-3  # differences of z; within the large one pairs leave the cutoff, and Coulomb's end shows
ACCURACY = 1e-7  # relative, of Coulomb forces: what is left of them jumps where a pair leaves


@pytest.mark.parametrize(
    ("smooth", "steps"),
    [pytest.param(True, 700, id="smooth cutoff"), pytest.param(False, 300, id="sharp cutoff", marks=pytest.mark.slow)],
)
def test_thermal_tangents_of_a_glass_are_differences_with_the_noise_kept(smooth, steps):
    """U8: 0.7 ps at 300 K, 96 atoms, mean distances of P and O. A sharp cutoff makes forces jump: it has to fail."""
    potential, _, system = small_glass()
    potential = potential if smooth else replace(potential, switch=0.0)
    system = maxwell_boltzmann(system, 300.0, 3)
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    plan = make_plan(np.asarray(system.cell), charges, potential.cutoff, ACCURACY, "float64", None, 1.1)
    plan, near = complete(plan, system.fractional, system.cell, plan.reach + 0.9)
    species, phosphorus = system.species, potential.elements.index("P")

    def force(x, z):
        return twin.forces(plan, moved(MOVING[:1], potential, 40.0, z), species, x, system.cell, near, False).forces

    def observe(x, z):
        d = x[near.columns] - x
        r2 = jnp.sum(((d - jnp.round(d)) @ system.cell) ** 2, -1)
        bonds = (species == phosphorus) & (r2 < 4.0) & (r2 > 0.1)
        return jnp.sum(jnp.where(bonds, r2, 0.0), 0) / (1 + jnp.sum(bonds, 0))

    @jax.jit
    def run(z):
        return window(force, observe, system, 300.0, FEMTOSECOND, steps, 50, jax.random.key(1), z)

    found = tangents(run, system.cell, jnp.zeros(1), jnp.array([MOVING[0].sd]))
    assert np.all(np.asarray(found.growth) < BURST)

    def off(h: float) -> float:
        up, down = (run(jnp.array([end]))[0] for end in (h, -h))
        return relative(found.tangent[0], (up - down) / (2 * h))

    if smooth:
        within("tangent, relative", off(SMALL), 1e-4)
        within("the same over a large difference", off(LARGE), 1e-3)
    else:
        assert off(LARGE) > 0.1


def test_a_quench_of_one_particle_answers_as_its_paths_say():
    """U10: E[x] at the end of a quench in a double well, d/d tilt by path weights against at rest + regression.

    V = 8 (x^2 - 1)^2 + t x, overdamped, kT from 3 to 0.2: which well is caught is the topology of this glass.
    """
    steps, dt, walkers, tilt = 400, 2e-3, 20_000, 0.3
    heat = np.geomspace(3.0, 0.2, steps)

    def quench(t, seed, score=False):
        random = np.random.default_rng(seed)
        x, weight = random.normal(size=walkers), np.zeros(walkers)
        for kT in heat:
            noise = random.normal(size=walkers)
            x = x + dt * -(32 * x * (x**2 - 1) + t) + np.sqrt(2 * kT * dt) * noise
            weight += -dt * noise / np.sqrt(2 * kT * dt)  # d ln p(path)/dt
        return (x, weight) if score else x

    x, weight = quench(tilt, 0, score=True)
    by_paths = np.mean((x - x.mean()) * weight)
    paths_error = np.std((x - x.mean()) * weight) / np.sqrt(walkers)

    wells = np.sign(x)  # at rest: V' = 0, dx/dt = -1/V''
    minimum = wells * 1.0
    for _ in range(50):
        minimum -= (32 * minimum * (minimum**2 - 1) + tilt) / (96 * minimum**2 - 32)
    exact = np.mean(-1 / (96 * minimum**2 - 32))
    offsets = 0.15 * np.random.default_rng(1).normal(size=(24, 1))
    observed = np.array([[quench(tilt + d, 100 + k).mean()] for k, d in enumerate(offsets[:, 0])])
    found = regress(observed, np.array([[exact]]), offsets, np.eye(1))
    hybrid = exact + found.jacobian[0, 0]
    combined = np.hypot(paths_error, found.jacobian_error[0, 0])
    within("difference, in combined errors", (hybrid - by_paths) / combined, 2)
    assert abs(by_paths) > 5 * paths_error
    assert abs(exact - by_paths) > 3 * paths_error, "at rest alone the answer is wrong"


def test_averages_by_weights_are_those_of_a_run_at_the_other_potential():
    """U9: 40 bins of the distances of 32 ions in quartic wells, sampled again where half of the frames still count."""
    ions, beta = 32, 4.0

    def sampled(stiffness, seed, frames=4000):
        random = np.random.default_rng(seed)
        grid = np.linspace(0, 2.5, 4001)
        density = grid**2 * np.exp(-beta * stiffness * grid**4)
        return np.interp(random.random((frames, ions)), np.cumsum(density) / density.sum(), grid)

    r = sampled(1.0, 0)
    edges = np.quantile(r, np.linspace(0.01, 0.99, 41))

    def bins(r):
        return jnp.asarray((r[:, :, None] >= edges[:-1]) & (r[:, :, None] < edges[1:])).mean(1)

    energy = jnp.asarray((r**4).sum(1))
    share, found = longest_step(beta, lambda step: step[0] * energy, np.array([0.5]))
    assert 0.4 < float(found.entropy) <= 0.55
    stiffness = 1.0 + 0.5 * share
    w = weights(beta, 0.5 * share * energy)
    nothing = jnp.zeros((len(r), 1, 40))
    here = average(beta, w.w, bins(r), nothing, energy[:, None])
    again = np.asarray(bins(sampled(stiffness, 1)))
    error = np.hypot(np.asarray(here.error), again.std(0) / np.sqrt(len(again)))
    off = np.abs(np.asarray(here.mean) - again.mean(0)) / error
    assert np.mean(off < 2) >= 0.95
    plain = np.abs(np.asarray(bins(r)).mean(0) - again.mean(0)) / error
    assert np.mean(plain < 2) < 0.5, "without weights the two differ"


@pytest.mark.skipif(lammps.available() is not None, reason=str(lammps.available()))
def test_partial_g_of_a_glass_are_those_of_lammps(tmp_path):
    """U4: `compute rdf` of the same frame, in the same bins; and in fine ones, seen through the spline of a refit."""
    glass, potential, cutoff, width = stored_glass().glass, glass_potential(), 8.0, 0.02
    elements = potential.elements
    pairs = [(a, b) for a in range(len(elements)) for b in range(a, len(elements))]
    frame = Trajectory(np.zeros(1), glass.fractional[None], glass.cell[None], glass.species, elements)
    found = pair_distribution(frame, cutoff, width)
    for (a, b), (_, g) in zip(pairs, rdf_of_lammps(tmp_path, pairs, cutoff, width), strict=True):
        ours = found.partials[elements[a], elements[b]]
        within(f"{elements[a]}-{elements[b]}, of its peak", np.abs(g - ours).max() / ours.max(), 1e-3)

    fine, count = 1e-4, int(cutoff / width) - 2
    species, fractional, cell = (jnp.asarray(x) for x in glass)
    splines = partial_g(species, len(elements), fractional, cell, everyone(len(species)), count, width)
    dense = [tuple(elements.index(e) for e in pair) for pair in ("PO", "OO")]
    for (a, b), (r, g) in zip(dense, rdf_of_lammps(tmp_path, dense, cutoff, fine), strict=True):
        shells = g * 4 * np.pi * r**2 * fine
        knots = on_knots(r / width, shells, count) / spline_knots(count, width).volume
        ours = np.asarray(splines[a, b])
        within(f"{elements[a]}-{elements[b]} of the spline", np.abs(knots - ours).max() / ours.max(), 1e-3)


def test_moduli_follow_the_potential_as_glasses_that_come_to_rest_again_do():
    """U6 for K and G, U7 for K: 96 atoms, conjugate gradients to 1e-9."""
    potential, plan, system = small_glass()
    h, e, scale = 3e-4, jnp.asarray([1.0, 0.0]), jnp.zeros(())

    kept = nearly_at_rest(plan, potential, system)

    def at(z: jax.Array) -> Rest:
        return replace(newton(kept, moved(MOVING, potential, 40.0, z), 1e-10), residual=1e-9)

    rest = at(0 * e)
    moves = followers(rest)

    def moduli(z: jax.Array, t: jax.Array) -> Moduli:
        """K and G with parameters moved by z and all energies times e^t."""
        some = moved(MOVING, potential, 40.0, z)
        q = some.charges * jnp.exp(t / 2)
        return relaxed_moduli(rest, replace(some, A=some.A * jnp.exp(t), C=some.C * jnp.exp(t), charges=q), moves)

    along = compiled(lambda dz, dt: jax.jvp(moduli, (0 * e, scale), (dz, dt)))
    value, slope = along(e, scale)
    ends = [relaxed_moduli(other, other.potential, followers(other)) for other in (at(h * e), at(-h * e))]
    for name in ("bulk", "shear"):
        change = float(getattr(ends[0], name) - getattr(ends[1], name)) / (2 * h)
        within(f"d{name}, relative", float(getattr(slope, name)) / change - 1, 1e-4)
    within("ln K along the null mode", float(along(0 * e, scale + 1)[1].bulk / value.bulk) - 1, 1e-2)


@pytest.mark.skipif(lammps.available() is not None, reason=str(lammps.available()))
def test_exported_files_give_the_refitted_energy_in_lammps(tmp_path):
    """potential.yaml as any run reads it, and the tables and input that a refit writes beside it, within S8."""
    moving = parameters(["A_BO", "slope", "V P-O", "rho O-O", "C O-O", "charges"])
    z = np.array([0.4, -0.3, -0.5, 0.3, 0.4, 0.2])
    settings = {**default_settings(), "cutoff_style": "c2", "file": None}
    elements, glass = glass_potential().elements, stored_glass().glass
    counts = {e: int(np.sum(glass.species == k)) for k, e in enumerate(elements)}
    start = load_parameters(settings, elements, counts).potential
    li2o = li2o_percent(counts)
    potential_file(tmp_path / "potential.yaml", settings, moving, start, moved(moving, start, li2o, jnp.asarray(z)), z)
    refitted = {**default_settings(), "file": str(tmp_path / "potential.yaml")}
    potential = load_parameters(refitted, elements, counts).potential
    lammps.write_input(potential, *glass, tmp_path)
    log = lammps.run((tmp_path / "in.lammps").read_text().splitlines(), tmp_path)
    energy = float(log[log.index("PotEng") :].splitlines()[1].split()[1])
    forces = np.loadtxt(tmp_path / "forces.dump", skiprows=9)[:, 5:]
    exact = evaluate(potential, *glass)
    within("forces, relative L2", relative(forces, exact.forces), 1e-6)
    within("energy, eV/atom", abs(energy - exact.energy) / len(forces), 2e-5)
    assert relative(evaluate(start, *glass).forces, exact.forces) > 0.01


def rdf_of_lammps(folder, pairs, cutoff: float, width: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """r and g of the stored glass for pairs of species."""
    types = " ".join(f"{a + 1} {b + 1}" for a, b in pairs)
    lammps.write_structure(glass_potential(), *stored_glass().glass, folder / "glass.data")
    lammps.run(
        [
            *("units metal", "atom_style charge", "read_data glass.data"),
            *(f"pair_style zero {cutoff + 0.5}", "pair_coeff * *"),
            f"compute g all rdf {round(cutoff / width)} {types} cutoff {cutoff}",
            "comm_modify cutoff 11",
            "fix g all ave/time 1 1 1 c_g[*] file g.txt mode vector format ' %.12g'",
            "run 0",
        ],
        folder,
    )
    table = np.loadtxt(folder / "g.txt", skiprows=4)
    return [(table[:, 1], table[:, 2 + 2 * k]) for k in range(len(pairs))]


def on_knots(x: np.ndarray, weight: np.ndarray, count: int) -> np.ndarray:
    """Sum of `weight` at the places `x` with the spline about each of `count` whole numbers."""
    found = np.zeros(count + 4)  # the last four for what is beyond
    for k in range(-1, 3):
        m = np.floor(x).astype(int) + k
        found += np.bincount(np.clip(m, -1, count) % (count + 4), weight * cubic(x - m), count + 4)
    return found[:count]


def cubic(x: np.ndarray) -> np.ndarray:
    """The cubic B-spline."""
    x = np.abs(x)
    return np.where(x < 1, (4 - 6 * x**2 + 3 * x**3) / 6, np.where(x < 2, (2 - x) ** 3 / 6, 0.0))

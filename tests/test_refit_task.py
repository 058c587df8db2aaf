"""The rounds of a refit, with glasses that need no quench: 96 atoms, cutoff 4 A, at rest under each potential."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import yaml
from systems import glass_potential, within

from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.engine.plan import Plan, make_plan
from jaxglass.errors import ConfigError, NumericalError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, make_system
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.refit.basin import Shown, _bonded, changed_bonds
from jaxglass.refit.cost import cost_and_noise
from jaxglass.refit.export import potential_file
from jaxglass.refit.fit import at_rest_under, descend, model, sharp
from jaxglass.refit.iteration import Iteration, best_of, continued, fresh_glasses, iteration_from, keep, read_iterations
from jaxglass.refit.least_squares import levenberg_marquardt
from jaxglass.refit.misfit import misfits
from jaxglass.refit.observables import View, check_reach, curves, make_view
from jaxglass.refit.outer import Problem, answers, grouped, quenched, refit, topology_due
from jaxglass.refit.parameters import check_splice, moved, parameters
from jaxglass.refit.profile import profile
from jaxglass.refit.results import noise_floor
from jaxglass.refit.sampling import Sample, Start, jittered
from jaxglass.refit.setup import optimiser
from jaxglass.refit.target import Target
from jaxglass.refit.uncertainty import information
from jaxglass.response.zero_pressure import settle

MOVING = parameters(["A_BO", "V P-O"])
TRUTH = np.array([0.4, -0.2])


@dataclass(frozen=True)
class AtRest:
    """In place of quenches: the atoms at rest, and a little noise that a seed decides."""

    plan: Plan
    views: dict[str, View]
    quantity: str = "S_q"

    def __call__(self, starts, potentials, folder):
        samples = []
        for k, (start, potential) in enumerate(zip(starts, potentials, strict=True)):
            rest = settle(self.plan, potential, start.system, 1e-7)
            seen = curves(self.views[start.target], rest.system.species, rest.system.fractional, rest.system.cell)
            noise = 1e-3 * np.random.default_rng(start.seed).standard_normal(len(seen.S))
            nan = np.asarray(np.nan)
            shown = Shown(np.asarray(seen.S) + noise, np.log(float(seen.density)), nan, nan)
            samples.append(Sample(k, start, potential, rest.system, shown, 0.5))
        return samples


@cache
def small_glass() -> tuple[Potential, Plan, System]:
    """16 Li, 12 B, 12 P, 56 O from a random packing, at rest; kept as a file, which takes a tenth of the time."""
    potential = replace(glass_potential(cutoff=4.0), switch=1.0)
    with np.load(Path(__file__).parent / "data" / "small_glass.npz") as kept:
        symbols = np.array(potential.elements)[kept["species"]].tolist()
        system = make_system(symbols, kept["fractional"], kept["cell"])
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    plan = make_plan(np.asarray(system.cell), charges, 4.0, 1e-5, "float64", None, 1.3)
    return potential, plan, system


@cache
def small_target() -> tuple[Target, View]:
    """S(Q) and density of the glass at rest under the truth."""
    potential, plan, system = small_glass()
    view = make_view(system.counts, ScatteringSettings(q_max=15.0), 4.5)
    starts = [Start("40", 40.0, seed, system, potential) for seed in (0, 1)]
    true = moved(MOVING, potential, 40.0, jnp.asarray(TRUTH))
    clean = [s.shown for s in AtRest(plan, {"40": view})(starts, [true, true], None)]
    S = np.mean([s.curve for s in clean], axis=0)
    Q = np.asarray(view.transforms.Q)
    density = float(np.exp(clean[0].ln_density))
    return Target("40", 40.0, "S_q", Q, S, np.full(len(Q), 0.003), np.pi / 4.5, density), view


def make_problem(folder, rounds: int) -> Problem:
    potential, plan, system = small_glass()
    target, view = small_target()
    starts = tuple(Start("40", 40.0, seed, system, potential) for seed in (0, 1))
    quench, method = AtRest(plan, {"40": view}), levenberg_marquardt(1.0)
    return Problem(MOVING, (target,), starts, quench, plan, "implicit", method, rounds, 2, 2, 4, 2, 0.1, folder)


@pytest.fixture(scope="module")
def refitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refit")
    said: list[str] = []
    return make_problem(folder, 2), refit(make_problem(folder, 2), said.append), said


def test_a_closed_loop_finds_its_parameters(refitted):
    problem, done, said = refitted
    assert all(one.kept for one in done)
    assert len(done) == 2, "what was left after the first round is nothing that a step could gain"
    best = best_of(done)
    assert best.cost < 0.05 * done[0].cost
    within("A_BO and V of P-O, in widths of the priors", np.abs(best.z - TRUTH).max(), 0.1)
    assert said[0].startswith("iteration 0: cost")
    z = done[0].z
    [group] = grouped(problem, quenched(problem, problem.starts, z, "000"), problem.targets, z)
    assert said[0].endswith(f"E {group.basins[0].moduli().young:.0f} GPa")
    assert "accepted" in said[1]


def test_a_refit_that_has_ended_stays_as_it_is(refitted):
    problem, done, _ = refitted
    again = refit(problem, lambda words: pytest.fail(f"nothing was left to do: {words}"))
    assert [one.cost for one in again] == [one.cost for one in done]


@pytest.mark.parametrize("name", ["lm", *(pytest.param(x, marks=pytest.mark.slow) for x in ("adam", "lbfgs"))])
def test_every_optimiser_goes_down(refitted, name):
    """Five steps with what the settings have as radius and learning rate."""
    problem, z, costs = refitted[0], np.zeros(len(TRUTH)), []
    groups = grouped(problem, quenched(problem, problem.starts, z, "000"), problem.targets, z)
    descend(MOVING, groups, z, optimiser(name, 1.0, 0.1), 5, lambda progress: costs.append(progress.cost))
    assert min(costs) < 0.3 * costs[0]


def test_a_potential_that_makes_no_glasses_is_refused_and_a_quarter_of_the_way_tried(tmp_path):
    """And where the quenches for J_topo fail, rounds go on without it."""
    problem = replace(make_problem(tmp_path, 2), estimator="hybrid", topology_quenches=4)
    calls, said = [], []

    class Fails(AtRest):
        def __call__(self, starts, potentials, folder):
            if folder.name.endswith("jittered"):
                raise NumericalError("two glasses of 40 failed")
            calls.append(folder)
            if len(calls) == 2:
                raise NumericalError("no glass was made")
            return super().__call__(starts, potentials, folder)

    done = refit(replace(problem, quench=Fails(problem.quench.plan, problem.quench.views)), said.append)
    assert [one.kept for one in done] == [True, False, True]
    assert (done[1].fresh, done[1].cost) == ((), np.inf)
    np.testing.assert_allclose(done[2].z, done[0].z + (done[1].z - done[0].z) / 4)
    assert [one.cost for one in read_iterations(tmp_path)] == [one.cost for one in done]
    assert done[2].radius == pytest.approx(np.linalg.norm(done[1].z - done[0].z) / 4)
    assert any("topology: not asked" in line and "two glasses of 40 failed" in line for line in said)


@pytest.mark.parametrize(("kept", "due"), [("", True), ("k", False), ("kr", False), ("krk", True), ("krkrk", False)])
def test_j_topo_is_renewed_after_two_rounds_that_were_kept(kept, due):
    done = [Iteration(k, np.zeros(1), (), 1.0, 0.1, one == "k", 1.0) for k, one in enumerate(kept)]
    assert topology_due(done, 2) == due


def test_without_exact_derivatives_the_quenches_alone_answer(refitted):
    """estimator: ensemble: the glasses stay where they are, and the slope is J_topo."""
    problem, _, _ = refitted
    z = np.zeros(2)
    samples = quenched(problem, problem.starts, z, "none")
    points = len(problem.targets[0].x)
    slope = Shown(np.ones((2, points)), np.array([0.1, 0.2]), z, z)
    [group] = grouped(replace(problem, estimator="ensemble"), samples, problem.targets, z, {"40": slope})
    here = model(MOVING, [group], z, z)
    np.testing.assert_array_equal(here.slopes[0].curve, slope.curve)
    there = model(MOVING, at_rest_under(MOVING, [group], np.array([0.5, 0.0])), np.array([0.5, 0.0]), z)
    np.testing.assert_allclose(there.values[0].curve - here.values[0].curve, 0.5, rtol=1e-12)


@dataclass(frozen=True)
class Answering(AtRest):
    """The same, and a part of S(Q) that answers to A_BO as no glass at rest does."""

    answer: float = 0.02

    def __call__(self, starts, potentials, folder):
        found = super().__call__(starts, potentials, folder)
        names = found[0].potential.elements
        pair = names.index("B"), names.index("O")
        return [
            replace(s, shown=s.shown._replace(curve=s.shown.curve + self.answer * _ln_ratio(s, pair))) for s in found
        ]


def _ln_ratio(sample: Sample, pair: tuple[int, int]) -> float:
    """z of A_BO: how far ln A of B-O is from the start, in widths of its prior."""
    return float(np.log(sample.potential.A[pair] / sample.start.potential.A[pair])) / MOVING[0].sd


def test_the_noise_floor_is_the_distance_of_two_sets_of_glasses(refitted):
    """Five glasses each, of one potential: R of D(r) between many such pairs, and what one set says of it."""
    problem, _, _ = refitted
    target, view, rng = problem.targets[0], problem.view(problem.targets[0]), np.random.default_rng(1)
    nan, density = np.asarray(np.nan), np.log(target.density)
    shapes = np.sin(np.outer(np.arange(1, 6), target.x))

    def some() -> list[Sample]:
        curves = target.y + 0.02 * rng.normal(size=(5, len(shapes))) @ shapes
        shown = [Shown(y, density, nan, nan) for y in curves]
        return [Sample(k, problem.starts[0], None, None, one, 0.5) for k, one in enumerate(shown)]

    told, seen = [], []
    for _ in range(200):
        one, other = some(), some()
        [a], [b] = fresh_glasses(one, [target]), fresh_glasses(other, [target])
        told.append(noise_floor(view, target, one, a)["R_D"])
        seen.append(misfits(view, replace(target, y=np.asarray(a.shown.curve)), b.shown)[0])
    within("floor over distance", np.sqrt(np.mean(np.square(told)) / np.mean(np.square(seen))) - 1, 0.1)
    assert np.std(told) < 0.8 * np.std(seen)


def test_a_cell_narrower_than_the_view_is_refused(refitted):
    view = refitted[0].view(refitted[0].targets[0])
    check_reach(view, np.eye(3)[None] * 2.01 * view.count * view.width)
    with pytest.raises(NumericalError, match="dense"):
        check_reach(view, np.eye(3)[None] * 1.99 * view.count * view.width)


def test_j_topo_is_what_quenches_answer_beyond_the_exact_derivative(refitted):
    problem, _, _ = refitted
    z, quench = np.zeros(2), problem.quench
    problem = replace(problem, estimator="hybrid", topology_quenches=8, quench=Answering(quench.plan, quench.views))
    groups = grouped(problem, quenched(problem, problem.starts, z, "none"), problem.targets, z)
    found = answers(problem, groups, z, 0, lambda words: None)["40"]
    within("of the answer to A_BO", np.abs(found.curve[0].mean() / 0.02 - 1), 0.1)
    within("of the answer to V of P-O", np.abs(found.curve[1].mean() / 0.02), 0.1)


def test_j_topo_of_quenches_that_rest_is_nothing(refitted):
    """Quenches that only come to rest have no topology beyond the exact derivatives. Opposite ones share their noise
    here; how noise is shrunk: tests/test_refit_statistics.py."""
    problem, _, _ = refitted
    z = np.zeros(2)
    problem = replace(problem, estimator="hybrid", topology_quenches=6)
    groups = grouped(problem, quenched(problem, problem.starts, z, "none"), problem.targets, z)
    found = answers(problem, groups, z, 0, lambda words: None)["40"]
    exact = model(MOVING, groups, z, z).slopes[0]
    within("of the exact slope", np.linalg.norm(found.curve) / np.linalg.norm(exact.curve), 0.1)


def test_an_interrupted_refit_continues_to_the_same_numbers(refitted, tmp_path):
    problem, whole, _ = refitted
    shutil.copytree(problem.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "iterations" / "001.json").unlink()  # killed before the second round was kept
    assert len(read_iterations(tmp_path)) == 1
    again = refit(make_problem(tmp_path, 1), lambda words: None)
    assert (len(again), again[1].cost) == (2, whole[1].cost)
    done = refit(make_problem(tmp_path, 2), lambda words: None)  # allowed more rounds than it was
    for a, b in zip(done, whole, strict=True):
        np.testing.assert_array_equal(a.z, b.z)
        assert a.cost == b.cost
        assert a.radius == pytest.approx(b.radius, nan_ok=True)


def test_a_refit_continues_with_the_j_topo_it_knows(refitted, tmp_path):
    _, done, _ = refitted
    zero = np.zeros(2)
    known = {"40": Shown(np.random.default_rng(0).normal(size=(2, 5)), np.array([0.1, -0.2]), zero, zero)}
    keep(tmp_path, done[0], done[1].z, known)
    z, topology = continued(tmp_path, read_iterations(tmp_path), 2)
    np.testing.assert_array_equal(z, done[1].z)
    for part, wanted in zip(topology["40"], known["40"], strict=True):
        np.testing.assert_array_equal(part, wanted)
    keep(tmp_path, done[1], None, known)
    assert continued(tmp_path, read_iterations(tmp_path), 2)[0] is None, "it was the last"


def test_a_profile_near_the_best_fit_is_the_interval_of_laplace(refitted):
    problem, done, _ = refitted
    z = best_of(done).z
    samples = quenched(problem, problem.starts, z, "none")
    groups = grouped(problem, samples, problem.targets, z)
    here = model(MOVING, groups, z, z)
    found = profile(MOVING, groups, here, information(MOVING, here.jacobian), 1)
    within("below, of Laplace's", abs(found.below / found.laplace - 1), 0.1)
    within("above, of Laplace's", abs(found.above / found.laplace - 1), 0.1)


def test_the_scale_of_all_energies_is_what_the_data_cannot_see(refitted):
    """U7 in the report: V and C by t, charges by t/2 change neither S(Q) nor the density."""
    names = [f"{kind} {pair}" for kind in "VC" for pair in ("P-O", "B-O", "O-O")] + ["V Li-O", "charges"]
    moving = parameters(names)
    problem, z = replace(refitted[0], moving=moving), np.zeros(len(names))
    groups = grouped(problem, quenched(problem, problem.starts, z, "null"), problem.targets, z)
    known = information(moving, model(moving, sharp(groups), z, z).jacobian)
    [null] = known.null()
    logs = known.modes[null] * np.array([p.sd for p in moving])
    within("of the charges", np.abs(logs / logs[0] - np.array([1.0] * 7 + [0.5])).max(), 1e-3)


def test_bonds_that_break_or_form_are_counted(refitted):
    problem, done, _ = refitted
    z = best_of(done).z
    [group] = grouped(problem, quenched(problem, problem.starts, z, "none"), problem.targets, z)
    basin = group.basins[0]
    assert changed_bonds(basin) == 0.0
    bonds = len(_bonded(basin.origin))
    fractional = np.array(basin.origin.fractional)
    boron = int(np.flatnonzero(np.array(basin.origin.symbols) == "B")[0])
    lost = sum(center == boron for center, _ in _bonded(basin.origin))
    fractional[boron] += 0.37  # of the cell
    found = changed_bonds(replace(basin, origin=replace(basin.origin, fractional=jnp.asarray(fractional))))
    assert lost / (bonds + 10) < found < (lost + 8) / (bonds - lost)


def test_iterations_are_kept_whole(refitted):
    _, done, _ = refitted
    again = iteration_from(json.loads(json.dumps(done[0].as_json())))
    np.testing.assert_array_equal(again.z, done[0].z)
    np.testing.assert_array_equal(again.fresh[0].shown.curve, done[0].fresh[0].shown.curve)
    assert again.cost == done[0].cost


def test_the_noise_of_a_cost_is_that_of_its_glasses(refitted):
    problem, _, _ = refitted
    samples = problem.quench(problem.starts, problem.potentials(problem.starts, np.zeros(2)), None)
    cost, noise = cost_and_noise(np.zeros(2), samples, problem.targets)
    same = [replace(s, shown=samples[0].shown) for s in samples]
    assert noise > 0
    assert cost_and_noise(np.zeros(2), same, problem.targets)[1] == 0.0


def test_the_potential_file_is_the_potential(tmp_path):
    """Every run that is given the file has the refitted potential, at any composition."""
    settings = {**default_settings(), "cutoff_style": "c2", "file": None}
    elements = ("Li", "B", "P", "O")
    for names, z in (
        (["A_BO", "slope", "C O-O"], [0.3, -0.5, 0.2]),
        (["V B-O", "rho B-O", "charges"], [0.3, -0.5, 0.2]),
    ):
        moving, z = parameters(names), np.array(z)
        for counts in ({"Li": 38, "B": 31, "P": 31, "O": 143}, {"Li": 90, "B": 55, "P": 55, "O": 265}):
            li2o = 100 * counts["Li"] / (counts["Li"] + 2 * counts["B"])
            start = load_parameters(settings, elements, counts).potential
            wanted = moved(moving, start, li2o, jnp.asarray(z))
            path = tmp_path / "potential.yaml"
            potential_file(path, settings, moving, start, wanted, z)
            found = load_parameters({**default_settings(), "file": str(path)}, elements, counts).potential
            for name in ("A", "rho", "C", "charges"):
                np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-12)
            assert found.switch == 1.0
        assert yaml.safe_load(path.read_text())["buckingham"]["B-O"]["A"] is None


def test_charges_of_elements_that_the_glass_does_not_have_are_scaled_too(tmp_path):
    settings = {**default_settings(), "cutoff_style": "c2", "file": None}
    elements, counts = ("Li", "B", "O"), {"Li": 40, "B": 80, "O": 140}
    moving = parameters(["charges"])
    start = load_parameters(settings, elements, counts).potential
    path = tmp_path / "potential.yaml"
    potential_file(path, settings, moving, start, moved(moving, start, 33.3, jnp.ones(1)), np.ones(1))
    charges = yaml.safe_load(path.read_text())["charges"]
    assert charges["P"] == pytest.approx(-2.5 * charges["O"])


def test_a_lost_core_splice_is_an_error():
    potential = glass_potential()
    moving = parameters(["C P-O"], {"C P-O": 0.5})
    check_splice(moved(moving, potential, 40.0, jnp.asarray([0.8])))
    with pytest.raises(ConfigError, match="no core splice exists for"):
        check_splice(moved(moving, potential, 40.0, jnp.asarray([1.0])))


def test_jitter_comes_in_pairs_round_z():
    points = jittered(np.array([1.0, 2.0]), 0.1, 8, 0)
    within("mean", np.abs(points.mean(0) - [1, 2]).max(), 1e-12)
    assert points.shape == (8, 2)
    within("pairs", np.abs(points[::2] + points[1::2] - [2, 4]).max(), 1e-12)
    assert 0.05 < np.std(points - [1, 2]) < 0.2

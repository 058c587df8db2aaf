"""The parts of a refit that need no atoms: steps, weights, regression, information, the distance from a target."""

import warnings
from dataclasses import dataclass, replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import relative, stored_glass, within

from jaxglass.analysis.measured_curve import MeasuredCurve
from jaxglass.analysis.scattering import analyse_scattering, scattering_pairs
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.errors import ConfigError, InputDataError, NumericalError
from jaxglass.model.system import make_system
from jaxglass.model.trajectory import Trajectory
from jaxglass.parameters import default_settings
from jaxglass.refit import sampling
from jaxglass.refit.basin import Shown
from jaxglass.refit.cost import jackknife, with_noise
from jaxglass.refit.fit import descend
from jaxglass.refit.iteration import Iteration, best_of, last_kept
from jaxglass.refit.least_squares import levenberg_marquardt, resized
from jaxglass.refit.measured import grid, make_target, tapered
from jaxglass.refit.observables import curves, make_view
from jaxglass.refit.parameters import parameters
from jaxglass.refit.reweighting import average, longest_step, verdict, weights
from jaxglass.refit.sampling import Quench, Sample, Start
from jaxglass.refit.settings import MeasuredTarget, check_quenches, check_slope
from jaxglass.refit.setup import check_parameters
from jaxglass.refit.tangents import BURST, tangents, window, without_bursts
from jaxglass.refit.target import Target
from jaxglass.refit.topology import regress, shrunk
from jaxglass.refit.uncertainty import information

rng = np.random.default_rng


def test_a_step_within_the_radius_is_the_least_squares_solution():
    J, r = rng(0).normal(size=(30, 5)), rng(1).normal(size=30)
    method = levenberg_marquardt(100.0)
    step, state = method.update(jnp.zeros(5), method.init(jnp.zeros(5)), jnp.zeros(5), jacobian=J, residual=r)
    exact = -np.linalg.lstsq(J, r)[0]
    within("step", relative(np.asarray(step), exact), 1e-10)
    within("predicted fall", float(state.predicted) - 0.5 * (r @ r - np.sum((r + J @ exact) ** 2)), 1e-9)


@pytest.mark.parametrize("radius", [0.3, 1e-3])
def test_a_shorter_step_has_the_radius_and_is_the_best_of_its_length(radius):
    J, r = rng(0).normal(size=(30, 5)) * [1e3, 1, 1, 1e-3, 0], rng(1).normal(size=30)
    method = levenberg_marquardt(radius)
    step, _ = method.update(jnp.zeros(5), method.init(jnp.zeros(5)), jnp.zeros(5), jacobian=J, residual=r)
    step = np.asarray(step)
    within("length", np.linalg.norm(step) / radius - 1, 1e-6)
    best = np.sum((r + J @ step) ** 2)
    for seed in range(50):  # no other step of this length is better
        other = step + 0.1 * radius * rng(seed).normal(size=5)
        other *= radius / np.linalg.norm(other)
        assert np.sum((r + J @ other) ** 2) >= best - 1e-9
    assert step[4] == 0  # a direction that the data do not see


def test_the_radius_follows_how_well_the_model_predicted():
    method = levenberg_marquardt(1.0)
    state = method.init(jnp.zeros(2))._replace(predicted=jnp.asarray(2.0))
    assert float(resized(state, fall=1.9, size=1.0).radius) == 2.0
    assert float(resized(state, fall=1.9, size=0.1).radius) == 1.0
    assert float(resized(state, fall=0.1, size=1.0).radius) == 0.25
    assert float(resized(state, fall=-np.inf, size=0.4).radius) == 0.1


def harmonic(frames: int, seed: int, k: float = 1.0, beta: float = 4.0) -> np.ndarray:
    return rng(seed).normal(size=frames) / np.sqrt(beta * k)


def test_reweighting_a_harmonic_well_gives_its_exact_average_and_slope():
    """U = k x^2/2: <x^2> = 1/(beta k), d<x^2>/dk = -1/(beta k^2); in 95 % of 200 repeats within 2 sigma."""
    beta, k, inside, slopes = 4.0, 1.15, 0, []
    for seed in range(200):
        x = harmonic(2000, seed)
        found = weights(beta, jnp.asarray(0.5 * (k - 1) * x**2))
        observed, slope = jnp.asarray(x**2)[:, None], jnp.asarray(0.5 * x**2)[:, None]
        value = average(beta, found.w, observed, jnp.zeros((2000, 1, 1)), slope)
        inside += abs(float(value.mean[0]) - 1 / (beta * k)) < 2 * float(value.error[0])
        slopes.append(float(value.jacobian[0, 0]))
    assert 0.90 * 200 <= inside <= 0.99 * 200, inside
    error = np.std(slopes) / np.sqrt(200)
    within("slope in standard errors", (np.mean(slopes) + 1 / (beta * k**2)) / error, 3.0)


def test_the_derivative_of_a_reweighted_average_is_that_of_its_formula():
    x, beta = harmonic(500, 3), 4.0
    energy = lambda k: 0.5 * (k - 1) * jnp.asarray(x) ** 2

    def mean(k):
        return weights(beta, energy(k)).w @ (k * jnp.asarray(x) ** 2)

    k = 1.1
    w = weights(beta, energy(k)).w
    observed, direct = jnp.asarray(k * x**2)[:, None], jnp.asarray(x**2)[:, None, None]
    found = average(beta, w, observed, direct, jnp.asarray(0.5 * x**2)[:, None])
    within("slope", float(found.jacobian[0, 0]) / float(jax.grad(mean)(k)) - 1, 1e-10)


def test_steps_keep_half_of_the_frames_and_energies_may_be_huge():
    x, beta = harmonic(4000, 1), 4.0
    share, found = longest_step(beta, lambda step: jnp.asarray(1e4 * step[0] * x**2), np.array([1.0]))
    assert 0 < share < 1e-2
    within("entropy measure", float(found.entropy) - 0.5, 0.02)
    assert verdict(found) == "use"
    assert verdict(weights(beta, jnp.asarray(1e6 * x**2))) == "sample anew"
    with pytest.raises(NumericalError, match="sample anew"):
        longest_step(beta, lambda step: jnp.asarray(np.where(step[0] > 0, 1e30, 0) * x**2), np.array([1.0]))


def test_regression_over_quenches_finds_the_smooth_part():
    """O = J_m dz + J_topo dz + noise, each quench with its own J_m about the J that is taken off."""
    M, P, R = 64, 3, 4
    random = rng(5)
    offsets = 0.3 * random.normal(size=(M, P))
    exact, topo = random.normal(size=(P, R)), random.normal(size=(P, R))
    own = exact + 0.02 * random.normal(size=(M, P, R))
    noise = 0.05 * random.normal(size=(M, R))
    observed = 2.0 + np.einsum("mp,mpr->mr", offsets, own) + offsets @ topo + noise
    found = regress(observed, exact, offsets, np.eye(P))
    assert np.all(np.abs(found.jacobian - topo) < 4 * found.jacobian_error)
    within("mean error", found.jacobian_error.mean() - 0.05 / (0.3 * np.sqrt(M)), 0.01)
    within("mean", np.abs(found.mean - 2).max(), 0.03)
    within("unseen direction", np.abs(regress(observed, exact, offsets, np.eye(P)[:2]).jacobian[2]).max(), 1e-12)


def test_information_names_what_the_data_do_not_see():
    moving = parameters(["V P-O", "rho P-O", "charges"])
    J = np.concatenate([np.eye(3), np.array([[100.0, 0, 0], [0, 3.0, 0], [0, 0, 0]])])
    found = information(moving, J)
    within("eigenvalues", np.abs(found.eigenvalues - [1e4, 9, 0]).max(), 1e-9)
    assert found.unknown() == [2]
    assert found.name(2) == "charges +1.00"
    within("effective parameters", found.effective - (1e4 / 10001 + 0.9), 1e-12)
    within("error of charges", found.errors[2] - moving[2].sd, 1e-12)


def line_target(**changes) -> Target:
    x = np.linspace(1, 10, 91)
    fields = {"name": "t", "li2o": 40.0, "quantity": "S_q", "x": x, "y": 1 + np.sin(x), "sigma": np.full(91, 0.01)}
    return Target(**fields | {"resolution": 0.4, "density": 0.08} | changes)


def test_scale_and_background_of_a_measured_curve_are_taken_out():
    target = line_target()
    shown = Shown(1 + 1.01 * np.sin(target.x) + 0.01, np.log(0.08), np.nan, np.nan)
    strict = line_target(nuisance=False)
    assert np.linalg.norm(target.residual(shown)) < 1.0 < 5 < np.linalg.norm(strict.residual(shown))
    # the same as minimising over scale and background with their priors
    r = strict.residual(shown)[:-1]
    N = target.weight[:, None] * np.stack([0.02 * np.sin(target.x), np.full(91, 0.02)], 1)
    a = -np.linalg.solve(N.T @ N + np.eye(2), N.T @ r)
    within("cost", np.sum(target.residual(shown) ** 2) / np.sum(np.r_[r + N @ a, a] ** 2) - 1, 1e-9)


def test_points_closer_than_the_resolution_count_as_one():
    fine = line_target(nuisance=False)
    x = fine.x[::2]
    coarse = line_target(x=x, y=1 + np.sin(x), sigma=np.full(46, 0.01), nuisance=False)

    def cost(target):
        return np.sum(target.residual(Shown(target.y + 0.01, np.log(0.08), np.nan, np.nan)) ** 2)

    within("cost of the same misfit", cost(fine) / cost(coarse) - 1, 0.03)


@pytest.mark.parametrize("names", [["V Xx-O"], ["A P-O"], ["V"], ["A_BO", "V B-O"], ["rho P-O", "rho P-O"], []])
def test_parameters_that_make_no_sense_are_refused(names):
    with pytest.raises(ConfigError, match="refit.parameters"):
        parameters(names)


@pytest.mark.parametrize("widths", [{"A_B0": 0.02}, {"A_BO": 0}, {"A_BO": -1.0}, {"A_BO": "wide"}, {"A_BO": True}])
def test_widths_of_priors_that_make_no_sense_are_refused(widths):
    with pytest.raises(ConfigError, match="priors"):
        parameters(["A_BO"], widths)


def test_parameters_that_the_glass_does_not_have_are_refused():
    potential = default_settings()
    numeric = {**potential, "buckingham": {**potential["buckingham"], "B-O": {"A": 13500.0, "rho": 0.17, "C": 28.5}}}
    check_parameters(parameters(["A_BO", "slope", "C O-O", "charges"]), ("Li", "B", "P", "O"), potential)
    check_parameters(parameters(["V Si-O", "charges"]), ("Si", "O"), potential)
    for names, elements, settings, words in (
        (["A_BO"], ("Si", "O"), potential, "does not have"),
        (["V P-O"], ("Li", "B", "O"), potential, "does not have"),
        (["A_BO", "slope"], ("Li", "B", "P", "O"), numeric, "belongs to the law"),
        (["C Li-O"], ("Li", "B", "P", "O"), potential, "nothing moves"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_parameters(parameters(names), elements, settings)


def test_a_slope_needs_two_fitted_compositions():
    check_slope(parameters(["A_BO", "slope"]), [38.0, 45.0])
    check_slope(parameters(["A_BO"]), [38.0])
    with pytest.raises(ConfigError, match="two fitted compositions"):
        check_slope(parameters(["A_BO", "slope"]), [38.0])


@pytest.mark.parametrize(("estimator", "moving", "fewest"), [("hybrid", 2, 6), ("hybrid", 9, 14), ("ensemble", 9, 20)])
def test_a_regression_over_too_few_quenches_is_refused(estimator, moving, fewest):
    check_quenches(estimator, moving, fewest)
    check_quenches("implicit", moving, 4)
    with pytest.raises(ConfigError, match=f"must be {fewest} or more"):
        check_quenches(estimator, moving, fewest - 1)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    x = np.random.default_rng(0).normal(size=9)
    left_out = [np.delete(x, k).mean() for k in range(len(x))]
    assert jackknife(left_out) == pytest.approx(np.var(x, ddof=1) / len(x))


def test_the_result_is_where_the_steps_led_and_the_lowest_cost_what_others_are_compared_with():
    rounds = [(2300.0, True), (25.0, True), (27.0, True), (400.0, False)]
    done = [Iteration(k, np.zeros(1), (), cost, 4.0, kept, 1.0) for k, (cost, kept) in enumerate(rounds)]
    assert (last_kept(done).number, best_of(done).number) == (2, 1)


def test_slopes_of_noise_are_shrunk():
    noise = np.random.default_rng(4).normal(size=(200, 30))
    left = shrunk(noise, np.ones_like(noise))
    within("rms of slopes of pure noise, in their errors", float(np.sqrt(np.mean(left**2))), 0.2)
    slopes = np.full((2, 30), [[3.0], [0.5]])
    np.testing.assert_allclose(shrunk(slopes, np.ones_like(slopes))[:, 0], [3 * 8 / 9, 0.0])
    np.testing.assert_allclose(shrunk(slopes, np.zeros_like(slopes)), slopes)


@pytest.mark.parametrize("quantity", ["D_r", "T_r"])
def test_a_measured_curve_in_r_is_what_the_view_of_the_same_glass_shows(quantity):
    """The curve of a glass whose g(r) is not tapered is, as a target, what the tapered view shows of that glass.

    From Q = 0.05: what a curve from 0.7 lacks is a slow wave in r that no taper brings back.
    """
    made = stored_glass()
    species, fractional, cell = (jnp.asarray(x) for x in made.glass)
    symbols = np.array(["Li", "B", "P", "O"])[made.glass.species]
    counts = {element: int(np.sum(symbols == element)) for element in ("Li", "B", "P", "O")}
    r = np.arange(1.0, 8.0, 0.02)
    plain, seen = (make_view(counts, ScatteringSettings(r_window=w, q_min=0.05), 8.7, r) for w in ("none", "lorch"))
    system = make_system(symbols.tolist(), made.glass.fractional, made.glass.cell)
    measured, wanted = (
        np.asarray({"D_r": c.D, "T_r": c.T}[quantity])
        for c in (curves(view, species, fractional, cell) for view in (plain, seen))
    )
    curve = MeasuredCurve(quantity, r, measured, None, "glass.txt")
    target = MeasuredTarget("glass", curve, 40.0, float(system.density), None, None, False)
    other = {"D_r": "T_r", "T_r": "D_r"}[quantity]
    with pytest.raises(InputDataError, match=r"times 4 pi rho r"):
        make_target(replace(target, curve=replace(curve, quantity=other)), seen, symbols, 0.01, 0.005, "lorch")
    found = make_target(target, seen, symbols, 0.01, 0.005, "lorch").y
    untouched = make_target(target, seen, symbols, 0.01, 0.005, None).y
    within("beside the view, of what no taper leaves", relative(found, wanted) / relative(untouched, wanted), 0.1)


def test_a_measured_curve_gets_the_taper_of_the_simulated_one():
    """S(Q) of a g(r) that is cut at half a cell, put through the taper, is S(Q) of the tapered g(r)."""
    made = stored_glass()
    species, fractional, cell = made.glass
    trajectory = Trajectory(np.zeros(1), fractional[None], cell[None], species, ("Li", "B", "P", "O"))
    cut, wanted = (
        analyse_scattering(scattering_pairs(trajectory, settings), settings)
        for settings in (ScatteringSettings(r_window=window) for window in ("none", "lorch"))
    )
    found = tapered(cut.Q, cut.S, cut.g_end)
    inside = (cut.Q > 1.0) & (cut.Q < 24.0)
    before = np.abs(cut.S - wanted.S)[inside].max()
    within("S(Q) beside that of the tapered g(r)", np.abs(found - wanted.S)[inside].max(), 0.1 * before)


def test_tangents_of_a_damped_run_are_differences_with_the_noise_kept():
    """Six ions on springs whose strength is e^z: the mean of x^2 and its tangent; a burst is dropped and told."""
    system = make_system(["Li"] * 6, np.linspace(0.1, 0.9, 18).reshape(6, 3), 10 * np.eye(3))
    rest, key = system.fractional, jax.random.key(0)

    def force(x, z):
        return -5.0 * jnp.exp(z[0]) * (x - rest) @ system.cell

    def observe(x, z):
        return jnp.mean((x - rest) ** 2, 0)

    @jax.jit
    def run(z):
        return window(force, observe, system, 300.0, 0.002, 200, 10, key, z)

    found = tangents(run, system.cell, jnp.zeros(1), jnp.ones(1))
    h = 1e-4
    change = (run(jnp.asarray([h]))[0] - run(jnp.asarray([-h]))[0]) / (2 * h)
    within("tangent, relative", relative(found.tangent[0], change), 1e-4)
    calm, dropped = without_bursts([found, found._replace(growth=np.array([BURST + 1]))])
    assert dropped == 0.5
    np.testing.assert_array_equal(calm.jacobian, found.tangent)
    assert without_bursts([found._replace(growth=np.array([BURST + 1]))])[1] == 1.0


def test_a_burst_that_has_passed_is_seen_and_in_units_of_the_logarithm():
    """One ion rolls off a barrier into a well, where it forgets: the tangent at the end says nothing of the way."""
    system, key = make_system(["Li"], np.full((1, 3), 0.5 + 1e-4), 10 * np.eye(3)), jax.random.key(0)

    def force(x, z):
        d = (x - 0.5) @ system.cell
        return 8.0 * d - 8.0 * d**3 + 0.01 * z[0]

    def run(z):
        return window(force, lambda x, z: x[0], system, 1.0, 0.002, 1500, 10, key, z)

    d_x = jax.jvp(run, (jnp.zeros(1),), (jnp.ones(1),))[1][1][:, 0] @ system.cell
    rms = np.linalg.norm(np.asarray(d_x), axis=-1)
    assert rms[-1] < 0.02 * rms.max()
    found = tangents(run, system.cell, jnp.zeros(1), jnp.array([0.1]))
    within("growth, relative", float(found.growth[0]) / (rms.max() / 0.1) - 1, 1e-9)


def test_a_curve_that_ends_within_the_range_of_the_fit_is_refused():
    r = np.arange(50, 1200, 2) / 100
    settings = ScatteringSettings()
    assert len(grid(settings, MeasuredCurve("D_r", r, 0 * r, None, "D.txt"), 8.7)) == 351
    for part in (r[r > 3], r[r < 5]):
        with pytest.raises(InputDataError, match=r"of the 1-8 A that are fitted; narrow them"):
            grid(settings, MeasuredCurve("D_r", part, 0 * part, None, "D.txt"), 8.7)


def test_steps_from_a_residual_that_is_not_a_number_end():
    """They would be refused for ever: a modulus below zero has no logarithm."""
    tried = []
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # without glasses the prior alone is left
        descend(parameters(["V P-O", "V O-O"]), [], np.array([np.nan, 1.0]), levenberg_marquardt(1.0), 5, tried.append)
    assert [progress.step for progress in tried] == [0]


def test_errors_hold_what_moves_whole_peaks():
    """Linear fits to glasses that differ by whole peaks: the spread of what is found over what the fit says, and over
    that of fits whose errors are those of single points."""
    rng, x = np.random.default_rng(3), np.arange(0.0, 20.0, 0.1)
    peaks = np.array([np.exp(-((x - a) ** 2) / 2) for a in (5.0, 6.0, 12.0)])
    zero, start, nan = np.zeros(2), Start("40", 40.0, 0, None, None), np.asarray(np.nan)
    slope = Shown(np.array([peaks[0] + peaks[2], peaks[1]]), np.array([0.02, 0.0]), zero, zero)
    plain = {"resolution": 0.1, "density": 0.08, "nuisance": False}
    target = Target("40", 40.0, "S_q", x, np.ones(len(x)), np.full(len(x), 0.005), **plain)

    def glasses() -> list[Sample]:
        curves = 1 + 0.02 * rng.normal(size=(8, len(x))) + 0.5 * rng.normal(size=(8, 1)) * (peaks[0] - peaks[1])
        shown = [Shown(y, np.log(0.08), nan, nan) for y in curves]
        return [Sample(k, start, None, None, one, 0.5) for k, one in enumerate(shown)]

    def fit(told: Target, found: list[Sample]) -> tuple[np.ndarray, np.ndarray]:
        known = information(parameters(["V P-O", "V O-O"]), np.concatenate([np.eye(2), told.slope(slope)]))
        mean = found[0].shown._replace(curve=np.mean([s.shown.curve for s in found], axis=0))
        return -known.covariance @ told.slope(slope).T @ told.residual(mean), np.diag(known.covariance)

    found, said, points = [], [], []
    for _ in range(300):
        [told], some = with_noise([target], glasses()), glasses()
        z, variance = fit(told, some)
        found.append(z)
        said.append(variance)
        points.append(fit(replace(told, noise=None), some)[0])
    spread = np.std(found, axis=0)
    within("spread over error", np.abs(np.log(spread / np.sqrt(np.mean(said, axis=0)))).max(), 0.35)
    assert spread[1] < 0.75 * np.std(points, axis=0)[1], "what moves together is known to"


@dataclass
class Made:
    """A lane that has ended: with a frame of eight atoms in a cubic cell of `edge` (A), or with an error."""

    edge: float
    error: NumericalError | None = None
    potential: None = None

    def finished(self):
        symbols = np.array(["O"] * 8)
        x = np.random.default_rng(0).random((1, 8, 3))
        cell = self.edge * np.eye(3)
        trajectory = Trajectory(np.zeros(1), x, cell[None], np.zeros(8, int), ("O",))
        return SimpleNamespace(system=make_system(symbols.tolist(), x[0], cell), trajectory=trajectory)


def test_a_glass_that_is_too_dense_or_failed_is_left_out_and_named(capsys, monkeypatch, tmp_path):
    view = make_view({"O": 8}, ScatteringSettings(), 8.0)
    quench = Quench((), None, {"40": view}, "S_q", 1.8)
    starts = [Start("40", 40.0, seed, None, None) for seed in range(4)]

    def samples(lanes):
        made = iter(lanes)
        monkeypatch.setattr(sampling, "Lane", lambda *_: next(made))
        monkeypatch.setattr(sampling, "run_lanes", lambda lanes: None)
        return quench(starts, [None] * 4, tmp_path)

    found = samples([Made(20.0), Made(14.0), Made(20.0, NumericalError("it flew apart")), Made(20.0)])
    assert [sample.number for sample in found] == [0, 3]
    said = capsys.readouterr().out
    assert "left out; it flew apart" in said
    assert "dense" in said
    with pytest.raises(NumericalError, match="3 of 4 glasses of 40 failed"):
        samples([Made(20.0), Made(14.0), Made(14.0), Made(14.0)])


def test_a_glass_is_no_misfit_to_its_own_measured_S():
    """An S(Q) from 0.7 to 25 1/A goes through the taper of the simulated one: but for what lies next to its ends, which
    is not fitted, next to nothing is left."""
    made = stored_glass()
    species, fractional, cell = (jnp.asarray(x) for x in made.glass)
    symbols = np.array(["Li", "B", "P", "O"])[made.glass.species]
    counts = {element: int(np.sum(symbols == element)) for element in ("Li", "B", "P", "O")}
    plain, seen = (make_view(counts, ScatteringSettings(r_window=w), 8.7) for w in ("none", "lorch"))
    measured, shown = (curves(view, species, fractional, cell) for view in (plain, seen))
    curve = MeasuredCurve("S_q", np.asarray(plain.transforms.Q), np.asarray(measured.S), None, "S.txt")
    system = make_system(symbols.tolist(), made.glass.fractional, made.glass.cell)
    given = MeasuredTarget("glass", curve, 40.0, float(system.density), None, None, False)
    target = make_target(given, seen, symbols, 0.005, 0.005, "lorch")
    off, fitted = np.abs(target.y - np.asarray(shown.S)), np.isfinite(target.sigma)
    within("of S, rms", float(np.sqrt(np.mean(off[fitted] ** 2))), 2e-3)
    assert off[~fitted].max() > 0.01, "the ends are not seen as they are"
    assert np.isinf(target.sigma).sum() * (target.x[1] - target.x[0]) < 2.5 * target.resolution

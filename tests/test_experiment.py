"""Laboratory equations: exact inverses, published shape factors, uncertainties against Monte Carlo, refusals."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from systems import within

from jaxglass.analysis.elasticity import Uncertain, isotropic
from jaxglass.errors import InputDataError
from jaxglass.experiment.crack_resistance import crack_resistance
from jaxglass.experiment.density import archimedes_density
from jaxglass.experiment.hardness import CONTACT, vickers_hardness
from jaxglass.experiment.laboratory import read_glass
from jaxglass.experiment.propagation import mean_of, propagate
from jaxglass.experiment.sepb import Beam, crack_function, shape_factor, toughness, toughness_of_beams
from jaxglass.experiment.ultrasound import poisson_ratio, young_modulus

DOCUMENT = Path(__file__).parents[1] / "docs" / "experiment.md"
EXAMPLE = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]
DRAWS = 200_000


def exact(value: float) -> Uncertain:
    return Uncertain(value, 0.0)


def scatter(equation, *inputs: Uncertain) -> float:
    """Standard deviation of `equation` when every input is drawn from its normal distribution."""
    rng = np.random.default_rng(11)
    return float(np.std(equation(*(rng.normal(x.value, x.error, DRAWS) for x in inputs))))


@pytest.mark.parametrize(("E", "nu", "rho"), [(76.2, 0.239, 2.438), (49.5, 0.27, 2.351), (30.0, -0.1, 2.0)])
def test_velocities_of_known_moduli_give_them_back(E, nu, rho):
    """C11 = E (1 - nu)/((1 + nu)(1 - 2 nu)), C44 = E/(2 (1 + nu)); 1 GPa/(g/cm3) = 1e6 m2/s2; equations (11), (12)."""
    C11, C44 = E * (1 - nu) / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
    V_L, V_T = (exact(np.sqrt(1e6 * C / rho)) for C in (C11, C44))
    within("E", young_modulus(exact(rho), V_L, V_T).value - E, 1e-12 * E)
    within("nu", poisson_ratio(V_L, V_T).value - nu, 1e-13)
    static = isotropic(np.array([C11] * 3 + [C44] * 3), np.zeros(6))
    within("E of (11)", static.young_modulus.value - E, 1e-12 * E)
    within("nu of (12)", static.poisson_ratio.value - nu, 1e-13)


def test_density_of_known_masses():
    """10 cm3 of 2.45 g/cm3 in ethanol: buoyancy 10 (0.7893 - 0.0012) g between the weighings."""
    in_air, in_liquid = exact(10 * (2.45 - 0.0012)), exact(10 * (2.45 - 0.7893))
    within("rho", archimedes_density(in_air, in_liquid, exact(0.7893)).value - 2.45, 1e-12)
    without = archimedes_density(in_air, in_liquid, exact(0.7893), exact(0.0)).value
    within("air left out", without - 2.45 - 0.0025, 1e-4)


def test_hardness_by_hand():
    """1.8544 0.5 N/(13 um)^2 = 0.0054864 N/um^2; the factor is that of the pyramid, 136 degrees between faces."""
    within("H_V", vickers_hardness(exact(0.5), exact(13.0)).value - 5.486390532544379, 1e-12)
    within("1.8544", 2 * np.sin(np.radians(68)) - CONTACT, 5e-5)


def test_shape_factor_has_the_published_values():
    """ASTM E399 tabulates f(a/W) = Y*/4 of the beam with S/W = 4 to two decimals."""
    for alpha, published in ((0.45, 2.29), (0.50, 2.66), (0.55, 3.14)):
        within(f"E399, {alpha}", shape_factor(alpha, 4.0) / 4 - published, 5.1e-3)


def test_shape_factor_agrees_with_other_fits():
    """Brown & Srawley 1966 (ASTM STP 410), an earlier polynomial; that of Bower, Applied Mechanics of Solids."""
    alpha = np.linspace(0.35, 0.6, 26)
    powers = alpha[:, None] ** (np.arange(5) + 0.5)
    within("1966", np.abs(4 * powers @ [2.9, -4.6, 21.8, -37.6, 38.7] / shape_factor(alpha, 4.0) - 1).max(), 4e-3)
    bower = 4 * np.sqrt(np.pi) * powers @ [1.6, -2.6, 12.3, -21.2, 21.8]
    within("Bower", np.abs(bower / shape_factor(alpha, 4.0) - 1).max(), 2.5e-2)


def test_shape_factor_has_the_exact_limits():
    """Short crack: K = 1.1215 s sqrt(pi a). Deep crack: K = 3.975 M/(B (W - a)^1.5) (Benthem & Koiter 1973)."""
    within("short", crack_function(0.0) / (1.1215 * np.sqrt(np.pi)) - 1, 2e-3)
    within("deep", 6 * crack_function(1.0) / 3.975 - 1, 2e-3)


def test_shape_factor_is_within_6_percent_of_pure_bending():
    """At any alpha, says Dowling (Mechanical Behavior of Materials, figure 8.13) of Tada's formula for pure bending."""
    alpha = np.linspace(0.01, 0.99, 99)
    angle = np.pi * alpha / 2
    F = np.sqrt(np.tan(angle) / angle) * (0.923 + 0.199 * (1 - np.sin(angle)) ** 4) / np.cos(angle)
    pure = 6 * F * np.sqrt(np.pi * alpha)  # Y* of M = P S/4 and S = 4 W
    ratio = pure / shape_factor(alpha, 4.0)
    assert 1.0 < ratio.min() < ratio.max() < 1.06


BEAM = Beam(exact(4.787), exact(1.5), exact(2.0), exact(1.0))
SPAN = exact(8.0)


def test_toughness_by_hand():
    """alpha = 1/2: f = 1.775/2, Y* = 6 (2^-0.5/2^-1.5) f = 10.65; 4.787 N/(1.5 mm sqrt(2 mm)) = 2.25661 N/mm^1.5."""
    within("Y*", shape_factor(0.5, 4.0) - 10.65, 1e-12)
    within("K_Ic", toughness(BEAM, SPAN).value - 2.256613 * 10.65 / np.sqrt(1000), 1e-6)


INPUTS = (Uncertain(2.45, 0.02), Uncertain(5980.0, 60.0), Uncertain(3500.0, 40.0))


def test_errors_are_those_of_monte_carlo():
    """First order against 200,000 draws: within 2 %, what the curvature of these equations leaves."""
    rho, V_L, V_T = INPUTS
    masses = (Uncertain(3.1872, 0.003), Uncertain(2.1602, 0.004), Uncertain(0.7893, 0.001), Uncertain(0.0012, 1e-4))
    imprint = (Uncertain(0.5, 0.01), Uncertain(13.2, 0.2))
    lengths = [Uncertain(x.value, 0.01 * x.value) for x in (*BEAM, SPAN)]
    cases = {
        "E": (young_modulus(*INPUTS), scatter(E_of_moduli, *INPUTS)),
        "nu": (poisson_ratio(V_L, V_T), scatter(lambda l, t: (l**2 - 2 * t**2) / (2 * (l**2 - t**2)), V_L, V_T)),
        "rho": (archimedes_density(*masses), scatter(lambda a, l, q, g: (a * q - l * g) / (a - l), *masses)),
        "H_V": (vickers_hardness(*imprint), scatter(lambda P, d: 1854.4 * P / d**2, *imprint)),
        "K_Ic": (toughness(Beam(*lengths[:4]), lengths[4]), scatter(K_of_lengths, *lengths)),
    }
    for name, (first_order, drawn) in cases.items():
        within(name, first_order.error / drawn - 1, 0.02)


def E_of_moduli(rho, V_L, V_T):
    """E = C44 (3 C11 - 4 C44)/(C11 - C44), GPa."""
    C11, C44 = 1e-6 * rho * V_L**2, 1e-6 * rho * V_T**2
    return C44 * (3 * C11 - 4 * C44) / (C11 - C44)


def K_of_lengths(P, B, W, a, S):
    """P S/(B W^1.5) times f(a/W) as ASTM E399 writes it, MPa m^0.5."""
    x = a / W
    top = 3 * np.sqrt(x) * (1.99 - x * (1 - x) * (2.15 - 3.93 * x + 2.7 * x**2))
    return P * S / (B * W**1.5) * top / (2 * (1 + 2 * x) * (1 - x) ** 1.5) / np.sqrt(1000)


def test_the_density_leaves_no_error_in_nu_and_its_own_in_E():
    rho, V_L, V_T = INPUTS
    alone = young_modulus(rho, exact(V_L.value), exact(V_T.value))
    within("E", alone.error / alone.value - rho.error / rho.value, 1e-12)
    assert poisson_ratio(exact(V_L.value), exact(V_T.value)).error == 0.0


def test_derivatives_are_exact():
    """d(x^3)/dx = 3 x^2, and of x y with y = 0."""
    within("x^3", propagate(lambda x: x**3, Uncertain(2.0, 0.1)).error - 1.2, 1e-15)
    within("x y", propagate(lambda x, y: x * y, Uncertain(3.0, 1.0), Uncertain(0.0, 0.5)).error - 1.5, 1e-15)


def test_a_mean_has_the_scatter_and_what_the_readings_share():
    found = mean_of([1.0, 2.0, 3.0, 4.0], common=0.5)
    assert found.value == 2.5
    within("u", found.error - np.sqrt(5 / 3 / 4 + 0.25), 1e-15)


def test_tests_of_one_glass_share_the_span():
    """The larger of the scatter and the errors of the beams, and 1 % of the span once, however many tests there are."""
    loads = np.array([4.6, 4.7, 4.8, 4.9, 5.0])
    beams = [BEAM._replace(load=exact(P)) for P in loads]
    per_newton = toughness(BEAM, SPAN).value / 4.787
    found = toughness_of_beams(beams, Uncertain(8.0, 0.08))
    within("K_Ic", found.value - 4.8 * per_newton, 1e-12)
    random = loads.std(ddof=1) / np.sqrt(5) * per_newton
    within("u", found.error - np.hypot(random, 0.01 * found.value), 1e-12)
    alike = [BEAM._replace(load=Uncertain(4.8, 0.2))] * 4
    within("errors", toughness_of_beams(alike, SPAN).error - 0.1 * per_newton, 1e-12)
    within("one", toughness_of_beams(alike[:1], SPAN).error - 0.2 * per_newton, 1e-12)


LOADS = np.array([0.3, 0.5, 1.0, 2.0, 3.0, 4.9, 9.8])
CORNERS = np.full(7, 120)


def test_counts_on_the_curve_give_its_middle():
    """Counts proportional to the logistic curve itself are its largest likelihood; the naive grid agrees."""
    cracked = np.round(1e6 * expit(2.5 * np.log(LOADS / 1.1)))
    within("CR", crack_resistance(LOADS, cracked, [10**6] * 7).value - 1.1, 1e-5)
    cracked = np.array([9, 23, 58, 97, 108, 117, 120])
    found = crack_resistance(LOADS, cracked, CORNERS)
    theta, b = (axis[..., None] for axis in np.meshgrid(np.linspace(-0.2, 0.2, 801), np.linspace(1, 3, 801)))
    logit = b * (np.log(LOADS) - theta)
    likelihood = np.sum(-cracked * np.logaddexp(0, -logit) - (CORNERS - cracked) * np.logaddexp(0, logit), axis=-1)
    profile = likelihood.max(axis=0)
    inside = np.exp(theta[0, :, 0][profile > profile.max() - 0.5 * 3.841459])
    assert found.excess == 1.0
    for name, value, naive in zip(("low", "high"), found[2:4], (inside[0], inside[-1]), strict=True):
        within(name, value / naive - 1, 1e-3)
    within("CR", found.value / np.exp(theta[0, profile.argmax(), 0]) - 1, 1e-3)
    within("u", found.error / ((found.high - found.low) / (2 * 1.96)) - 1, 0.03)


def test_order_and_unit_of_load_do_not_matter():
    cracked = np.array([9, 23, 58, 97, 108, 117, 120])
    found = np.array(crack_resistance(LOADS, cracked, CORNERS))
    turned = np.array(crack_resistance(1000 * LOADS[::-1], cracked[::-1], CORNERS))
    within("mN", np.abs(turned[:4] / found[:4] / 1000 - 1).max(), 1e-7)


@pytest.mark.parametrize(("correlation", "low", "high"), [(0.0, 0.95, 0.995), (0.3, 0.91, 0.975)])
def test_the_interval_holds_the_truth(correlation, low, high):
    """400 data sets of 30 imprints per load with CR = 1 N; the four corners of an imprint independent, or alike."""
    rng, p = np.random.default_rng(7), expit(2.5 * np.log(LOADS))
    share = (1 - correlation) / correlation if correlation else None
    held, errors = [], []
    for _ in range(400):
        if share is None:
            cracked = rng.binomial(CORNERS, p)
        else:
            imprint = rng.beta(p * share, (1 - p) * share, (30, 7))
            cracked = rng.binomial(4, imprint).sum(axis=0)
        found = crack_resistance(LOADS, cracked, CORNERS)
        held.append(found.low <= 1.0 <= found.high)
        errors.append(np.log(found.value) * found.value / found.error)
    assert low < np.mean(held) < high
    assert 0.8 < np.std(errors) < 1.4


@pytest.mark.parametrize(
    ("load", "cracked", "words"),
    [
        (LOADS, [0, 0, 1, 3, 9, 20, 50], "at most 42 % of the corners cracked up to 9.8 N: 50 % is never reached"),
        (
            LOADS,
            [70, 80, 90, 99, 110, 120, 120],
            "at least 58 % of the corners cracked down to 0.3 N: 50 % is never l",
        ),
        (LOADS, [0, 0, 0, 120, 120, 120, 120], "crack all at once between 1 and 2 N"),
        (LOADS, [0, 0, 0, 50, 120, 120, 120], "crack all at once between 1 and 3 N"),
        (LOADS, [120, 110, 90, 60, 30, 9, 0], "do not become likelier with load"),
        (LOADS, [50, 70, 50, 70, 50, 70, 60], "has no"),
        (LOADS, [0, 0, 1, 3, 9, 20, 121], "121 of 120 corners cracked at 9.8 N are no counts"),
        (LOADS, [0, 0, 1, 3, 9, 20.5, 120], "20.5 of 120 corners"),
        (LOADS - 0.3, [0, 0, 1, 3, 9, 20, 100], "load 0 N must be above 0"),
        (np.ones(7), [0, 0, 1, 3, 9, 20, 100], "at least two loads"),
    ],
)
def test_counts_that_do_not_bound_the_load_are_refused(load, cracked, words):
    with pytest.raises(InputDataError, match=words):
        crack_resistance(load, cracked, CORNERS)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 8), st.integers(1, 8)), min_size=1, max_size=7))
def test_any_counts_give_an_interval_or_one_refusal(rows):
    load, cracked, corners = zip(*rows, strict=True)
    try:
        found = crack_resistance(load, cracked, corners)
    except InputDataError:
        return
    assert 0 < found.low < found.value < found.high < np.inf
    assert found.error > 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: young_modulus(exact(2.4), exact(3500), exact(5980)), "V_L = 3500, V_T = 5980 m/s are not those of a"),
        (lambda: poisson_ratio(exact(5980), exact(0.0)), "are not those of a solid"),
        (lambda: archimedes_density(exact(2.0), exact(3.0), exact(0.79)), "the second must be the smaller"),
        (lambda: vickers_hardness(exact(0.5), exact(0.0)), "must be above 0"),
        (lambda: toughness(BEAM, exact(10.0)), "span/width = 5; equation .5. holds for 4"),
        (lambda: toughness(BEAM._replace(precrack=exact(0.5)), SPAN), "precrack/width = 0.25 is not a valid test"),
        (lambda: toughness(BEAM._replace(load=exact(-1.0)), SPAN), "load = -1 must be above 0"),
        (lambda: toughness_of_beams([BEAM, BEAM._replace(width=exact(1.0))], SPAN), "test 2: span/width = 8"),
    ],
)
def test_equations_refuse_what_they_do_not_hold_for(call, words):
    with pytest.raises(InputDataError, match=words):
        call()


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "glass.yaml"
    path.write_text(text)
    return path


def test_the_documented_file_gives_every_result(tmp_path):
    found = read_glass(written(tmp_path, EXAMPLE))
    assert (found.name, found.li2o) == ("40LiBP", 40.0)
    assert found.simulated == tmp_path / "outputs/40LiBP"
    for name, low, high in (
        ("density", 2.4, 2.5),
        ("young_modulus", 70, 80),
        ("poisson_ratio", 0.2, 0.28),
        ("hardness", 5, 6),
        ("toughness", 0.7, 0.8),
        ("crack_resistance", 0.9, 1.1),
    ):
        result = getattr(found, name)
        assert low < result.value < high, name
        assert 0 < result.error < 0.1 * result.value, name
    density = mean_of([2.1603, 2.1601, 2.1604], 0.0002)
    by_hand = archimedes_density(Uncertain(3.1872, 0.0002), density, Uncertain(0.7893, 0.0005))
    assert found.density == by_hand


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no keys"),
        ("just text", "holds no keys"),
        ("name: x", "holds no measurement; give one of density"),
        ("a: [1", "glass.yaml:1: is not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "is not YAML .could not determine a constructor"),
        ("a: !!bool maybe", "is not YAML"),
        ("a: " + "[" * 5000, "is not YAML"),
        ("densty: {density_g_per_cm3: 2.4}", "glass.yaml: densty: unknown key, did you mean density"),
        ("density: 2.4", "density = 2.4: must hold keys"),
        ("density: {mass_in_air_mg: 2.4}", "density.mass_in_air_mg: unknown key, did you mean mass_in_air_g"),
        ("density: {mass_in_air_g: 2.4}", "density.mass_in_liquid_g: missing"),
        ("density: {density_g_per_cm3: heavy}", "density.density_g_per_cm3 = heavy: must be a number"),
        ("density: {density_g_per_cm3: 2e0}", "write 1.0e.3"),
        ("density: {density_g_per_cm3: yes}", "= True: must be a number"),
        ("density: {density_g_per_cm3: .nan}", "= nan: must be finite"),
        ("density: {density_g_per_cm3: -2}", "must be above 0"),
        ("density: {density_g_per_cm3: {value: 2, eror: 1}}", "eror: unknown key, did you mean error"),
        ("density: {density_g_per_cm3: {value: 2, error: -1}}", "the error not below"),
        ("density: {density_g_per_cm3: {readings: [2]}}", "at least two readings"),
        ("density: {density_g_per_cm3: {readings: []}}", "a list with at least one entry"),
        ("density: {density_g_per_cm3: {readings: [2, x]}}", "readings.2. = x: must be a number"),
        ("density: {density_g_per_cm3: 2, air_g_per_cm3: 1}", "air_g_per_cm3: unknown key"),
        (
            "density: {mass_in_air_g: 2, mass_in_liquid_g: 3, liquid_g_per_cm3: 0.8}",
            "density: 2 g in air, 3 g in the liquid",
        ),
        ("ultrasound: {longitudinal_m_per_s: 3, transversal_m_per_s: 5}", "ultrasound: velocities V_L = 3"),
        ("ultrasound: {longitudinal_km_per_s: 3}", "did you mean longitudinal_m_per_s"),
        ("hardness: {load_N: 0.5}", "hardness.diagonal_um: missing"),
        ("toughness: {span_mm: 8, tests: []}", "toughness.tests = ..: must be a list"),
        ("toughness: {span_mm: 8, tests: [{load_n: 1}]}", "tests.1..load_n: unknown key, did you mean load_N"),
        (
            "toughness: {span_mm: 8, tests: [{load_N: 1, thickness_mm: 1, width_mm: 2, precrack_mm: 1.9}]}",
            "toughness: test 1: precrack/width = 0.95",
        ),
        ("crack_resistance: {load_N: [1, 2], cracked_corners: [1], corners: [4, 4]}", "lists of the same length"),
        (
            "crack_resistance: {load_N: [1, 2], cracked_corners: [0, 1], corners: [4, 4]}",
            "crack_resistance: at most 25 %",
        ),
        ("name: [1]\ndensity: {density_g_per_cm3: 2}", "name = .1.: must be text"),
        ("li2o_mol_percent: lots\ndensity: {density_g_per_cm3: 2}", "li2o_mol_percent = lots: must be a number"),
    ],
)
def test_files_are_refused_in_one_line(command, tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(InputDataError, match=words) as refusal:
        read_glass(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_files_that_cannot_be_read(tmp_path):
    for path, words in ((tmp_path / "none.yaml", "cannot be read .No such file"), (tmp_path, "cannot be read")):
        with pytest.raises(InputDataError, match=words):
            read_glass(path)
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputDataError, match="is not a text file"):
        read_glass(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputDataError, match="larger than 1000000 bytes"):
        read_glass(path)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_ends_in_a_refusal(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputDataError):
        read_glass(path)


SIMULATED = {
    "structure": {"density": {"value": 2.31, "error": 0.003, "unit": "g/cm3"}},
    "elastic": {"young_modulus": {"value": 70.1, "error": 1.5, "unit": "GPa"}},
    "fracture": {"toughness": {"value": None, "error": None, "unit": "MPa m^0.5", "reason": "no crack"}},
}


def test_the_task_writes_results_and_one_table(command, tmp_path):
    run = tmp_path / "outputs" / "40LiBP"
    run.mkdir(parents=True)
    (run / "results.json").write_text(json.dumps(SIMULATED))
    written(tmp_path, EXAMPLE)
    code, out, err = command("task=measured", "input=glass.yaml", "hydra.run.dir=here")
    assert (code, err) == (0, "")
    results = json.loads(Path("here/results.json").read_text())
    found = read_glass("glass.yaml")
    measured, simulated = results["measured"], results["simulated"]
    assert (measured["name"], measured["li2o"]) == ("40LiBP", 40.0)
    for key in simulated:
        assert measured[key]["value"] == getattr(found, key).value, key
        assert measured[key]["error"] == getattr(found, key).error, key
        assert measured[key]["unit"] == simulated[key]["unit"], key
    assert measured["crack_resistance"]["interval"] == [found.crack_resistance.low, found.crack_resistance.high]
    assert simulated["density"] == SIMULATED["structure"]["density"]
    assert simulated["toughness"]["reason"] == "no crack"
    assert simulated["poisson_ratio"]["reason"] == "the run has no elastic.poisson_ratio"
    assert json.loads(Path("here/status.json").read_text())["state"] == "done"
    lines = out.splitlines()
    assert re.match(r"40LiBP, 40 mol % Li2O +measured +simulated$", lines[0])
    assert re.match(r"density +2\.4472 ± 0\.0017 g/cm³ +2\.3100 ± 0\.0030 g/cm³$", lines[1])
    assert re.match(r"K_Ic .*- \(no crack\)$", lines[5])
    assert lines[-1] == "here/results.json" or lines[-1].endswith("/here/results.json")


def test_the_task_says_what_is_not_in_the_file(command, tmp_path):
    written(tmp_path, "ultrasound: {longitudinal_m_per_s: 5980, transversal_m_per_s: 3500}")
    code, out, _ = command("task=measured", "input=glass.yaml")
    assert code == 0
    (path,) = Path("outputs").glob("measured-glass.yaml-*/results.json")
    results = json.loads(path.read_text())
    assert results["simulated"] is None
    assert results["measured"]["young_modulus"]["reason"] == "needs a density section"
    assert results["measured"]["hardness"] == {"value": None, "error": None, "unit": "GPa", "reason": "not in the file"}
    within("nu", results["measured"]["poisson_ratio"]["value"] - 0.2394769974138, 1e-12)
    assert "simulated" not in out


@pytest.mark.parametrize(
    ("arguments", "content", "code", "words"),
    [
        (["task=measured"], None, 3, "task=measured needs input=FILE"),
        (["task=measured", "input=none.yaml"], None, 3, "none.yaml: cannot be read"),
        (["task=measured", "input=glass.yaml"], EXAMPLE, 3, "holds no results.json; name the directory"),
        (["task=measured", "input=glass.yaml"], "hardnes: {}", 3, "did you mean hardness?"),
        (["task=measure"], None, 2, "must be one of study, ensemble"),
    ],
)
def test_the_task_refuses_in_one_line(command, tmp_path, arguments, content, code, words):
    if content:
        written(tmp_path, content)
    found, _, err = command(*arguments)
    assert found == code
    assert words in err
    assert len(err.strip().splitlines()) == 1

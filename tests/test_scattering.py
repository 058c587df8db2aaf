"""From positions to R_chi: every step against a sum, an integral or a program that does it another way."""

import itertools
import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import periodictable
import pytest
from periodictable.cromermann import fxrayatq
from scipy.integrate import quad
from systems import compiled, random_ions, relative, within

from jaxglass.analysis.agreement import agreement, convention_effects, r_chi_squared
from jaxglass.analysis.form_factors import f0, neutron_length, scattering_factors
from jaxglass.analysis.measured_curve import read_curve
from jaxglass.analysis.pair_counts import pairs_per_shell
from jaxglass.analysis.pair_distribution import PairDistribution, pair_distribution
from jaxglass.analysis.pair_histogram import everyone, partial_g
from jaxglass.analysis.radial_bins import shells, spline_knots
from jaxglass.analysis.scattering import (
    Transforms,
    analyse_scattering,
    dense_g,
    differential_correlation,
    make_transforms,
    partial_S,
    q_window,
    scattering_pairs,
    total_correlation,
    total_S,
)
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.pair_list import pair_list
from jaxglass.model.trajectory import Trajectory

ELEMENTS = ("Li", "B", "P", "O")
SETTINGS = ScatteringSettings()
TRICLINIC = 16.0 * np.array([[1.0, 0.05, -0.1], [0.1, 1.0, 0.07], [-0.15, 0.1, 1.0]])
SIGMAS = 5.0

# a derivative compiles for longer than it runs: the compiler is asked for less


def trajectory(species, fractional, cell, elements=ELEMENTS) -> Trajectory:
    """Frames `fractional` (F, N, 3) in one cell."""
    count = len(fractional)
    return Trajectory(np.arange(count, dtype=float), fractional, np.repeat(cell[None], count, 0), species, elements)


@pytest.fixture(scope="module")
def pairs(glass) -> PairDistribution:
    """g(r) of the small glass up to half its box."""
    structure = glass.glass
    return scattering_pairs(trajectory(structure.species, structure.fractional[None], structure.cell), SETTINGS)


# --- form factors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("element", [*ELEMENTS, "Si"])
def test_form_factor_is_the_atomic_number_at_zero_and_that_of_periodictable(element):
    Q = np.linspace(0, 25, 101)
    assert f0(element, np.zeros(1))[0] == pytest.approx(getattr(periodictable, element).number, abs=0.002)
    np.testing.assert_allclose(f0(element, Q), fxrayatq(element, Q), rtol=0, atol=1e-9)


def test_form_factor_of_xraydb():
    xraydb = pytest.importorskip("xraydb")
    Q = np.linspace(0, 25, 51)
    for name in [*ELEMENTS, "Si", "Li1+", "O1-"]:
        np.testing.assert_allclose(f0(name, Q), xraydb.f0(name, Q / (4 * np.pi)), rtol=0, atol=1e-9)


def test_neutron_lengths():
    lengths = {"Li": -1.90, "Li-7": -2.22, "B-11": 6.65, "P": 5.13, "O": 5.803}
    for name, length in lengths.items():
        assert neutron_length(name) == pytest.approx(length, rel=0.03)  # editions of the table differ by so much
    assert not np.ptp(scattering_factors("neutron", ["Li"], {"Li": "Li-7"}, np.arange(3.0)))
    for call in (lambda: neutron_length("Xx"), lambda: neutron_length("Li-99"), lambda: f0("Na", np.zeros(1))):
        with pytest.raises(InputDataError, match="no (neutron|X-ray)"):
            call()


# --- g(r) -----------------------------------------------------------------------------------------


def brute_force(species, kinds, fractional, cell, count, width):
    """H_ab from the full matrix of distances."""
    d = fractional[:, None] - fractional
    r = np.linalg.norm((d - np.round(d)) @ cell, axis=-1)[~np.eye(len(species), dtype=bool)]
    kind = (species[:, None] * kinds + species)[~np.eye(len(species), dtype=bool)]
    near = r < count * width
    found = np.bincount(kind[near] * count + (r[near] / width).astype(int), minlength=kinds**2 * count)
    return found.reshape(kinds, kinds, count)


@pytest.mark.parametrize("count", [1, 2, 3, 300, 301])
def test_pairs_per_shell_equal_brute_force(count):
    rng = np.random.default_rng(count)
    species, fractional = rng.integers(0, 4, count), rng.uniform(-1, 2, (count, 3))
    arguments = (species, 4, fractional, TRICLINIC, 370, 0.02)
    np.testing.assert_array_equal(pairs_per_shell(*arguments), brute_force(*arguments))


def test_pairs_per_shell_equal_brute_force_on_a_glass_in_several_blocks(glass, monkeypatch):
    monkeypatch.setattr("jaxglass.analysis.pair_counts.BLOCK", 504 * 100)
    for structure in glass:
        arguments = (structure.species, 4, structure.fractional, structure.cell, 440, 0.02)
        np.testing.assert_array_equal(pairs_per_shell(*arguments), brute_force(*arguments))


def test_g_is_that_of_freud(glass):
    freud = pytest.importorskip("freud")
    structure = glass.glass
    found = pair_distribution(trajectory(structure.species, structure.fractional[None], structure.cell), 8.0)
    box = freud.box.Box(*np.diag(structure.cell))
    home = (structure.fractional - np.floor(structure.fractional) - 0.5) @ structure.cell
    for a, b in itertools.combinations_with_replacement(range(4), 2):
        first, second = home[structure.species == a], home[structure.species == b]
        rdf = freud.density.RDF(bins=len(found.r), r_max=len(found.r) * found.width, normalization_mode="exact")
        query = {"num_neighbors": None, "r_max": rdf.r_max, "exclude_ii": a == b}
        rdf.compute((box, second), query_points=first, neighbors={k: v for k, v in query.items() if v is not None})
        counts = found.neighbours[ELEMENTS[a], ELEMENTS[b]] * len(first)
        np.testing.assert_allclose(counts, rdf.bin_counts, atol=1 + (a == b))
        assert counts.sum() == pytest.approx(rdf.bin_counts.sum(), abs=2)


def test_coordinates_that_are_not_numbers_are_refused():
    with pytest.raises(InputDataError, match="not a finite number"):
        pairs_per_shell(np.zeros(2, int), 1, np.array([[0, 0, np.nan], [0, 0, 0.5]]), TRICLINIC, 5, 0.1)


# --- S(Q) -----------------------------------------------------------------------------------------


def curves(transforms: Transforms, g, density):
    """S, D and T of g."""
    S = total_S(transforms, partial_S(transforms, g, density))
    D = differential_correlation(transforms, S)
    return S, D, total_correlation(transforms, D, density)


def debye(structure, transforms: Transforms, end: float) -> np.ndarray:
    """S(Q) - 1 by a sum over pairs, tapered to `end` (A), less the integral over the mean density: no bins."""
    species, fractional, cell = structure
    listed = pair_list(fractional, cell, end)
    r = np.linalg.norm(listed.vectors(fractional, cell), axis=1)
    atoms, density = np.bincount(species), len(species) / abs(np.linalg.det(cell))
    number = atoms[:, None] * (atoms - np.eye(len(atoms))) / len(species)
    weight = transforms.weights / number[:, :, None]
    x, h = np.polynomial.legendre.leggauss(400)
    x, h = (x + 1) * end / 2, h * end / 2
    kind = species[listed.i] * len(atoms) + species[listed.j]
    total = np.zeros(len(transforms.Q))
    for q, Q in enumerate(transforms.Q):
        sums = np.bincount(kind, np.sinc(r / end) * np.sinc(Q * r / np.pi), number.size).reshape(number.shape)
        mean = density * np.sum(h * 4 * np.pi * x**2 * np.sinc(x / end) * np.sinc(Q * x / np.pi))
        total[q] = np.sum(weight[:, :, q] * (sums + sums.T) - transforms.weights[:, :, q] * mean)
    return total


@pytest.mark.parametrize(("histogram", "S_limit", "D_limit"), [("shells", 1e-3, 2e-3), ("spline", 1e-3, 1e-3)])
def test_chain_is_the_direct_debye_sum(glass, histogram, S_limit, D_limit):
    """0.1 % rms in D(r) up to 25 1/A with knots 0.02 A apart; shells round more, so they are 0.005 A wide here."""
    species, fractional, cell = structure = glass.glass
    if histogram == "shells":
        found = pair_distribution(trajectory(species, fractional[None], cell), 6.0, 0.005)
        bins, g = shells(len(found.r), found.width), dense_g(found)
    else:
        at = [jnp.asarray(x) for x in (fractional, cell)]
        g = compiled(partial_g, static_argnums=(1, 5, 6))(species, 4, *at, everyone(504), 300, 0.02)
        bins = spline_knots(300, 0.02)
    atoms = dict(zip(ELEMENTS, np.bincount(species).tolist(), strict=True))
    transforms = make_transforms(replace(SETTINGS, dq=0.1, dr=0.1), atoms, bins)
    S, D, _ = curves(transforms, np.asarray(g), len(species) / np.linalg.det(cell))
    expected = debye(structure, transforms, bins.end)
    within("S", relative(S - 1, expected), S_limit)
    within("D", relative(D, differential_correlation(transforms, 1 + expected)), D_limit)


def amplitudes(species, fractional, orders: int):
    """sum_j exp(i k.r_j) of every species at k = 2 pi (h, k, l), -`orders` <= h, k <= `orders`, l >= 0."""
    h = np.arange(-orders, orders + 1)
    x, y, z = (np.exp(2j * np.pi * np.outer(h, fractional[:, a])) for a in range(3))
    plane = (x[:, None] * y[None, :]).reshape(-1, len(species))
    return np.array([(plane[:, species == a] @ z[orders:, species == a].T).ravel() for a in np.unique(species)])


def reciprocal_S(settings, elements, species, frames, edge: float, orders: int, edges: np.ndarray):
    """Exact total S in the bins `edges` of Q (1/A): I(k)/N of every k of a cubic box, averaged over frames."""
    h = np.arange(-orders, orders + 1)
    k = np.stack(np.meshgrid(h, h, h[orders:], indexing="ij"), -1) * 2 * np.pi / edge
    k = np.linalg.norm(k, axis=-1).ravel()
    f = scattering_factors(settings.radiation, elements, settings.scatterers, k)
    c = np.bincount(species) / len(species)
    I = np.mean([np.abs((f * amplitudes(species, x, orders)).sum(0)) ** 2 for x in frames], axis=0) / len(species)
    S = 1 + (I - c @ f**2) / (c @ f) ** 2
    return np.histogram(k, edges, weights=S)[0] / np.histogram(k, edges)[0]


def hard_spheres(radii, edge: float, rng) -> np.ndarray:
    """Spheres placed at random without overlap in a cubic box: fractional coordinates (N, 3)."""
    placed = np.empty((0, 3))
    while len(placed) < len(radii):
        trial = rng.random(3)
        d = placed - trial
        r = edge * np.linalg.norm(d - np.round(d), axis=1)
        if np.all(r > radii[: len(placed)] + radii[len(placed)]):
            placed = np.concatenate([placed, trial[None]])
    return placed


def test_S_is_that_of_reciprocal_sums_of_independent_packings():
    """Random packings: g(r) is 1 long before half the box and frames are independent, so 1 % is a matter of counts."""
    rng = np.random.default_rng(4)
    species, edge, orders = np.repeat([0, 1], [60, 140]), 17.0, 23
    frames = np.array([hard_spheres(np.array([1.1, 0.7])[species], edge, rng) for _ in range(60)])
    edges = np.arange(1.0, 8.1, 0.25)
    settings = ScatteringSettings(q_min=1.0, q_max=8.0, r_window="none", dq=0.01)
    found = analyse_scattering(
        scattering_pairs(trajectory(species, frames, edge * np.eye(3), ("P", "O")), settings), settings
    )
    expected = reciprocal_S(settings, ["P", "O"], species, frames, edge, orders, edges)
    vectors = np.histogram(found.Q, edges, weights=found.Q**2)[0]
    binned = np.histogram(found.Q, edges, weights=found.Q**2 * found.S)[0] / vectors
    assert np.ptp(expected) > 0.3
    within("S against exact sums", relative(binned, expected), 0.01)


def test_S_of_jittered_glasses_is_that_of_reciprocal_sums(glass):
    """504 atoms reach 9 A only: compared above Q = 3 1/A, where this cut has died away."""
    rng = np.random.default_rng(0)
    species, edge, edges = glass.glass.species, 18.0, np.arange(3.0, 12.1, 0.25)
    frames = np.array([source.fractional + rng.normal(0, 0.25, (504, 3)) / edge for _ in range(6) for source in glass])
    settings = ScatteringSettings(q_min=3.0, q_max=12.0, r_window="none", dq=0.01)
    found = analyse_scattering(scattering_pairs(trajectory(species, frames, edge * np.eye(3)), settings), settings)
    expected = reciprocal_S(settings, list(ELEMENTS), species, frames, edge, 35, edges)
    vectors = np.histogram(found.Q, edges, weights=found.Q**2)[0]
    binned = np.histogram(found.Q, edges, weights=found.Q**2 * found.S)[0] / vectors
    assert np.ptp(expected) > 0.2
    within("S against exact sums", relative(binned, expected), 0.01)


def test_ideal_gas_has_unit_S_within_counting_noise():
    """var S_ab(Q) = sum_m [rho A(Q, m)]^2/n_m with n_m pairs expected in shell m."""
    rng = np.random.default_rng(3)
    species = np.arange(400) % 2
    gas = trajectory(species, rng.random((20, 400, 3)), TRICLINIC, ("B", "O"))
    settings = replace(SETTINGS, dq=0.1, q_max=15.0)
    pairs = scattering_pairs(gas, settings)
    transforms = make_transforms(settings, pairs.atoms, bins := shells(len(pairs.r), pairs.width))
    S_ab = partial_S(transforms, dense_g(pairs), pairs.density)
    for a, b in itertools.combinations_with_replacement(range(2), 2):
        distinct = 200 * 199 / 2 if a == b else 200 * 200
        expected = 20 * distinct * bins.volume / abs(np.linalg.det(TRICLINIC))
        deviation = np.sqrt(((pairs.density * transforms.g_to_S) ** 2 / expected).sum(1))
        assert np.max(np.abs(S_ab[a, b] - 1) / deviation) < SIGMAS
        assert 0.7 < np.std((S_ab[a, b] - 1) / deviation) < 1.3


@pytest.mark.parametrize("radiation", ["xray", "neutron"])
def test_weighted_partials_sum_to_the_total(pairs, radiation):
    settings = replace(SETTINGS, radiation=radiation, scatterers={"Li": "Li-7"} if radiation == "neutron" else {})
    found = analyse_scattering(pairs, settings)
    c = {e: n / sum(pairs.atoms.values()) for e, n in pairs.atoms.items()}
    f = dict(zip(c, scattering_factors(radiation, list(c), settings.scatterers, found.Q), strict=True))
    mean, square = sum(c[e] * f[e] for e in c), sum(c[e] * f[e] ** 2 for e in c)
    F = sum((2 - (a == b)) * c[a] * c[b] * f[a] * f[b] * (S - 1) for (a, b), S in found.partials.items())
    np.testing.assert_allclose(found.S - 1, F / mean**2, rtol=0, atol=1e-12)
    other = analyse_scattering(pairs, replace(settings, fz_norm="f_sq_avg"))
    np.testing.assert_allclose(other.S - 1, F / square, rtol=0, atol=1e-12)


def test_one_element_in_two_names_scatters_as_one(glass):
    """Neutrons do not see the label: the total of any mixture of equal lengths is that of one species."""
    species, fractional, cell = glass.glass
    settings = replace(SETTINGS, radiation="neutron", dq=0.1)
    one = analyse_scattering(scattering_pairs(trajectory(0 * species, fractional[None], cell), settings), settings)
    two = scattering_pairs(trajectory(species, fractional[None], cell), settings)
    transforms = make_transforms(settings, two.atoms, shells(len(two.r), two.width))
    atoms = np.array(list(two.atoms.values()))
    equal = atoms[:, None] * (atoms - np.eye(4)) / (504 * 503)
    total = total_S(
        transforms._replace(weights=np.repeat(equal[:, :, None], len(one.Q), 2)),
        partial_S(transforms, dense_g(two), two.density),
    )
    np.testing.assert_allclose(total, one.S, rtol=0, atol=1e-12)


# --- D(r) -----------------------------------------------------------------------------------------


CENTRE, SPREAD, HEIGHT, DENSITY = 2.5, 0.1, 0.4, 0.08


def analytic_S(Q):
    """S of r [g - 1] = h [exp(-(r - r0)^2/2s^2) - exp(-(r + r0)^2/2s^2)]."""
    amplitude = 4 * np.pi * DENSITY * HEIGHT * SPREAD * np.sqrt(2 * np.pi)
    return 1 + amplitude * np.exp(-((Q * SPREAD) ** 2) / 2) * np.sin(Q * CENTRE) / Q


@pytest.mark.parametrize("window", ["none", "lorch", "revised_lorch"])
def test_D_of_a_known_g_is_its_analytic_transform(window):
    settings = ScatteringSettings(q_window=window, r_window="none", dr=0.25, r_max=5.0)
    bins = shells(500, 0.02)
    fine = (np.arange(500 * 40).reshape(500, 40) + 0.5) * 0.02 / 40
    bell = lambda sign: np.exp(-((fine - sign * CENTRE) ** 2) / (2 * SPREAD**2))
    g = 1 + np.average(HEIGHT * (bell(1) - bell(-1)) / fine, axis=1, weights=fine**2)
    transforms = make_transforms(settings, {"O": 100}, bins)
    S, D, T = curves(transforms, g[None, None], DENSITY)
    np.testing.assert_allclose(total_S(transforms, np.full((1, 1, len(S)), 2.0)), 2, atol=1e-12)
    np.testing.assert_allclose(S, analytic_S(transforms.Q), rtol=0, atol=2e-6)
    for r, found in zip(settings.r, D, strict=True):
        M = lambda Q, r=r: q_window(settings, np.array([Q]), np.array([r]))[0, 0]
        integrand = lambda Q, r=r, M=M: 2 / np.pi * Q * (analytic_S(Q) - 1) * M(Q) * np.sin(Q * r)
        assert found == pytest.approx(quad(integrand, 0.7, 25.0, limit=200)[0], abs=1e-4)
    np.testing.assert_allclose(T - D, 4 * np.pi * DENSITY * settings.r)


def test_windows():
    Q, r = np.linspace(0, 25, 2001), np.array([0.5, 4.0])
    lorch = q_window(replace(SETTINGS, q_window="lorch"), Q, r)
    np.testing.assert_allclose(lorch[:, 0], 1)
    np.testing.assert_allclose(lorch[:, -1], 0, atol=1e-15)
    np.testing.assert_array_equal(lorch[0], lorch[1])
    revised = q_window(replace(SETTINGS, q_window="revised_lorch"), Q, r)
    for row, distance in zip(revised, r, strict=True):
        x = Q[1:] * 0.10 * (1 + distance**0.2)
        np.testing.assert_allclose(row[1:], 3 * (np.sin(x) - x * np.cos(x)) / x**3, rtol=0, atol=1e-9)
    assert np.max(np.abs(np.diff(revised, 2))) < 1e-4  # no step where the series takes over
    constant = q_window(replace(SETTINGS, q_window="revised_lorch", lorch_delta=0.1), Q, r)
    x = 0.1 * 25.0
    np.testing.assert_allclose(constant[:, -1], 3 * (np.sin(x) - x * np.cos(x)) / x**3, rtol=1e-12)
    np.testing.assert_array_equal(q_window(replace(SETTINGS, q_window="none"), Q, r), 1)


# --- derivatives ----------------------------------------------------------------------------------


class Refit:
    """The chain as a refit sees it: R_chi^2 of D(r) of 216 atoms in a triclinic cell against a shifted copy."""

    def __init__(self):
        self.fractional = random_ions(216, seed=2)[1]
        self.cell = 0.85 * TRICLINIC
        self.species = jnp.repeat(jnp.arange(4), np.array([30, 24, 20, 142]), total_repeat_length=216)
        settings = ScatteringSettings(dq=0.1, dr=0.1, r_max=6.0, r_window="lorch", q_window="revised_lorch")
        atoms = dict(zip(ELEMENTS, np.bincount(self.species).tolist(), strict=True))
        self.transforms = make_transforms(settings, atoms, spline_knots(150, 0.04))
        self.index = everyone(216)
        rng = np.random.default_rng(1)
        self.target = compiled(self.curve)(self.fractional + rng.normal(0, 0.03, (216, 3)), 1.02 * self.cell)
        self.loss = compiled(self.loss_of)
        self.gradient = compiled(jax.grad(self.loss_of, (0, 1)))

    def curve(self, fractional, cell):
        g = partial_g(self.species, 4, fractional, cell, self.index, 150, 0.04)
        return curves(self.transforms, g, 216 / jnp.abs(jnp.linalg.det(cell)))[2]

    def loss_of(self, fractional, cell):
        return r_chi_squared(self.target, self.curve(fractional, cell))


@pytest.fixture(scope="module")
def refit() -> Refit:
    return Refit()


@pytest.mark.parametrize("leaf", ["positions", "cell"])
def test_gradients_are_the_differences(refit, leaf):
    rng = np.random.default_rng(7)
    at = [jnp.asarray(refit.fractional), jnp.asarray(refit.cell)]
    which = 0 if leaf == "positions" else 1
    gradient = refit.gradient(*at)[which]
    direction = rng.normal(size=at[which].shape)
    h = 1e-5 if leaf == "cell" else 1e-6
    step = lambda size: [x + size * direction if k == which else x for k, x in enumerate(at)]
    near, far = ((refit.loss(*step(s)) - refit.loss(*step(-s))) / (2 * s) for s in (h, 2 * h))
    difference = (4 * near - far) / 3
    assert abs(difference) > 1e-3
    within(f"gradient in {leaf}", float(jnp.sum(gradient * direction) / difference - 1), 1e-6)


def test_transforms_are_a_pytree_that_vmaps(refit):
    """Conventions stacked along a leading axis run as one program."""
    others = [
        make_transforms(ScatteringSettings(dq=0.1, fz_norm=norm), {"O": 9, "P": 3}, shells(400, 0.02))
        for norm in ("f_avg_sq", "f_sq_avg")
    ]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *others)
    g = 1 + np.random.default_rng(0).normal(0, 0.1, (2, 2, 400))
    found = jax.jit(jax.vmap(lambda t: curves(t, jnp.asarray(g), 0.08)[1]))(stacked)
    for row, transforms in zip(found, others, strict=True):
        np.testing.assert_allclose(row, curves(transforms, g, 0.08)[1], rtol=0, atol=1e-10)


# --- agreement ------------------------------------------------------------------------------------

SHORT = replace(SETTINGS, chi_max=7.0, dq=0.05)


def written(path, *columns, header="# r (A), y\n", separator=" "):
    """A file of columns."""
    lines = [separator.join(f"{v:.10g}" for v in row) for row in zip(*columns, strict=True)]
    path.write_text(header + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("quantity", ["S_q", "D_r", "T_r"])
def test_a_curve_agrees_with_itself_and_a_scaled_one_by_its_scale(pairs, tmp_path, quantity):
    found = analyse_scattering(pairs, SHORT)
    x, y = {"S_q": (found.Q, found.S), "D_r": (found.r, found.D), "T_r": (found.r, found.T)}[quantity]
    same = agreement(pairs, SHORT, read_curve(written(tmp_path / "a", x, y), quantity), pairs.density)
    assert same.r_chi_T < 1e-6
    assert same.r_chi_D < 1e-6
    scaled = 1 + 1.1 * (y - 1) if quantity == "S_q" else 1.1 * y
    other = agreement(pairs, SHORT, read_curve(written(tmp_path / "b", x, scaled), quantity), pairs.density)
    exact = other.r_chi_T if quantity == "T_r" else other.r_chi_D
    assert exact == pytest.approx(0.1 / 1.1, rel=1e-6)
    assert other.r[0] == pytest.approx(1.0)
    assert other.r[-1] == pytest.approx(7.0)


def test_density_moves_T_and_leaves_D(pairs, tmp_path):
    found = analyse_scattering(pairs, SHORT)
    curve = read_curve(written(tmp_path / "a", found.r, found.D), "D_r")
    denser = agreement(pairs, SHORT, curve, 1.07 * pairs.density)
    assert denser.r_chi_D < 1e-6
    line = 4 * np.pi * pairs.density * denser.r
    expected = np.linalg.norm(0.07 * line) / np.linalg.norm(denser.measured_D + 1.07 * line)
    assert denser.r_chi_T == pytest.approx(expected, rel=1e-6)


def test_every_change_of_convention_shows(pairs):
    effects = {e.change: e for e in convention_effects(pairs, SHORT)}
    assert effects["as set"].r_chi_T == 0
    assert len(effects) == 11
    assert all(e.r_chi_D > 0.005 and e.r_chi_D > e.r_chi_T for name, e in effects.items() if name != "as set")
    assert effects["<f^2> as norm"].r_chi_T == pytest.approx(0.05, abs=0.02)
    revised = {e.change for e in convention_effects(pairs, replace(SHORT, q_window="revised_lorch"))}
    assert "Lorch, Delta = pi/q_max" in revised
    assert "revised Lorch, Delta0 = 0.10 A" not in revised


def test_changes_that_a_measured_S_does_not_cover_are_left_out(pairs, tmp_path):
    found = analyse_scattering(pairs, SHORT)
    curve = read_curve(written(tmp_path / "a", found.Q, found.S), "S_q")
    names = {e.change for e in convention_effects(pairs, SHORT, curve, pairs.density)}
    assert "q_min = 0.05 1/A" not in names
    assert "no window in Q" in names
    with pytest.raises(InputDataError, match=r"covers 0.7-25 1/A, the settings ask for 0.5-25"):
        agreement(pairs, replace(SHORT, q_min=0.5), curve, pairs.density)


def test_curves_are_read_in_their_units_with_any_separator(tmp_path):
    r = np.linspace(0.1, 4, 40)
    for separator in (" ", "\t", ",", "; "):
        curve = read_curve(written(tmp_path / "a", r, np.sin(r), 0 * r + 0.1, separator=separator), "D_r")
        np.testing.assert_allclose(curve.x, r, rtol=1e-9)
        np.testing.assert_allclose(curve.error, 0.1)
    columns = r / 10, 100 * np.sin(r), 0 * r + 10
    nm = read_curve(written(tmp_path / "a", *columns, header="! r in nm\n"), "D_r", "nm")
    np.testing.assert_allclose(nm.x, r, rtol=1e-9)
    np.testing.assert_allclose(nm.y, np.sin(r), rtol=1e-8)
    np.testing.assert_allclose(nm.error, 0.1)
    S = read_curve(written(tmp_path / "a", 10 * r, 1 + 0.1 * np.sin(r)), "S_q", "nm")
    np.testing.assert_allclose(S.x, r, rtol=1e-9)
    np.testing.assert_allclose(S.y, 1 + 0.1 * np.sin(r), rtol=1e-8)
    assert S.error is None


PDFGETX3 = """[DEFAULT]

version = pdfgetx3-2.0
dataformat = Qnm
wavelength = 0.0143 nm
qmax = 27.0

#### start data

#S 1
#L r($\\AA$)  G($\\AA^{-2}$)
"""
PDFGETX2 = """History written: Mon Nov 23
qmax=27.0 dr=0.01
##### start data
#S 1 - PDF from PDFgetX
#L r G(r) d_r d_Gr
"""
GUDRUN = """# sample.mint01
#     1  Q (1/\\AA)   DCS   error
"""


@pytest.mark.parametrize(("header", "ends"), [(PDFGETX3, ()), (PDFGETX2, (0.0, 0.1)), (GUDRUN, (0.1,))])
def test_files_are_read_as_programs_write_them(tmp_path, header, ends):
    """The headers of PDFgetX3 and PDFgetX2 hold settings; the latter has an error of r before that of G."""
    r = np.linspace(0.1, 4, 40)
    curve = read_curve(written(tmp_path / "a", r, np.sin(r), *(0 * r + end for end in ends), header=header), "D_r")
    np.testing.assert_allclose((curve.x, curve.y), (r, np.sin(r)), rtol=1e-8)
    if ends:
        np.testing.assert_allclose(curve.error, 0.1)
    else:
        assert curve.error is None


@pytest.mark.parametrize("end", [6.0, 9.0, 25.0])
def test_a_structure_factor_less_one_is_refused(tmp_path, end):
    """However soon it ends beyond the first peaks."""
    Q = np.arange(0.7, end, 0.02)
    S = 1 - np.exp(-0.05 * Q**2) * np.cos(2.4 * Q)
    assert read_curve(written(tmp_path / "a", Q, S), "S_q").error is None
    with pytest.raises(InputDataError, match="is it S - 1"):
        read_curve(written(tmp_path / "a", Q, S - 1), "S_q")


GOOD = [f"{0.1 * k:.1f} {k}" for k in range(1, 41)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "0 points are too few"),
        (GOOD[:19], "19 points are too few"),
        (["r D", *GOOD], ":1: 'r D' is not numbers"),
        ([*GOOD[:5], "0.55 nan", *GOOD[6:]], ":6: '0.55 nan' holds a value that is not finite"),
        ([*GOOD[:5], "0.3 1", *GOOD[6:]], ":6: x = 0.3 does not exceed 0.5"),
        ([*GOOD[:5], GOOD[4], *GOOD[6:]], ":6: x = 0.5 does not exceed 0.5"),
        (["# Q", "", *GOOD[:5], "0.6 1 2", *GOOD[6:]], ":8: 3 columns after lines with 2"),
        (["1 2 3 4", *GOOD], ":1: 4 columns"),
        (["0,1 1,0", *GOOD], ":1: 4 columns"),
        (["-0.1 1", *GOOD], ":1: x = -0.1 is negative"),
        ([*(line + " 1" for line in GOOD), "4.1 1 0"], ":41: error = 0 must be above 0"),
        (["# r (nm), D", *GOOD], ":1: the header speaks of nm"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, lines, message):
    path = tmp_path / "curve.dat"
    path.write_text("\n".join(lines))
    with pytest.raises(InputDataError) as caught:
        read_curve(path, "D_r")
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_refusals(pairs, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    for path, message in ((tmp_path / "absent", "cannot be read"), (tmp_path / "binary", "not a text file")):
        with pytest.raises(InputDataError, match=message):
            read_curve(path, "D_r")
    path = written(tmp_path / "a", np.linspace(1.5, 9, 100), np.ones(100))
    with pytest.raises(ConfigError, match="one of S_q, D_r, T_r"):
        read_curve(path, "G_r")
    with pytest.raises(ConfigError, match="one of Angstrom, nm"):
        read_curve(path, "D_r", "pm")
    with pytest.raises(InputDataError, match="covers 1.5-9 A, not 1-7 A"):
        agreement(pairs, SHORT, read_curve(path, "D_r"), 0.08)
    with pytest.raises(InputDataError, match="ends at 8.80 A; set chi_max = 8.9 below that"):
        agreement(pairs, replace(SETTINGS, chi_max=8.9), read_curve(path, "D_r"), 0.08)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radiation": "electron"}, "radiation = 'electron' must be one of xray, neutron"),
        ({"q_window": "hann"}, "must be one of none, lorch, revised_lorch"),
        ({"q_min": 9.0, "q_max": 8.0}, "q_min = 9.0 must be below q_max = 8.0"),
        ({"chi_min": 8.0}, "chi_min = 8.0 must be below chi_max = 8.0"),
        ({"dq": 0.0}, "dq = 0.0 must lie in 0.001 ... 0.1"),
        ({"lorch_delta": 0.0}, "lorch_delta = 0.0 must lie above 0"),
        ({"g_width": 0.1}, "g_width = 0.1 A is too coarse for q_max: at most 0.04 A"),
        ({"scatterers": {"Li": "O1-"}}, "'O1-' is no Li"),
        ({"q_max": float("nan")}, "q_max = nan must lie in"),
    ],
)
def test_settings_are_checked(change, message):
    with pytest.raises(ConfigError) as caught:
        ScatteringSettings(**change)
    assert message in str(caught.value)


def test_description_names_what_is_set():
    text = ScatteringSettings(
        radiation="neutron", scatterers={"Li": "Li-7"}, fz_norm="f_sq_avg", q_window="revised_lorch", r_window="none"
    ).description
    for words in ("neutron (Li as Li-7)", "<f^2>", "Q 0.7-25", "Delta = 0.1 (1 + r^0.2) A", "cut at 14 A", "1-8 A"):
        assert words in text
    assert "Delta = 0.1257 A" in SETTINGS.description


# --- cost -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_paper_scale_in_seconds():
    """9720 atoms: g(r) to half the box, S(Q) and D(r); 972 atoms: 20 ms per frame of g(r)."""
    rng = np.random.default_rng(0)
    species = rng.integers(0, 4, 9720)
    started = time.process_time()
    settings = replace(SETTINGS, g_max=24.0)
    analyse_scattering(
        scattering_pairs(trajectory(species, rng.random((1, 9720, 3)), 48.0 * np.eye(3)), settings), settings
    )
    within("CPU seconds at 9720 atoms", time.process_time() - started, 5.0)
    frames = trajectory(species[:972], rng.random((50, 972, 3)), 22.3 * np.eye(3))
    started = time.process_time()
    pair_distribution(frames, 12.0)
    within("CPU seconds per frame at 972 atoms", (time.process_time() - started) / 50, 0.020)

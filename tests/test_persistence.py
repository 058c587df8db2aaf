"""Persistent homology of loops against polygons, invariances, refusals, a second program and naive twins."""

import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest
from systems import Glass
from test_analysis import boron_phosphate, lithium_oxide, supercell

from jaxglass.analysis import periodic_complex as periodic
from jaxglass.analysis.apf import accumulated_persistence, average_frames, average_seeds, common_grid
from jaxglass.analysis.ball_radii import RADII, squared_radii
from jaxglass.analysis.differentiable_apf import lifetimes, smooth_apf
from jaxglass.analysis.loop_regions import OTHER, REGIONS, loop_regions
from jaxglass.analysis.persistence import PersistenceSettings, PersistentLoops, persistent_loops
from jaxglass.errors import ConfigError, InputDataError

ELEMENTS = np.array(["Li", "B", "P", "O"])
SHEAR = np.array([[1, 0, 0], [0.08, 1, 0], [0.1, -0.05, 1]])
PLAIN = PersistenceSettings(mode="plain")
W = RADII["O"] ** 2

Atoms = tuple[np.ndarray, np.ndarray, np.ndarray]  # symbols, fractional, cell


@pytest.fixture(scope="module")
def atoms(glass: Glass) -> Atoms:
    """504 atoms of 40LiBP."""
    return ELEMENTS[glass.glass.species], glass.glass.fractional, glass.glass.cell


@pytest.fixture(scope="module")
def loops(atoms: Atoms) -> PersistentLoops:
    """Its loops, periodic."""
    return persistent_loops(*atoms)


@pytest.fixture(scope="module")
def slab(atoms: Atoms) -> Atoms:
    """The glass with a gap of 17.6 A along z."""
    symbols, fractional, cell = atoms
    return symbols, (fractional - np.floor(fractional)) / [1, 1, 2.0], cell @ np.diag([1, 1, 2.0])


def summary(loops: PersistentLoops) -> np.ndarray:
    """Sorted births, deaths, lifetimes and ages (4, P): rounding cannot reorder pairs in it."""
    b, d = loops.births, loops.deaths
    return np.sort(np.stack([b, d, d - b, (b + d) / 2]), axis=1)


def same(found: PersistentLoops, expected: PersistentLoops, tolerance: float = 1e-9) -> None:
    assert len(found.births) == len(expected.births)
    np.testing.assert_allclose(summary(found), summary(expected), rtol=0, atol=tolerance)


def cluster(symbols: list[str], positions: np.ndarray) -> Atoms:
    """Atoms at Cartesian `positions` in the middle of a wide cell."""
    cell = 40.0 * np.eye(3)
    return np.array(symbols), np.asarray(positions) / 40.0 + 0.5, cell


def polygon(corners: int, edge: float) -> np.ndarray:
    """A regular polygon in a tilted plane."""
    angle = 2 * np.pi * np.arange(corners) / corners
    flat = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) * edge / (2 * np.sin(np.pi / corners))
    return flat @ np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]


def replicated(atoms: Atoms, n: tuple[int, int, int], jitter: float = 0.0, seed: int = 0) -> Atoms:
    """Copies along each axis, every atom displaced by about `jitter` (A)."""
    symbols, fractional, cell = atoms
    shifts = np.stack(np.meshgrid(*map(np.arange, n), indexing="ij"), -1).reshape(-1, 3)
    copies = (fractional[None] + shifts[:, None]).reshape(-1, 3) / n
    large = cell * np.array(n)[:, None]
    noise = np.random.default_rng(seed).normal(0, jitter, copies.shape) @ np.linalg.inv(large)
    return np.tile(symbols, len(shifts)), copies + noise, large


def cropped(atoms: Atoms, share: float) -> Atoms:
    """The atoms in the first `share` of each axis, in a cell of that size; z becomes x."""
    symbols, fractional, cell = atoms
    home = (fractional - np.floor(fractional)) / share
    inside = (home < 1).all(1)
    return symbols[inside], home[inside][:, [2, 0, 1]], share * cell[np.ix_([2, 0, 1], [2, 0, 1])]


def random_balls(count: int, seed: int) -> Atoms:
    """Points without any order in a dense box, x the shortest edge."""
    rng = np.random.default_rng(seed)
    edge = (count / 0.09) ** (1 / 3)
    symbols = rng.choice(ELEMENTS, count, p=[0.2, 0.1, 0.1, 0.6])
    return symbols, rng.random((count, 3)), np.diag([0.95, 1.0, 1.1]) * edge


def crystal(name: str, n: int) -> Atoms:
    symbols, fractional, cell = supercell(*{"BPO4": boron_phosphate, "Li2O": lithium_oxide}[name](), n)
    return np.array(symbols), fractional, cell


# --- known answers --------------------------------------------------------------------------------


@pytest.mark.parametrize(("corners", "death"), [(3, 1 / 3), (6, 1.0)])
def test_polygon_of_equal_balls_is_one_loop(corners, death):
    a = 2.7
    found = persistent_loops(*cluster(["O"] * corners, polygon(corners, a)), PLAIN)
    np.testing.assert_allclose(found.births, [a**2 / 4 - W], atol=1e-12)
    np.testing.assert_allclose(found.deaths, [death * a**2 - W], atol=1e-12)
    assert len(found.essential) == 0


def test_lonely_polygon_is_the_same_loop_in_a_periodic_cell():
    periodic_loop = PersistenceSettings(alpha_max=16.0)
    found = persistent_loops(*cluster(["O"] * 6, polygon(6, 2.7)), periodic_loop)
    np.testing.assert_allclose([found.births[0], found.deaths[0]], [2.7**2 / 4 - W, 2.7**2 - W], atol=1e-12)
    assert len(found.births) == 1


def test_radii_follow_the_paper_and_unknown_elements_are_refused():
    assert (RADII["Li"], RADII["B"], RADII["O"], RADII["P"]) == (0.69, 0.20, 1.21, 0.26)
    np.testing.assert_allclose(squared_radii(np.array(["P", "O", "P"])), [0.0676, 1.4641, 0.0676])
    with pytest.raises(ConfigError, match="no ball radius for Xe"):
        squared_radii(np.array(["O", "Xe"]))


def test_dense_glass_has_three_windings_and_plain_mode_reads_lower(atoms, loops):
    assert len(loops.essential) == 3
    assert loops.margin == 6.0
    plain = persistent_loops(*atoms, PLAIN)
    total, surface = ((found.deaths - found.births).sum() for found in (loops, plain))
    assert 0.6 < surface / total < 0.85  # loops at the surface are lost
    assert len(plain.essential) == 0


# --- invariances ----------------------------------------------------------------------------------


def test_translation_and_lattice_shifts_change_nothing(atoms, loops):
    symbols, fractional, cell = atoms
    rng = np.random.default_rng(2)
    moved = fractional + rng.random(3) + rng.integers(-3, 4, fractional.shape) * (rng.random((504, 1)) < 0.4)
    same(persistent_loops(symbols, moved, cell), loops)


def test_permutations_of_atoms_and_axes_change_nothing(atoms, loops):
    symbols, fractional, cell = atoms
    order, axes = np.random.default_rng(3).permutation(504), [2, 0, 1]
    same(persistent_loops(symbols[order], fractional[order][:, axes], cell[np.ix_(axes, axes)]), loops)


def test_another_basis_of_the_same_lattice_changes_nothing(atoms, loops):
    symbols, fractional, cell = atoms
    basis = np.array([[1, 0, 0], [1, 1, 0], [-1, 0, 1]])  # triclinic, same volume
    same(persistent_loops(symbols, fractional @ np.linalg.inv(basis), basis @ cell), loops)


@pytest.mark.parametrize("options", [{"margin": 9.0}, {"alpha_max": 16.0}])
def test_wider_margin_and_a_cut_beyond_all_loops_change_nothing(atoms, loops, options):
    same(persistent_loops(*atoms, PersistenceSettings(**options)), loops, 1e-12)


def test_replication_doubles_the_loops(atoms, loops):
    """Twice the loops, and two more: the windings along y and z of both halves die against each other."""
    double = persistent_loops(*replicated(atoms, (2, 1, 1)))
    assert len(double.births) == 2 * len(loops.births) + 2
    assert len(double.essential) == 3
    born, twice = np.sort(double.births), np.sort(np.repeat(np.concatenate([loops.births, loops.essential]), 2))
    nearest = np.abs(born[:, None] - twice).min(1)
    assert np.mean(nearest < 1e-9) == 1.0


@pytest.mark.parametrize(("name", "sizes"), [("BPO4", (2, 3)), ("Li2O", (2,))])
def test_crystals_with_ties_pass_wherever_the_origin_lies(name, sizes):
    per_atom = []
    for n in sizes:
        symbols, fractional, cell = crystal(name, n)
        found = persistent_loops(symbols, fractional, cell)
        assert len(found.essential) == 3
        same(persistent_loops(symbols, fractional + [0.123, 0.456, 0.789], cell), found)
        per_atom.append((found.deaths - found.births).sum() / found.atoms)
    assert per_atom == pytest.approx([per_atom[-1]] * len(sizes), rel=0.04)  # the windings make the difference


# --- proofs and refusals --------------------------------------------------------------------------


def test_cell_too_small_is_refused():
    with pytest.raises(InputDataError, match="replicate it first"):
        persistent_loops(*crystal("BPO4", 1))


def test_vacuum_without_a_cut_is_refused(slab):
    with pytest.raises(InputDataError, match="set alpha_max"):
        persistent_loops(*slab)


def test_margin_that_is_too_small_is_noticed_and_grows(atoms, loops, monkeypatch):
    narrow = PersistenceSettings(margin=2.0)
    found = persistent_loops(*atoms, narrow)
    assert found.margin == 6.0
    same(found, loops, 1e-12)
    monkeypatch.setattr(periodic, "LARGEST", 2.0)
    with pytest.raises(InputDataError, match="reach beyond the images"):
        persistent_loops(*atoms, narrow)
    monkeypatch.setattr(periodic, "_not_local", lambda *_: None)
    with pytest.raises(InputDataError, match="do not close"):
        persistent_loops(*atoms, narrow)


@pytest.mark.parametrize(
    "wrong", [{"mode": "cubic"}, {"margin": 0.0}, {"alpha_max": -1.0}, {"radii": {"O": -1.0}}, {"margin": float("nan")}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError, match="persistence"):
        PersistenceSettings(**wrong)


def test_coordinates_that_are_not_finite_are_refused(atoms):
    symbols, fractional, cell = atoms
    with pytest.raises(InputDataError, match="not finite"):
        persistent_loops(symbols, np.where(fractional == fractional[0], np.nan, fractional), cell)


def test_gudhi_is_imported_when_it_is_used():
    code = (
        "import sys, jaxglass.analysis.persistence, jaxglass.analysis.differentiable_apf; print('gudhi' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# --- vacuum ---------------------------------------------------------------------------------------


def test_slab_does_not_depend_on_the_margin(slab, atoms, loops):
    found = [persistent_loops(*slab, PersistenceSettings(margin=m, alpha_max=16.0)) for m in (6.0, 8.0, 10.0)]
    assert [f.margin for f in found] == pytest.approx([2 * np.sqrt(16 + W)] * 2 + [10.0])
    same(found[1], found[0], 1e-12)
    same(found[2], found[0], 1e-12)
    assert len(found[0].essential) == 2  # the windings in the plane of the slab
    total, dense = ((f.deaths - f.births).sum() for f in (found[0], loops))
    assert 0.85 < total / dense < 0.99  # two surfaces lose loops


def test_a_lower_cut_keeps_what_died_before_it(slab):
    full, cut = (persistent_loops(*slab, PersistenceSettings(alpha_max=a)) for a in (16.0, 1.5))
    before = np.sort(full.deaths[full.deaths <= 1.5])
    np.testing.assert_allclose(np.sort(cut.deaths), before, atol=1e-12)
    alive = np.concatenate([full.births[(full.births <= 1.5) & (full.deaths > 1.5)], full.essential])
    np.testing.assert_allclose(np.sort(cut.essential), np.sort(alive[alive <= 1.5]), atol=1e-12)


# --- a second program -----------------------------------------------------------------------------


def homcloud_pairs(symbols: np.ndarray, fractional: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Births and deaths by homcloud; its periodic triangulation wants x shortest and nearly cubic cells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        homcloud = pytest.importorskip("homcloud.interface", exc_type=ImportError)
        home = (fractional - np.floor(fractional)) @ cell
        balls = np.column_stack([home, squared_radii(symbols)])
        edges = [(0.0, float(edge)) for edge in np.diag(cell)]
        diagram = homcloud.PDList.from_alpha_filtration(balls, weight=True, periodicity=edges).dth_diagram(1)
    births, deaths = np.asarray(diagram.births), np.asarray(diagram.deaths)
    kept = deaths - births > 1e-8
    return births[kept], deaths[kept]


SECOND_PROGRAM = {
    "glass": lambda atoms: atoms,
    "jittered and stretched glass": lambda atoms: replicated(
        (*atoms[:2], atoms[2] @ np.diag([0.9, 1.1, 1.0])), (1, 1, 1), 0.2
    ),
    "BPO4, 96 atoms": lambda _: crystal("BPO4", 2),
    "BPO4, 324 atoms": lambda _: crystal("BPO4", 3),
    "Li2O, 96 atoms": lambda _: crystal("Li2O", 2),
    "random, 300 atoms": lambda _: random_balls(300, 300),
}
SECOND_PROGRAM_LARGE = {
    "glass with seams, about 2000 atoms": lambda atoms: cropped(replicated(atoms, (2, 2, 2), 0.1), 0.79),
    "BPO4, 768 atoms": lambda _: crystal("BPO4", 4),
    "Li2O, 324 atoms": lambda _: crystal("Li2O", 3),
    "random, 2000 atoms": lambda _: random_balls(2000, 2000),
}


@pytest.mark.parametrize(
    "make",
    [
        *(pytest.param(make, id=name) for name, make in SECOND_PROGRAM.items()),
        *(pytest.param(make, id=name, marks=pytest.mark.slow) for name, make in SECOND_PROGRAM_LARGE.items()),
    ],
)
def test_homcloud_finds_the_same_loops(atoms, make):
    structure = make(atoms)
    births, deaths = homcloud_pairs(*structure)
    found = persistent_loops(*structure)
    assert len(births) == len(found.births)
    np.testing.assert_allclose(np.sort(found.births), np.sort(births), atol=1e-12)
    np.testing.assert_allclose(np.sort(found.deaths), np.sort(deaths), atol=1e-12)
    other, own = accumulated_persistence(births, deaths), accumulated_persistence(found.births, found.deaths)
    t = common_grid([own]) + 1e-7  # off the steps that crystals share
    np.testing.assert_allclose(own.at(t), other.at(t), rtol=1e-6, atol=1e-9)


def test_homcloud_finds_the_same_loops_in_a_slab(slab):
    births, deaths = homcloud_pairs(*slab)
    found = persistent_loops(*slab, PersistenceSettings(alpha_max=16.0))
    np.testing.assert_allclose(np.sort(found.deaths), np.sort(deaths[deaths <= 16.0]), atol=1e-12)
    np.testing.assert_allclose(np.sort(found.births), np.sort(births[deaths <= 16.0]), atol=1e-12)


# --- accumulated persistence ----------------------------------------------------------------------


def test_apf_is_the_naive_sum(loops):
    rng = np.random.default_rng(4)
    births = np.round(rng.normal(0, 1, 60), 1)
    deaths = births + np.round(rng.exponential(1, 60), 1)
    t = np.concatenate([np.linspace(-4, 6, 41), (births + deaths) / 2])
    naive = [sum(d - b for b, d in zip(births, deaths, strict=True) if (b + d) / 2 <= x) for x in t]
    found = accumulated_persistence(births, deaths)
    np.testing.assert_allclose(found.at(t), naive, atol=1e-12)
    np.testing.assert_allclose(accumulated_persistence(births, deaths, 20).at(t), np.array(naive) / 20, atol=1e-12)
    assert found.total == pytest.approx(np.sum(deaths - births))
    empty = accumulated_persistence(np.empty(0), np.empty(0))
    assert empty.total == 0.0
    np.testing.assert_array_equal(empty.at(t), 0.0)


def test_common_grid_spans_every_step():
    curves = [accumulated_persistence(np.array([b]), np.array([b + 1.0])) for b in (-2.0, 3.0)]
    t = common_grid(curves, 101)
    assert (t[0], t[-1], len(t)) == (-1.5, 3.5, 101)
    assert curves[1].at(t)[-1] == 1.0


def test_mean_over_seeds_and_frames():
    rng = np.random.default_rng(6)
    curves = []
    for _ in range(40):
        births = rng.normal(0, 1, 30)
        curves.append(accumulated_persistence(births, births + rng.random(30)))
    t = np.linspace(-2, 2, 9)
    values = np.array([curve.at(t) for curve in curves])
    seeds, repeated = average_seeds(curves, t), average_frames([c for c in curves for _ in range(4)], t)
    np.testing.assert_allclose(seeds.mean, values.mean(0))
    np.testing.assert_allclose(seeds.error, values.std(0, ddof=1) / np.sqrt(40))
    np.testing.assert_allclose(repeated.mean, values.mean(0))
    naive = values.std(0, ddof=1) / np.sqrt(160)  # what 160 independent frames would give
    assert np.all(repeated.error > 1.5 * naive)
    for average in (average_seeds, average_frames):
        single = average(curves[:1], t)
        assert single.error is None
        np.testing.assert_array_equal(single.mean, curves[0].at(t))


# --- regions --------------------------------------------------------------------------------------


def region(symbols: list[str], positions: np.ndarray) -> list[str]:
    """Regions of the loops of a cluster."""
    atoms = cluster(symbols, positions)
    return loop_regions(persistent_loops(*atoms, PLAIN), *atoms).tolist()


def test_polygons_lie_in_their_regions():
    assert region(["P", "O", "O"], [[0, 0, 0], [1.4, 0, 0], [0.2, 1.4, 0]]) == ["C_T"]
    assert region(["O"] * 3, polygon(3, 2.7)) == ["C_O"]
    assert region(["O"] * 5, polygon(5, 2.7)) == ["B_O"]
    assert region(["Li"] * 3, polygon(3, 3.0)) == [OTHER]
    assert region(["P", "O"] * 4, polygon(8, 1.55)) == ["C_P"]


@pytest.mark.parametrize("seed", range(6))
def test_ring_of_four_is_large_even_where_its_last_side_bounds_its_last_triangle(seed):
    jitter = np.random.default_rng(seed).normal(0, 0.05, (4, 3))
    found = region(["O"] * 4, polygon(4, 2.7) + jitter)  # a short diagonal may bear a triangle of its own
    assert found.count("B_O") == 1
    assert found.count("C_O") == len(found) - 1


def test_regions_of_the_glass(atoms, loops):
    found = loop_regions(loops, *atoms)
    assert set(found) == {*REGIONS, OTHER}
    median = {name: np.median(loops.deaths[found == name]) for name in REGIONS}
    assert median["C_T"] < 0.3 < 1.2 < median["C_P"]
    born = {name: np.median(loops.births[found == name]) for name in REGIONS}
    assert born["C_T"] < born["C_P"] < born["B_O"] < born["C_O"]


# --- gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strain", "settings"),
    [(np.eye(3), PersistenceSettings()), (SHEAR, PersistenceSettings()), (SHEAR, PLAIN)],
    ids=["orthorhombic", "triclinic", "plain"],
)
def test_closed_forms_equal_gudhi(atoms, strain, settings):
    symbols, fractional, cell = atoms
    outside = fractional + np.random.default_rng(7).integers(-2, 3, fractional.shape)
    found = persistent_loops(symbols, outside, cell @ strain, settings)
    births, deaths = jax.jit(lifetimes)(outside, cell @ strain, squared_radii(symbols), found.simplices)
    np.testing.assert_allclose(births, found.births, rtol=0, atol=1e-12)
    np.testing.assert_allclose(deaths, found.deaths, rtol=0, atol=1e-12)


def test_smooth_apf_tends_to_the_step_function(atoms, loops):
    symbols, fractional, cell = atoms
    exact = accumulated_persistence(loops.births, loops.deaths)
    t = np.linspace(-1, 4, 30)
    away = np.abs(exact.steps[:, None] - t).min(0) > 1e-4
    smooth = jax.jit(smooth_apf)(fractional, cell, squared_radii(symbols), loops.simplices, t, 1e-6)
    np.testing.assert_allclose(smooth[away], exact.at(t)[away], atol=1e-9)


@pytest.mark.parametrize("which", ["positions", "cell", "radius of oxygen"])
def test_gradient_of_the_smooth_apf_equals_differences_with_new_pairings(atoms, loops, which):
    symbols, fractional, cell = atoms
    rng, t = np.random.default_rng(8), np.linspace(0.0, 3.0, 40)
    target = rng.normal(size=40)
    nothing = np.zeros((504, 3)), np.zeros((3, 3)), 0.0
    move = {
        "positions": (rng.normal(size=(504, 3)) / 18.0, *nothing[1:]),
        "cell": (nothing[0], rng.normal(size=(3, 3)), 0.0),
        "radius of oxygen": (*nothing[:2], 1.0),
    }[which]

    @jax.jit
    def loss(fractional, cell, weights, simplices):
        return target @ smooth_apf(fractional, cell, weights, simplices, t, 0.05)

    def paired(x: float) -> float:
        """The loss after moving by `x`, with the pairing found there."""
        radii = RADII | {"O": RADII["O"] + x * move[2]}
        moved = fractional + x * move[0], cell + x * move[1]
        found = persistent_loops(symbols, *moved, PersistenceSettings(radii=radii))
        return float(loss(*moved, squared_radii(symbols, radii), found.simplices))

    gradient = jax.grad(loss, (0, 1, 2))(fractional, cell, squared_radii(symbols), loops.simplices)
    direction = *move[:2], (symbols == "O") * 2 * RADII["O"] * move[2]
    slope = sum(float(np.vdot(g, along)) for g, along in zip(gradient, direction, strict=True))
    h = 1e-6
    assert slope == pytest.approx((paired(h) - paired(-h)) / (2 * h), rel=1e-6)


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_ten_thousand_atoms_in_seconds(atoms):
    """9576 and more atoms: at most 6 s of one core and 1 GB, the imports of a fresh process included."""
    code = """
import resource, sys, time
sys.path.insert(0, "tests")
import systems
from test_persistence import ELEMENTS, persistent_loops, replicated
small = systems.stored_glass().glass
atoms = replicated((ELEMENTS[small.species], small.fractional, small.cell), (5, 2, 2), 0.05)
seconds = []
for _ in range(3):
    start = time.process_time()
    loops = persistent_loops(*atoms)
    seconds.append(time.process_time() - start)
print(loops.atoms, len(loops.births), min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, _, seconds, gigabytes = map(float, run.stdout.split())
    print(run.stdout)
    assert count == 10080
    assert seconds < 6.0
    assert gigabytes < 1.0

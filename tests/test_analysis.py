"""Analysis against exact answers: ideal gas, perfect crystals, ideal polyhedra, brute-force twins."""

import itertools
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from structures import (
    TRICLINIC,
    boron_phosphate,
    frames,
    images_within,
    lithium_oxide,
    molecule,
    random_network,
    supercell,
)

from jaxglass.analysis.angles import angle_density, bond_angles
from jaxglass.analysis.bonds import find_bonds, pairs_sharing
from jaxglass.analysis.coordination import coordination_numbers, edge_sharing, oxygen_shares, share_of
from jaxglass.analysis.pair_distribution import first_minimum, pair_distribution
from jaxglass.analysis.results import structure_results
from jaxglass.analysis.statistics import mean_over_frames, standard_error
from jaxglass.analysis.structure import StructureSettings, analyse_structure
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.trajectory import Trajectory

FORMERS = ("B", "P")
CUTOFFS = {"Li-O": 2.4, "B-O": 1.8, "P-O": 1.7}
SIGMAS = 5.0  # of counting noise, for every single shell


# --- g(r) -----------------------------------------------------------------------------------------


def test_ideal_gas_has_unit_g_within_counting_noise():
    rng = np.random.default_rng(3)
    cell = 4.0 * TRICLINIC
    gas = Trajectory(
        np.arange(6.0), rng.random((6, 300, 3)), np.repeat(cell[None], 6, 0), np.arange(300) % 2, ("B", "O")
    )
    found = pair_distribution(gas, width=0.1)
    volume = np.abs(np.linalg.det(cell))
    for (a, b), g in found.partials.items():
        pairs = 150 * 149 / 2 if a == b else 150 * 150
        expected = 6 * pairs * 4 * np.pi * found.r**2 * found.width / volume
        z = ((g - 1) * np.sqrt(expected))[expected > 20]
        assert np.max(np.abs(z)) < SIGMAS
        assert abs(z.mean()) < SIGMAS / np.sqrt(len(z))
        assert 0.7 < z.std() < 1.3


def test_crystal_shells_integrate_to_integers():
    lithia = pair_distribution(frames(*supercell(*lithium_oxide(), 3)), 6.5)
    shell = {"Li-O": 2.2, "O-Li": 2.2, "Li-Li": 2.6, "O-O": 3.6}
    wanted = {"Li-O": 4, "O-Li": 8, "Li-Li": 6, "O-O": 12}
    for pair, limit in shell.items():
        numbers = lithia.running_coordination(*pair.split("-"))
        assert numbers[lithia.r < limit][-1] == pytest.approx(wanted[pair], abs=1e-12)
    phosphate = pair_distribution(frames(*supercell(*boron_phosphate(), 2)), 4.0)
    for former in FORMERS:
        numbers = phosphate.running_coordination(former, "O")
        assert numbers[phosphate.r < 1.7][-1] == pytest.approx(4, abs=1e-12)


def test_reach_is_half_the_smallest_perpendicular_width():
    found = pair_distribution(frames(*molecule(["B", "O"], np.zeros((2, 3)) + [[0], [1]], TRICLINIC)), 10.0)
    half = (
        min(
            abs(np.linalg.det(TRICLINIC)) / np.linalg.norm(np.cross(TRICLINIC[a - 1], TRICLINIC[a - 2]))
            for a in range(3)
        )
        / 2
    )
    assert half - 2 * found.width < found.r[-1] < half
    assert ("B", "B") not in found.partials
    assert ("B", "O") in found.partials


def test_partials_sum_to_the_total():
    symbols, fractional, cell = random_network(1, 3 * TRICLINIC, 120)
    partial = pair_distribution(frames(symbols, fractional, cell), width=0.05)
    total = pair_distribution(frames(["O"] * 120, fractional, cell), width=0.05)
    atoms = Counter(symbols)
    summed = sum(atoms[a] * partial.neighbours[a, b] for a, b in itertools.product(atoms, repeat=2))
    np.testing.assert_allclose(summed / 120, total.neighbours["O", "O"], atol=1e-12)


def shells(r, *peaks):
    """Gaussian peaks (centre, height, width) on a background that rises from 0 to 1 at 3.5 A."""
    return sum(h * np.exp(-(((r - c) / w) ** 2) / 2) for c, h, w in peaks) + 1 / (1 + np.exp(-(r - 3.5) / 0.15))


@pytest.mark.parametrize(
    "peaks", [[(1.95, 6, 0.12)], [(1.40, 20, 0.04), (1.54, 25, 0.04)], [(2.5, 4, 0.2), (4.4, 0.6, 0.3)]]
)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_first_minimum_of_analytic_curves(peaks, noise):
    r = np.arange(0.01, 9, 0.02)
    fine = np.arange(max(p[0] for p in peaks if p[0] < 3), 3.9, 1e-4)
    curve = shells(fine, *peaks)
    noisy = shells(r, *peaks) * (1 + noise * np.random.default_rng(0).standard_normal(len(r)))
    found = first_minimum(r, noisy)
    low = np.ptp(fine[curve < curve.min() + 0.02]) / 2  # how far a flat minimum can be told
    assert found == pytest.approx(fine[np.argmin(curve)], abs=0.03 + low)


def test_first_minimum_of_a_gap_is_its_middle_and_of_a_gas_none():
    r = np.arange(0.01, 6, 0.02)
    g = np.where((r > 1.4) & (r < 1.6), 30.0, 0.0) + np.where((r > 3.0) & (r < 3.4), 3.0, 0.0) + (r > 3.4)
    assert first_minimum(r, g) == pytest.approx(2.3, abs=0.03)
    assert first_minimum(r, np.ones_like(r)) is None
    assert first_minimum(r[:1], g[:1]) is None
    assert first_minimum(r[r < 1.5], g[r < 1.5]) is None


# --- bonds, coordination, oxygen ------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "count"), [(TRICLINIC, 9), (0.5 * TRICLINIC, 3), (2 * TRICLINIC, 40)])
def test_counting_equals_brute_force(cell, count):
    symbols, fractional, cell = random_network(count, cell, count)
    bonds = find_bonds(np.array(symbols), fractional, cell, CUTOFFS)
    twin = [
        (i, j, shift)
        for i, j, shift, length in images_within(fractional, cell, max(CUTOFFS.values()))
        if length < CUTOFFS.get(f"{symbols[i]}-{symbols[j]}", 0)
    ]
    assert sorted(zip(bonds.center, bonds.ligand, map(tuple, bonds.shift), strict=True)) == sorted(twin)
    per_atom = Counter(i for i, _, _ in twin)
    for element in ("Li", "B", "P"):
        numbers = [per_atom[i] for i, s in enumerate(symbols) if s == element]
        assert coordination_numbers(bonds, element).tolist() == numbers
        if numbers:
            assert share_of(coordination_numbers(bonds, element), 4) == sum(n == 4 for n in numbers) / len(numbers)
    network = [bond for bond in twin if symbols[bond[0]] in FORMERS]
    oxygens = [i for i, s in enumerate(symbols) if s == "O"]
    per_oxygen = Counter(j for _, j, _ in network)
    classes = Counter(min(per_oxygen[o], 3) for o in oxygens)
    assert oxygen_shares(bonds, FORMERS) == tuple(classes[k] / len(oxygens) for k in range(4))
    links = Counter(
        (a[0], b[0], tuple(np.subtract(a[2], b[2]).tolist()))
        for a, b in itertools.permutations(network, 2)
        if a[1] == b[1]
    )
    sharing = {former for (former, _, _), oxygens in links.items() if oxygens > 1}
    assert edge_sharing(bonds, FORMERS) == len(sharing) / sum(s in FORMERS for s in symbols)


@pytest.mark.parametrize("copies", [1, 2])
def test_one_unit_cell_equals_its_supercell(copies):
    structure = analyse_structure(frames(*supercell(*boron_phosphate(), copies)))
    assert structure.coordination["B"].mean.value == structure.coordination["P"].mean.value == 4
    assert structure.n4.value == structure.n4_wide.value == structure.oxygen.bridging.value == 1
    assert structure.edge_sharing.value == 0
    assert structure.bond_lengths["B-O"].value == pytest.approx(1.450, abs=5e-4)
    assert structure.bond_lengths["P-O"].value == pytest.approx(1.535, abs=5e-4)
    assert structure.density.value == pytest.approx(2.804, abs=1e-3)
    lithia = analyse_structure(frames(*supercell(*lithium_oxide(), copies)))
    assert lithia.coordination["Li"].mean.value == 4
    assert lithia.oxygen.free.value == 1
    assert lithia.density.value == pytest.approx(2.0139, abs=1e-3)


def test_oxygen_by_formers_on_a_chain():
    box = 20.0 * np.eye(3)
    line = np.array([0.0, 1.4, 2.9, 4.4, 10.0])[:, None] * [[1, 0, 0]] + 3.0
    symbols, fractional, cell = molecule(["B", "O", "P", "O", "O"], line, box)
    assert oxygen_shares(find_bonds(np.array(symbols), fractional, cell, CUTOFFS), FORMERS) == (
        1 / 3,
        1 / 3,
        1 / 3,
        0,
    )
    star = 1.4 * np.array([[0, 0, 0], [1, 0, 0], [-0.5, 0.8, 0], [-0.5, -0.8, 0]])
    symbols, fractional, cell = molecule(["O", "B", "B", "P"], star, box)
    assert oxygen_shares(find_bonds(np.array(symbols), fractional, cell, CUTOFFS), FORMERS) == (0, 0, 0, 1)


def test_edge_sharing_pair_across_the_boundary():
    positions = [[0.1, 0, 0], [-2.0, 0, 0], [-0.95, 1.0, 0], [-0.95, -1.0, 0], [5, 5, 5]]
    symbols, fractional, cell = molecule(["B", "B", "O", "O", "P"], positions, 12.0 * np.eye(3))
    assert edge_sharing(find_bonds(np.array(symbols), fractional, cell, CUTOFFS), FORMERS) == pytest.approx(2 / 3)


# --- angles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("corners", "angle", "number"),
    [
        ([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], 109.4712206, 6),
        ([[1, 0, 0], [-0.5, np.sqrt(0.75), 0], [-0.5, -np.sqrt(0.75), 0]], 120.0, 3),
        ([[1, 0, 0], [-1, 0, 0]], 180.0, 1),
    ],
)
def test_angles_of_ideal_polyhedra_across_the_boundary(corners, angle, number):
    corners = 1.45 * np.array(corners, float) / np.linalg.norm(corners, axis=1)[:, None]
    positions = np.vstack([np.zeros((1, 3)), corners]) + 0.1
    symbols, fractional, cell = molecule(["B"] + ["O"] * len(corners), positions, 2.5 * TRICLINIC)
    found = bond_angles(find_bonds(np.array(symbols), fractional - np.floor(fractional), cell, CUTOFFS), "B")
    assert len(found) == number
    np.testing.assert_allclose(found, angle, atol=2e-6)


def test_angle_density_integrates_to_one():
    theta, density = angle_density(np.array([90.0, 109.47, 120.0, 180.0]))
    assert len(theta) == 90
    assert density.sum() * 2 == pytest.approx(1)
    assert density[45] == density[54] == density[60] == density[89] == pytest.approx(1 / 8)


def test_pairs_sharing_a_label():
    labels = np.array([3, 1, 3, 3, 2, 1])
    p, q = pairs_sharing(labels)
    twin = {(a, b) for a, b in itertools.combinations(range(6), 2) if labels[a] == labels[b]}
    assert {tuple(sorted(pair)) for pair in zip(p.tolist(), q.tolist(), strict=True)} == twin
    assert len(p) == len(twin)


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_standard_error_of_an_autoregressive_series(phi):
    rng = np.random.default_rng(11)
    count, replicates = 1000, 60
    series = np.zeros((replicates, count))
    kick = rng.standard_normal((replicates, count))
    series[:, 0] = kick[:, 0] / np.sqrt(1 - phi**2)
    for k in range(1, count):
        series[:, k] = phi * series[:, k - 1] + kick[:, k]
    exact = 1 / (1 - phi) / np.sqrt(count)
    errors = [standard_error(s) for s in series]
    assert np.mean(errors) == pytest.approx(exact, rel=0.12)
    covered = np.mean(np.abs(series.mean(1)) < 1.96 * np.array(errors))
    assert covered > 0.85


def test_one_frame_has_no_error_and_says_why():
    single = mean_over_frames([2.3], "g/cm3")
    assert single.value == 2.3
    assert single.error is None
    assert "one frame" in single.reason
    several = mean_over_frames([2.3, 2.31, 2.29], "g/cm3")
    assert several.error > 0
    assert "not the spread between seeds" in several.reason
    assert mean_over_frames([4.0, 4.0, 4.0], "1").error == 0


# --- the whole stage ------------------------------------------------------------------------------


def test_results_are_plain_json_and_say_what_is_missing():
    entry = structure_results(analyse_structure(frames(*lithium_oxide(), 2)))
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    for missing in (entry["coordination"]["B"], entry["coordination"]["B_2.0"], entry["n4"], entry["n4_2.0"]):
        assert missing["value"] is None
        assert missing["error"] is None
        assert "no B" in missing["reason"]
    assert entry["bond_lengths"]["P-O"]["value"] is None
    assert entry["angles"]["O-B-O"]["reason"]
    assert entry["coordination"]["Li"]["value"] == 4
    assert entry["coordination"]["Li"]["error"] == 0
    assert entry["coordination"]["Li"]["histogram"] == {"number": [4], "share": [1.0], "unit": "1"}
    assert entry["first_minima"]["Li-O"]["value"] is None
    assert "2.31 A" in entry["first_minima"]["Li-O"]["reason"]
    assert entry["edge_sharing"]["value"] is None


def test_results_of_a_full_network():
    entry = structure_results(analyse_structure(frames(*supercell(*boron_phosphate(), 2))))
    json.dumps(entry, allow_nan=False)
    assert {"density", "coordination", "n4", "n4_2.0", "bond_lengths", "g_r", "angles"} <= set(entry)
    assert entry["angles"]["O-B-O"]["value"] == pytest.approx(109.47, abs=0.2)
    assert entry["angles"]["O-B-O"]["error"] is None
    assert "one frame" in entry["angles"]["O-B-O"]["reason"]
    assert len(entry["g_r"]["r"]["values"]) == len(entry["g_r"]["partials"]["B-O"]["values"])
    assert entry["bond_lengths"]["Li-O"]["reason"] == "no Li in this structure"
    assert entry["first_minima"]["P-O"]["value"] == pytest.approx(2.2, abs=0.5)


def test_refusals():
    with pytest.raises(ConfigError, match="B-O = -1"):
        StructureSettings(cutoffs={"B-O": -1.0})
    with pytest.raises(ConfigError, match="centre-ligand"):
        StructureSettings(cutoffs={"BO": 1.8})
    with pytest.raises(InputDataError, match="no frames"):
        analyse_structure(frames(*lithium_oxide(), 0))
    with pytest.raises(InputDataError, match="same point"):
        find_bonds(np.array(["B", "O"]), np.zeros((2, 3)), 9.0 * np.eye(3), CUTOFFS)


def test_analysis_and_report_import_no_engine():
    named = ("analysis.results", "analysis.comparison", "analysis.topology", "report.html")
    modules = ", ".join(f"jaxglass.{name}" for name in named)
    code = f"import sys, {modules}; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    forbidden = ("'jax'", "jax_md", "jaxglass.engine", "jaxglass.dynamics", "jaxglass.simulation")
    assert not [name for name in forbidden if name in loaded]

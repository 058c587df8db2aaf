"""Q^n, links between formers and angles at oxygen: brute-force twins, exact sums, crystals, small molecules."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from structures import (
    ELEMENTS,
    TRICLINIC,
    alpha_quartz,
    boron_phosphate,
    frames,
    images_within,
    lithium_oxide,
    molecule,
    random_network,
    supercell,
)

from jaxglass.analysis.bonds import FORMER_CUTOFFS, find_bonds
from jaxglass.analysis.connectivity import analyse_connectivity, bridging_numbers, former_links
from jaxglass.analysis.coordination import oxygen_shares
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory

FORMERS = ("B", "P", "Si")
BOX = 20.0 * np.eye(3)
STAR = 1.4 * np.array([[0, 0, 0], [1, 0, 0], [-0.5, 0.8, 0], [-0.5, -0.8, 0]])


def bonds_of(symbols, fractional, cell):
    """Former-oxygen bonds within the default cutoffs."""
    return find_bonds(np.array(symbols), fractional, cell, FORMER_CUTOFFS)


def network_twin(symbols, fractional, cell):
    """(former, oxygen, vector from the oxygen to the former) of every bond, by brute force."""
    for i, j, shift, length in images_within(fractional, cell, max(FORMER_CUTOFFS.values())):
        if symbols[j] == "O" and length < FORMER_CUTOFFS.get(f"{symbols[i]}-O", 0.0):
            yield i, j, (fractional[i] - fractional[j] - shift) @ cell


def values(measurements) -> list[float]:
    """The numbers of a tuple of measurements."""
    return [m.value for m in measurements]


# --- twins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.85, 1.1])
@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_brute_force(seed, scale):
    structure = random_network(seed, scale * TRICLINIC, 14)
    symbols = structure[0]
    bonds, twin = bonds_of(*structure), list(network_twin(*structure))
    per_oxygen = Counter(o for _, o, _ in twin)
    bridging = Counter(f for f, o, _ in twin if per_oxygen[o] > 1)
    oxygens = Counter(f for f, _, _ in twin)
    for element in ("B", "P"):
        atoms = [i for i, s in enumerate(symbols) if s == element]
        np.testing.assert_array_equal(bridging_numbers(bonds, FORMERS, element), [bridging[i] for i in atoms])

    found = analyse_connectivity(frames(*structure))
    units = {f"BO{k}": [i for i, s in enumerate(symbols) if s == "B" and oxygens[i] == k] for k in (3, 4)}
    units["P"] = [i for i, s in enumerate(symbols) if s == "P"]
    assert set(found.q) == set(units)
    for unit, atoms in units.items():
        counts = Counter(bridging[i] for i in atoms)
        expected = [counts[n] / len(atoms) for n in range(max(counts) + 1)] if atoms else []
        assert values(found.q[unit].share) == expected
        assert found.q[unit].mean.value == (np.mean([bridging[i] for i in atoms]) if atoms else None)

    links = [(a, b) for a, b in itertools.combinations(twin, 2) if a[1] == b[1]]
    pairs = Counter("-O-".join(sorted((symbols[a[0]], symbols[b[0]]))) for a, b in links)
    ends = Counter(symbols[bond[0]] for pair in links for bond in pair)
    for name, entry in found.links.items():
        first, second = name.split("-O-")
        mixed = ends[first] * ends[second] * (1 if first == second else 2) / (2 * len(links)) ** 2
        assert entry.share.value == pairs[name] / len(links)
        assert entry.random.value == pytest.approx(mixed, rel=1e-14)
    angles = [
        np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1)))
        for (_, _, u), (_, _, v) in links
    ]
    np.testing.assert_allclose(np.sort(former_links(bonds, FORMERS).angle), np.sort(angles), atol=1e-5)


def test_bridging_bonds_counted_from_both_ends(glass):
    """Sum of n over formers = 2 bridging + 3 tricluster oxygens, as long as no oxygen has four formers."""
    for species, fractional, cell in glass:
        symbols = np.array(("Li", "B", "P", "O"))[species]
        bonds = bonds_of(symbols, np.array(fractional), cell)
        shares = np.array(oxygen_shares(bonds, FORMERS)) * np.sum(symbols == "O")
        assert np.bincount(bonds.ligand).max() <= 3
        total = sum(bridging_numbers(bonds, FORMERS, e).sum() for e in FORMERS)
        assert total == round(2 * shares[2] + 3 * shares[3])
        assert total > 200


# --- known structures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "q", "links"),
    [
        ("BPO4", {"BO4": 4, "P": 4}, {"B-O-P": 1}),
        ("B2O3-I", {"BO3": 3}, {"B-O-B": 1}),
        ("LiBO2", {"BO3": 2}, {"B-O-B": 1}),
        ("Li4P2O7", {"P": 1}, {"P-O-P": 1}),
        ("bLi3PO4", {"P": 0}, {}),
    ],
)
def test_crystals(name, q, links):
    """Sheets, chains, pairs and lone tetrahedra: the same Q^n on every former."""
    crystal = json.loads((Path(__file__).parent / "data" / "structures" / f"{name}.json").read_text())
    found = analyse_connectivity(frames(crystal["symbols"], crystal["frac"], np.array(crystal["cell"])))
    for unit, speciation in found.q.items():
        assert values(speciation.share) == ([0.0] * q[unit] + [1.0] if unit in q else [])
    assert {k: entry.share.value for k, entry in found.links.items() if entry.share.value} == links


def test_one_unit_cell_equals_its_supercell():
    for copies in (1, 2):
        found = analyse_connectivity(frames(*supercell(*boron_phosphate(), copies)))
        assert values(found.q["P"].share) == values(found.q["BO4"].share) == [0, 0, 0, 0, 1]
        assert found.links["B-O-P"].share.value == 1
        assert found.links["B-O-P"].random.value == 0.5
        assert found.links["B-O-B"].random.value == found.links["P-O-P"].random.value == 0.25
        assert found.links["B-O-P"].angles.mean.value == pytest.approx(132.627, abs=1e-3)
        assert found.links["B-O-P"].angles.deviation == pytest.approx(0, abs=1e-6)


def test_silica_has_its_own_entries():
    found = analyse_connectivity(frames(*alpha_quartz()))
    assert values(found.q["Si"].share) == [0, 0, 0, 0, 1]
    assert found.links["Si-O-Si"].share.value == found.links["Si-O-Si"].random.value == 1
    assert found.links["Si-O-Si"].angles.mean.value == pytest.approx(143.7, abs=0.2)
    assert "no P" in found.q["P"].mean.reason


def test_tricluster_links_each_two_of_its_formers():
    found = analyse_connectivity(frames(*molecule(["O", "B", "B", "P"], STAR, BOX)))
    shares = {name: entry.share.value for name, entry in found.links.items()}
    assert shares == {"B-O-B": 1 / 3, "B-O-P": 2 / 3, "P-O-P": 0}
    assert found.links["P-O-P"].random.value == pytest.approx(1 / 9)
    assert values(found.q["P"].share) == [0, 1]


def test_straight_bridge_across_the_boundary():
    line = np.array([-1.5, 0.0, 1.4])[:, None] * [[1, 0, 0]]
    symbols, fractional, cell = molecule(["P", "O", "B"], line, BOX)
    found = former_links(bonds_of(symbols, fractional - np.floor(fractional), cell), FORMERS)
    assert found.elements.tolist() == [["B", "P"]]
    assert found.angle == pytest.approx(180)


# --- trajectories ---------------------------------------------------------------------------------


def test_means_over_frames(glass):
    species, fractional, cell = glass.glass
    melt = np.array(glass.melt.fractional)
    symbols = [("Li", "B", "P", "O")[s] for s in species]
    index = np.array([ELEMENTS.index(s) for s in symbols])
    two = Trajectory(np.arange(2.0), np.stack([melt, fractional]), np.stack([cell, cell]), index, ELEMENTS)
    found = analyse_connectivity(two)
    single = [analyse_connectivity(frames(symbols, f, cell)) for f in (melt, np.array(fractional))]
    for unit, speciation in found.q.items():
        shares = list(itertools.zip_longest(*(values(s.q[unit].share) for s in single), fillvalue=0.0))
        np.testing.assert_allclose(values(speciation.share), np.mean(shares, axis=1), rtol=1e-14)
        assert sum(values(speciation.share)) == pytest.approx(1)
        assert speciation.mean.error > 0
    for name, links in found.links.items():
        assert links.share.value == pytest.approx(np.mean([s.links[name].share.value for s in single]))
        assert links.angles.mean.value == pytest.approx(np.mean([s.links[name].angles.mean.value for s in single]))
    assert sum(links.share.value for links in found.links.values()) == pytest.approx(1)
    assert sum(links.random.value for links in found.links.values()) == pytest.approx(1)


def test_what_a_structure_lacks_is_said():
    found = analyse_connectivity(frames(*lithium_oxide(), 2))
    assert "no BO3" in found.q["BO3"].mean.reason
    assert "no bridging oxygen" in found.links["B-O-P"].share.reason
    assert "no B-O-P" in found.links["B-O-P"].angles.mean.reason
    with pytest.raises(InputDataError, match="no frames"):
        analyse_connectivity(frames(*lithium_oxide(), 0))

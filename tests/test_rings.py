"""Rings against textbook crystals, every closed path of small nets, moves that change nothing, and another program.

The twin lists all closed paths up to a length from their definition; nothing of the search is in it.
"""

import itertools
import time
from collections import defaultdict

import numpy as np
import pytest
from structures import (
    ELEMENTS,
    TRICLINIC,
    alpha_cristobalite,
    alpha_quartz,
    boron_phosphate,
    frames,
    lithium_oxide,
    molecule,
    primitive_boron_phosphate,
    random_network,
    supercell,
)

from jaxglass.analysis.bonds import Bonds, bridging_bonds, find_bonds
from jaxglass.analysis.rings import RingSettings, RingStatistics, analyse_rings, ring_statistics
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.trajectory import Trajectory

FORMERS = ("B", "P", "Si")
CPU_SECONDS = 4.0  # for about 10,000 atoms on one core
BOX = 20.0 * np.eye(3)


def rings_of(structure, **settings) -> RingStatistics:
    """Ring statistics of (symbols, fractional, cell)."""
    settings = RingSettings(**settings)
    symbols, fractional, cell = structure
    return ring_statistics(find_bonds(np.array(symbols), fractional, cell, settings.cutoffs), settings)


def histogram(found: RingStatistics) -> dict[int, int]:
    """Unique rings by size, empty sizes left out."""
    return {int(n): int(count) for n, count in zip(found.sizes, found.unique, strict=True) if count}


def stored(glass, state: str = "glass") -> tuple[list[str], np.ndarray, np.ndarray]:
    """The glass (or melt) of 504 atoms as (symbols, fractional, cell)."""
    species, fractional, cell = getattr(glass, state)
    return [("Li", "B", "P", "O")[s] for s in species], np.array(fractional), np.array(cell)


# --- the twin -------------------------------------------------------------------------------------


def canonical(path) -> tuple:
    """One name for all translations of a closed path of (atom, shift): its smallest sorted list."""
    lowest = min(atom for atom, _ in path)
    origins = [shift for atom, shift in path if atom == lowest]
    return min(tuple(sorted((a, tuple(np.subtract(s, o).tolist())) for a, s in path)) for o in origins)


def closed_paths(bonds: Bonds, max_size: int):
    """Every simple closed path of at most `max_size` formers, from each of its formers in the home cell, both ways."""
    neighbours = defaultdict(list)
    for i, j, shift in zip(bonds.center.tolist(), bonds.ligand.tolist(), bonds.shift.tolist(), strict=True):
        neighbours[i].append((j, tuple(shift)))
        neighbours[j].append((i, tuple(-s for s in shift)))

    def extend(path):
        atom, at = path[-1]
        for next_atom, by in neighbours[atom]:
            node = (next_atom, (at[0] + by[0], at[1] + by[1], at[2] + by[2]))
            if node == path[0] and len(path) > 2:
                yield path
            elif node not in path and len(path) < 2 * max_size:
                yield from extend([*path, node])

    for former in sorted(set(bonds.center.tolist())):
        yield from extend([(former, (0, 0, 0))])


def twin(bonds: Bonds, criterion: str, max_size: int) -> tuple[dict[tuple, int], dict[tuple, int]]:
    """Rings {name: size} and shortest ring by bond, from all closed paths: the smallest through each bond or pair."""
    through, shortest = defaultdict(lambda: (max_size + 1, set())), {}
    for path in closed_paths(bonds, max_size):
        size, (root, _), ends = len(path) // 2, path[0], (path[1], path[-1])
        for key in {"guttman": [(root, end) for end in ends], "king": [(root, frozenset(ends))]}[criterion]:
            if size < through[key][0]:
                through[key] = (size, set())
            if size == through[key][0]:
                through[key][1].add(tuple(path))
        for end in ends:
            shortest[root, end] = min(size, shortest.get((root, end), size))
    return {canonical(path): size for size, paths in through.values() for path in paths}, shortest


def names(found: RingStatistics) -> list[tuple]:
    """Every ring found, as the twin names it."""
    return [
        canonical([(int(a), tuple(s)) for a, s in zip(atoms, shift.tolist(), strict=True)])
        for rings in found.rings
        for atoms, shift in zip(rings.atoms, rings.shift, strict=True)
    ]


def assert_equals_twin(bonds: Bonds, criterion: str, max_size: int) -> int:
    """Same rings, each once, and the same shortest ring for as many bonds; how many rings there are."""
    found = ring_statistics(bonds, RingSettings(criterion=criterion, max_size=max_size))
    network = bridging_bonds(bonds, FORMERS)
    expected, shortest = twin(network, criterion, max_size)
    listed = names(found)
    assert len(listed) == len(set(listed))
    assert set(listed) == set(expected)
    np.testing.assert_array_equal(found.unique, np.bincount(list(expected.values()), minlength=max_size + 1)[2:])
    np.testing.assert_array_equal(found.shortest, np.bincount(list(shortest.values()), minlength=max_size + 1)[2:])
    assert found.bonds == len(network.center)
    return len(listed)


def random_net(seed: int, formers: int, oxygens: int, images: int) -> Bonds:
    """Oxygens on one to four formers chosen at random, images up to `images` cells away included."""
    rng = np.random.default_rng(seed)
    bonds = set()
    for oxygen in range(formers, formers + oxygens):
        for _ in range(rng.choice([1, 2, 2, 2, 2, 3, 4])):
            bonds.add((int(rng.integers(formers)), oxygen, *rng.integers(-images, images + 1, 3).tolist()))
    table = np.array(sorted(bonds))
    symbols = np.array([*rng.choice(["B", "P"], formers), *["O"] * oxygens])
    nothing = np.zeros(len(table))
    return Bonds(symbols, table[:, 0], table[:, 1], table[:, 2:], nothing[:, None] * [1, 1, 1], nothing)


@pytest.mark.parametrize("criterion", ["guttman", "king"])
def test_random_nets_equal_every_closed_path(criterion):
    count = 0
    for seed in range(60):
        formers, oxygens, images = [(1, 3, 1), (2, 4, 1), (4, 7, 1), (6, 9, 0)][seed % 4]
        count += assert_equals_twin(random_net(seed, formers, oxygens, images), criterion, max_size=4)
    for seed in range(6):
        count += assert_equals_twin(random_net(seed, 12, 14, 0), criterion, max_size=8)
    assert count > 300


@pytest.mark.parametrize("criterion", ["guttman", "king"])
@pytest.mark.parametrize("scale", [0.8, 0.9])
def test_random_mixtures_equal_every_closed_path(criterion, scale):
    count = 0
    for seed in range(6):
        symbols, fractional, cell = random_network(seed, scale * TRICLINIC, 14)
        bonds = find_bonds(np.array(symbols), fractional, cell, RingSettings().cutoffs)
        count += assert_equals_twin(bonds, criterion, max_size=4)
    assert count > 25


@pytest.mark.parametrize("criterion", ["guttman", "king"])
def test_glass_equals_every_closed_path(glass, criterion):
    symbols, fractional, cell = stored(glass)
    bonds = find_bonds(np.array(symbols), fractional, cell, RingSettings().cutoffs)
    assert assert_equals_twin(bonds, criterion, max_size=7) > 15


# --- crystals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1, 2, (1, 3, 2)])
@pytest.mark.parametrize(
    ("crystal", "criterion", "per_former"),
    [
        (alpha_quartz, "guttman", {6: 1}),
        (alpha_quartz, "king", {6: 1, 8: 7}),
        (alpha_cristobalite, "guttman", {6: 2}),
        (alpha_cristobalite, "king", {6: 2}),
        (boron_phosphate, "guttman", {6: 2}),
        (boron_phosphate, "king", {6: 2}),
        (primitive_boron_phosphate, "guttman", {6: 2}),
    ],
)
def test_textbook_crystals_in_any_cell(crystal, criterion, per_former, copies):
    found = rings_of(supercell(*crystal(), copies), criterion=criterion, max_size=12)
    assert histogram(found) == {n: count * found.formers for n, count in per_former.items()}
    assert {n: c for n, c in zip(found.sizes.tolist(), found.per_former.tolist(), strict=True) if c} == per_former
    assert found.without_ring == found.dead_ends == 0
    assert found.shortest[6 - 2] == found.bonds == 4 * found.formers
    assert found.mean_size == pytest.approx(sum(n * c for n, c in per_former.items()) / sum(per_former.values()))


# --- small molecules ------------------------------------------------------------------------------


def test_edge_sharing_pair_is_a_ring_of_two():
    positions = [[0.1, 0, 0], [-2.0, 0, 0], [-0.95, 1.0, 0], [-0.95, -1.0, 0]]
    for criterion, cell in itertools.product(("guttman", "king"), (BOX, 6 * np.eye(3))):
        found = rings_of(molecule(["B", "B", "O", "O"], positions, cell), criterion=criterion)
        assert histogram(found) == {2: 1}
        assert found.without_ring == 0


def test_face_sharing_pair_has_a_ring_for_each_two_oxygens():
    ring = [[1.2 * np.cos(a), 1.2 * np.sin(a), 0] for a in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    found = rings_of(molecule(["P", "P", *"OOO"], [[0, 0, 1.1], [0, 0, -1.1], *ring], BOX))
    assert histogram(found) == {2: 3}


def test_tricluster_is_no_ring_but_can_be_in_one():
    star = 1.4 * np.array([[0, 0, 0], [1, 0, 0], [-0.5, 0.8, 0], [-0.5, -0.8, 0]])
    symbols = ["O", "B", "B", "P"]
    alone = rings_of(molecule(symbols, star, BOX))
    assert histogram(alone) == {}
    assert (alone.bonds, alone.dead_ends, alone.without_ring) == (3, 3, 1)
    assert alone.mean_size is None
    pair = rings_of(molecule([*symbols, "O"], [*star, [-1.5, 0, 0]], BOX))
    assert histogram(pair) == {2: 1}
    assert (pair.bonds, pair.dead_ends) == (5, 1)
    assert pair.without_ring == pytest.approx(1 / 5)


def test_three_ring_of_metaphosphate_without_its_terminal_oxygens_and_lithium():
    angle = np.pi / 3 * np.arange(6)
    around = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]) * 1.55
    outside = np.column_stack([np.cos(angle), np.sin(angle), 0 * angle])[::2] * 3.1
    symbols = ["P", "O"] * 3 + ["O"] * 3 + ["Li"]
    found = rings_of(molecule(symbols, [*around, *outside, [0, 0, 0.5]], BOX))
    assert histogram(found) == {3: 1}
    assert found.bonds == 6
    assert sorted(found.rings[1].atoms[0]) == [0, 1, 2, 3, 4, 5]


def test_chain_and_sheet_that_wind_round_the_cell():
    chain = rings_of((["Si", "O"], np.array([[0.1, 0, 0], [0.6, 0, 0]]), np.diag([3.2, 9, 9])))
    assert histogram(chain) == {}
    assert (chain.bonds, chain.dead_ends, chain.without_ring) == (2, 0, 1)
    square = (["Si", "O", "O"], np.array([[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]]), np.diag([3.2, 3.2, 9]))
    for copies in [1, 3]:
        assert histogram(rings_of(supercell(*square, copies))) == {4: copies**3}


# --- what a ring is -------------------------------------------------------------------------------


def test_rings_are_closed_walks_along_bonds_with_the_given_coordinates(glass):
    symbols, fractional, cell = stored(glass)
    away = fractional + np.random.default_rng(2).integers(-3, 4, fractional.shape)
    found = rings_of((symbols, away, cell))
    for size, rings in zip(found.sizes, found.rings, strict=True):
        assert rings.size == size
        where = (away[rings.atoms] + rings.shift) @ cell
        length = np.linalg.norm(where - np.roll(where, 1, axis=1), axis=2)
        assert np.all(length < 1.8)
        assert np.all(np.array(symbols)[rings.atoms[:, 1::2]] == "O")
        assert np.isin(np.array(symbols)[rings.atoms[:, ::2]], FORMERS).all()
        for atoms, shift in zip(rings.atoms, rings.shift.tolist(), strict=True):
            assert len(set(zip(atoms.tolist(), map(tuple, shift), strict=True))) == 2 * size
            assert [0, 0, 0] in [s for a, s in zip(atoms, shift, strict=True) if a == atoms.min()]


@pytest.mark.parametrize("criterion", ["guttman", "king"])
def test_order_images_cell_and_copies_change_nothing(glass, criterion):
    symbols, fractional, cell = stored(glass)
    rng = np.random.default_rng(5)
    reference = rings_of((symbols, fractional, cell), criterion=criterion, max_size=12)
    order = rng.permutation(len(symbols))
    permuted = rings_of((np.array(symbols)[order], fractional[order], cell), criterion=criterion, max_size=12)
    expected = sorted(
        sorted(zip(*np.unique(a, return_counts=True), strict=True)) for r in reference.rings for a in r.atoms
    )
    assert expected == sorted(
        sorted(zip(*np.unique(order[a], return_counts=True), strict=True)) for r in permuted.rings for a in r.atoms
    )
    moved = fractional + rng.integers(-4, 5, fractional.shape)
    basis = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]])
    for other in [(symbols, moved, cell), (symbols, fractional @ np.linalg.inv(basis), basis @ cell)]:
        found = rings_of(other, criterion=criterion, max_size=12)
        assert histogram(found) == histogram(reference)
        np.testing.assert_array_equal(found.shortest, reference.shortest)
    copies = rings_of(supercell(symbols, moved, cell, (1, 2, 2)), criterion=criterion, max_size=12)
    assert histogram(copies) == {n: 4 * count for n, count in histogram(reference).items()}
    assert copies.without_ring == pytest.approx(reference.without_ring, abs=1e-12)


def test_depth_only_cuts_off(glass):
    deep = rings_of(stored(glass, "melt"), max_size=20)
    for max_size in (2, 5, 9):
        found = rings_of(stored(glass, "melt"), max_size=max_size)
        np.testing.assert_array_equal(found.unique, deep.unique[: max_size - 1])
        np.testing.assert_array_equal(found.shortest, deep.shortest[: max_size - 1])
        assert found.without_ring == pytest.approx(1 - deep.shortest[: max_size - 1].sum() / deep.bonds)
    assert deep.without_ring > deep.dead_ends / deep.bonds > 0


def test_king_finds_the_guttman_rings_and_more(glass):
    shortest, pairs = (rings_of(stored(glass), criterion=c) for c in ("guttman", "king"))
    assert set(names(shortest)) < set(names(pairs))
    np.testing.assert_array_equal(shortest.shortest, pairs.shortest)


def test_wider_boron_cutoff_adds_bonds_and_formers_are_those_of_the_cutoffs(glass):
    melt = stored(glass, "melt")
    narrow, wide, alone = (rings_of(melt, cutoffs=c | {"P-O": 1.7}) for c in ({"B-O": 1.8}, {"B-O": 2.0}, {}))
    assert wide.bonds > narrow.bonds > alone.bonds > 0
    assert wide.unique.sum() > narrow.unique.sum() > alone.unique.sum()
    settings = RingSettings(cutoffs={"B-O": 1.8, "P-O": 1.7})
    of_wide = ring_statistics(find_bonds(np.array(melt[0]), *melt[1:], {"B-O": 2.0, "P-O": 2.0, "Li-O": 2.4}), settings)
    np.testing.assert_array_equal(of_wide.shortest, narrow.shortest)
    assert alone.formers == melt[0].count("P") == narrow.formers - melt[0].count("B")


# --- another program ------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["guttman", "king"])
def test_sovapy_finds_the_same_rings_where_none_can_wind(glass, criterion):
    """Its graph is the wrapped cell, so only rings shorter than the cell compare."""
    oracle = pytest.importorskip("sovapy.computation.rings")
    symbols, fractional, cell = supercell(*stored(glass), 2)
    bonds = find_bonds(np.array(symbols), fractional, cell, RingSettings().cutoffs)
    found = ring_statistics(bonds, RingSettings(criterion=criterion))
    network = bridging_bonds(bonds, FORMERS)
    edges, atoms = np.stack([network.center, network.ligand], axis=1), np.arange(len(symbols))
    if criterion == "guttman":
        theirs = oracle.enumerate_guttman_ring(atoms, atoms, edges)
    else:
        theirs = oracle.enumerate_king_ring(atoms, atoms, edges, flag_primitive=False)
    longest = int(cell.diagonal().min() / (2 * bonds.length.max()))
    assert longest >= 9
    for rings in found.rings[: longest - 1]:
        assert {frozenset(a) for a in rings.atoms.tolist()} == {
            frozenset(map(int, ring)) for ring in theirs if len(ring) == 2 * rings.size
        }
    assert found.unique[: longest - 1].sum() > 200


# --- trajectories ---------------------------------------------------------------------------------


def test_means_over_frames(glass):
    symbols, fractional, cell = stored(glass)
    melt = np.array(glass.melt.fractional)
    species = np.array([ELEMENTS.index(s) for s in symbols])
    two = Trajectory(np.arange(2.0), np.stack([melt, fractional]), np.stack([cell, cell]), species, ELEMENTS)
    found = analyse_rings(two)
    single = [rings_of((symbols, f, cell)) for f in (melt, fractional)]
    assert (found.frames, found.atoms) == (2, 504)
    for k, size in enumerate(found.sizes):
        counts = [s.unique[k] for s in single]
        assert size == k + 2
        assert found.unique[k].value == np.mean(counts)
        assert found.unique[k].error == pytest.approx(np.std(counts, ddof=1) / np.sqrt(2))
        assert found.per_former[k].value == pytest.approx(np.mean(counts) / single[0].formers)
    assert found.mean_size.value == pytest.approx(np.mean([s.mean_size for s in single]))
    assert found.without_ring.value + sum(m.value for m in found.shortest) == pytest.approx(1)
    assert 0 < found.dead_ends.value < found.without_ring.value
    assert histogram(found.last) == histogram(single[1])


def test_what_a_structure_lacks_is_said():
    nothing = analyse_rings(frames(*lithium_oxide(), 2), RingSettings(max_size=4))
    assert "no former" in nothing.per_former[0].reason
    assert "no bridging oxygen" in nothing.without_ring.reason
    assert "no bridging oxygen" in nothing.shortest[0].reason
    assert "no ring of up to 4 formers" in nothing.mean_size.reason
    assert [m.value for m in nothing.unique] == [0, 0, 0]
    single = analyse_rings(frames(*boron_phosphate()))
    assert single.mean_size.value == 6
    assert "one frame" in single.mean_size.reason


def test_refusals():
    with pytest.raises(ConfigError, match="B-O = 0"):
        RingSettings(cutoffs={"B-O": 0.0})
    with pytest.raises(ConfigError, match="B-B must end in -O"):
        RingSettings(cutoffs={"B-B": 2.0})
    with pytest.raises(ConfigError, match="no former"):
        RingSettings(cutoffs={})
    with pytest.raises(ConfigError, match="'franzblau' is unknown; choose guttman or king"):
        RingSettings(criterion="franzblau")
    with pytest.raises(ConfigError, match="max_size = 1"):
        RingSettings(max_size=1)
    with pytest.raises(InputDataError, match="no frames"):
        analyse_rings(frames(*lithium_oxide(), 0))
    symbols, fractional, cell = boron_phosphate()
    far = fractional + 10**6 * (np.arange(len(symbols)) % 2)[:, None]
    with pytest.raises(InputDataError, match="wrap the coordinates"):
        rings_of((symbols, far, cell))


# --- speed ----------------------------------------------------------------------------------------


def test_ten_thousand_atoms_in_seconds(glass):
    symbols, fractional, cell = stored(glass)
    for structure in [
        supercell(symbols, fractional - np.floor(fractional), cell, (2, 2, 5)),
        supercell(*alpha_quartz(), (11, 12, 8)),
    ]:
        start = time.process_time()
        rings_of(structure)
        assert time.process_time() - start < CPU_SECONDS

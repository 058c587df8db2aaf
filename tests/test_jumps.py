"""Stays and hops of ions made by hand, the ring of a site by brute force, and shuffled labels."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from structures import boron_phosphate, frames, supercell
from systems import ELEMENTS, Glass
from walks import drifting, trajectory

from jaxglass.analysis.bonds import find_bonds
from jaxglass.analysis.hops import HopSettings, find_stays, hop_measure
from jaxglass.analysis.ion_path import representative_path
from jaxglass.analysis.jumps import RingJumps, p_value_of_shuffles, ring_jumps
from jaxglass.analysis.paths import Paths, make_paths
from jaxglass.analysis.ring_sites import NONE, SHARED, reference_network, ring_sizes
from jaxglass.analysis.rings import ring_statistics
from jaxglass.errors import ConfigError
from jaxglass.model.trajectory import Trajectory

SPACING = 0.1
SETTINGS = HopSettings(distance=1.5, window=1.0, reach=3.5)


def ion(stays: list[tuple[float, int]], seed: int = 0, rattle: float = 0.25) -> np.ndarray:
    """One ion that rattles (A, by component) for so many frames at each x (A) in turn, (F, 1, 3)."""
    x = np.concatenate([np.full(count, place) for place, count in stays])
    positions = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1)[:, None]
    return positions + np.random.default_rng(seed).normal(0, rattle, positions.shape)


def stays_of(positions: np.ndarray):
    ions = positions.shape[1]
    frame = np.tile(np.random.default_rng(1).uniform(0, 20, (4, 3)), (len(positions), 1, 1))
    whole = trajectory(np.concatenate([positions + 10, frame], axis=1), [0] * ions + [3] * 4, SPACING)
    return find_stays(make_paths(whole), SETTINGS)


@pytest.mark.parametrize("seed", range(5))
def test_hops_are_found_where_they_were_made(seed):
    made = [(0.0, 60), (2.5, 80), (5.0, 100), (2.5, 60)]
    found = stays_of(ion(made, seed))
    assert len(found.ion) == 4
    np.testing.assert_allclose(found.start, [0, 60, 140, 240], atol=1)
    np.testing.assert_allclose(found.site[:, 0] - 10, [0, 2.5, 5, 2.5], atol=0.15)
    np.testing.assert_allclose(found.lengths(), 2.5, atol=0.25)
    assert found.returning(SETTINGS.distance).tolist() == [False, False, True]
    assert (found.start[1:] == found.end[:-1]).all()


def test_what_is_no_hop():
    """An ion that rattles widely, moves by less than a hop, or goes away for less than the window."""
    assert len(stays_of(ion([(0.0, 400)], rattle=0.5)).hops) == 0
    assert len(stays_of(ion([(0.0, 200), (1.0, 200)])).hops) == 0
    assert len(stays_of(ion([(0.0, 200), (2.5, 4), (0.0, 200)])).hops) == 0


def test_ions_are_told_apart():
    both = np.concatenate([ion([(0.0, 100), (3.0, 100)]), ion([(8.0, 200)], 1), ion([(0.0, 50), (-3.0, 150)], 2)], 1)
    found = stays_of(both)
    assert found.ion.tolist() == [0, 0, 1, 2, 2]
    assert found.hops.tolist() == [0, 3]
    assert found.frames.sum() == 3 * 200


def test_the_measure_equals_its_definition():
    positions, window = np.random.default_rng(2).normal(size=(40, 3, 3)).cumsum(axis=0), 6
    found = hop_measure(positions, window)
    for k in range(window, 41 - window):
        a, b = positions[k - window : k], positions[k : k + window]
        first = np.mean(np.sum((a - b.mean(0)) ** 2, -1), 0)
        second = np.mean(np.sum((b - a.mean(0)) ** 2, -1), 0)
        np.testing.assert_allclose(found[k], np.sqrt(first * second), rtol=1e-9)
    assert not found[:window].any()
    assert not hop_measure(positions[:10], window).any()


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="above 0"):
        HopSettings(distance=0.0)


# --- rings ----------------------------------------------------------------------------------------


def size_twin(site: np.ndarray, rings, fractional: np.ndarray, cell: np.ndarray, reach: float) -> int:
    """The smallest ring of all rings and all of their images."""
    images = np.array(list(itertools.product(range(-3, 4), repeat=3)))
    for some in rings.rings:
        for atoms, shift in zip(some.atoms, some.shift, strict=True):
            places = (fractional[atoms] + shift + images[:, None]) @ cell
            near = np.linalg.norm(places - site, axis=2) < reach
            if near.sum(1).max() >= SHARED:
                return some.size
    return NONE


def glass_of(glass: Glass) -> Trajectory:
    species, fractional, cell = glass.glass
    return frames([ELEMENTS[s] for s in species], fractional, cell)


@pytest.mark.parametrize("reach", [2.8, 3.5])
def test_the_ring_of_a_site_by_brute_force(glass, reach):
    whole = glass_of(glass)
    fractional, cell = whole.fractional[0], whole.cell[0]
    rings = ring_statistics(find_bonds(whole.symbols, fractional, cell, {"B-O": 1.8, "P-O": 1.7}))
    network = np.flatnonzero(whole.symbols != "Li")
    sites = (np.random.default_rng(3).uniform(-1, 2, (60, 3))) @ cell
    found = ring_sizes(sites, rings, fractional, network, cell, reach)
    np.testing.assert_array_equal(found, [size_twin(site, rings, fractional, cell, reach) for site in sites])
    assert len(np.unique(found)) > 3
    moved = fractional + np.random.default_rng(4).integers(-2, 3, fractional.shape)
    again = ring_statistics(find_bonds(whole.symbols, moved, cell, {"B-O": 1.8, "P-O": 1.7}))
    np.testing.assert_array_equal(ring_sizes(sites, again, moved, network, cell, reach), found)


def crystal_with_ions(places: list[list[tuple[float, int]]]) -> Trajectory:
    """BPO4, all of whose smallest rings have the same size, and ions that go along x beside it."""
    symbols, fractional, cell = supercell(*boron_phosphate(), 3)
    edges = np.diag(cell)
    walks = np.concatenate([ion(stays, k, 0.1) for k, stays in enumerate(places)], axis=1) + edges / 2
    still = np.tile(fractional @ cell, (len(walks), 1, 1))
    still = still + np.random.default_rng(5).normal(0, 0.02, still.shape)
    whole = trajectory(np.concatenate([walks, still], axis=1), [0] * len(places), SPACING)
    species = [0] * len(places) + [ELEMENTS.index(s) for s in symbols]
    return replace(
        whole,
        fractional=(whole.fractional * 20) @ np.linalg.inv(cell),
        cell=np.tile(cell, (len(walks), 1, 1)),
        species=np.array(species),
    )


def jumps_of(whole: Trajectory) -> tuple[Paths, RingJumps]:
    paths = make_paths(whole)
    return paths, ring_jumps(paths, SETTINGS)


def test_hops_in_a_crystal_change_no_ring_size():
    paths, found = jumps_of(crystal_with_ions([[(0.0, 60), (2.6, 60), (5.2, 60)], [(4.0, 180)]]))
    assert (found.hops, found.known, found.level, found.up, found.down) == (2, 2, 2, 0, 0)
    assert (found.change, found.p_value, found.without_ring) == (0.0, 1.0, 0.0)
    assert len(found.sizes) == 1
    np.testing.assert_allclose(found.time, 2 * 180 * SPACING)
    path = representative_path(paths, found, reference_network(paths))
    assert path.atom == 0
    assert len(path.sites) == 3
    assert {"B", "P", "O"} == set(path.symbols)
    length = np.linalg.norm(path.network[path.former] - path.network[path.oxygen], axis=1)
    assert len(length) > 20
    assert length.max() < 1.8
    assert np.linalg.norm(path.network[:, None] - path.sites, axis=2).min(1).max() < 4.0


def test_a_drifting_box_changes_nothing():
    whole = crystal_with_ions([[(0.0, 60), (2.6, 60), (5.2, 60)]])
    before, after = jumps_of(whole)[1], jumps_of(drifting(whole, (0.02, -0.01, 0.03)))[1]
    np.testing.assert_allclose(after.stays.site, before.stays.site, atol=1e-9)
    np.testing.assert_array_equal(after.size, before.size)


def test_backwards_in_time_up_is_down(glass):
    """Ions that wander through a glass; the same path reversed has the hops reversed."""
    whole = glass_of(glass)
    rng = np.random.default_rng(6)
    steps = rng.normal(0, 1, (300, len(whole.species), 3)) * np.where(whole.symbols == "Li", 0.25, 0.0)[:, None]
    moving = np.cumsum(steps, axis=0) @ np.linalg.inv(whole.cell[0]) + whole.fractional
    long = replace(whole, fractional=moving, cell=np.tile(whole.cell, (300, 1, 1)), time=SPACING * np.arange(300))
    forth = jumps_of(long)[1]
    back = jumps_of(replace(long, fractional=long.fractional[::-1]))[1]
    assert forth.known > 100
    assert forth.up + forth.down + forth.level == forth.known
    assert abs(back.up - forth.down) < 0.2 * forth.down
    assert forth.change == pytest.approx(-back.change, abs=3 * forth.change_error)
    np.testing.assert_allclose(forth.rate, forth.out / forth.time)


# --- shuffled labels ------------------------------------------------------------------------------


def chains(seed: int, sizes) -> tuple[np.ndarray, np.ndarray]:
    """Two hundred ions with four stays each; `sizes` draws their rings."""
    rng = np.random.default_rng(seed)
    size = np.stack([sizes(rng, k) for k in range(4)], axis=1).ravel()
    hops = np.setdiff1d(np.arange(799), np.arange(3, 799, 4))
    known = hops[(size[hops] != NONE) & (size[hops + 1] != NONE)]
    return size, known


def test_p_values_of_random_labels_are_uniform():
    found = [
        p_value_of_shuffles(*chains(seed, lambda rng, k: rng.integers(3, 9, 200) * (rng.random(200) > 0.2)), 199)
        for seed in range(200)
    ]
    quantiles = np.quantile(found, [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(quantiles, [0.1, 0.25, 0.5, 0.75, 0.9], atol=0.12)


def test_hops_that_prefer_larger_rings_are_found():
    size, hops = chains(0, lambda rng, k: rng.integers(3, 9, 200) + k)
    assert p_value_of_shuffles(size, hops) < 0.001
    assert p_value_of_shuffles(size, hops) == p_value_of_shuffles(size, hops)

"""Voids, the crack and its surface: naive twins, slabs with exact areas, holes of known size, healed notches."""

import itertools
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay
from systems import ELEMENTS, glass_potential

from jaxglass.analysis.crack import is_separated, measure_crack
from jaxglass.analysis.periodic_graph import connected_parts
from jaxglass.analysis.surface import alpha_surface
from jaxglass.analysis.void_map import empty_centres, largest_void
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.system import make_system
from jaxglass.protocols.notch import cut_notch, supercell

TRICLINIC = np.array([[9.0, 0.3, -0.2], [2.0, 10.0, 0.4], [-1.5, 1.0, 8.0]])
A = 2.0  # A, edge of the simple cubic lattice: the largest ball between its atoms has a radius of 1.73 A


def lattice(shape: tuple[int, int, int], vacuum: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Simple cubic atoms (N, 3), fractional, and the cell; `vacuum` (A) more than an edge between top and bottom."""
    sites = np.array(list(itertools.product(*map(range, shape))), float)
    sides = A * np.array(shape) + [0, 0, vacuum]
    return sites * A / sides, np.diag(sides)


# --- periodic graphs ------------------------------------------------------------------------------

edges = st.tuples(st.integers(0, 3), st.integers(0, 3), st.tuples(*[st.integers(-1, 1)] * 3))


def walk(start: int, nodes: int, links: list) -> set:
    """Every (node, cell) reached from (start, 0): cells beyond the tree and one edge more are not needed."""
    seen, todo = {(start, (0, 0, 0))}, deque([(start, (0, 0, 0))])
    both = [*links, *((j, i, tuple(-x for x in s)) for i, j, s in links)]
    while todo:
        node, cell = todo.popleft()
        for i, j, shift in both:
            there = (j, tuple(a + b for a, b in zip(cell, shift, strict=True)))
            if i == node and there not in seen and max(map(abs, there[1])) <= 2 * nodes:
                seen.add(there)
                todo.append(there)
    return seen


@settings(max_examples=25, deadline=None)
@given(links=st.lists(edges, max_size=4))
def test_parts_equal_a_walk_through_images(links):
    i, j, shift = (np.array([e[k] for e in links], int) for k in range(3))
    found = connected_parts(4, i, j, shift.reshape(-1, 3))
    for node in range(4):
        reached = walk(node, 4, links)
        assert {n for n, _ in reached} == set(np.flatnonzero(found.part == found.part[node]).tolist())
        own = np.array([cell for n, cell in reached if n == node])
        np.testing.assert_array_equal(found.winds[found.part[node]], own.any(axis=0))


def test_a_loop_that_closes_does_not_wind():
    ring = [(0, 1, (1, 0, 0)), (1, 2, (0, 0, -1)), (2, 0, (-1, 0, 1))]
    i, j, shift = (np.array([e[k] for e in ring]) for k in range(3))
    assert connected_parts(3, i, j, shift).winds.tolist() == [[False] * 3]
    shift[2] = -1, 0, 2
    assert connected_parts(3, i, j, shift).winds.tolist() == [[False, False, True]]


# --- voids ----------------------------------------------------------------------------------------


def distances(points: np.ndarray, atoms: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Distance (A) from each of `points` to the nearest image of `atoms`, both fractional, by brute force."""
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    vectors = points[:, None, None] - atoms[None, :, None] - shifts
    return np.linalg.norm(vectors @ cell, axis=-1).min(axis=(1, 2))


@pytest.mark.parametrize("probe", [1.6, 2.4])
@pytest.mark.parametrize("cell", [np.diag([7.0, 8.0, 9.5]), TRICLINIC])
def test_voids_equal_brute_force(cell, probe):
    rng = np.random.default_rng(4)
    atoms = rng.random((12, 3))
    shape = np.array([12, 15, 10])
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3) / shape
    empty = empty_centres(atoms + rng.integers(-2, 3, atoms.shape), cell, shape, probe)
    nearest = distances(points, atoms - np.floor(atoms), cell)
    np.testing.assert_array_equal(empty.ravel(), nearest >= probe)
    assert 20 < empty.sum() < empty.size - 20

    spacing = float(np.linalg.norm(cell, axis=1).max() / 8)
    void = largest_void(atoms, cell, probe, spacing)
    grid = np.array(void.covered.shape)
    steps = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), -1).reshape(-1, 3)
    centres = steps[empty_centres(atoms, cell, grid, probe).ravel()]
    labels = flood(centres, grid)
    largest = centres[labels == np.bincount(labels).argmax()]
    covered = distances(steps / grid, largest / grid, cell) <= probe * (1 + 1e-12)
    np.testing.assert_array_equal(void.covered.ravel(), covered)


def flood(centres: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Label of every centre, walking from neighbour to neighbour around the cell."""
    number = {tuple(c): k for k, c in enumerate(centres.tolist())}
    labels = np.full(len(centres), -1)
    for first in range(len(centres)):
        todo = [first] if labels[first] < 0 else []
        while todo:
            k = todo.pop()
            labels[k] = first
            for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)):
                near = number.get(tuple(((centres[k] + step) % shape).tolist()))
                if near is not None and labels[near] < 0:
                    todo.append(near)
    return labels


def test_a_dense_crystal_has_no_void():
    found = measure_crack(*lattice((4, 5, 6)))
    assert (found.width, found.opening, found.volume, found.open_area) == (0, 0, 0, 0)
    assert found.ligament == 8 * 10
    assert found.healed(5.0)


# --- a separated slab -----------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.37])
@pytest.mark.parametrize("vacuum", [8.0, 21.3])
def test_a_slab_is_one_face(shift, vacuum):
    """From wall to wall the gap is an edge longer than the vacuum, and a ball dips between the atoms of a wall."""
    atoms, cell = lattice((4, 5, 6), vacuum)
    atoms = atoms + [0, 0, shift]
    found = measure_crack(atoms, cell, spacing=0.25)
    assert found.open_area == 8 * 10
    assert (found.ligament, found.width) == (0, 10)
    assert found.spans_front
    assert not found.healed(10.0)
    gap, dip = vacuum + A, 2 - np.sqrt(2)
    assert gap <= found.opening <= gap + 2 * dip + 0.25
    assert 80 * gap <= found.volume <= 80 * found.opening
    assert is_separated(atoms, cell)
    assert alpha_surface(atoms, cell).area == pytest.approx(2 * 80, rel=1e-12)
    assert alpha_surface(atoms, cell).one_face == pytest.approx(80, rel=1e-12)


def test_a_step_adds_its_riser():
    """Half of the top one layer higher: two steps along x, each as long as the cell and half... of an edge high."""
    atoms, cell = lattice((6, 8, 6), 20.0)
    flat = alpha_surface(atoms, cell, 2.0).area
    higher = atoms[(atoms[:, 2] == 0) & (atoms[:, 1] < 0.5)] - [0, 0, A / cell[2, 2]]
    stepped = alpha_surface(np.concatenate([atoms, higher]), cell, 2.0).area
    assert flat == pytest.approx(2 * 12 * 16, rel=1e-12)
    slant = 12 * A * (np.sqrt(2) - 1)
    assert stepped - flat == pytest.approx(2 * slant, rel=1e-9)


@pytest.mark.parametrize("stretch", [1.0, 1.3])
def test_surface_equals_a_plain_triangulation(glass, stretch):
    """27 copies, Delaunay by qhull, circumradii by hand."""
    species, fractional, cell = glass.glass
    atoms = np.asarray(fractional) % 1.0
    atoms = atoms[np.abs(atoms[:, 2] - 0.5) > 0.12]
    cell = cell * np.array([1, 1, stretch])
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
    places = ((atoms[None] + shifts[:, None]).reshape(-1, 3)) @ cell
    tetrahedra = Delaunay(places).simplices
    corners = places[tetrahedra]
    sides = corners[:, 1:] - corners[:, :1]
    good = np.abs(np.linalg.det(sides)) > 1e-9
    centres = np.linalg.solve(2 * sides[good], (sides[good] ** 2).sum(-1)[..., None])[..., 0]
    solid = tetrahedra[good][np.linalg.norm(centres, axis=1) < 3.0]
    faces = np.sort(np.concatenate([np.delete(solid, k, axis=1) for k in range(4)]), axis=1)
    faces, count = np.unique(faces, axis=0, return_counts=True)
    a, b, c = np.moveaxis(places[faces[count == 1]], 1, 0)
    middle = (a + b + c) / 3 @ np.linalg.inv(cell)
    home = np.all((middle >= 0) & (middle < 1), axis=1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)[home].sum() / 2
    found = alpha_surface(atoms + np.random.default_rng(0).integers(-2, 3, atoms.shape), cell)
    assert found.area == pytest.approx(area, rel=1e-9)
    assert area > 2 * cell[0, 0] * cell[1, 1]


def test_a_whole_crystal_has_no_surface():
    assert alpha_surface(*lattice((4, 4, 4))).area == 0


# --- separation -----------------------------------------------------------------------------------


def bridge(step: float, lean: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A slab and a row of atoms through its gap of 14 A, `step` (A) apart, that leans along x."""
    atoms, cell = lattice((4, 5, 6), 12.0)
    top = (6 - 1) * A
    heights = np.arange(top + step, 24.0 - 1e-9, step)
    row = np.stack([lean * (heights - top), 0 * heights, heights], axis=1) / np.diag(cell)
    return np.concatenate([atoms, row]), cell


@pytest.mark.parametrize("lean", [0.0, 0.6])
def test_one_row_of_atoms_holds_a_slab_together(lean):
    atoms, cell = bridge(2.8, lean)
    assert len(atoms) == 120 + 4
    assert not is_separated(atoms, cell)
    assert is_separated(atoms, cell, reach=2.7)
    assert is_separated(np.delete(atoms, 122, axis=0), cell)
    moved = atoms + np.random.default_rng(0).integers(-2, 3, atoms.shape)
    assert not is_separated(moved, cell)
    assert is_separated(np.delete(moved, 122, axis=0), cell)


def test_a_screw_holds_together():
    """A path that comes back one cell further along x and z still leads around along z."""
    line = np.arange(10)[:, None] / 10 * [1.0, 0.0, 1.0]
    assert not is_separated(line, 25.0 * np.eye(3))
    assert is_separated(line * [1, 1, 0], 25.0 * np.eye(3))


# --- holes ----------------------------------------------------------------------------------------


def drilled(width: float, height: float, plug: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A lattice with an elliptical hole along x, the first `plug` layers of which are left in."""
    atoms, cell = lattice((6, 20, 12))
    _, y, z = ((atoms - 0.5) @ cell).T
    hole = (2 * y / width) ** 2 + (2 * z / height) ** 2 < 1
    return atoms[~hole | (atoms[:, 0] < (plug - 0.5) / 6)], cell


@pytest.mark.parametrize("shift", [(0, 0, 0), (0.3, 0.5, 0.5), (-2.5, 1.25, 0.75)])
def test_a_hole_has_its_size_wherever_it_is(shift):
    """Atoms are left up to an edge beyond the ellipse, so the hole is up to two edges larger."""
    atoms, cell = drilled(20.0, 8.0)
    found = measure_crack(atoms + shift, cell)
    assert found.spans_front
    assert 20 <= found.width <= 20 + 2 * A + 0.5
    assert 8 <= found.opening <= 8 + 2 * A + 0.5
    assert found.open_area == pytest.approx(12 * found.width, rel=0.05)
    assert found.open_area + found.ligament == pytest.approx(12 * 40)
    assert np.pi / 4 * 20 * 8 * 12 < found.volume < np.pi / 4 * 24 * 12 * 12
    assert not found.healed(20.0)
    assert not is_separated(atoms, cell)


def test_healed_notches():
    """Closed by two layers somewhere along its front; a third of its width; neither."""
    plugged = measure_crack(*drilled(20.0, 8.0, plug=2))
    assert not plugged.spans_front
    assert plugged.healed(20.0)
    narrow = measure_crack(*drilled(6.0, 8.0))
    assert narrow.spans_front
    assert narrow.healed(20.0)
    assert not narrow.healed(20.0, share=0.2)


def test_the_notch_of_a_glass_is_found(glass):
    species, fractional, cell = glass.glass
    system = supercell(make_system([ELEMENTS[s] for s in species], fractional, cell), (1, 2, 2))
    whole = measure_crack(system.fractional, system.cell)
    assert not whole.spans_front
    assert whole.open_area < 0.1 * 18.0 * 36.7
    notched = cut_notch(system, glass_potential())
    found = measure_crack(notched.system.fractional, notched.system.cell)
    assert found.spans_front
    assert notched.width < found.width < notched.width + 8
    assert whole.healed(notched.width)
    assert not found.healed(notched.width)
    assert not is_separated(notched.system.fractional, np.asarray(notched.system.cell))


def test_refusals():
    atoms, cell = lattice((4, 4, 4))
    for probe, spacing in ((0.0, 0.5), (0.3, 0.5), (2.0, 0.0), (np.nan, 0.5)):
        with pytest.raises(ConfigError, match="spacing"):
            measure_crack(atoms, cell, probe, spacing)
    with pytest.raises(ConfigError, match="probe = 0 A must be above 0"):
        alpha_surface(atoms, cell, 0)
    with pytest.raises(InputDataError, match="not finite"):
        measure_crack(atoms * np.nan, cell)
    with pytest.raises(InputDataError, match="too small"):
        alpha_surface(*lattice((2, 2, 2)))

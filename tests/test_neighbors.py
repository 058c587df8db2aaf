"""Neighbour lists against brute force, and every way in which they can be too short."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from systems import compiled, lattice

from jaxglass.engine import neighbors as nb
from jaxglass.engine.mesh import Mesh
from jaxglass.engine.plan import WINDOW, Lists, Plan
from jaxglass.model.pair_list import pair_list

REACH = 4.0  # A
N = 400
CELLS = {"orthorhombic": lattice("orthorhombic", 22.0), "triclinic": lattice("triclinic", 22.0)}

build = compiled(nb.build, static_argnums=0)


def plan_of(kind: str, grid: int, precision: str = "mixed", rows: int = 96, windows: int = 13) -> Plan:
    """A plan with `grid` cells per edge, made by hand."""
    lists = Lists((grid,) * 3, windows if grid == 1 else windows, rows)
    mesh = Mesh((12, 12, 12), 4, 0.4)
    return Plan(REACH, REACH, mesh, lists, kind == "orthorhombic", precision, 1e-5, 1e9)


def atoms(seed: int = 0) -> np.ndarray:
    """Random fractional coordinates, many outside the cell."""
    return np.random.default_rng(seed).uniform(-1.5, 2.5, (N, 3))


def pairs(neighbors: nb.Neighbors) -> set[tuple[int, int]]:
    """Every (i, j) in a list."""
    index = np.asarray(neighbors.columns)
    rows, i = np.nonzero(index != np.arange(index.shape[1]))
    assert np.all(rows < int(neighbors.rows.max()))
    return set(zip(i.tolist(), index[rows, i].tolist(), strict=True))


def brute(fractional: np.ndarray, cell: np.ndarray, reach: float) -> set[tuple[int, int]]:
    """The same from `pair_list`, both ways round."""
    found = pair_list(fractional, cell, reach)
    half = zip(found.i.tolist(), found.j.tolist(), strict=True)
    return {pair for i, j in half for pair in ((i, j), (j, i))}


@pytest.mark.parametrize(
    ("kind", "grid", "precision"),
    [
        ("orthorhombic", 1, "mixed"),
        ("orthorhombic", 7, "float64"),
        ("orthorhombic", 9, "mixed"),
        ("triclinic", 1, "float64"),
        ("triclinic", 7, "mixed"),
        ("triclinic", 9, "float64"),
    ],
)
def test_lists_hold_exactly_the_pairs_of_brute_force(kind, grid, precision):
    cell, plan = CELLS[kind], plan_of(kind, grid, precision)
    for seed, reach in enumerate((4.3, 5.0, 5.0)):
        fractional = atoms(seed)
        near = build(plan, fractional, cell, jnp.asarray(reach))
        assert pairs(near) == brute(fractional, cell, reach)
        assert int(near.needed) == int(near.rows.max()) <= plan.lists.rows
        assert int(near.run) <= WINDOW * plan.lists.windows
        assert not bool(near.coarse)


@pytest.mark.parametrize("grid", [1, 7])
def test_every_pair_belongs_to_one_atom_which_lists_it_first(grid):
    fractional, cell = atoms(), CELLS["triclinic"]
    near = build(plan_of("triclinic", grid), fractional, cell, jnp.asarray(5.0))
    index, owned = np.asarray(near.columns), np.asarray(near.owned).ravel()[:N]
    mine = [(i, int(j)) for i in range(N) for j in index[: owned[i], i]]
    assert {tuple(sorted(pair)) for pair in mine} == {
        pair for pair in brute(fractional, cell, 5.0) if pair[0] < pair[1]
    }
    assert len(set(mine)) == len(mine) == len(brute(fractional, cell, 5.0)) // 2
    assert owned.max() < 0.8 * int(near.needed)


def test_uneven_grids_are_searched_only_where_they_are_fine_enough():
    cell = CELLS["orthorhombic"]
    plan = plan_of("orthorhombic", 7)
    for grid in ((7, 9, 1), (1, 7, 10), (8, 1, 7)):
        uneven = replace(plan, lists=replace(plan.lists, grid=grid))
        assert pairs(build(uneven, atoms(), cell, jnp.asarray(5.0))) == brute(atoms(), cell, 5.0)


def test_overflow_is_reported():
    cell, fractional = CELLS["triclinic"], atoms()
    longest = int(build(plan_of("triclinic", 7), fractional, cell, jnp.asarray(5.0)).needed)
    short = build(plan_of("triclinic", 7, rows=longest - 3), fractional, cell, jnp.asarray(5.0))
    assert int(short.needed) == longest > short.columns.shape[0]
    crowd = 0.2 * np.random.default_rng(0).random((N, 3))  # more atoms in one run of cells than a window holds
    narrow = build(plan_of("orthorhombic", 7, windows=1, rows=399), crowd, cell, jnp.asarray(4.0))
    assert int(narrow.run) > WINDOW


@pytest.mark.parametrize("corner", [0.0, 0.4, 0.85])
def test_atoms_may_crowd_anywhere(corner):
    """All in one corner of the cell, most of it a vacuum: near an end of the columns every atom is seen twice."""
    cell, fractional = CELLS["orthorhombic"], corner + 0.3 * np.random.default_rng(0).random((N, 3))
    crowded = build(plan_of("orthorhombic", 8, rows=320, windows=13), fractional, cell, jnp.asarray(4.0))
    assert pairs(crowded) == brute(fractional, cell, 4.0)


def test_lists_of_many_blocks_are_complete(monkeypatch):
    monkeypatch.setattr(nb, "BLOCK", 64)
    plan, cell = plan_of("triclinic", 7, rows=97), CELLS["triclinic"]
    assert pairs(build(plan, atoms(), cell, jnp.asarray(5.0))) == brute(atoms(), cell, 5.0)


@pytest.mark.parametrize("kind", CELLS)
def test_a_grid_too_coarse_for_the_reach_is_reported(kind):
    cell = CELLS[kind]
    width = float((1 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min())
    at_limit = width / 8 * 3
    fine, coarse = (build(plan_of(kind, 8), atoms(), cell, jnp.asarray(at_limit + d)) for d in (-1e-6, 1e-6))
    assert not bool(fine.coarse)
    assert bool(coarse.coarse)


@pytest.mark.parametrize("kind", CELLS)
def test_a_list_that_misses_a_pair_is_never_called_valid(kind):
    cell, plan, rng = CELLS[kind], plan_of(kind, 7), np.random.default_rng(4)
    fractional = atoms()
    near = build(plan, fractional, cell, jnp.asarray(REACH + 0.8))
    known = pairs(near)
    missed = valid = 0
    for _ in range(150):
        strain = rng.uniform(0, 0.12) * rng.normal(size=(3, 3)) * rng.integers(0, 2, (3, 3))
        moved_cell = cell @ (np.eye(3) + strain)
        moved = fractional + rng.uniform(0, 0.5) * rng.normal(size=(N, 3)) @ np.linalg.inv(cell)
        excess = float(nb.excess(near, moved, moved_cell, REACH))
        complete = brute(moved, moved_cell, REACH) <= known
        assert complete or excess > 0
        missed, valid = missed + (not complete), valid + (excess <= 0)
    assert min(missed - 20, valid - 5) > 0  # both answers were tested


@pytest.mark.parametrize("factor", [0.9, 0.95])
def test_a_shrinking_cell_invalidates_the_list(factor):
    cell, fractional = CELLS["orthorhombic"], atoms()
    near = build(plan_of("orthorhombic", 7), fractional, cell, jnp.asarray(REACH + 0.1))
    assert float(nb.excess(near, fractional, cell, REACH)) == pytest.approx(-0.1)
    assert float(nb.excess(near, fractional, cell * factor, REACH)) > 0


def test_lattice_translations_of_the_whole_system_are_not_hidden_moves():
    cell, fractional = CELLS["orthorhombic"], atoms()
    near = build(plan_of("orthorhombic", 7), fractional, cell, jnp.asarray(REACH + 0.5))
    assert float(nb.excess(near, fractional + [0.0, 0.0, 0.02], cell, REACH)) > -0.5

"""Systems the tests share: crystals with known Madelung constants, random ions, a small glass.

Parameters are those of Deng & Du with A_BO = 13500 eV (tests/data/crystals.yaml uses the same value).
Indices: i atoms; a, b Cartesian.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import erfc

from jaxglass.engine import forces as hot
from jaxglass.engine import neighbors as nb
from jaxglass.engine.energy import Evaluation
from jaxglass.engine.plan import CHUNK, WINDOW, Plan, make_plan
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential, make_potential
from jaxglass.model.system import System
from jaxglass.response import minimum
from jaxglass.response.minimum import Rest
from jaxglass.response.preconditioner import blocks
from jaxglass.units import COULOMB

SKIN = 0.4  # A, of every list made here

# for what compiles longer than it runs: a third of the compiler's time, and programs three times as slow
QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
compiled = partial(jax.jit, compiler_options=QUICK)
AS_USERS = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}  # what XLA does by itself

ELEMENTS = ("Li", "B", "P", "O")
CHARGES = {"Li": 0.6, "B": 1.8, "P": 3.0, "O": -1.2}
BUCKINGHAM = {
    "O-O": {"A": 2029.2204, "rho": 0.343645, "C": 192.58},
    "P-O": {"A": 26655.472, "rho": 0.181968, "C": 86.856},
    "B-O": {"A": 13500.0, "rho": 0.171271, "C": 28.5},
    "Li-O": {"A": 41051.938, "rho": 0.151160, "C": 0.0},
}

LAMMPS_RMS = 1e-5 * COULOMB  # eV/A, what LAMMPS `pppm 1e-5` asks for: 1.44e-4
HOT_RMS = 1.5e-4  # eV/A, what the hot path must reach


class Structure(NamedTuple):
    """Atoms in a cell: species (N,) sorted, fractional (N, 3), cell (3, 3) in A."""

    species: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray


class Crystal(NamedTuple):
    """Point charges and their electrostatic energy in units of k_e / (nearest distance), per cell."""

    charges: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray
    nearest: float
    energy: float
    formulas: int


def glass_potential(cutoff: float = 8.0, coulomb_constant: float = COULOMB, **charges: float) -> Potential:
    """The Li-B-P-O potential, optionally with some charges replaced."""
    return make_potential(ELEMENTS, CHARGES | charges, BUCKINGHAM, cutoff, coulomb_constant)


def ionic(charges: np.ndarray) -> tuple[Potential, np.ndarray]:
    """A pure Coulomb potential with k_e = 1 one species per distinct charge; the species of each ion."""
    values, species = np.unique(charges, return_inverse=True)
    size = len(values)
    nothing = jnp.zeros((size, size))
    return (
        Potential(
            charges=jnp.asarray(values),
            A=nothing,
            rho=nothing + 0.3,
            C=nothing,
            coulomb_constant=jnp.asarray(1.0),
            elements=tuple(f"X{k}" for k in range(size)),
            cutoff=3.0,
        ),
        species,
    )


def crystal(name: str) -> Crystal:
    """NaCl, CsCl, ZnS (zinc blende) or CaF2; Madelung constants of reliability.md S1, per formula unit."""
    fcc = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    quarter = np.array([1, 1, 1]) / 4
    a = 5.6
    cations, anions, charge, nearest, madelung = {
        "NaCl": (fcc, fcc + [0.5, 0, 0], 1.0, a / 2, 1.747564594633182),
        "CsCl": (np.zeros((1, 3)), np.full((1, 3), 0.5), 1.0, a * np.sqrt(3) / 2, 1.762674773070988),
        "ZnS": (fcc, fcc + quarter, 1.0, a * np.sqrt(3) / 4, 1.638055053388790),
        "CaF2": (fcc, np.concatenate([fcc + quarter, fcc - quarter]), 2.0, a * np.sqrt(3) / 4, 5.03878487985),
    }[name]
    charges = np.concatenate(
        [np.full(len(cations), charge), np.full(len(anions), -charge * len(cations) / len(anions))]
    )
    fractional = np.concatenate([cations, anions])
    return Crystal(charges, fractional, a * np.eye(3), nearest, -madelung * len(cations), len(cations))


def lattice(kind: str, edge: float = 9.0) -> np.ndarray:
    """A cell by name, rows in A."""
    return (
        edge
        * {
            "cubic": np.eye(3),
            "orthorhombic": np.diag([1.0, 1.3, 0.8]),
            "1:2:2": np.diag([0.7, 1.4, 1.4]),
            "1:1.01:1": np.diag([1.0, 1.01, 1.0]),
            "triclinic": np.array([[1.0, 0.05, -0.1], [0.2, 1.1, 0.07], [-0.15, 0.25, 0.9]]),
            "slab": np.diag([1.0, 1.2, 1.9]),
        }[kind]
    )


def random_ions(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Neutral charges (N,) and fractional coordinates (N, 3) without close pairs: a jittered lattice."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(count ** (1 / 3)))
    sites = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3)
    fractional = (sites[rng.permutation(side**3)[:count]] + rng.uniform(-0.25, 0.25, (count, 3))) / side
    charges = rng.choice([0.5, 1.0, -1.2, 2.0], count)
    return charges - charges.mean(), fractional


def random_atoms(cell: np.ndarray, cutoff: float = 8.0, count: int = 64, seed: int = 0) -> tuple[Potential, Structure]:
    """Li, B, P, O on a jittered lattice, some outside the cell: strong forces, every pair present."""
    _, fractional = random_ions(count, seed)
    species = np.sort(np.random.default_rng(seed).choice(4, count, p=[0.16, 0.12, 0.12, 0.6]))
    species[:4], fractional[0] = np.sort(species[:4]), fractional[0] + [1.0, -2.0, 0.0]
    return glass_potential(cutoff), Structure(np.sort(species), fractional, cell)


def within(what: str, value: float, limit: float) -> None:
    """Assert |value| < limit; `pytest -rP` lists the values."""
    print(f"{what}: {abs(value):.1e} (limit {limit:.1e})")
    assert abs(value) < limit, f"{what}: {abs(value):.3e} is not below {limit:.1e}"


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative L2 difference."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def rms(difference: np.ndarray) -> float:
    """Root mean square of the length of (N, 3) vectors."""
    return float(np.sqrt((difference**2).sum(1).mean()))


def gap_cutoff(structure: Structure, below: float) -> float:
    """A cutoff just under `below` (A), in a gap of the pair distances: finite differences cross no step."""
    vectors = pair_list(structure.fractional, structure.cell, below).vectors(structure.fractional, structure.cell)
    r = np.sort(np.linalg.norm(vectors, axis=1))[-1000:]
    widest = int(np.argmax(np.diff(r)))
    return float((r[widest] + r[widest + 1]) / 2)


def strained(cell: np.ndarray, a: int, b: int, size: float) -> np.ndarray:
    """`cell` after a symmetric strain with eps_ab = eps_ba = size."""
    strain = np.zeros((3, 3))
    strain[a, b] += size / 2
    strain[b, a] += size / 2
    return cell @ (np.eye(3) + strain)


def strain_differences(energy: Callable[[np.ndarray], float], cell: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """dE/d strain (3, 3) from six central differences of `energy(cell)`."""
    found = np.zeros((3, 3))
    for a, b in zip(*np.triu_indices(3), strict=True):
        found[a, b] = (energy(strained(cell, a, b, h)) - energy(strained(cell, a, b, -h))) / (2 * h)
    return np.triu(found, 1).T + found


def force_differences(
    energy: Callable[[np.ndarray], float], fractional: np.ndarray, cell: np.ndarray, h: float = 1e-4
) -> np.ndarray:
    """-dE/d position (N, 3) from central differences of `energy(fractional)`."""
    found, step = np.zeros_like(fractional), h * np.linalg.inv(cell)
    for i in range(len(fractional)):
        for a in range(3):
            move = np.zeros_like(fractional)
            move[i] = step[a]
            found[i, a] = -(energy(fractional + move) - energy(fractional - move)) / (2 * h)
    return found


def screened_forces(
    charges: np.ndarray, fractional: np.ndarray, cell: np.ndarray, alpha: float, cutoff: float
) -> np.ndarray:
    """Naive real-space part of the Ewald sum, k_e = COULOMB: forces (N, 3) in eV/A."""
    pairs = pair_list(fractional, cell, cutoff)
    vector = pairs.vectors(fractional, cell)
    r = np.linalg.norm(vector, axis=1)
    x = alpha * r
    size = (
        COULOMB
        * charges[pairs.i]
        * charges[pairs.j]
        * (erfc(x) / r + 2 * alpha / np.sqrt(np.pi) * np.exp(-x * x))
        / r**2
    )
    forces = np.zeros_like(fractional)
    np.add.at(forces, pairs.j, size[:, None] * vector)
    np.add.at(forces, pairs.i, -size[:, None] * vector)
    return forces


def plan_for(potential: Potential, structure: Structure, **options) -> Plan:
    """`make_plan` for a structure, with lists as long as its densest spot needs."""
    plan = make_plan(structure.cell, np.asarray(potential.charges)[structure.species], potential.cutoff, **options)

    def rows(reach: float) -> int:
        found = pair_list(structure.fractional, structure.cell, reach)
        return int(np.bincount(np.concatenate([found.i, found.j]), minlength=1).max()) + CHUNK

    return replace(plan, lists=replace(plan.lists, rows=rows(plan.reach + SKIN), windows=3 * plan.lists.windows))


def hot_path(plan: Plan, potential: Potential, structure: Structure) -> Evaluation:
    """Energy, forces and stress from lists, pair kernel and mesh, as dynamics computes them."""
    where = tuple(jnp.asarray(x) for x in structure)
    near = neighbors(plan, *where[1:])
    assert int(near.needed) <= plan.lists.rows
    assert int(near.run) <= WINDOW * plan.lists.windows
    forces, strain_derivative = _forces(plan, potential, *where, near)
    energy = _energy(plan, potential, *where, near).energy
    return Evaluation(
        float(energy), np.asarray(forces), np.asarray(strain_derivative) / abs(np.linalg.det(structure.cell))
    )


_build = compiled(nb.build, static_argnums=0)
_energy = compiled(hot.energy, static_argnums=0)
_forces = compiled(partial(hot.forces, derivatives=True), static_argnums=0)


def nearly_at_rest(plan: Plan, potential: Potential, system: System) -> Rest:
    """A start for Newton's method alone: what was kept of a glass at rest."""
    plan, near = nb.complete(plan, system.fractional, system.cell, plan.reach + minimum.SKIN)
    energy, force, taken = jnp.zeros(()), jnp.asarray(jnp.inf), jnp.asarray(0)
    return Rest(potential, system, near, force, energy, taken, blocks(plan, potential, system, near), plan)


def neighbors(plan: Plan, fractional: jax.Array, cell: jax.Array) -> nb.Neighbors:
    """The list with the skin that `plan_for` has room for."""
    return _build(plan, fractional, cell, jnp.asarray(plan.reach + SKIN))


class Glass(NamedTuple):
    """The same 504 atoms as a melt at 3000 K and as a fast-quenched glass at 300 K."""

    melt: Structure
    glass: Structure


def stored_glass() -> Glass:
    """40LiBP, 504 atoms in 18.0 x 18.4 x 17.6 A (2.27 g/cm3): lattice -> 3000 K -> 300 K in 1.5 ps, NVT.

    Kept as a file: melts are chaotic, so one made afresh would be another whenever the engine rounds differently.
    """
    with np.load(Path(__file__).parent / "data" / "glass.npz") as kept:
        return Glass(*(Structure(kept["species"], kept[name], kept["cell"]) for name in ("melt", "glass")))


def glass_cells(made: Glass, seed: int = 1) -> dict[str, Structure]:
    """Eight cells of 504 atoms: what a run meets, from the melt to a crack in a slab."""
    species, melt, cell = made.melt
    glass = made.glass.fractional
    rng = np.random.default_rng(seed)
    shear = np.array([[1, 0, 0], [0.08, 1, 0], [0.1, -0.05, 1]])
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    home = glass - np.floor(glass)
    cells = {
        "glass": (glass, cell),
        "melt": (melt, cell),
        "stretched": (glass, cell @ np.diag([1, 1, 1.1])),
        "sheared": (glass, cell @ shear),
        "collisions, sheared and rotated": (
            melt + rng.normal(0, 0.01, melt.shape),
            cell @ shear.T @ rotation,
        ),
        "slab with vacuum": (home / [1, 1, 1.6], cell @ np.diag([1, 1, 1.6])),
        "hot, atoms far outside": (
            glass + rng.integers(-3, 4, glass.shape) + rng.normal(0, 0.006, glass.shape),
            cell,
        ),
        "cracked": ((home + [0, 0, 0.25] * (home > 0.5)) / [1, 1, 1.25], cell @ np.diag([1, 1, 1.25])),
    }
    return {name: Structure(species, *where) for name, where in cells.items()}

"""Crystals that the potential has never seen: the cell at rest at zero pressure beside the measured one.

Structures, sources and what is uncertain in them: `tests/data/crystals.yaml`. Cell and atoms are relaxed by ASE (BFGS)
with energies, forces and stresses of jaxglass, exact Coulomb sums, the truncated cutoff of every other run. 0 K, so a
per cent of the volume is thermal expansion.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

DATA = Path(__file__).parents[1] / "tests" / "data"
LARGEST_FORCE, STEPS = 5e-3, 400  # eV/A, of BFGS; forces jump where a pair crosses the cutoff
BONDS = {"P-O": 1.9, "B-O": 2.0, "Li-O": 2.5}  # A: shells of crystals
RELATIVE = 0.004  # half of the change of the edge that gives the bulk modulus


@dataclass(frozen=True)
class Crystal:
    """Changes in per cent against the measured cell; mean bonds (A) and boron coordination, measured and relaxed.

    `measured_bonds` are empty where the coordinates are uncertain (`status`).
    """

    name: str
    a_bo: float | None
    rest: bool
    volume: float
    edges: tuple[float, float, float]
    angle: float
    bonds: dict[str, float]
    measured_bonds: dict[str, float]
    boron: float | None
    status: str


def relaxed(name: str, a_bo: float | str = "c3", cutoff: float = 8.0) -> Crystal:
    """The crystal `name` of crystals.yaml at rest."""
    from jaxglass.evaluate import composition_of

    atoms = structure(name, a_bo, cutoff)
    about, before = described()[name], atoms.copy()
    rest = come_to_rest(atoms)
    old, new = before.cell.cellpar(), atoms.cell.cellpar()
    known = about["status"] == "exact"
    return Crystal(
        name,
        repulsion(composition_of(atoms.get_chemical_symbols()), a_bo),
        rest,
        100 * float(atoms.get_volume() / before.get_volume() - 1),
        tuple((100 * (new[:3] / old[:3] - 1)).tolist()),
        float(np.abs(new[3:] - old[3:]).max()),
        bonds(atoms),
        bonds(before) if known else {},
        coordination(atoms),
        about["status"],
    )


def come_to_rest(atoms) -> bool:
    """Relax atoms and cell at zero pressure, in place; whether it was reached."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    return bool(BFGS(FrechetCellFilter(atoms), logfile=None, maxstep=0.05).run(LARGEST_FORCE, STEPS))


def structure(name: str, a_bo: float | str = "c3", cutoff: float = 8.0):
    """ASE atoms of a crystal, with their calculator."""
    from ase import Atoms

    from jaxglass.calculator import GlassCalculator

    found = json.loads((DATA / "structures" / f"{name}.json").read_text())
    atoms = Atoms(found["symbols"], cell=found["cell"], scaled_positions=found["frac"], pbc=True)
    atoms.calc = GlassCalculator(a_bo=a_bo, cutoff=cutoff, coulomb="ewald")
    return atoms


def bulk_modulus(name: str) -> float:
    """K (GPa) of a crystal whose atoms sit where symmetry puts them, from pressures around the relaxed cell."""
    from jaxglass.units import GPA

    atoms = structure(name)
    come_to_rest(atoms)
    cell, pressure = atoms.cell.array.copy(), []
    for change in (-RELATIVE, RELATIVE):
        atoms.set_cell(cell * (1 + change), scale_atoms=True)
        pressure.append(-atoms.get_stress()[:3].mean() * GPA)
    return float(-(pressure[1] - pressure[0]) / (6 * RELATIVE))


def described() -> dict[str, dict]:
    """Entries of crystals.yaml that have coordinates."""
    entries = yaml.safe_load((DATA / "crystals.yaml").read_text())
    return {name: entry for name, entry in entries.items() if isinstance(entry, dict) and "file" in entry}


def bonds(atoms) -> dict[str, float]:
    """Mean length (A) of every kind of bond there is."""
    return {pair: float(np.mean(lengths)) for pair, lengths in _lengths(atoms).items() if len(lengths)}


def coordination(atoms) -> float | None:
    """Mean oxygens around boron."""
    boron = atoms.symbols.count("B")
    return len(_lengths(atoms)["B-O"]) / boron if boron else None


def _lengths(atoms) -> dict[str, np.ndarray]:
    from ase.neighborlist import neighbor_list

    symbols = np.array(atoms.get_chemical_symbols())
    i, j, d = neighbor_list("ijd", atoms, max(BONDS.values()))
    found = {}
    for pair, cutoff in BONDS.items():
        a, b = pair.split("-")
        found[pair] = d[(symbols[i] == a) & (symbols[j] == b) & (d < cutoff)]
    return found


def repulsion(counts: Mapping[str, int], a_bo: float | str = "c3") -> float | None:
    """A_BO (eV) in force for atoms of each element, None without boron."""
    from jaxglass.parameters import default_settings, load_parameters

    boron = load_parameters(default_settings() | {"a_bo": a_bo}, tuple(counts), counts).boron
    return None if boron is None else boron.value

"""task=evaluate: energy, forces and stress of a structure file; also the ASE calculator's engine."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxglass import units
from jaxglass.config import Config
from jaxglass.engine.energy import Evaluation, evaluate
from jaxglass.engine.plan import make_plan
from jaxglass.errors import InputDataError
from jaxglass.model.elements import element_order
from jaxglass.parameters import Parameters, boron_entry, check_neutral, load_parameters

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))  # xx yy zz yz xz xy


def evaluate_atoms(
    symbols: Sequence[str],
    fractional: np.ndarray,
    cell: np.ndarray,
    parameters: Parameters,
    coulomb: str,
    accuracy: float = 1e-5,
) -> Evaluation:
    """Energy, forces and stress in any periodic cell, images summed; `coulomb` is ewald (exact) or mesh."""
    potential = parameters.potential
    species = np.array([potential.elements.index(s) for s in symbols])
    if coulomb == "ewald":
        return evaluate(potential, species, fractional, cell)
    charges = np.asarray(potential.charges)[species]
    plan = make_plan(cell, charges, potential.cutoff, accuracy, "float64")
    return evaluate(potential, species, fractional, cell, mesh=plan.mesh, coulomb_cutoff=plan.coulomb_cutoff)


def composition_of(symbols: Sequence[str]) -> dict[str, int]:
    """Atoms of each element."""
    return {symbol: list(symbols).count(symbol) for symbol in element_order(set(symbols))}


def voigt(tensor: np.ndarray) -> np.ndarray:
    """Components xx yy zz yz xz xy of (..., 3, 3), (..., 6)."""
    return np.stack([tensor[..., a, b] for a, b in VOIGT], axis=-1)


def run_evaluate(config: Config, path: Path, config_yaml: str) -> None:
    """Evaluate `input` into results.json and evaluated.extxyz in `path`, and print the energy."""
    from ase.calculators.singlepoint import SinglePointCalculator

    from jaxglass.runtime import check_compiler, configure
    from jaxglass.simulation.directory import RunDirectory
    from jaxglass.structures import read_structure, write_structure

    if config.get("input") is None:
        raise InputDataError("input: task=evaluate needs input=FILE (extended XYZ, LAMMPS data or dump)")
    configure()
    atoms = read_structure(Path(config.get("input")), tuple(config.get("analyse.species") or ()))
    symbols = atoms.get_chemical_symbols()
    counts = composition_of(symbols)
    parameters = load_parameters(config.get("potential"), tuple(counts), counts)
    species = np.array([parameters.potential.elements.index(s) for s in symbols])
    check_neutral(parameters.potential, species, config.get("engine.allow_background"))
    check_compiler()
    found = evaluate_atoms(
        symbols,
        atoms.get_scaled_positions(wrap=False),
        np.asarray(atoms.cell),
        parameters,
        config.get("evaluate.coulomb"),
        float(config.get("engine.coulomb_accuracy")),
    )
    stress = voigt(found.stress)
    atoms.calc = SinglePointCalculator(atoms, energy=found.energy, forces=found.forces, stress=stress)
    exact = "computed exactly for these coordinates"
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml, "evaluate")
        write_structure(directory.path / "evaluated.extxyz", atoms, tuple(counts))
        directory.add_results(
            evaluate={
                "energy": {"value": found.energy, "error": None, "unit": "eV", "reason": exact},
                "stress": {
                    "value": (stress * units.GPA).tolist(),
                    "error": None,
                    "unit": "GPa",
                    "reason": exact,
                    "order": "xx yy zz yz xz xy",
                    "sign": "tension positive",
                },
                "coulomb": config.get("evaluate.coulomb"),
                "n_atoms": len(symbols),
                "a_bo": boron_entry(parameters.boron),
            }
        )
        directory.set_status(state="done")
    print(f"energy {found.energy:.8f} eV ({found.energy / len(symbols):.6f} eV/atom), {len(symbols)} atoms")
    print("stress xx yy zz yz xz xy (GPa, tension positive): " + " ".join(f"{s:.6f}" for s in stress * units.GPA))
    print(f"largest force {np.abs(found.forces).max():.6f} eV/A; forces in {directory.path / 'evaluated.extxyz'}")

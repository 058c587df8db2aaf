"""The glass that is deformed or heated: the one of the run directory, or the file that `input` names."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jaxglass.config import Config
from jaxglass.engine.plan import Plan, make_plan
from jaxglass.errors import ConfigError
from jaxglass.manifest import keep_potential, manifest
from jaxglass.model.composition import li2o_percent
from jaxglass.model.system import System, make_system
from jaxglass.parameters import Parameters, boron_entry, check_neutral, load_parameters
from jaxglass.runtime import check_compiler
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import write_json
from jaxglass.structures import check_structure
from jaxglass.trajectories import Reading, read_trajectory


@dataclass(frozen=True)
class Glass:
    """A glass at rest and its potential."""

    system: System
    parameters: Parameters
    source: str


def read_glass(config: Config, directory: RunDirectory) -> Glass:
    """The glass to start from, with the potential of its composition.

    Raises `ConfigError` when there is none, `InputDataError` for a file that cannot be used.
    """
    check_compiler()
    path = Path(config.get("input") or directory.path / "glass.extxyz")
    if not config.get("input") and not path.exists():
        raise ConfigError(
            "stages: elastic, fracture and diffusion need a glass: run melt_quench first, or give one with input=FILE"
        )
    glass = glass_from(config, path)
    if config.get("input"):
        counts, a_bo = glass.system.counts, boron_entry(glass.parameters.boron)
        n_atoms = len(glass.system.species)
        directory.add_results(glass={"n_atoms": n_atoms, "counts": counts, "li2o": li2o_percent(counts), "a_bo": a_bo})
        found = manifest(config.hash, int(config.get("seed")), config.get("engine.precision"))
        write_json(directory.path / "manifest.json", found)
        keep_potential(config.get("potential"), directory.path)
    return glass


def glass_from(config: Config, path: Path) -> Glass:
    """The last frame of the file `path` and the potential of its composition; `InputDataError` if it cannot be used."""
    last = read_trajectory(path, Reading(tuple(config.get("analyse.species") or ()), "-1:"))
    symbols = last.symbols.tolist()
    check_structure(symbols, last.fractional[0], last.cell[0], str(path))
    system = make_system(symbols, last.fractional[0], last.cell[0])
    parameters = load_parameters(config.get("potential"), system.elements, system.counts)
    check_neutral(parameters.potential, np.asarray(system.species), config.get("engine.allow_background"))
    return Glass(system, parameters, path.name)


def plan_for(config: Config, system: System, parameters: Parameters, volume_margin: float, shards: int = 1) -> Plan:
    """The engine's plan for a cell that may grow by `volume_margin`."""
    engine, potential = config.get("engine"), parameters.potential
    charges = np.asarray(potential.charges)[np.asarray(system.species)]
    return make_plan(
        np.asarray(system.cell),
        charges,
        potential.cutoff,
        float(engine["coulomb_accuracy"]),
        engine["precision"],
        engine["coulomb_cutoff"],
        volume_margin,
        shards,
    )


def sheared(plan: Plan) -> Plan:
    """`plan` for cells that may become oblique."""
    return replace(plan, orthorhombic=False)

"""A glass to be made: from settings to the stages and the start of its run, from the finished run to its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.analysis.statistics import mean_over_frames
from jaxglass.config import Config
from jaxglass.engine.plan import Plan, check_memory, make_plan
from jaxglass.manifest import differences, keep_potential, manifest
from jaxglass.model.composition import Composition, compose
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.parameters import Parameters, boron_entry, check_neutral, load_parameters
from jaxglass.protocols.melt_quench import MeltQuench
from jaxglass.protocols.packing import cube, random_packing
from jaxglass.runtime import check_compiler, shards_for
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import read_json, write_json
from jaxglass.simulation.lane import Finished, Lane
from jaxglass.simulation.rhythm import check_width
from jaxglass.structures import to_atoms, write_structure
from jaxglass.units import G_PER_CM3


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a melt-quench run."""

    config: Config
    composition: Composition
    protocol: MeltQuench
    parameters: Parameters
    plan: Plan
    system: System

    @property
    def seed(self) -> int:
        """Seed of placement and velocities."""
        return int(self.config.get("seed"))

    def lane(self, directory: RunDirectory) -> Lane:
        """The run in `directory`, from its beginning or its newest checkpoint; writes manifest.json."""
        found = manifest(self.config.hash, self.seed, self.plan.precision)
        changed = differences(read_json(directory.path / "manifest.json"), found)
        write_json(directory.path / "manifest.json", found)
        keep_potential(self.config.get("potential"), directory.path)
        stages = self.protocol.stages()
        lane = Lane(directory, stages, self.system, self.parameters.potential, self.plan, self.seed)
        lane.notes += [changed] if changed and lane.notes else []  # there are notes when it continues
        return lane


@dataclass(frozen=True)
class Planned:
    """A glass that can be made: what its recipe holds before any atom is placed."""

    composition: Composition
    protocol: MeltQuench
    parameters: Parameters
    plan: Plan


def plan_glass(config: Config, shards: int | None = None) -> Planned:
    """Check the settings of a melt-quench before anything is compiled or placed.

    Raises `ConfigError` or `ResourceError` for settings that cannot be run.
    """
    engine = config.get("engine")
    glass = config.get("glass")
    composition = compose(float(glass["li2o"]), int(glass["n_atoms"]), float(glass["b2o3_share"]))
    protocol = MeltQuench(**config.get("protocol"))
    protocol.stages()
    elements = tuple(composition.counts)
    parameters = load_parameters(config.get("potential"), elements, composition.counts)
    species = np.repeat(np.arange(len(elements)), list(composition.counts.values()))
    check_neutral(parameters.potential, species, config.get("engine.allow_background"))
    charges, cell = np.asarray(parameters.potential.charges)[species], cube(composition, protocol.start_density)
    reach = max(parameters.potential.cutoff, engine["coulomb_cutoff"] or 0.0)
    check_memory(composition.n_atoms, composition.n_atoms / np.linalg.det(cell), reach)
    check_width(cell, reach)
    plan = make_plan(
        cell,
        charges,
        parameters.potential.cutoff,
        float(engine["coulomb_accuracy"]),
        engine["precision"],
        engine["coulomb_cutoff"],
        volume_margin=1.35,
        shards=shards or shards_for(composition.n_atoms, engine["cores"]),
    )
    return Planned(composition, protocol, parameters, plan)


def make_recipe(config: Config, shards: int | None = None) -> Recipe:
    """Check the settings of a melt-quench (`plan_glass`), then place the atoms.

    `shards` devices divide them; None: as many as `engine.cores` and their number allow. JAX must have been configured.
    """
    found = plan_glass(config, shards)
    check_compiler()
    system = random_packing(found.composition, found.protocol.start_density, int(config.get("seed")))
    return Recipe(config, found.composition, found.protocol, found.parameters, found.plan, system)


def write_glass(folder: Path, system: System, potential: Potential) -> None:
    """glass.extxyz and glass.data in `folder`, both with velocities; LAMMPS takes the charges from the latter."""
    atoms = to_atoms(system)
    write_structure(folder / "glass.extxyz", atoms, system.elements)
    atoms.set_initial_charges(np.asarray(potential.charges)[np.asarray(system.species)])
    write_structure(folder / "glass.data", atoms, system.elements)


def record_glass(recipe: Recipe, directory: RunDirectory, finished: Finished) -> None:
    """Write glass.extxyz, glass.data and the entries of the run in results.json."""
    composition, boron, plan = recipe.composition, recipe.parameters.boron, finished.plan
    write_glass(directory.path, finished.system, recipe.parameters.potential)
    mass = float(np.asarray(finished.system.masses).sum())
    volumes = np.abs(np.linalg.det(finished.trajectory.cell))
    density = mean_over_frames(mass / volumes * G_PER_CM3, "g/cm3")
    directory.add_results(
        glass={
            "label": composition.label,
            "li2o": composition.li2o,
            "requested_li2o": composition.requested,
            "b2o3_share": composition.b2o3_share,
            "n_atoms": composition.n_atoms,
            "counts": composition.counts,
            "a_bo": boron_entry(boron),
        },
        melt_quench={
            "density": {"value": density.value, "error": density.error, "unit": "g/cm3", "reason": density.reason},
            "quench_rate": _exact(recipe.protocol.quench_rate, "K/ps"),
            "melt_temperature": _exact(recipe.protocol.melt_temperature, "K"),
            "frames": _exact(len(finished.trajectory.time), "1"),
        },
        provenance={
            "seed": recipe.seed,
            "config_hash": recipe.config.hash,
            "plan": {
                "buckingham_cutoff_A": plan.cutoff,
                "buckingham_switch_A": recipe.parameters.potential.switch,
                "coulomb_cutoff_A": plan.coulomb_cutoff,
                "splitting_alpha_per_A": plan.mesh.alpha,
                "mesh": list(plan.mesh.shape),
                "spline_order": plan.mesh.order,
                "accuracy_eV_per_A": plan.accuracy,
                "precision": plan.precision,
            },
        },
    )


def _exact(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "error": None, "unit": unit, "reason": "a setting, not a measurement"}

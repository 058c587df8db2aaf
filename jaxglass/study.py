"""task=study: the stages of one glass, each reading and writing only the run directory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.config import Config
from jaxglass.errors import CheckpointError, ConfigError, JaxglassError, Preempted
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import write_json
from jaxglass.units import G_PER_CM3


def run_study(config: Config, path: Path, config_yaml: str) -> None:
    """Run the stages of `config` in `path`; those already finished there are skipped."""
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml)
        try:
            for stage in config.stages:
                if stage in directory.status["finished"] and stage != "report":
                    continue
                directory.set_status(state="running", stage=stage, error=None)
                STAGES[stage](config, directory)
                directory.set_status(finished=sorted({*directory.status["finished"], stage}))
            directory.set_status(state="done", stage=None)
        except JaxglassError as error:
            directory.set_status(state="preempted" if isinstance(error, Preempted) else "failed", error=str(error))
            raise


def melt_quench(config: Config, directory: RunDirectory) -> None:
    """Make the glass: glass.extxyz, glass.data, thermo.csv, trajectory, and its entry in results.json."""
    from jaxglass.analysis.statistics import mean_over_frames
    from jaxglass.engine.plan import check_memory, make_plan
    from jaxglass.manifest import manifest
    from jaxglass.model.composition import compose
    from jaxglass.parameters import check_neutral, load_parameters
    from jaxglass.protocols.melt_quench import MeltQuench
    from jaxglass.protocols.packing import cube, random_packing
    from jaxglass.runtime import available_cores, check_compiler, configure, shards_for
    from jaxglass.simulation.rhythm import check_width
    from jaxglass.simulation.run import run
    from jaxglass.structures import to_atoms, write_structure

    engine = config.get("engine")
    configure(engine["device"], engine["cores"] or available_cores())
    seed = int(config.get("seed"))
    composition = compose(float(config.get("glass.li2o")), int(config.get("glass.n_atoms")))
    protocol = MeltQuench(**config.get("protocol"))
    stages = protocol.stages()
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
        shards=shards_for(composition.n_atoms, engine["cores"]),
    )
    check_compiler()
    system = random_packing(composition, protocol.start_density, seed)

    write_json(directory.path / "manifest.json", manifest(config.hash, seed, plan.precision))
    finished = run(directory, stages, system, parameters.potential, plan, seed)
    atoms = to_atoms(finished.system)
    write_structure(directory.path / "glass.extxyz", atoms, system.elements)
    write_structure(directory.path / "glass.data", atoms, system.elements)
    mass = float(np.asarray(system.masses).sum())
    volumes = np.abs(np.linalg.det(finished.trajectory.cell))
    density = mean_over_frames(mass / volumes * G_PER_CM3, "g/cm3")
    boron = parameters.boron
    directory.add_results(
        glass={
            "label": composition.label,
            "li2o": composition.li2o,
            "requested_li2o": composition.requested,
            "n_atoms": composition.n_atoms,
            "counts": composition.counts,
            "a_bo": None
            if boron is None
            else {"value": boron.value, "unit": "eV", "rule": boron.rule, "n4_law": boron.n4},
        },
        melt_quench={
            "density": {"value": density.value, "error": density.error, "unit": "g/cm3", "reason": density.reason},
            "quench_rate": _exact(protocol.quench_rate, "K/ps"),
            "melt_temperature": _exact(protocol.melt_temperature, "K"),
            "frames": _exact(len(finished.trajectory.time), "1"),
        },
        provenance={
            "seed": seed,
            "config_hash": config.hash,
            "plan": {
                "buckingham_cutoff_A": plan.cutoff,
                "coulomb_cutoff_A": plan.coulomb_cutoff,
                "splitting_alpha_per_A": plan.mesh.alpha,
                "mesh": list(plan.mesh.shape),
                "spline_order": plan.mesh.order,
                "accuracy_eV_per_A": plan.accuracy,
                "precision": plan.precision,
            },
        },
    )


def structure(config: Config, directory: RunDirectory) -> None:
    """Measure the frames of the finished glass into results.json."""
    from jaxglass.analysis.results import structure_results
    from jaxglass.analysis.structure import StructureSettings, analyse_structure

    settings = StructureSettings(cutoffs=config.get("structure.cutoffs"), r_max=float(config.get("structure.r_max")))
    directory.add_results(structure=structure_results(analyse_structure(read_trajectory(directory), settings)))


def report(config: Config, directory: RunDirectory) -> None:
    """Draw the figures and write report.html."""
    from jaxglass.report.html import write_report

    if not directory.results():
        raise ConfigError("stages: report needs results; run melt_quench first (stages=default)")
    print(f"report: {write_report(directory.path)}")


STAGES: Mapping[str, Callable[[Config, RunDirectory], None]] = {
    "melt_quench": melt_quench,
    "structure": structure,
    "report": report,
}


def read_trajectory(directory: RunDirectory) -> Trajectory:
    """The recorded frames of a finished melt-quench; `ConfigError` when there is none yet."""
    from ase.io import read

    glass = directory.path / "glass.extxyz"
    names = sorted(path.name for path in (directory.path / "trajectory").glob("*.npz"))
    if not glass.exists() or not names:
        raise ConfigError(f"no glass in {directory.path}; run stages=[melt_quench,structure] there first")
    symbols = read(glass).get_chemical_symbols()  # type: ignore[union-attr]
    elements = tuple(dict.fromkeys(symbols))
    segments = directory.read_segments(names)
    fractional = np.concatenate([s["fractional"] for s in segments])
    if fractional.shape[1] != len(symbols):
        raise CheckpointError(f"trajectory has {fractional.shape[1]} atoms, glass.extxyz {len(symbols)}")
    return Trajectory(
        time=np.concatenate([s["time"] for s in segments]),
        fractional=fractional,
        cell=np.concatenate([s["cell"] for s in segments]),
        species=np.array([elements.index(s) for s in symbols]),
        elements=elements,
    )


def _exact(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "error": None, "unit": unit, "reason": "a setting, not a measurement"}

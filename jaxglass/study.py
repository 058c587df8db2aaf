"""task=study: the stages of one glass, each reading and writing only the run directory."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from jaxglass.catalogue import ANALYSES, check_analyses
from jaxglass.config import Config
from jaxglass.errors import CheckpointError, ConfigError, JaxglassError, NumericalError, Preempted
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation.directory import RunDirectory

FIRST = ("melt_quench", "refit", "input")  # without these there is nothing to go on with
OF_ITS_OWN_GLASS = ("melt_quench", "structure", "topology")


def run_study(config: Config, path: Path, config_yaml: str) -> None:
    """Run the stages of `config` in `path`; those already finished there are skipped."""
    check_analyses(config)
    check_one_glass(config)
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml)
        run_stages(directory, {stage: partial(STAGES[stage], config, directory) for stage in config.stages})


def check_one_glass(config: Config) -> None:
    """`ConfigError` where `input` names a glass and a stage would make or measure another one."""
    mixed = [stage for stage in OF_ITS_OWN_GLASS if stage in config.stages]
    if config.get("input") and mixed:
        raise ConfigError(
            f"input: {', '.join(mixed)} are of a glass that the run makes itself, not of this file; choose from "
            "stages=[elastic,fracture,bond_switching,diffusion,report], or task=analyse for structure and topology"
        )


def run_stages(directory: RunDirectory, stages: Mapping[str, Callable[[], None]]) -> None:
    """Run `stages` in turn, keeping status.json; those it names as finished are skipped, except the report.

    Where the physics of a measurement fails (`NumericalError`: a notch that heals), the stages after it run all the
    same and the error is raised in the end.
    """
    failed: dict[str, NumericalError] = {}
    try:
        for stage, run in stages.items():
            if stage in directory.status["finished"] and stage != "report":
                continue
            directory.set_status(state="running", stage=stage, error=None)
            try:
                run()
            except NumericalError as error:
                if stage in FIRST:
                    raise
                failed[stage] = error
                continue
            directory.set_status(finished=sorted({*directory.status["finished"], stage}))
        if failed:
            stage, problem = next(iter(failed.items()))
            directory.set_status(stage=stage)
            raise problem
        directory.set_status(state="done", stage=None)
    except JaxglassError as error:
        directory.set_status(state="preempted" if isinstance(error, Preempted) else "failed", error=str(error))
        raise


def melt_quench(config: Config, directory: RunDirectory) -> None:
    """Make the glass: glass.extxyz, glass.data, thermo.csv, trajectory, and its entry in results.json."""
    from jaxglass.runtime import available_cores, configure

    configure(config.get("engine.device"), config.get("engine.cores") or available_cores())
    from jaxglass.recipe import make_recipe, record_glass
    from jaxglass.simulation.run import run_lane

    recipe = make_recipe(config)
    record_glass(recipe, directory, run_lane(recipe.lane(directory)))


def measure(analysis: str, config: Config, directory: RunDirectory) -> None:
    """Measure the frames of the finished glass into results.json."""
    chosen = ANALYSES[analysis]
    directory.add_results(**chosen.measure(chosen.frames(read_trajectory(directory), config), config))


def elastic(config: Config, directory: RunDirectory) -> None:
    """Elastic constants of the finished glass into results.json."""
    from jaxglass.mechanics.elastic import run_elastic

    run_elastic(config, directory)
    results = directory.results()
    if "fracture" in results:  # K_Ic waited for E and nu
        from jaxglass.mechanics.fracture_results import with_moduli

        directory.add_results(fracture=with_moduli(results["fracture"], results["elastic"]))


def fracture(config: Config, directory: RunDirectory) -> None:
    """Pull a notched supercell of the finished glass apart; its curve and toughness into results.json."""
    from jaxglass.mechanics.fracture import run_fracture

    run_fracture(config, directory)
    before = directory.status["finished"]  # switching that was measured without it is measured again, with its steps
    directory.set_status(finished=[stage for stage in before if stage != "bond_switching"])


def bond_switching(config: Config, directory: RunDirectory) -> None:
    """Bonds in the strain steps of the fracture against the unstrained glass, or in the glass's own frames."""
    from jaxglass.report.run_record import STRAIN_STEPS
    from jaxglass.trajectories import read_trajectory as read_file

    steps = directory.path / STRAIN_STEPS
    trajectory = read_file(steps) if steps.exists() else read_trajectory(directory)
    directory.add_results(**ANALYSES["bond_switching"].measure(trajectory, config))


def diffusion(config: Config, directory: RunDirectory) -> None:
    """Lithium in the finished glass at several temperatures; its diffusivity and conductivity into results.json."""
    from jaxglass.transport.diffusion import run_diffusion

    run_diffusion(config, directory)


def report(config: Config, directory: RunDirectory) -> None:
    """Draw the figures and write report.html."""
    from jaxglass.report.html import write_report

    if not directory.results():
        raise ConfigError("stages: report needs results; run melt_quench first (stages=default)")
    print(f"report: {write_report(directory.path)}")


STAGES: Mapping[str, Callable[[Config, RunDirectory], None]] = {
    "melt_quench": melt_quench,
    **{analysis: partial(measure, analysis) for analysis in ANALYSES},
    "elastic": elastic,
    "fracture": fracture,
    "bond_switching": bond_switching,
    "diffusion": diffusion,
    "report": report,
}


def read_trajectory(directory: RunDirectory) -> Trajectory:
    """The recorded frames of a finished melt-quench; `ConfigError` when there is none yet."""
    from ase.io import read

    glass = directory.path / "glass.extxyz"
    names = sorted(path.name for path in (directory.path / "trajectory").glob("*.npz"))
    if not glass.exists() or not names:
        needs = "structure and topology need melt_quench first, bond_switching needs it or fracture"
        raise ConfigError(f"no glass in {directory.path}: {needs}")
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

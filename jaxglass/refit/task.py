"""task=refit: fit the potential to measured scattering; results.json, potential.yaml, lammps/, figures, report.html."""

from functools import partial
from pathlib import Path

import numpy as np

from jaxglass.config import Config
from jaxglass.simulation.directory import RunDirectory
from jaxglass.study import report, run_stages

POTENTIAL_FILE = "potential.yaml"


def run_refit(config: Config, path: Path, config_yaml: str) -> None:
    """Refit in `path`; the same command continues an interrupted one."""
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml)
        _allow_more_rounds(directory, int(config.get("refit.outer_steps")))
        run_stages(directory, {"refit": partial(_run, config, directory), "report": partial(report, config, directory)})


def _allow_more_rounds(directory: RunDirectory, rounds: int) -> None:
    """A refit that has ended is taken up again where `rounds` are more than it was allowed."""
    made = directory.results().get("refit")
    if made and made["scale"].get("rounds", rounds) < rounds:
        directory.set_status(finished=[stage for stage in directory.status["finished"] if stage != "refit"])


def _run(config: Config, directory: RunDirectory) -> None:
    from jaxglass.runtime import available_cores, check_compiler, configure

    configure(config.get("engine.device"), config.get("engine.cores") or available_cores())
    check_compiler()
    from jaxglass.lammps import write_input
    from jaxglass.refit.export import potential_file
    from jaxglass.refit.iteration import last_kept
    from jaxglass.refit.outer import quenched, refit
    from jaxglass.refit.results import refit_results
    from jaxglass.refit.setup import prepare

    prepared = prepare(config, directory.path)
    problem = prepared.problem
    print(f"refit: {', '.join(p.name for p in problem.moving)}; {len(problem.starts)} glasses a round; cutoff_style c2")
    done = refit(problem, lambda words: print(words, flush=True))
    found = last_kept(done)
    glasses = quenched(problem, problem.starts, found.z, f"{found.number:03d}")
    start, moved = glasses[0].start.potential, glasses[0].potential
    potential_file(directory.path / POTENTIAL_FILE, prepared.potential, problem.moving, start, moved, found.z)
    for glass in {glass.start.target: glass for glass in glasses}.values():  # A of B-O differs between compositions
        system = glass.system
        species, fractional, cell = (np.asarray(x) for x in (system.species, system.fractional, system.cell))
        write_input(glass.potential, species, fractional, cell, directory.path / "lammps" / glass.start.target)
    directory.add_results(refit=refit_results(prepared, done, found))
    print(f"refitted potential: {directory.path / POTENTIAL_FILE}")

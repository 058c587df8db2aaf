"""The list of analyses: each measures a trajectory and gives one key of results.json, which the report shows.

Each is a stage of a study and a step of task=analyse. To add one: a function here, its line in `ANALYSES`, its name
among the stages in `config.py`; figures and words of its own, if it has any, in `report/`.
"""

from collections.abc import Callable, Mapping

from jaxglass.config import Config
from jaxglass.model.trajectory import Trajectory


def structure(trajectory: Trajectory, config: Config) -> dict:
    """Density, coordination, bonds, g(r), angles and oxygen speciation."""
    from jaxglass.analysis.results import structure_results
    from jaxglass.analysis.structure import StructureSettings, analyse_structure

    settings = StructureSettings(cutoffs=config.get("structure.cutoffs"), r_max=float(config.get("structure.r_max")))
    return structure_results(analyse_structure(trajectory, settings))


ANALYSES: Mapping[str, Callable[[Trajectory, Config], dict]] = {
    "structure": structure,
}

"""The list of analyses: each measures a trajectory and gives keys of results.json, which the report shows.

Each is a stage of a study and a step of task=analyse. To add one: a function here, its line in `ANALYSES`, its name
in `STAGES` of `config/schema.py`; figures and words of its own, if it has any, in `report/`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxglass.config import Config
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.trajectory import Trajectory

if TYPE_CHECKING:
    from jaxglass.analysis.comparison import MeasuredGlass
    from jaxglass.analysis.hops import HopSettings
    from jaxglass.analysis.persistence import PersistenceSettings
    from jaxglass.analysis.rings import RingSettings
    from jaxglass.analysis.scattering_settings import ScatteringSettings
    from jaxglass.analysis.structure import StructureSettings


#: Settings of the section `diffusion` that say how motion is measured; the others say how it is simulated.
MOTION = ("smallest_slope", "hop_distance", "hop_ps", "ring_reach")


@dataclass(frozen=True)
class Analysis:
    """`measure` gives keys of results.json; `most_frames` names the setting that says of how many frames at most.

    `whole`: it needs all frames, so that some of them say nothing of the time it takes.
    """

    measure: Callable[[Trajectory, Config], dict[str, dict]]
    most_frames: str | None = None
    whole: bool = False

    def frames(self, trajectory: Trajectory, config: Config) -> Trajectory:
        """The frames of `trajectory` that are measured; says so where they are not all of them."""
        if self.most_frames is None:
            return trajectory
        chosen = trajectory.spread(int(config.get(self.most_frames)))
        if len(chosen.time) < len(trajectory.time):
            numbers = f"{len(chosen.time)} of {len(trajectory.time)} frames, evenly spread"
            print(f"{self.measure.__name__}: {numbers} ({self.most_frames})", file=sys.stderr, flush=True)
        return chosen


def check_analyses(config: Config) -> None:
    """Refuse settings and a measured curve that cannot be used before any work is done for them.

    `ConfigError` for settings, `InputDataError` for the file of the curve.
    """
    for settings in (
        structure_settings,
        scattering_settings,
        ring_settings,
        topology_settings,
        switching_cutoffs,
        hop_settings,
        measured_glass,
    ):
        settings(config)


def structure(trajectory: Trajectory, config: Config) -> dict[str, dict]:
    """Density, coordination, bonds, g(r), angles, oxygen speciation, connectivity and scattering."""
    from jaxglass.analysis.connectivity import analyse_connectivity
    from jaxglass.analysis.results import connectivity_results, structure_results
    from jaxglass.analysis.structure import analyse_structure

    found = structure_results(analyse_structure(trajectory, structure_settings(config)))
    found["connectivity"] = connectivity_results(analyse_connectivity(trajectory, config.get("rings.cutoffs")))
    return {"structure": found | _scattering(trajectory, config)}


def topology(trajectory: Trajectory, config: Config) -> dict[str, dict]:
    """Rings of formers, and loops by persistent homology."""
    return {"rings": _rings(trajectory, config), "topology": _loops(trajectory, config)}


def bond_switching(trajectory: Trajectory, config: Config) -> dict[str, dict]:
    """What became of the bonds of every atom since the reference frame."""
    from jaxglass.analysis.bond_switching import bond_switching
    from jaxglass.analysis.results import bond_switching_results

    reference = config.get("bond_switching.reference")
    compared = trajectory.frame(0 if reference == "first" else len(trajectory.time) - 1)
    found = bond_switching(trajectory, compared, switching_cutoffs(config))
    return {"bond_switching": bond_switching_results(found, reference)}


def diffusion(trajectory: Trajectory, config: Config) -> dict[str, dict]:
    """Motion of lithium in a trajectory of one temperature."""
    from jaxglass.analysis.diffusion import analyse_diffusion
    from jaxglass.analysis.results import diffusion_results

    settings = {key: config.get(f"diffusion.{key}") for key in MOTION}
    temperature = config.get("analyse.temperature")
    found = analyse_diffusion(
        trajectory, temperature, hop_settings(config), ring_settings(config), settings["smallest_slope"]
    )
    return {"diffusion": diffusion_results([found], [None], settings)}


ANALYSES: Mapping[str, Analysis] = {
    "structure": Analysis(structure),
    "topology": Analysis(topology, "topology.frames"),
    "bond_switching": Analysis(bond_switching),
    "diffusion": Analysis(diffusion, whole=True),
}


def structure_settings(config: Config) -> "StructureSettings":
    """Settings of the short-range structure."""
    from jaxglass.analysis.structure import StructureSettings

    return StructureSettings(cutoffs=config.get("structure.cutoffs"), r_max=float(config.get("structure.r_max")))


def scattering_settings(config: Config) -> "ScatteringSettings":
    """The conventions of S(Q) and D(r)."""
    from jaxglass.analysis.scattering_settings import ScatteringSettings

    section = {k: v for k, v in config.get("scattering").items() if k != "measured"}
    return ScatteringSettings(**section | {"scatterers": section["scatterers"] or {}})


def ring_settings(config: Config) -> "RingSettings":
    """Settings of the rings."""
    from jaxglass.analysis.rings import RingSettings

    return RingSettings(**config.get("rings"))


def topology_settings(config: Config) -> "PersistenceSettings":
    """Settings of persistent homology."""
    from jaxglass.analysis.persistence import PersistenceSettings

    return PersistenceSettings(**{k: v for k, v in config.get("topology").items() if k != "frames"})


def switching_cutoffs(config: Config) -> Mapping[str, float]:
    """Cutoffs (A) of the bonds that are compared."""
    from jaxglass.analysis.bonds import split_pair

    cutoffs = config.get("bond_switching.cutoffs")
    for pair in cutoffs:
        split_pair(pair)
    return cutoffs


def hop_settings(config: Config) -> "HopSettings":
    """What a hop is, and which ring a site lies in."""
    from jaxglass.analysis.hops import HopSettings

    section = config.get("diffusion")
    return HopSettings(float(section["hop_distance"]), float(section["hop_ps"]), float(section["ring_reach"]))


def measured_glass(config: Config) -> "MeasuredGlass | None":
    """The measured curve to compare with, if one is named."""
    from jaxglass.analysis.comparison import MeasuredGlass
    from jaxglass.analysis.measured_curve import read_curve

    measured = config.get("scattering.measured")
    if measured["file"] is None:
        return None
    curve = read_curve(measured["file"], measured["quantity"], measured["length"])
    return MeasuredGlass(curve, float(measured["density"]))


def _scattering(trajectory: Trajectory, config: Config) -> dict:
    from jaxglass.analysis.comparison import compare_scattering
    from jaxglass.analysis.results import missing_scattering, scattering_results

    settings = scattering_settings(config)
    try:
        return scattering_results(compare_scattering(trajectory, settings, measured_glass(config)))
    except InputDataError as error:
        return missing_scattering(settings, str(error))


def _rings(trajectory: Trajectory, config: Config) -> dict:
    """Rings with the cutoffs as set and, as numbers of boron depend on it, with the wider one of B-O."""
    from dataclasses import replace

    from jaxglass.analysis.results import ring_results
    from jaxglass.analysis.rings import analyse_rings

    settings, wide = ring_settings(config), structure_settings(config).wide_b_o
    rings = analyse_rings(trajectory, settings)
    if "B-O" not in settings.cutoffs:
        return ring_results(rings, None)
    wider = replace(settings, cutoffs={**settings.cutoffs, "B-O": wide})
    return ring_results(rings, analyse_rings(trajectory, wider))


def _loops(trajectory: Trajectory, config: Config) -> dict:
    from jaxglass.analysis.results import missing_topology, topology_results
    from jaxglass.analysis.topology import analyse_topology

    settings = topology_settings(config)
    try:
        return topology_results(analyse_topology(trajectory, settings, config.get("structure.cutoffs")))
    except (ConfigError, InputDataError) as error:  # an element without radius; a small cell; vacuum
        return missing_topology(settings, str(error))

"""Loops of a glass over several frames: their number, lifetimes by region of the diagram, and the APF.

Every number is a mean over the frames of one trajectory, its error that of `analysis.statistics`. The diagram is that
of the last frame: diagrams of successive frames are nearly the same loops, so pooling them would only repeat them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from jaxglass.analysis.apf import MeanPersistence, accumulated_persistence, average_frames, common_grid
from jaxglass.analysis.bonds import CUTOFFS
from jaxglass.analysis.loop_regions import OTHER, REGIONS, loop_regions
from jaxglass.analysis.persistence import PersistenceSettings, PersistentLoops, persistent_loops
from jaxglass.analysis.statistics import Measurement, mean_over_frames, missing
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory

NUMBER, SHARE, AREA = "1", "1", "Angstrom2"


@dataclass(frozen=True)
class RegionShare:
    """One region of the diagram: its share of the `loops` and of the total `apf`."""

    loops: Measurement
    apf: Measurement


@dataclass(frozen=True)
class Topology:
    """Means over frames. `finite` loops die, `essential` ones do not; `total` APF (A^2) of the mode that was set.

    `other_total` is that of the other mode, the last frame only. `last` and its `last_regions` (P,) are the diagram of
    the last frame; `margin` (A) the largest that a frame needed.
    """

    settings: PersistenceSettings
    frames: int
    finite: Measurement
    essential: Measurement
    total: Measurement
    other_total: Measurement
    apf: MeanPersistence
    regions: dict[str, RegionShare]
    margin: float | None
    last: PersistentLoops
    last_regions: np.ndarray


def analyse_topology(
    trajectory: Trajectory, settings: PersistenceSettings | None = None, cutoffs: Mapping[str, float] = CUTOFFS
) -> Topology:
    """Loops of every frame of `trajectory`; `cutoffs` (A) say which pairs are bonds for the regions.

    Raises what `persistent_loops` raises, and `InputDataError` if there is no frame.
    """
    settings = settings or PersistenceSettings()
    if len(trajectory.cell) == 0:
        raise InputDataError("persistent homology: the trajectory has no frames")
    frames = list(zip(trajectory.fractional, trajectory.cell, strict=True))
    loops = [persistent_loops(trajectory.symbols, *frame, settings) for frame in frames]
    regions = [
        loop_regions(found, trajectory.symbols, *frame, cutoffs) for found, frame in zip(loops, frames, strict=True)
    ]
    curves = [accumulated_persistence(found.births, found.deaths) for found in loops]
    margins = [found.margin for found in loops if found.margin is not None]
    return Topology(
        settings=settings,
        frames=len(loops),
        finite=mean_over_frames([len(found.births) for found in loops], NUMBER),
        essential=mean_over_frames([len(found.essential) for found in loops], NUMBER),
        total=mean_over_frames([curve.total for curve in curves], AREA),
        other_total=_other_total(trajectory, settings),
        apf=average_frames(curves, common_grid(curves)),
        regions={name: _share(loops, regions, name) for name in (*REGIONS, OTHER)},
        margin=max(margins, default=None),
        last=loops[-1],
        last_regions=regions[-1],
    )


def other_mode(settings: PersistenceSettings) -> str:
    """The mode that was not set."""
    return "plain" if settings.mode == "periodic" else "periodic"


def _other_total(trajectory: Trajectory, settings: PersistenceSettings) -> Measurement:
    """Total APF of the last frame in the other mode, which differs by the surface; None where it does not exist."""
    other = replace(settings, mode=other_mode(settings))
    try:
        loops = persistent_loops(trajectory.symbols, trajectory.fractional[-1], trajectory.cell[-1], other)
    except InputDataError as error:
        return missing(AREA, str(error))
    return Measurement(accumulated_persistence(loops.births, loops.deaths).total, None, AREA, "the last frame alone")


def _share(loops: list[PersistentLoops], regions: list[np.ndarray], name: str) -> RegionShare:
    """Means over frames of the shares of region `name`."""
    if any(len(found.births) == 0 for found in loops):
        nothing = missing(SHARE, "a frame has no loop that dies")
        return RegionShare(nothing, nothing)
    number, apf = [], []
    for found, region in zip(loops, regions, strict=True):
        lifetime = found.deaths - found.births
        number.append(np.mean(region == name))
        apf.append(lifetime[region == name].sum() / lifetime.sum())
    return RegionShare(mean_over_frames(number, SHARE), mean_over_frames(apf, SHARE))

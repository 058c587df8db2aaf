"""task=analyse: every analysis of a structure or trajectory made by any program, or of the frames that a run of ours
recorded, in a run directory of its own."""

import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

from jaxglass.catalogue import ANALYSES, Analysis, check_analyses
from jaxglass.config import Config
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.manifest import host_manifest
from jaxglass.model.composition import li2o_percent
from jaxglass.model.trajectory import Trajectory
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import digest, write_json
from jaxglass.simulation.progress import ProgressLine, clock
from jaxglass.structures import write_last_frame
from jaxglass.study import read_trajectory as recorded_frames
from jaxglass.study import report, run_stages
from jaxglass.trajectories import Reading, read_trajectory

PATIENCE = 2.0  # s; what takes longer says how far it is
MANY_FRAMES = 20  # so many that two of them can be measured twice
LARGEST_COPY = 20_000  # atoms; the last frame of a larger structure is not copied


def run_analyse(config: Config, path: Path, config_yaml: str) -> None:
    """Measure `input` into results.json and report.html in `path`; analyses already finished there are skipped.

    A file that has changed since is measured anew. `stages` may name some of the analyses.
    """
    if config.get("input") is None:
        raise InputDataError(
            "input: task=analyse needs input=FILE (extended XYZ, LAMMPS data or dump, a run directory)"
        )
    wanted = [stage for stage in config.stages if stage in ANALYSES]
    if not wanted:
        raise ConfigError(f"stages: task=analyse measures {', '.join(ANALYSES)}; name one of them or leave stages out")
    check_analyses(config)
    source = Path(config.get("input"))
    read = cache(partial(_read, source, config))
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml)
        _forget_another_file(source, directory)
        stages: dict[str, Callable[[], None]] = {"input": partial(_record_input, source, read, config, directory)}
        stages |= {name: partial(_measure, name, read, config, directory) for name in wanted}
        if "report" in config.stages:
            stages["report"] = partial(report, config, directory)
        run_stages(directory, stages)


def _read(source: Path, config: Config) -> Trajectory:
    """The wanted frames of `source`, with a line of progress when it takes long; of a run directory those recorded."""
    if source.is_dir():
        return _recorded(source, config.get("analyse.frames"))
    settings, line, began = config.get("analyse"), ProgressLine(), time.monotonic()

    def watch(share: float, frame: int) -> None:
        if time.monotonic() - began > PATIENCE and line.due():
            line.show(share, f"reading, frame {frame}")

    step = settings["timestep_fs"]
    reading = Reading(tuple(settings["species"] or ()), settings["frames"], None if step is None else 1e-3 * step)
    try:
        return read_trajectory(source, reading, watch)
    finally:
        line.close()


def _recorded(run: Path, frames: str) -> Trajectory:
    """The frames that a melt-quench recorded in the run directory `run`; `InputDataError` where there are none."""
    if not _identity(run).is_file():
        raise InputDataError(f"{run}: neither a file nor the directory of a run that has made its glass")
    with RunDirectory(run) as directory:
        trajectory = recorded_frames(directory)
    wanted = Reading(frames=frames).chosen
    if not len(trajectory.time[wanted]):
        raise InputDataError(
            f"{run}: has {len(trajectory.time)} frames, none of those wanted (analyse.frames={frames})"
        )
    return trajectory.some(wanted)


def _identity(source: Path) -> Path:
    """The file whose contents say whether `source` is what it was."""
    return source / "glass.extxyz" if source.is_dir() else source


def _record_input(source: Path, read: Callable[[], Trajectory], config: Config, directory: RunDirectory) -> None:
    """What was read, in manifest.json and under `input` and `glass` of results.json."""
    trajectory = read()
    counts = dict(zip(*np.unique(trajectory.symbols, return_counts=True), strict=True))
    atoms = {element: int(counts[element]) for element in trajectory.elements}
    first, last = float(trajectory.time[0]), float(trajectory.time[-1])
    write_json(directory.path / "manifest.json", host_manifest(config.hash))
    _copy_last_frame(trajectory, directory.path / "structure.extxyz")
    directory.add_results(
        input={
            "file": source.name,
            "sha256": digest(_identity(source)),
            "frames": len(trajectory.time),
            "unwrapped": trajectory.unwrapped,
            "time": {"first": first, "last": last, "unit": "ps"} if np.isfinite(trajectory.time).all() else None,
        },
        glass={"n_atoms": len(trajectory.species), "counts": atoms, "li2o": li2o_percent(atoms)},
    )


def _copy_last_frame(trajectory: Trajectory, path: Path) -> None:
    """structure.extxyz, from which the report draws the 3-D view."""
    path.unlink(missing_ok=True)
    if len(trajectory.species) < LARGEST_COPY:
        write_last_frame(path, trajectory)


def _measure(name: str, read: Callable[[], Trajectory], config: Config, directory: RunDirectory) -> None:
    """One analysis into results.json; a long one says beforehand about how long it will take."""
    analysis = ANALYSES[name]
    trajectory = analysis.frames(read(), config)
    frames = len(trajectory.time)
    if frames >= MANY_FRAMES and not analysis.whole:
        expected = _expected_seconds(analysis, trajectory, config)
        if expected > PATIENCE:
            print(f"{name}: {frames} frames, about {clock(expected)} min", file=sys.stderr, flush=True)
    directory.add_results(**analysis.measure(trajectory, config))


def _expected_seconds(analysis: Analysis, trajectory: Trajectory, config: Config) -> float:
    """What all frames will take, from one and a tenth of them: some work is done once, whatever their number."""
    frames = len(trajectory.time)
    sample, taken = max(2, frames // 10), []
    for count in (1, 1, sample):  # the first also waits for imports
        began = time.monotonic()
        analysis.measure(trajectory.spread(count), config)
        taken.append(time.monotonic() - began)
    _, one, several = taken
    return one + max(several - one, 0.0) * (frames - 1) / (sample - 1)


def _forget_another_file(source: Path, directory: RunDirectory) -> None:
    """Results of a file that has changed since are measured again."""
    recorded = directory.results().get("input")
    if recorded and _identity(source).is_file() and recorded["sha256"] != digest(_identity(source)):
        directory.set_status(finished=[])

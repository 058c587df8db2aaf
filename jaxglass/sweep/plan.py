"""The jobs of a sweep, known before any is launched: settings checked, one directory each, inside its folder."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxglass.composed import plain_values
from jaxglass.config import SWEPT_TASKS, Config, check_config
from jaxglass.errors import ConfigError
from jaxglass.simulation.files import read_json, write_json
from jaxglass.sweep.record import JOB, STATUS

Compose = Callable[[list[str]], Any]


@dataclass(frozen=True)
class Point:
    """One job to be: what was asked of Hydra, the checked settings, its directory."""

    overrides: tuple[str, ...]
    config: Config
    directory: Path

    def order(self, folder: Path) -> list[str]:
        """The overrides for Hydra's launcher, with the directory below `folder` written out.

        Launchers compose the settings again, on machines where nothing else may be resolved.
        """
        name = json.dumps(str(self.directory.relative_to(folder)), ensure_ascii=False)
        return [*self.overrides, f"hydra.sweep.subdir={name}"]


def plan_points(overrides: Sequence[Sequence[str]], compose: Compose, folder: Path) -> list[Point]:
    """Every point of a sweep in `folder`.

    `ConfigError` for settings that are refused, two points in one directory, a directory outside `folder` or of
    another run: before anything is launched.
    """
    points: list[Point] = []
    problems: dict[str, None] = {}
    for number, one in enumerate(overrides):
        try:
            points.append(_point(one, compose(list(one)), number, folder))
        except ConfigError as error:
            problems |= dict.fromkeys(str(error).split("; "))
    if problems:
        raise ConfigError("; ".join(problems))
    _refuse_shared(points)
    for point in points:
        held = (read_json(point.directory / STATUS) or {}).get("config_hash")
        if held not in (None, point.config.hash):
            raise ConfigError(
                f"{point.directory} holds another run (settings {held}, now {point.config.hash}); choose another "
                "hydra.sweep.dir"
            )
    return points


def _point(overrides: Sequence[str], composed: Any, number: int, folder: Path) -> Point:
    from omegaconf import OmegaConf, open_dict

    config = check_config(plain_values(composed))
    if config.get("task") not in SWEPT_TASKS:
        raise ConfigError(f"task={config.get('task')} cannot be swept; jaxglass -m takes {', '.join(SWEPT_TASKS)}")
    with open_dict(composed):
        composed.hydra.job.num = number
    name = str(OmegaConf.select(composed, "hydra.sweep.subdir"))
    directory = (folder / name).resolve()
    if folder not in directory.parents:
        raise ConfigError(f"hydra.sweep.subdir = {name}: must lie inside hydra.sweep.dir ({folder})")
    return Point(tuple(overrides), config, directory)


def _refuse_shared(points: Sequence[Point]) -> None:
    """`ConfigError` when two points have one directory: the second would overwrite or skip the first."""
    seen: dict[Path, Point] = {}
    for point in points:
        first = seen.setdefault(point.directory, point)
        if first is not point:
            raise ConfigError(
                f"two points of the sweep share the directory {point.directory.name}: {_differing(first, point)}; "
                "sweep keys that change the settings of a run, each value once"
            )


def _differing(first: Point, second: Point) -> str:
    pairs = zip(first.overrides, second.overrides, strict=True)
    words = [f"{a} and {b.partition('=')[2]}" for a, b in pairs if a != b]
    return ", ".join(words) or f"{' '.join(first.overrides)} twice"


def write_jobs(points: Sequence[Point], keys: Sequence[str]) -> None:
    """job.json in the directory of every point, so that a sweep can be read while it runs and after."""
    for point in points:
        point.directory.mkdir(parents=True, exist_ok=True)
        old, contents = read_json(point.directory / JOB) or {}, [content[:8] for content in point.config.contents]
        known = {
            "schema": 1,
            "overrides": list(point.overrides),
            "keys": sorted({*keys, *old.get("keys", [])}),
            "settings": dict(point.config.values) | ({"contents": contents} if contents else {}),
        }
        write_json(point.directory / JOB, old | known)

"""The numbers of a sweep: one row per job and quantity, and means with standard errors over the seeds.

Only jobs that finished what they measured have rows; settings that were swept are columns, `seed` among them.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxglass.model.composition import HALF
from jaxglass.report.wording import entries
from jaxglass.simulation.directory import leaves
from jaxglass.sweep.record import Job

SEED, LITHIUM = "seed", "glass.li2o"
# settings that say how and where a run is made, not what it finds
WHERE = ("stages", "engine.cores", "engine.device", "sweep.", "max_walltime", "debug")
ALONE = "one run: no spread between seeds"


@dataclass(frozen=True)
class Row:
    """One quantity of one job; `point` holds its swept settings, `li2o` the composition as made (mol %) or None."""

    directory: str
    point: Mapping[str, Any]
    li2o: float | None
    stage: str
    key: str
    value: float | None
    error: float | None
    unit: str
    reason: str


@dataclass(frozen=True)
class Mean:
    """A quantity over the `count` seeds of one point: mean, standard error (None for one seed) and unit."""

    point: Mapping[str, Any]
    li2o: float | None
    stage: str
    key: str
    value: float
    error: float | None
    count: int
    unit: str


def swept_keys(jobs: Sequence[Job]) -> list[str]:
    """Keys that were swept, composition first and seed last; and where the folder holds several sweeps, or files were
    changed between them, the settings in which runs differ that would else count as seeds of one point."""
    keys = {key for job in jobs for key in job.keys}
    points: dict[str, list[Mapping[str, Any]]] = {}
    for job in jobs:
        point = repr([job.value(key) for key in sorted(keys - {SEED})])
        points.setdefault(point, []).append(dict(leaves(job.settings)))
    for settings in points.values():
        names = {name for one in settings for name in one if not name.startswith(WHERE)}
        keys |= {name for name in names if len({repr(one.get(name)) for one in settings}) > 1}
    return sorted(keys, key=lambda key: (key == SEED, key != LITHIUM, key))


def rows_of(jobs: Sequence[Job], keys: Sequence[str]) -> list[Row]:
    """Every number of every job, also of those that have finished some of their stages only."""
    return [row for job in jobs for row in _rows(job, keys)]


def _rows(job: Job, keys: Sequence[str]) -> Iterator[Row]:
    results, point = job.results(), {key: job.value(key) for key in keys}
    glass = results.get("glass") or {}
    made = glass.get("li2o") if glass.get("b2o3_share", HALF) == HALF else None  # as experiment and paper have it
    for stage, section in results.items():
        if not isinstance(section, Mapping):
            continue
        for key, entry in entries(section):
            for name, value in _numbers(key, entry["value"]):
                yield Row(
                    directory=job.path.name,
                    point=point,
                    li2o=made,
                    stage=stage,
                    key=name,
                    value=value,
                    error=_number(entry.get("error")),
                    unit=str(entry.get("unit") or ""),
                    reason=str(entry.get("reason") or ""),
                )


def _numbers(key: str, value: Any) -> Iterator[tuple[str, float | None]]:
    """The value under its name; the parts of a tensor as name.0, name.1, ..."""
    if isinstance(value, (list, tuple)):
        for k, part in enumerate(value):
            yield f"{key}.{k}", _number(part)
    elif value is None or _number(value) is not None:
        yield key, _number(value)


def _number(value: Any) -> float | None:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def means_of(rows: Sequence[Row]) -> list[Mean]:
    """Mean and standard error over seeds for each combination of the other swept settings, in the order of `rows`."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.value is not None:
            others = tuple((key, value) for key, value in row.point.items() if key != SEED)
            groups.setdefault((others, row.stage, row.key, row.unit), []).append(row)
    return [_mean(dict(others), group) for (others, *_), group in groups.items()]


def _mean(point: Mapping[str, Any], group: Sequence[Row]) -> Mean:
    values = np.array([row.value for row in group], float)
    made = [row.li2o for row in group if row.li2o is not None]
    count, first = len(values), group[0]
    return Mean(
        point=point,
        li2o=float(np.mean(made)) if made else None,
        stage=first.stage,
        key=first.key,
        value=float(values.mean()),
        error=float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else None,
        count=count,
        unit=first.unit,
    )


def csv_text(rows: Sequence[Row], keys: Sequence[str]) -> str:
    """The rows as CSV; what could not be measured is empty, with its reason."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["directory", *keys, "li2o_made", "stage", "key", "value", "error", "unit", "reason"])
    for row in rows:
        swept = [row.point[key] for key in keys]
        numbers = [_text(row.value), _text(row.error)]
        writer.writerow([row.directory, *swept, _text(row.li2o), row.stage, row.key, *numbers, row.unit, row.reason])
    return text.getvalue()


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)


def json_means(means: Sequence[Mean]) -> list[dict[str, Any]]:
    """The means as JSON values, a missing error with its reason."""
    return [
        {
            "point": dict(mean.point),
            "li2o_made": mean.li2o,
            "stage": mean.stage,
            "key": mean.key,
            "value": mean.value,
            "error": mean.error,
            "unit": mean.unit,
            "seeds": mean.count,
        }
        | ({"reason": ALONE} if mean.error is None else {})
        for mean in means
    ]

"""The paper line by line: `paper.yaml` joined with kept results and experiment. No number of ours is typed anywhere.

A trend is reproduced or not where its slope with lithium exceeds twice its standard error (somewhat more for a few
glasses, `resolved_beyond`), else not resolved. Where the paper says that a quantity does not change, the table has a
slope that would count as a change: reproduced where ours is smaller by as many errors, not reproduced where it is
larger by as many, so that noise reproduces nothing. Statements about a quantity itself: above a level by as many errors
of the mean over the compositions, or at most a level in each.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jaxglass.analysis.trend import RESOLVED, resolved_beyond
from jaxglass.report.reference import Point, load_references

FOLDER = Path(__file__).parent
MOST_GLASSES = 100  # times as many: beyond that nothing is said about what would resolve a slope
MADE_BY = {"trends.json": "trends", "mechanics.json": "mechanics", "diffusion.json": "diffusion"}


class Outcome(StrEnum):
    """Of a trend of the paper."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_RESOLVED = "not resolved"
    NOT_STATED = "paper states no trend"
    NOT_MEASURED = "not measured yet"
    NOT_AVAILABLE = "not available"


@dataclass(frozen=True)
class Measured:
    """A trend of ours: values with standard errors by composition, and the slope (per mol %) that decides."""

    name: str
    unit: str
    outcome: Outcome
    values: tuple[tuple[float, float, float | None], ...] = ()  # mol %, mean, error
    slope: float | None = None
    slope_error: float | None = None
    paper: str | None = None
    source: str = ""
    at_most: float | None = None
    above: float | None = None
    change: float | None = None

    @property
    def numbers(self) -> str:
        """Values from low to high lithium, or what would make them."""
        if not self.values:
            return f"{self.name}: python -m validation.{MADE_BY[self.source]} makes it"
        shown = "; ".join(
            f"{mean:.4g}" + (f" ± {error:.2g}" if error is not None else "") for _, mean, error in self.values
        )
        return f"{self.name}: {shown}" + (f" {self.unit}" if self.unit != "1" else "")

    @property
    def deciding(self) -> str:
        """The slope with its error, or the level."""
        if self.at_most is not None and self.values:
            largest = max(mean for _, mean, _ in self.values)
            return f"{largest:.2g} at most ({self.at_most:g} counts as none); paper: none"
        if self.above is not None and self.values:
            mean, error = overall([mean for _, mean, _ in self.values], [error for _, _, error in self.values])
            return f"mean {mean:.2g} ± {error:.2g}; paper: above {self.above:g}"
        if self.slope is None or self.slope_error is None:
            return ""
        said = {"up": "rises", "down": "falls", "none": "does not change", None: "not stated"}[self.paper]
        if self.change is not None:
            said += f" ({self.change:g} counts as a change)"
        elif self.outcome is Outcome.NOT_RESOLVED and self.slope:
            more = int(np.ceil(((RESOLVED + 1) * self.slope_error / abs(self.slope)) ** 2))  # 1: five times in six
            said += f"; {more} times as many glasses would resolve a slope of this size" if more < MOST_GLASSES else ""
        return f"slope {self.slope:.2g} ± {self.slope_error:.2g} per mol %; paper: {said}"


@dataclass(frozen=True)
class Line:
    """One row of the table; `test` for an equation, `lacking` for what the paper does not give."""

    item: str
    what: str
    computes: str
    where: str
    trends: tuple[Measured, ...]
    paper: str
    experiment: str
    lacking: str
    test: str

    @property
    def outcomes(self) -> tuple[str, ...]:
        """One per trend; for an equation, where it is checked."""
        if self.test:
            return (f"implemented, checked by {self.test}",)
        return tuple(trend.outcome for trend in self.trends) or (Outcome.NOT_AVAILABLE,)


def paper_lines(folder: Path = FOLDER) -> list[Line]:
    """The whole table, with the results kept in `folder`."""
    rows = yaml.safe_load((FOLDER / "paper.yaml").read_text())["rows"]
    return [_line(row, folder) for row in rows]


def judged(slope: float, error: float, glasses: int, paper: str | None, change: float = 0.0) -> Outcome:
    """What a slope of so many `glasses` says of the paper's up, down, none or, not stated, None; with none, `change` is
    the slope that would count as one."""
    within = resolved_beyond(glasses - 2) * error
    if paper is None:
        return Outcome.NOT_STATED
    if paper == "none":
        if abs(slope) + within <= change:
            return Outcome.REPRODUCED
        return Outcome.NOT_REPRODUCED if abs(slope) - within > change else Outcome.NOT_RESOLVED
    if abs(slope) <= within:
        return Outcome.NOT_RESOLVED
    return Outcome.REPRODUCED if (slope > 0) == (paper == "up") else Outcome.NOT_REPRODUCED


def overall(means: Sequence[float], errors: Sequence[float | None]) -> tuple[float, float]:
    """Mean over compositions and its standard error; NaN where a composition has none."""
    known = np.array([np.nan if error is None else error for error in errors])
    return float(np.mean(means)), float(np.sqrt(np.sum(known**2))) / len(means)


def judged_level(means: Sequence[float], errors: Sequence[float | None], glasses: int, above: float) -> Outcome:
    """What the mean over compositions, of so many `glasses`, says of the paper's statement that it is `above`."""
    mean, error = overall(means, errors)
    if glasses <= len(means) or not abs(mean - above) > resolved_beyond(glasses - len(means)) * error:
        return Outcome.NOT_RESOLVED
    return Outcome.REPRODUCED if mean > above else Outcome.NOT_REPRODUCED


def _line(row: dict[str, Any], folder: Path) -> Line:
    trends = tuple(_measured(folder, **trend) for trend in row.get("trends", ()))
    return Line(
        row["item"],
        row["what"],
        row["computes"],
        row["where"],
        trends,
        _paper_value(row),
        _experiment(row.get("experiment")),
        row.get("lacking", ""),
        row.get("test", ""),
    )


def _measured(
    folder: Path,
    file: str,
    name: str,
    at_most: float | None = None,
    above: float | None = None,
    change: float | None = None,
) -> Measured:
    """The kept trend `name`; with `at_most` the paper says that there is none of it, with `above` that it is more than
    that, and the level is judged; `change` as in `judged`."""
    path = folder / file
    kept = json.loads(path.read_text())["trends"] if path.exists() else []
    for trend in kept:
        if trend["name"] == name:
            glasses = trend["glasses"]
            found = judged(trend["slope"], trend["slope_error"], glasses, trend["paper"], change or 0.0)
            if at_most is not None:
                found = Outcome.REPRODUCED if max(trend["mean"]) <= at_most else Outcome.NOT_REPRODUCED
            if above is not None:
                found = judged_level(trend["mean"], trend["error"], glasses, above)
            return Measured(
                name,
                trend["unit"],
                found,
                tuple(zip(trend["li2o"], trend["mean"], trend["error"], strict=True)),
                trend["slope"],
                trend["slope_error"],
                trend["paper"],
                file,
                at_most,
                above,
                change,
            )
    return Measured(name, "", Outcome.NOT_MEASURED, source=file)


def _paper_value(row: dict[str, Any]) -> str:
    if row.get("paper") == "r_chi":
        return f"{load_references().paper_r_chi()} %"
    return row.get("lacking", "") and f"not available: {row['lacking']}"


def _experiment(name: str | None) -> str:
    references = load_references()
    series: dict[str, tuple[list[Point], str]] = {
        "density": (references.density_series(), "g/cm3 (Kumar 2004)"),
        "toughness": (references.toughness_series(), "MPa m^0.5 (SEPB, the paper)"),
        "activation_energy": (references.activation_energy_series(), "eV (Kumar 2004)"),
        "conductivity": (references.conductivity_series(), "S/cm at 20 °C (Cho 2006)"),
    }
    if name is None:
        return ""
    points, unit = series[name]
    return "; ".join(f"{point.li2o:g} mol %: {point.value:g}" for point in points) + f" {unit}"

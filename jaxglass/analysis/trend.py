"""A quantity against lithium: means and standard errors over seeds, and a straight line through all glasses."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESOLVED = 2.0  # standard errors of a slope that were known exactly


def resolved_beyond(freedom: int) -> float:
    """How many standard errors, known with `freedom` degrees of freedom, a slope must exceed to be passed by chance as
    seldom as `RESOLVED` known ones (4.6 %): Student's t."""
    return float(stats.t.isf(stats.norm.sf(RESOLVED), freedom))


@dataclass(frozen=True)
class Trend:
    """`mean` and `error` (C,) by composition, `slope` and its standard error per mol % Li2O, of so many `glasses`.

    `paper` is the paper's statement of the trend: up, down, none or, not stated, null.
    """

    name: str
    unit: str
    paper: str | None
    li2o: list[float]
    mean: list[float]
    error: list[float]
    slope: float
    slope_error: float
    glasses: int

    @property
    def found(self) -> str:
        """What our glasses say: up, down, or not resolved (`resolved_beyond`)."""
        if abs(self.slope) <= resolved_beyond(self.glasses - 2) * self.slope_error:
            return "not resolved"
        return "up" if self.slope > 0 else "down"


def trend_line(name: str, unit: str, paper: str | None, li2o: np.ndarray, values: np.ndarray) -> Trend:
    """Of `values` (G,) of glasses with `li2o` (G,) mol %; those that have none (NaN) are left out."""
    known = np.isfinite(values)
    li2o, values = li2o[known], values[known]
    groups = [values[li2o == level] for level in np.unique(li2o)]
    line, covariance = np.polyfit(li2o, values, 1, cov=True)
    return Trend(
        name,
        unit,
        paper,
        np.unique(li2o).tolist(),
        [float(g.mean()) for g in groups],
        [float(g.std(ddof=1) / np.sqrt(len(g))) if len(g) > 1 else float("nan") for g in groups],
        float(line[0]),
        float(np.sqrt(covariance[0, 0])),
        len(values),
    )

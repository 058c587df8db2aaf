"""A quantity against lithium: means and standard errors over seeds, and a straight line through all glasses."""

from dataclasses import dataclass

import numpy as np

RESOLVED = 2.0  # standard errors of a slope


@dataclass(frozen=True)
class Trend:
    """`mean` and `error` (C,) by composition, `slope` and its standard error per mol % Li2O.

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

    @property
    def found(self) -> str:
        """What our glasses say: up, down, or not resolved (the slope is below twice its standard error)."""
        if abs(self.slope) <= RESOLVED * self.slope_error:
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
    )

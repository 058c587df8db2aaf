"""Mean and standard error of a per-frame series whose frames are correlated.

    error = s sqrt(g/F),    g = 1 + 2 sum_k (1 - k/F) rho(k), up to the first rho(k) <= 0

s is the standard deviation over F frames, rho(k) their autocorrelation at lag k, F/g the number of
independent frames. The error says how far one glass fluctuates in time; the spread between seeds is another,
larger number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ONE_FRAME = "one frame cannot give an error"


@dataclass(frozen=True)
class Measurement:
    """A value and its error in `unit`; None where there is none, with the `reason` in words.

    `reason` also says what an error that is present means.
    """

    value: float | None
    error: float | None
    unit: str
    reason: str | None = None


def missing(unit: str, reason: str) -> Measurement:
    """A quantity that this structure does not have."""
    return Measurement(None, None, unit, reason)


def statistical_inefficiency(series: np.ndarray) -> float:
    """g >= 1: the number of successive frames worth one independent frame; `series` (F,)."""
    series = np.asarray(series, float)
    count = len(series)
    deviation = series - series.mean()
    variance = deviation @ deviation / count
    g = 1.0
    if variance <= 1e-24 * np.max(series**2, initial=0.0):
        return g
    for lag in range(1, count):
        rho = deviation[lag:] @ deviation[:-lag] / ((count - lag) * variance)
        if rho <= 0:
            break
        g += 2 * (1 - lag / count) * rho
    return g


def standard_error(series: np.ndarray) -> float:
    """Standard error of the mean of a correlated `series` (F,), F >= 2."""
    series = np.asarray(series, float)
    return float(series.std(ddof=1) * np.sqrt(statistical_inefficiency(series) / len(series)))


def mean_over_frames(series: Sequence[float] | np.ndarray, unit: str) -> Measurement:
    """Mean over the frames of one glass with the error of that mean; `series` (F,), F >= 1."""
    series = np.asarray(series, float)
    if len(series) == 1:
        return Measurement(float(series[0]), None, unit, ONE_FRAME)
    independent = max(1, round(len(series) / statistical_inefficiency(series)))
    frames = f"{len(series)} frames ({independent} independent)"
    reason = f"fluctuation of one glass over {frames}, not the spread between seeds"
    return Measurement(float(series.mean()), standard_error(series), unit, reason)

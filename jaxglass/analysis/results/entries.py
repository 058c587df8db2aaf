"""The two shapes of everything measured: a number with its error and unit, and a curve."""

import numpy as np

from jaxglass.analysis.angles import AngleDistribution
from jaxglass.analysis.statistics import Measurement, missing


def measurement_entry(measurement: Measurement) -> dict:
    """{"value", "error", "unit"} and, where there is one, "reason"."""
    entry: dict = {
        "value": finite(measurement.value),
        "error": finite(measurement.error),
        "unit": measurement.unit,
    }
    return entry | ({"reason": measurement.reason} if measurement.reason else {})


def missing_entry(unit: str, reason: str) -> dict:
    """A null with its reason."""
    return measurement_entry(missing(unit, reason))


def constant(value: float | None, unit: str, reason: str | None = None) -> dict:
    """A number without an error, as a setting is: {"value", "unit"} and, where it is null, the "reason"."""
    return {"value": value, "unit": unit} | ({"reason": reason} if value is None and reason else {})


def curve(values: np.ndarray, unit: str) -> dict:
    """{"values": [...], "unit"}; seven digits are more than any curve holds."""
    return {"values": [float(f"{v:.7g}") for v in values], "unit": unit}


def angle_entry(angle: AngleDistribution) -> dict:
    """Mean, standard deviation and density of a distribution of angles."""
    entry = measurement_entry(angle.mean)
    entry["standard_deviation"] = constant(angle.deviation, "degree", angle.mean.reason)
    entry["theta"] = curve(angle.theta, "degree")
    entry["density"] = curve(angle.density, "1/degree")
    return entry


def finite(value: float | None) -> float | None:
    """A number that JSON can hold: null for NaN and infinity."""
    return float(value) if value is not None and np.isfinite(value) else None

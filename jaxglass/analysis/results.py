"""The `structure` entry of results.json.

Numbers are {"value", "error", "unit"[, "reason"]}, curves are arrays with units. Nothing in it is NaN: what
could not be measured is null with a reason.
"""

import numpy as np

from jaxglass.analysis.angles import AngleDistribution
from jaxglass.analysis.statistics import Measurement
from jaxglass.analysis.structure import Coordination, Structure


def measurement_entry(measurement: Measurement) -> dict:
    """{"value", "error", "unit"} and, where there is one, "reason"."""
    entry: dict = {
        "value": _finite(measurement.value),
        "error": _finite(measurement.error),
        "unit": measurement.unit,
    }
    return entry | ({"reason": measurement.reason} if measurement.reason else {})


def curve(values: np.ndarray, unit: str) -> dict:
    """{"values": [...], "unit"}; seven digits are more than any curve holds."""
    return {"values": [float(f"{v:.7g}") for v in values], "unit": unit}


def structure_results(structure: Structure) -> dict:
    """`results["structure"]` as design.md, section 5 lays it out."""
    wide = f"{structure.settings.wide_b_o:.1f}"
    return {
        "frames": structure.frames,
        "n_atoms": structure.atoms,
        "cutoffs": {pair: {"value": c, "unit": "Angstrom"} for pair, c in structure.settings.cutoffs.items()},
        "density": measurement_entry(structure.density),
        "coordination": {e: _coordination_entry(c) for e, c in structure.coordination.items()}
        | {f"B_{wide}": _coordination_entry(structure.coordination_wide)},
        "n4": measurement_entry(structure.n4),
        f"n4_{wide}": measurement_entry(structure.n4_wide),
        "bond_lengths": {pair: measurement_entry(m) for pair, m in structure.bond_lengths.items()},
        "g_r": _pair_entry(structure),
        "first_minima": {pair: measurement_entry(m) for pair, m in structure.first_minima.items()},
        "angles": {name: _angle_entry(a) for name, a in structure.angles.items()},
        "oxygen": {
            "free": measurement_entry(structure.oxygen.free),
            "non_bridging": measurement_entry(structure.oxygen.non_bridging),
            "bridging": measurement_entry(structure.oxygen.bridging),
            "tricluster": measurement_entry(structure.oxygen.tricluster),
        },
        "edge_sharing": measurement_entry(structure.edge_sharing),
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _coordination_entry(coordination: Coordination) -> dict:
    entry = measurement_entry(coordination.mean)
    entry["cutoff"] = {"value": coordination.cutoff, "unit": "Angstrom"}
    shares = [float(s) for s in coordination.share]
    entry["histogram"] = {"number": [int(n) for n in coordination.number], "share": shares, "unit": "1"}
    return entry


def _pair_entry(structure: Structure) -> dict:
    pairs = structure.pairs
    return {
        "r": curve(pairs.r, "Angstrom"),
        "partials": {f"{a}-{b}": curve(g, "1") for (a, b), g in pairs.partials.items()},
    }


def _angle_entry(angle: AngleDistribution) -> dict:
    entry = measurement_entry(angle.mean)
    entry["standard_deviation"] = {"value": angle.deviation, "unit": "degree"}
    entry["theta"] = curve(angle.theta, "degree")
    entry["density"] = curve(angle.density, "1/degree")
    return entry

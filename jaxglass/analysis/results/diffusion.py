"""The entry `diffusion` of results.json, by quantity, then by temperature: "700K", or "input" where it is not known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxglass.analysis.arrhenius import Arrhenius, Extrapolated, arrhenius, conductivity
from jaxglass.analysis.diffusion import Diffusion
from jaxglass.analysis.diffusivity import Diffusivity
from jaxglass.analysis.ion_path import IonPath
from jaxglass.analysis.jumps import RingJumps
from jaxglass.analysis.results.entries import constant, curve, measurement_entry, missing_entry
from jaxglass.analysis.statistics import Measurement
from jaxglass.analysis.van_hove import VanHove, spread_lags
from jaxglass.errors import InputDataError
from jaxglass.units import BOLTZMANN, CM2_PER_S

D_UNIT, SIGMA_UNIT = "cm2/s", "S/cm"
ROOM, MEASURED_AT = 300.0, 293.15  # K; the second is where Cho 2006 measured
KUMAR = 333.0  # K, middle of the range in which Kumar's slopes of the resistivity were measured
POINTS = 150  # of a curve of lags
ONE_GLASS = "one glass: spread over its atoms and time blocks, not the spread between seeds"
WHICH = "Ea of D, which is that of sigma T; errors of D at each temperature, not the spread between seeds"


def diffusion_results(
    found: Sequence[Diffusion], endings: Sequence[str | None], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Every temperature of one glass, why each run ended, and the Arrhenius line through them."""
    named = {_name(one): one for one in found}

    def each(entry) -> dict[str, Any]:
        return {name: entry(one) for name, one in named.items()}

    return {
        "temperature": each(lambda one: constant(one.temperature, "K", "not given: analyse.temperature")),
        "ended": dict(zip(named, endings, strict=True)),
        "length": each(lambda one: constant(one.length, "ps")),
        "frames": each(lambda one: one.frames),
        "spacing": each(lambda one: constant(one.spacing, "ps")),
        "n_mobile": each(lambda one: one.ions),
        "volume": each(lambda one: constant(one.volume, "Angstrom3")),
        "drift": each(lambda one: constant(one.drift, "Angstrom")),
        "msd": each(_msd),
        "fit_window": each(_window),
        "diffusivity": each(lambda one: _diffusivity(one.single)),
        "conductivity": each(_conductivity),
        "collective_diffusivity": each(_collective),
        "haven_ratio": each(_haven),
        **_arrhenius(found),
        "van_hove": each(lambda one: _van_hove(one.van_hove)),
        "jumps": each(_jumps),
        "path": each(lambda one: None if one.path is None else _path(one.path)),
        "charge": constant(1.0, "e"),
        "settings": dict(settings),
    }


def _name(one: Diffusion) -> str:
    return "input" if one.temperature is None else f"{one.temperature:g}K"


def _msd(one: Diffusion) -> dict[str, Any]:
    """MSD of every element at lags up to half of the trajectory."""
    lags = spread_lags(max(1, one.frames // 2), POINTS)
    slope = one.msd.slope[lags]
    known = np.isfinite(slope)
    return {
        "lag": curve(one.msd.lag[lags], "ps"),
        **{element: curve(msd[lags], "Angstrom2") for element, msd in one.msd.by_element.items()},
        "collective": curve(one.collective.msd[lags], "Angstrom2"),
        "slope": {"lag": curve(one.msd.lag[lags][known], "ps"), **curve(slope[known], "1")},
    }


def _window(one: Diffusion) -> dict[str, Any]:
    window, offset = one.single.window, one.single.offset
    if not len(window.lags):
        absent = {"start": constant(None, "ps", window.reason), "end": constant(None, "ps", window.reason)}
        return absent | {"slope_at_start": constant(_finite(window.slope), "1", window.reason)}
    return {
        "start": constant(float(one.msd.lag[window.lags[0]]), "ps"),
        "end": constant(float(one.msd.lag[window.lags[-1]]), "ps"),
        "slope_at_start": constant(window.slope, "1"),
        "offset": constant(offset, "Angstrom2"),
    }


def _diffusivity(D: Diffusivity) -> dict[str, Any]:
    if not len(D.window.lags):
        return missing_entry(D_UNIT, D.window.reason)
    entry = measurement_entry(Measurement(D.value * CM2_PER_S, D.error * CM2_PER_S, D_UNIT, ONE_GLASS))
    return entry | {"interval": _interval(D.low, D.high)}


def _conductivity(one: Diffusion) -> dict[str, Any]:
    """Nernst-Einstein at the temperature of the run, in its volume."""
    if one.temperature is None:
        return missing_entry(SIGMA_UNIT, "the temperature is not known; set analyse.temperature")
    if not len(one.single.window.lags):
        return missing_entry(SIGMA_UNIT, one.single.window.reason)
    per_D = conductivity(1.0, one.ions, one.volume, one.temperature)
    return measurement_entry(
        Measurement(one.single.value * per_D, one.single.error * per_D, SIGMA_UNIT, "Nernst-Einstein; " + ONE_GLASS)
    )


def _collective(one: Diffusion) -> dict[str, Any]:
    found = one.collective
    if found.reason:
        return missing_entry(D_UNIT, found.reason)
    why = "one sum of displacements: error of a free walker, a quarter in any run; only seeds make it smaller"
    entry = measurement_entry(Measurement(found.value * CM2_PER_S, found.error * CM2_PER_S, D_UNIT, why))
    return entry | {"interval": _interval(found.low, found.high)}


def _haven(one: Diffusion) -> dict[str, Any]:
    found = one.collective
    if found.reason:
        return missing_entry("1", found.reason)
    return measurement_entry(Measurement(found.haven, found.haven_error, "1", "mostly the error of D_sigma"))


def _arrhenius(found: Sequence[Diffusion]) -> dict[str, Any]:
    """Ea, and D and sigma where they were not simulated; null with a reason where there is no line."""
    usable = [one for one in found if one.temperature is not None and one.single.value > 0]
    T, D, error = (
        np.array(column, float).reshape(-1)
        for column in (
            [one.temperature for one in usable],
            [one.single.value for one in usable],
            [one.single.error for one in usable],
        )
    )
    try:
        line = arrhenius(T, D, error)
    except InputDataError as refusal:
        left = [_name(one) for one in found if one not in usable]
        return _no_line(f"{refusal}" + (f"; no D at {', '.join(left)}" if left else ""))
    left_out = [_name(one) for one in found if one not in usable]
    why = WHICH + (f"; without {', '.join(left_out)}, where there is no D" if left_out else "")
    Ea, Ea_error = line.activation_energy, line.activation_energy_error
    return {
        "activation_energy": measurement_entry(Measurement(Ea, Ea_error, "eV", why)),
        "activation_energy_of_conductivity": measurement_entry(
            Measurement(
                Ea - BOLTZMANN * KUMAR, Ea_error, "eV", f"slope of ln sigma near {KUMAR:g} K: that of D less k_B T"
            )
        ),
        "arrhenius": _line_entry(line, T),
        "diffusivity_300K": _extrapolated(line.at(ROOM), CM2_PER_S, D_UNIT, "extrapolated"),
        "conductivity_300K": _sigma(line, found[0], ROOM),
        "conductivity_293K": _sigma(line, found[0], MEASURED_AT),
    }


def _no_line(reason: str) -> dict[str, Any]:
    return {
        "activation_energy": missing_entry("eV", reason),
        "activation_energy_of_conductivity": missing_entry("eV", reason),
        "arrhenius": None,
        "diffusivity_300K": missing_entry(D_UNIT, reason),
        "conductivity_300K": missing_entry(SIGMA_UNIT, reason),
        "conductivity_293K": missing_entry(SIGMA_UNIT, reason),
    }


def _line_entry(line: Arrhenius, T: np.ndarray) -> dict[str, Any]:
    return {
        "temperatures": curve(T, "K"),
        "log_D0": constant(float(line.line[0] + np.log(CM2_PER_S)), "ln(cm2/s)"),
        "slope": constant(float(line.line[1]), "K"),
        "covariance": {"values": line.covariance.tolist(), "unit": "1, K; K, K2"},
        "residuals": curve(line.residuals, "1"),
        "chi_squared": constant(line.chi_squared, "1"),
        "degrees_of_freedom": len(T) - 2,
    }


def _sigma(line: Arrhenius, one: Diffusion, temperature: float) -> dict[str, Any]:
    """Nernst-Einstein of the extrapolated D, in the volume of the runs."""
    per_D = conductivity(1.0, one.ions, one.volume, temperature)
    return _extrapolated(line.at(temperature), per_D, SIGMA_UNIT, "Nernst-Einstein, Z = 1, in the volume of the runs")


def _extrapolated(D: Extrapolated, factor: float, unit: str, how: str) -> dict[str, Any]:
    why = f"{how}; the error is in decades: see log10 and interval"
    logarithm = Measurement(float(np.log10(D.value * factor)), D.error, "1", f"decimal logarithm of {unit}")
    return {
        "value": D.value * factor,
        "error": None,
        "unit": unit,
        "reason": why,
        "interval": [D.low * factor, D.high * factor],
        "log10": measurement_entry(logarithm),
    }


def _van_hove(found: VanHove) -> dict[str, Any]:
    return {
        "r": curve(found.r, "Angstrom"),
        "lag": curve(found.lag, "ps"),
        "density": [curve(row, "1/Angstrom") for row in found.density],
        "non_gaussian": {"lag": curve(found.alpha_lag, "ps"), **curve(found.alpha_2, "1")},
    }


def _jumps(one: Diffusion) -> dict[str, Any]:
    jumps = one.jumps
    if jumps is None:
        return {"hops": constant(None, "1", one.no_jumps)}
    none = "no hop between two sites in rings" if jumps.hops else "no hop"
    return {
        "hops": constant(jumps.hops, "1"),
        "rate": measurement_entry(_hop_rate(jumps, one)),
        "length": _mean_length(jumps),
        "returning": _share(jumps.returning, jumps.hops, "no hop"),
        "between_rings": constant(jumps.known, "1"),
        "to_larger": constant(jumps.up, "1"),
        "to_smaller": constant(jumps.down, "1"),
        "to_same": constant(jumps.level, "1"),
        "change": measurement_entry(
            Measurement(jumps.change, jumps.change_error, "1", none if not jumps.known else None)
        ),
        "p_value": constant(jumps.p_value, "1", none),
        "time_without_ring": constant(jumps.without_ring, "1"),
        "by_size": {
            str(n): {
                "time": constant(float(jumps.time[k]), "ps"),
                "hops": int(jumps.out[k]),
                "rate": measurement_entry(
                    Measurement(float(jumps.rate[k]), float(jumps.rate_error[k]), "1/ps", "Poisson count")
                ),
            }
            for k, n in enumerate(jumps.sizes)
        },
        "changes": _changes(jumps),
    }


def _hop_rate(jumps: RingJumps, one: Diffusion) -> Measurement:
    time = one.ions * one.length
    return Measurement(jumps.hops / time, np.sqrt(max(jumps.hops, 1)) / time, "1/ps", "Poisson count, per ion")


def _mean_length(jumps: RingJumps) -> dict[str, Any]:
    lengths = jumps.stays.lengths()
    if len(lengths) < 2:
        return missing_entry("Angstrom", "fewer than two hops")
    error = float(lengths.std(ddof=1) / np.sqrt(len(lengths)))
    return measurement_entry(Measurement(float(lengths.mean()), error, "Angstrom", "over hops"))


def _share(part: int, whole: int, reason: str) -> dict[str, Any]:
    return constant(part / whole if whole else None, "1", reason)


def _changes(jumps: RingJumps) -> dict[str, int]:
    """Hops by change of ring size, "-2", "-1", "0", "1", ..."""
    steps, counts = np.unique(jumps.changes, return_counts=True)
    return {str(int(step)): int(count) for step, count in zip(steps, counts, strict=True)}


def _path(path: IonPath) -> dict[str, Any]:
    return {
        "atom": path.atom,
        "time": curve(path.time, "ps"),
        "positions": _points(path.positions),
        "sites": _points(path.sites),
        "ring_sizes": path.size.tolist(),
        "network": {
            "symbols": path.symbols.tolist(),
            **_points(path.network),
            "bonds": np.stack([path.former, path.oxygen], axis=1).tolist(),
        },
    }


def _points(positions: np.ndarray) -> dict[str, Any]:
    return {"values": [[round(float(x), 3) for x in row] for row in positions], "unit": "Angstrom"}


def _interval(low: float, high: float) -> list[float | None]:
    """Ends of the 95 % interval of a D, cm2/s."""
    return [_finite(low * CM2_PER_S), _finite(high * CM2_PER_S)]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

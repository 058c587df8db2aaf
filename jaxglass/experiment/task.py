"""task=measured: the results of a file of measurements in results.json, and a table beside a simulated glass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxglass.analysis.results.entries import measurement_entry, missing_entry
from jaxglass.analysis.statistics import Measurement
from jaxglass.config import Config
from jaxglass.errors import InputDataError
from jaxglass.experiment.laboratory import LaboratoryGlass, read_glass
from jaxglass.report.wording import value_text
from jaxglass.simulation.directory import RunDirectory
from jaxglass.simulation.files import read_json

INTERVAL = "95 %"
NO_DATA = "not in the file"
NO_DENSITY = "needs a density section"


class Quantity(NamedTuple):
    """A row of the table: name of the result, words, unit, and where results.json of a run has it, if it can."""

    key: str
    words: str
    unit: str
    simulated: tuple[str, str] | None = None


QUANTITIES = (
    Quantity("density", "density", "g/cm3", ("structure", "density")),
    Quantity("young_modulus", "Young's modulus", "GPa", ("elastic", "young_modulus")),
    Quantity("poisson_ratio", "Poisson's ratio", "1", ("elastic", "poisson_ratio")),
    Quantity("hardness", "Vickers hardness", "GPa"),
    Quantity("toughness", "K_Ic", "MPa m^0.5", ("fracture", "toughness")),
    Quantity("crack_resistance", "crack resistance", "N"),
)


def run_measured(config: Config, path: Path, config_yaml: str) -> None:
    """Results of the measurements in `input` into results.json in `path`, printed as a table."""
    if config.get("input") is None:
        raise InputDataError("input: task=measured needs input=FILE (measurements in YAML, docs/experiment.md)")
    glass = read_glass(config.get("input"))
    measured = {quantity.key: _measured(quantity, glass) for quantity in QUANTITIES}
    simulated = None if glass.simulated is None else simulated_results(glass.simulated)
    with RunDirectory(path) as directory:
        directory.claim(config.hash, config_yaml, "measured")
        directory.add_results(measured={"name": glass.name, "li2o": glass.li2o, **measured}, simulated=simulated)
        directory.set_status(state="done")
    print(_table(glass, measured, simulated))
    print(directory.path / "results.json")


def simulated_results(path: Path) -> dict[str, Any]:
    """The same quantities from results.json of the run directory `path`; null with a reason where it has none.

    `InputDataError` when there are no results.
    """
    try:
        results = read_json(path / "results.json")
    except (OSError, ValueError) as error:
        raise InputDataError(f"simulated: {path / 'results.json'} cannot be read ({type(error).__name__})") from None
    if not isinstance(results, Mapping):
        raise InputDataError(f"simulated: {path} holds no results.json; name the directory of a finished run")
    return {quantity.key: _simulated(quantity, results) for quantity in QUANTITIES}


def _measured(quantity: Quantity, glass: LaboratoryGlass) -> dict[str, Any]:
    found = getattr(glass, quantity.key)
    if found is None:
        without = quantity.key == "young_modulus" and glass.poisson_ratio is not None
        return missing_entry(quantity.unit, NO_DENSITY if without else NO_DATA)
    entry = measurement_entry(Measurement(found.value, found.error, quantity.unit))
    if quantity.key == "crack_resistance":
        entry |= {"interval": [found.low, found.high], "level": INTERVAL, "excess_scatter": found.excess}
    return entry


def _simulated(quantity: Quantity, results: Mapping[str, Any]) -> dict[str, Any]:
    if quantity.simulated is None:
        return missing_entry(quantity.unit, "not simulated")
    stage, key = quantity.simulated
    section = results.get(stage)
    entry = section.get(key) if isinstance(section, Mapping) else None
    if isinstance(entry, Mapping) and "value" in entry:
        return dict(entry)
    return missing_entry(quantity.unit, f"the run has no {stage}.{key}")


def _table(glass: LaboratoryGlass, measured: Mapping[str, Any], simulated: Mapping[str, Any] | None) -> str:
    head = glass.name if glass.li2o is None else f"{glass.name}, {glass.li2o:g} mol % Li2O"
    rows = [(head, "measured", "simulated" if simulated else "")]
    for quantity in QUANTITIES:
        entry = measured[quantity.key]
        text = _cell(entry)
        if "interval" in entry:
            text += " ({:.3g} to {:.3g}, {})".format(*entry["interval"], entry["level"])
        rows.append((quantity.words, text, _cell(simulated[quantity.key]) if simulated else ""))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _cell(entry: Mapping[str, Any]) -> str:
    return f"- ({entry.get('reason', 'no value')})" if entry["value"] is None else value_text(entry)

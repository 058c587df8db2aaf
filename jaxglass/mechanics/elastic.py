"""Stage `elastic`: six runs of strain in one program, the slopes of their curves, and E and nu (equations 10 to 12).

Beside them the moduli of the same glass at rest, without temperature and without strain steps (`response.moduli`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxglass.analysis.elasticity import Isotropic, Uncertain, isotropic
from jaxglass.analysis.stress_strain import Slope, slope
from jaxglass.config import Config
from jaxglass.errors import NumericalError
from jaxglass.protocols.elastic import DIRECTIONS, ElasticProtocol
from jaxglass.report.thermo import read_thermo
from jaxglass.simulation.directory import RunDirectory

if TYPE_CHECKING:
    from jaxglass.engine.plan import Plan
    from jaxglass.mechanics.glass import Glass

ONE_GLASS = "regression of one glass, not the spread between seeds"
AT_REST = "exact at the energy minimum; the error is the spread over directions"
MODULI = {"C11": "GPa", "C12": "GPa", "C44": "GPa", "young_modulus": "GPa", "poisson_ratio": "1"}


@dataclass(frozen=True)
class Elastic:
    """Stress (GPa) of every direction at the `strain`s, (6, n + 1), the six slopes, and what follows from them."""

    strain: np.ndarray
    stress: np.ndarray
    slopes: tuple[Slope, ...]
    moduli: Isotropic


def run_elastic(config: Config, directory: RunDirectory) -> None:
    """Strain the glass in six directions; `elastic` in results.json, one run directory per direction in `elastic/`."""
    from contextlib import ExitStack

    from jaxglass.runtime import available_cores, configure

    configure(config.get("engine.device"), config.get("engine.cores") or available_cores())
    from jaxglass.mechanics.glass import plan_for, read_glass, sheared
    from jaxglass.simulation.lane import Lane
    from jaxglass.simulation.run import run_lanes

    protocol, seed = ElasticProtocol(**config.get("elastic")), int(config.get("seed"))
    glass = read_glass(config, directory)
    plan = sheared(plan_for(config, glass.system, glass.parameters, volume_margin=1.1))
    with ExitStack() as stack:
        folders = [stack.enter_context(RunDirectory(directory.path / "elastic" / name)) for name in DIRECTIONS]
        lanes = [
            Lane(folder, protocol.stages(name), glass.system, glass.parameters.potential, plan, seed)
            for name, folder in zip(DIRECTIONS, folders, strict=True)
        ]
        run_lanes(lanes)
    failed = next((lane.error for lane in lanes if lane.error), None)
    if failed:
        raise failed
    found = elastic_results(read_elastic(directory.path / "elastic", protocol), protocol)
    directory.add_results(elastic=found | {"athermal": athermal_results(plan, glass)})


def athermal_results(plan: "Plan", glass: "Glass") -> dict[str, Any]:
    """The moduli of the glass at rest in its cell, as entries; null with the reason where there is no minimum."""
    from jaxglass.response.minimum import relax
    from jaxglass.response.moduli import athermal_moduli

    try:
        found = athermal_moduli(relax(plan, glass.parameters.potential, glass.system))
    except NumericalError as error:
        return {key: {"value": None, "error": None, "unit": unit, "reason": str(error)} for key, unit in MODULI.items()}
    return _moduli(found, AT_REST)


def read_elastic(path: Path, protocol: ElasticProtocol) -> Elastic:
    """The result of the six runs below `path`; `NumericalError` when the curves give no stable solid."""
    stress = np.array([mean_stress(path / name, name, protocol.strain_steps + 1) for name in DIRECTIONS])
    slopes = tuple(slope(protocol.strains, curve) for curve in stress)
    values = np.array([found.value for found in slopes])
    errors = np.array([found.error for found in slopes])
    return Elastic(protocol.strains, stress, slopes, isotropic(values, errors))


def mean_stress(run: Path, component: str, count: int) -> np.ndarray:
    """Mean stress (GPa) of stages average_000 ... of a run, (count,): the last row of each."""
    thermo, column = read_thermo(run / "thermo.csv"), f"mean_s{component}_GPa"
    if thermo is None or column not in thermo.columns:
        raise NumericalError(f"{run.name}: no averaged stress in thermo.csv")
    last = {name: row for row, name in enumerate(thermo.stage)}
    return np.array([thermo.columns[column][last[f"average_{k:03d}"]] for k in range(count)])


def elastic_results(found: Elastic, protocol: ElasticProtocol) -> dict[str, Any]:
    """The section `elastic` of results.json."""
    return {
        **_moduli(found.moduli, ONE_GLASS),
        "directions": {
            name: _modulus(Uncertain(curve.value, curve.error), "GPa", ONE_GLASS) | {"stress_at_zero": curve.at_zero}
            for name, curve in zip(DIRECTIONS, found.slopes, strict=True)
        },
        "stress_strain": {
            "strain": {"values": found.strain.tolist(), "unit": "1"},
            "stress": {
                name: {"values": curve.tolist(), "unit": "GPa"}
                for name, curve in zip(DIRECTIONS, found.stress, strict=True)
            },
        },
        "settings": dict(protocol.__dict__),
    }


def _moduli(found: Isotropic, reason: str) -> dict[str, Any]:
    return {key: _modulus(getattr(found, key), unit, reason) for key, unit in MODULI.items()}


def _modulus(found: Uncertain, unit: str, reason: str) -> dict[str, Any]:
    return {"value": found.value, "error": found.error, "unit": unit, "reason": reason}

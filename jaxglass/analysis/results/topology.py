"""The entry `topology` of results.json."""

from dataclasses import replace

import numpy as np

from jaxglass.analysis.apf import MeanPersistence
from jaxglass.analysis.loop_regions import OTHER, REGIONS
from jaxglass.analysis.persistence import PersistenceSettings
from jaxglass.analysis.results.entries import constant, curve, measurement_entry, missing_entry
from jaxglass.analysis.statistics import ONE_FRAME, Measurement
from jaxglass.analysis.topology import AREA, Topology, other_mode

NAMES = (*REGIONS, OTHER)
NOT_CUT = "alpha_max is not set, so every loop but the windings round the cell dies"
CUT = "with alpha_max, windings round the cell are among the loops alive there"


def topology_results(topology: Topology) -> dict:
    """Diagram of the last frame, APF, regions and counts; b, d, t and APF in A^2, the APF of the whole structure."""
    last, settings = topology.last, topology.settings
    totals = {settings.mode: topology.total, other_mode(settings): topology.other_total}
    cut = settings.alpha_max is not None
    essential = measurement_entry(topology.essential)
    return {
        "frames": topology.frames,
        "n_atoms": last.atoms,
        **_settings_entry(settings),
        "margin": constant(topology.margin, "Angstrom", "plain mode has no images"),
        "births": curve(last.births, AREA),
        "deaths": curve(last.deaths, AREA),
        "region": {"names": list(NAMES), "index": [NAMES.index(name) for name in topology.last_regions]},
        "diagram_of": "last frame, finite loops",
        "apf": _apf_entry(topology.apf),
        "total_apf": {mode: measurement_entry(total) for mode, total in totals.items()},
        "total_apf_per_atom": {mode: measurement_entry(_per_atom(total, last.atoms)) for mode, total in totals.items()},
        "loops": {
            "finite": measurement_entry(topology.finite),
            "infinite": missing_entry("1", CUT) if cut else essential,
            "alive_at_alpha_max": essential if cut else missing_entry("1", NOT_CUT),
        },
        "regions": {
            name: {"loops": measurement_entry(share.loops), "apf": measurement_entry(share.apf)}
            for name, share in topology.regions.items()
        },
    }


def _per_atom(total: Measurement, atoms: int) -> Measurement:
    """The APF of a whole structure grows with its size."""
    value, error = (None if x is None else x / atoms for x in (total.value, total.error))
    return replace(total, value=value, error=error)


def missing_topology(settings: PersistenceSettings, reason: str) -> dict:
    """The same where no diagram exists: a cell too small, vacuum without alpha_max, an element without radius."""
    missing = {mode: missing_entry(AREA, reason) for mode in (settings.mode, other_mode(settings))}
    return {
        **_settings_entry(settings),
        "births": None,
        "deaths": None,
        "apf": None,
        "total_apf": missing,
        "total_apf_per_atom": missing,
        "loops": {"finite": missing_entry("1", reason)},
        "reason": reason,
    }


def _settings_entry(settings: PersistenceSettings) -> dict:
    return {
        "mode": settings.mode,
        "alpha_max": constant(settings.alpha_max, AREA, "not set"),
        "radii": {element: constant(r, "Angstrom") for element, r in settings.radii.items()},
    }


def _apf_entry(apf: MeanPersistence) -> dict:
    error: dict = {"error": None, "reason": ONE_FRAME}
    if apf.error is not None:
        error = {"error": curve(np.asarray(apf.error), AREA)}
    return {"t": curve(apf.t, AREA), "mean": curve(apf.mean, AREA), **error, "frames": apf.count}

"""The section `fracture` of results.json: the curve, G_c by equation (13) and K_Ic by (14)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxglass.analysis.stress_strain import energy_release, toughness

if TYPE_CHECKING:
    from jaxglass.mechanics.fracture import FractureRun
    from jaxglass.protocols.notch import Notched

ONE_CRACK = "one crack of one glass; the spread between seeds and directions is the error that counts"
WHOLE = "not in two parts at the largest strain: the work so far, a lower bound"


def fracture_results(
    found: "FractureRun", notched: "Notched", settings: Mapping[str, Any], elastic: Mapping[str, Any] | None
) -> dict[str, Any]:
    """From the curve, the notch, the settings and the section `elastic` of results.json, if there is one."""
    release = energy_release(found.length, found.stress, found.section, found.notch.ligament)
    peak = int(found.stress.argmax())
    reason = ONE_CRACK if found.broken else WHOLE
    return {
        "energy_release": {"value": release, "error": None, "unit": "J/m2", "reason": reason},
        "toughness": _toughness(release, elastic, reason),
        "crack_area": {
            "projected": _quantity(found.notch.ligament, "A^2", "ligament of the relaxed notch, one face"),
            "created": _quantity(
                found.created, "A^2", "new surface between first and last step, of one face (alpha shape)"
            ),
        },
        "strength": _quantity(float(found.stress[peak]), "GPa", f"at strain {found.strain[peak]:.2f}; {ONE_CRACK}"),
        "broken": {
            "value": float(found.strain[-1]) if found.broken else None,
            "error": None,
            "unit": "1",
            "reason": "first strain at which no atoms closer than 4 A connect the two parts" if found.broken else WHOLE,
        },
        "notch": {
            "cut": {"width": notched.width, "height": notched.height, "unit": "A"},
            "relaxed": {"width": found.notch.width, "height": found.notch.opening, "unit": "A"},
            "removed": notched.removed,
            "excess_oxygen": notched.excess_oxygen,
            "oxygen_charge": {"value": notched.oxygen_charge, "unit": "e"},
            "n_atoms": len(notched.system.species),
        },
        "stress_strain": {
            "strain": {"values": found.strain.tolist(), "unit": "1"},
            "length": {"values": found.length.tolist(), "unit": "A"},
            "stress": {"values": found.stress.tolist(), "unit": "GPa"},
        },
        "settings": dict(settings),
    }


def with_moduli(fracture: Mapping[str, Any], elastic: Mapping[str, Any]) -> dict[str, Any]:
    """The section `fracture` with K_Ic from E and nu of the section `elastic`, which came later."""
    release = fracture["energy_release"]
    return {**fracture, "toughness": _toughness(release["value"], elastic, release["reason"])}


def _toughness(release: float, elastic: Mapping[str, Any] | None, reason: str) -> dict[str, Any]:
    """K_Ic, or why there is none."""
    if elastic is None:
        return {
            "value": None,
            "error": None,
            "unit": "MPa m^0.5",
            "reason": "needs E and nu: run the stage elastic too",
        }
    if release <= 0:
        return {"value": None, "error": None, "unit": "MPa m^0.5", "reason": "the work of fracture is not positive"}
    young, poisson = elastic["young_modulus"], elastic["poisson_ratio"]
    value = toughness(release, young["value"], poisson["value"])
    # first order in the errors of E and nu; G_c of one crack has none
    relative = np.hypot(
        0.5 * young["error"] / young["value"], poisson["value"] * poisson["error"] / (1 - poisson["value"] ** 2)
    )
    why = f"error from E and nu alone; {reason}"
    return {"value": value, "error": float(value * relative), "unit": "MPa m^0.5", "reason": why}


def _quantity(value: float, unit: str, reason: str) -> dict[str, Any]:
    return {"value": value, "error": None, "unit": unit, "reason": reason}

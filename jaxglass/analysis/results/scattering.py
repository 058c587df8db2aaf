"""The entries `S_q`, `D_r`, `T_r`, `r_chi`, `conventions` and `convention_effects` of `structure` in results.json."""

from pathlib import Path

from jaxglass.analysis.agreement import Agreement
from jaxglass.analysis.comparison import ScatteringComparison
from jaxglass.analysis.results.entries import constant, curve, measurement_entry, missing_entry
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.analysis.statistics import Measurement

CORRELATION = "1/Angstrom2"  # of D(r) and T(r)
ONE_COMPARISON = "one comparison of curves averaged over all frames"


def scattering_results(found: ScatteringComparison) -> dict:
    """Curves, R_chi, the conventions in one line and what each of them is worth."""
    scattering = found.scattering
    return {
        "S_q": {
            "Q": curve(scattering.Q, "1/Angstrom"),
            "total": curve(scattering.S, "1"),
            "partials": {f"{a}-{b}": curve(S, "1") for (a, b), S in scattering.partials.items()},
        },
        "D_r": {"r": curve(scattering.r, "Angstrom"), "total": curve(scattering.D, CORRELATION)},
        "T_r": {"r": curve(scattering.r, "Angstrom"), "total": curve(scattering.T, CORRELATION)},
        "number_density": constant(scattering.density, "1/Angstrom3"),
        "g_end": constant(scattering.g_end, "Angstrom"),
        "r_chi": _r_chi_entry(found),
        "conventions": scattering.settings.description,
        "convention_effects": _effects_entry(found),
    }


def missing_scattering(settings: ScatteringSettings, reason: str) -> dict:
    """The same where no S(Q) exists, for an element without form factor, say."""
    absent = {"total": None, "reason": reason}
    return {
        "S_q": absent,
        "D_r": absent,
        "T_r": absent,
        "r_chi": {"T_r": missing_entry("1", reason), "D_r": missing_entry("1", reason), "measured": None},
        "conventions": settings.description,
        "convention_effects": {"against": None, "rows": [], "reason": reason},
    }


def _r_chi_entry(found: ScatteringComparison) -> dict:
    if found.agreement is None:
        reason = found.no_agreement or ""
        return {"T_r": missing_entry("1", reason), "D_r": missing_entry("1", reason), "measured": None}
    return {
        "T_r": measurement_entry(Measurement(found.agreement.r_chi_T, None, "1", ONE_COMPARISON)),
        "D_r": measurement_entry(Measurement(found.agreement.r_chi_D, None, "1", ONE_COMPARISON)),
        "measured": _measured_entry(found.agreement),
    }


def _measured_entry(found: Agreement) -> dict:
    """The measured curve on the points where it was compared."""
    return {
        "file": Path(found.source).name,
        "number_density": constant(found.measured_density, "1/Angstrom3"),
        "r": curve(found.r, "Angstrom"),
        "D_r": curve(found.measured_D, CORRELATION),
        "T_r": curve(found.measured_T, CORRELATION),
    }


def _effects_entry(found: ScatteringComparison) -> dict:
    rows = [{"change": e.change, "T_r": e.r_chi_T, "D_r": e.r_chi_D, "unit": "1"} for e in found.effects]
    against = "the measured curve" if found.measured else "the same structure with the conventions as set"
    return {"against": against, "rows": rows} | ({"reason": found.no_effects} if found.no_effects else {})

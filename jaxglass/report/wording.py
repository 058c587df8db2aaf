"""Numbers, units and settings in plain words; text, escaped only when it enters the page."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import TypeGuard

UNITS = {
    "Angstrom": "Å",
    "Angstrom2": "Å²",
    "1/Angstrom": "1/Å",
    "1/Angstrom2": "Å⁻²",
    "1/Angstrom3": "Å⁻³",
    "g/cm3": "g/cm³",
    "cm2/s": "cm²/s",
    "degree": "°",
    "degC": "°C",
    "1": "",
    "": "",
}
SETTING_UNITS = {
    "li2o": "mol %",
    "hop_distance": "Å",
    "ring_reach": "Å",
    "start_density": "g/cm³",
    "melt_temperature": "K",
    "final_temperature": "K",
    "quench_rate": "K/ps",
    "pressure": "GPa",
    "cutoff": "Å",
    "coulomb_cutoff": "Å",
    "r_max": "Å",
    **dict.fromkeys(("q_min", "q_max", "dq"), "1/Å"),
    **dict.fromkeys(("lorch_delta", "lorch_delta0", "g_max", "g_width", "dr", "chi_min", "chi_max", "margin"), "Å"),
    "alpha_max": "Å²",
    "density": "g/cm³",
    "a_bo": "eV",
    "A": "eV",
    "rho": "Å",
    "C": "eV Å⁶",
}  # by the last part of the name; the other names hold their unit (melt_ps) or have none
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[\\/~](?:[^\s\\/:,;'\"]*[\\/])+([^\s\\/:,;'\"]*)")


def unit_text(unit: str | None) -> str:
    """ "Å" for "Angstrom"; empty for a pure number."""
    return UNITS.get(unit or "", unit or "")


def with_unit(number: str, unit: str | None) -> str:
    """The number, a space and its unit; no space before the degree sign."""
    text = unit_text(unit)
    return f"{number}{text}" if text in ("", "°") else f"{number} {text}"


def number_text(value: float | int | str | None, digits: int = 4) -> str:
    """A number with up to `digits` significant digits and one decimal at least; integers as they are."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not available"
    if isinstance(value, (bool, str, int)):
        return str(value)
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(1, digits - 1 - math.floor(math.log10(abs(value))))}f}".rstrip("0").removesuffix(".")


def value_text(entry: Mapping) -> str:
    """ "2.271 ± 0.004 g/cm³" from a results entry, the error with two digits; "not measured" for null."""
    value, error, unit = entry.get("value"), entry.get("error"), entry.get("unit")
    if not _is_number(value):
        return "not measured" if value is None else number_text(value)
    if not _is_number(error) or error <= 0:
        return with_unit(number_text(value), unit)
    if not 1e-3 <= abs(value) < 1e6:
        return with_unit(f"{number_text(value)} ± {number_text(error, 2)}", unit)
    places = min(4, max(0, 1 - math.floor(math.log10(error))))
    if error < 0.5 * 10**-places:
        return with_unit(f"{value:.{places}f} ± less than {10**-places:g}", unit)
    return with_unit(f"{value:.{places}f} ± {error:.{places}f}", unit)


def interval_text(entry: Mapping) -> str:
    """ "1.2e-08 (4.1e-09 to 3.5e-08) S/cm": a value with the ends of its `interval`; "not measured" for null."""
    if not _is_number(entry.get("value")):
        return "not measured"
    low, high = entry["interval"]
    return with_unit(f"{entry['value']:.1e} ({low:.1e} to {high:.1e})", entry.get("unit"))


def cutoff_text(cutoffs: Mapping[str, Mapping]) -> str:
    """ "B-O 1.8 Å, P-O 1.7 Å"."""
    return ", ".join(f"{pair} {with_unit(number_text(c['value'], 3), c['unit'])}" for pair, c in cutoffs.items())


def frames_text(frames: int | None) -> str:
    """ "mean over 10 frames"."""
    if frames is None:
        return "all frames"
    return "one frame" if frames == 1 else f"mean over {frames} frames"


def why_text(entry: Mapping) -> str:
    """Why a value or its error is missing; empty where both are there."""
    if _is_number(entry.get("value")) and entry.get("error") is not None:
        return "the same in every frame" if entry["error"] == 0 else ""
    return entry.get("reason") or ""


def is_entry(candidate: object) -> bool:
    """True for a results entry: a mapping with "value" and "unit"."""
    return isinstance(candidate, Mapping) and "value" in candidate and "unit" in candidate


def entries(tree: Mapping, prefix: str = "") -> Iterator[tuple[str, Mapping]]:
    """Every results entry of a stage with its dotted name."""
    for key, item in tree.items():
        name = f"{prefix}{key}"
        if is_entry(item):
            yield name, item
        elif isinstance(item, Mapping):
            yield from entries(item, f"{name}.")


def settings(tree: Mapping, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a nested mapping as dotted name and plain text."""
    for key, item in tree.items():
        name = f"{prefix}{key}"
        if is_entry(item):
            yield name, value_text(item)
        elif isinstance(item, Mapping):
            yield from settings(item, f"{name}.")
        else:
            yield name, with_unit(setting_text(item), _setting_unit(name) if _is_number(item) else "")


def setting_text(item: object) -> str:
    """A setting as one line of text, without the folders of this machine."""
    if item is None:
        return "not set"
    if isinstance(item, float):
        return f"{item:.12g}"
    if isinstance(item, Mapping):
        return ", ".join(f"{key}: {value}" for key, value in settings(item))
    if isinstance(item, (list, tuple)):
        return ", ".join(setting_text(part) for part in item)
    return without_folders(str(item))


def without_folders(text: str) -> str:
    """Absolute paths cut down to their last name."""
    return _PATH.sub(lambda match: match.group(1) or "(folder)", text)


def _setting_unit(name: str) -> str:
    """The unit of a setting that is a number; empty where the name holds it or there is none."""
    if ".cutoffs." in name:
        return "Å"
    if "charges." in name:
        return "e"
    return SETTING_UNITS.get(name.rpartition(".")[2], "")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

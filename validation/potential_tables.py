"""Rows of the report about the potential itself, from kept results: its errors, and what the choice of A_BO does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from validation.verdict import mean_over_seeds, with_error

FOLDER = Path(__file__).parent
CRYSTALS = ("Crystal", "A_BO (eV)", "Volume", "a, b, c", "Angles", "P-O, B-O, Li-O (Å)", "Measured", "Coordinates")
GLASSES = ("Glass", "Quantity", "Here", "Measured", "Difference")
EFFECTS = ("A_BO", "Quantity", "Minus the default, c3", "Pairs")
RULED = {"n4": "1", "density": "g/cm3", "young_modulus": "GPa", "log10_diffusivity": "1"}
RULES = ("mol % Li₂O", "Rule", "A_BO (eV)", "N4", "Density", "E at rest", "log10 D (cm2/s) at 1200 K", "Glasses")
SAID = {"nmr": "c3 with N4 of NMR", "c1": "c1 (K = 0)", "c3": "c3, the default"}
NAMES = {
    "n4": "N4",
    "density": "density",
    "young_modulus": "E at rest",
    "poisson_ratio": "ν at rest",
    "log10_diffusivity": "log10 D at 1200 K",
}


def crystal_rows(folder: Path = FOLDER) -> list[tuple[str, ...]]:
    """Every crystal at rest against its measured cell; empty where nothing is kept."""
    return [_crystal(entry) for entry in _kept("accuracy.json", folder).get("crystals", ())]


def glass_rows(folder: Path = FOLDER) -> list[tuple[str, ...]]:
    """Every property of a glass off the line of the paper."""
    return [
        (
            entry["glass"].removeprefix("glass_").replace("_", "-"),
            NAMES[entry["quantity"]],
            _mean(entry["found"], entry["unit"]),
            f"{entry['measured']:g}",
            f"{entry['off_percent']:+.1f} %",
        )
        for entry in _kept("accuracy.json", folder).get("glasses", ())
    ]


def effect_rows(folder: Path = FOLDER) -> list[tuple[str, ...]]:
    """Every quantity under a rule for A_BO against that under the default."""
    return [
        (SAID[row["rule"]], NAMES[row["quantity"]], _mean(row["difference"], row["unit"], "+"), str(row["pairs"]))
        for row in _kept("boron_rule.json", folder).get("effects", ())
    ]


def rule_rows(folder: Path = FOLDER) -> list[tuple[str, ...]]:
    """Every composition under every rule for A_BO: means over seeds."""
    groups: dict[tuple[float, str], list[Mapping[str, Any]]] = {}
    for one in _kept("boron_rule.json", folder).get("glasses", ()):
        groups.setdefault((one["li2o"], one["rule"]), []).append(one)
    rows = []
    for (li2o, rule), some in sorted(groups.items()):
        values = [_over_seeds([one["values"][name] for one in some], unit) for name, unit in RULED.items()]
        rows.append((f"{li2o:g}", SAID[rule], f"{some[0]['a_bo']:.0f}", *values, str(len(some))))
    return rows


def _over_seeds(values: Sequence[float | None], unit: str) -> str:
    """The mean, with an error where there are several."""
    known = [value for value in values if value is not None]
    if len(known) > 1:
        return _mean(asdict(mean_over_seeds(known)), unit)
    return f"{known[0]:.3g}" + ("" if unit == "1" else f" {unit}") if known else "-"


def _crystal(entry: Mapping[str, Any]) -> tuple[str, ...]:
    def lengths(bonds: Mapping[str, float]) -> str:
        return ", ".join(f"{bonds[pair]:.3f}" if pair in bonds else "-" for pair in ("P-O", "B-O", "Li-O"))

    return (
        entry["name"],
        "-" if entry["a_bo"] is None else f"{entry['a_bo']:.0f}",
        f"{entry['volume']:+.1f} %" + ("" if entry["rest"] else " (not at rest)"),
        ", ".join(f"{edge:+.1f}" for edge in entry["edges"]) + " %",
        f"{entry['angle']:.1f}°",
        lengths(entry["bonds"]),
        lengths(entry["measured_bonds"]) if entry["measured_bonds"] else "-",
        entry["status"],
    )


def _mean(mean: Mapping[str, float], unit: str, sign: str = "") -> str:
    return with_error(mean["value"], mean["error"], sign) + ("" if unit == "1" else f" {unit}")


def _kept(name: str, folder: Path) -> Mapping[str, Any]:
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else {}

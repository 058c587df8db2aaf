"""Measured values and the paper's own statements, with unit, uncertainty and source (experiment.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

EXPERIMENT = Path(__file__).with_name("experiment.yaml")
WHOLE_ATOMS = 0.15  # mol %: what whole atoms of a glass of a thousand leave
SAME = 0.05  # mol %: closer than this is the same composition


@dataclass(frozen=True)
class Reference:
    """One measured number; `interpolated` between tabulated neighbours where nothing was measured."""

    value: float
    uncertainty: float | None
    unit: str
    source: str
    interpolated: bool = False


@dataclass(frozen=True)
class ReferenceRange:
    """The range a quantity takes in the `source`, with its mean where that is known."""

    low: float
    high: float
    mean: float | None
    unit: str
    source: str


@dataclass(frozen=True)
class ReferenceTable:
    """The contents of experiment.yaml behind lookups; `entries` as read."""

    entries: Mapping[str, Mapping]

    def density(self, li2o: float) -> Reference | None:
        """Density (g/cm3) at `li2o` mol % with B/P = 1, interpolated between neighbours; None outside."""
        entry = self.entries["density"]
        source = self._source(entry["source"], entry["via"])
        for point in self.density_series():
            if abs(point.li2o - li2o) < SAME:
                return Reference(point.value, entry["uncertainty"], entry["unit"], source)
        between = {float(x): v for x, v in (entry["values"] | entry["interpolated"]["values"]).items()}
        value = _between(list(between.items()), li2o)
        if value is None:
            return None
        return Reference(value, entry["uncertainty"], entry["unit"], source, interpolated=True)

    def density_series(self) -> list["Point"]:
        """The measured densities (g/cm3) by composition, interpolated entries left out."""
        return self._series("density")

    def toughness(self, li2o: float) -> float | None:
        """Measured K_Ic (MPa m^0.5) of the glass of `li2o` mol %, as near as whole atoms come to it; None without."""
        near = [point.value for point in self.toughness_series() if abs(point.li2o - li2o) < WHOLE_ATOMS]
        return near[0] if near else None

    def toughness_series(self) -> list["Point"]:
        """The measured K_Ic (MPa m^0.5) by composition that are known as numbers."""
        return self._series("fracture_toughness")

    def conductivity_series(self) -> list["Point"]:
        """Measured conductivities (S/cm) at 20 degC by composition."""
        return self._series("conductivity")

    def conductivity_spread(self) -> dict[float, tuple[float, float]]:
        """Smallest and largest conductivity (S/cm) that groups found, by composition."""
        return {float(x): (low, high) for x, (low, high) in self.entries["conductivity"]["spread"].items()}

    def activation_energy_series(self) -> list["Point"]:
        """Measured activation energies (eV) of the conductivity by composition."""
        return self._series("conductivity_activation_energy")

    def diffusivity_series(self) -> list["Point"]:
        """D of Li (cm2/s) that the conductivities imply, by composition."""
        return [Point(point.li2o, 1e4 * point.value) for point in self._series("lithium_diffusivity")]

    def diffusivity_temperature(self) -> float:
        """Where those hold (K)."""
        return self.entries["lithium_diffusivity"]["temperature_K"]

    def _series(self, quantity: str) -> list["Point"]:
        values = self.entries[quantity]["values"]
        return [Point(float(x), v) for x, v in sorted(values.items(), key=lambda item: float(item[0]))]

    def bond_length(self, name: str) -> ReferenceRange:
        """Range of a bond length (A): "B-O_in_BO4", "B-O_in_BO3", "P-O" or "Li-O"."""
        entry = self.entries["bond_lengths"][name]
        sources = [entry["source"]] if isinstance(entry["source"], str) else entry["source"]
        names = "; ".join(self._source(s, "crystals") for s in sources)
        low, high = entry["range"]
        return ReferenceRange(low, high, entry.get("mean"), self.entries["bond_lengths"]["unit"], names)

    def boron_statement(self) -> tuple[str, str]:
        """What NMR says of boron coordination, and the source; no number per composition is known."""
        entry = self.entries["boron_coordination"]
        return entry["statement"], self._source(entry["source"], entry["via"])

    def paper_atoms(self) -> int:
        """Atoms of the paper's 38 mol % glass."""
        return self.entries["paper_text"]["atoms_38LiBP"]["value"]

    def paper_r_chi(self) -> float:
        """R_chi (%) of the paper's 38 mol % glass."""
        return self.entries["paper_text"]["r_chi_38LiBP"]["value"]

    def paper_quench_rate(self) -> float:
        """Cooling rate of the paper (K/ps)."""
        return self.entries["paper_text"]["quench"]["rate_K_per_ps"]

    def paper_trend(self, quantity: str) -> str:
        """ "falls" or "rises" with Li2O, as the paper says."""
        return self.entries["paper_text"]["trends_with_Li"][quantity]

    def paper_lacks(self) -> tuple[str, ...]:
        """What the paper's public text does not give."""
        return tuple(self.entries["paper_text"]["not_available"])

    def _source(self, key: str, via: str) -> str:
        """Author and year with DOI, or the description in the file, and how the value reached it."""
        entry = self.entries["sources"][key]
        name = entry["what"] if "crystals" in via and "what" in entry else key.replace("_", " ").capitalize()
        doi = f", doi {entry['doi']}" if entry.get("doi") else ""
        return name + doi + (", as tabulated in SciGlass (ODbL)" if via == "sciglass" else "")


@dataclass(frozen=True)
class Point:
    """One tabulated value at `li2o` mol %."""

    li2o: float
    value: float


@lru_cache
def load_references(path: Path = EXPERIMENT) -> ReferenceTable:
    """Read experiment.yaml."""
    return ReferenceTable(yaml.safe_load(path.read_text(encoding="utf-8")))


def _between(points: list[tuple[float, float]], x: float) -> float | None:
    """Linear interpolation between the two neighbours of x; None outside."""
    ordered = sorted(points)
    for (x0, y0), (x1, y1) in zip(ordered, ordered[1:], strict=False):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return None

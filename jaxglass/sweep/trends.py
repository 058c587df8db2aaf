"""Trends of a sweep: the quantities the paper speaks of against one swept setting, a line per combination of others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.analysis.trend import Trend, trend_line
from jaxglass.report.reference import Point, ReferenceTable
from jaxglass.report.wording import unit_text
from jaxglass.sweep.table import LITHIUM, SEED, Mean, Row

FEWEST = 4  # glasses of a straight line with an error
COLUMNS = 3
PAPER = {"falls": "down", "rises": "up"}


@dataclass(frozen=True)
class Quantity:
    """What a panel shows: where it stands in results.json, its name, and the paper's name of its trend with lithium.

    A `key` that stands for several, as diffusivity for diffusivity.1000K and diffusivity.1100K, has a panel for each.
    """

    stage: str
    key: str
    name: str
    paper: str | None = None
    measured: Callable[[ReferenceTable], Sequence[Point]] | None = None


QUANTITIES = (
    Quantity("structure", "density", "density", "density", ReferenceTable.density_series),
    Quantity("structure", "n4", "N4", "boron_coordination"),
    Quantity("structure", "coordination.B", "coordination of B", "boron_coordination"),
    Quantity("structure", "coordination.Li", "coordination of Li"),
    Quantity("structure", "bond_lengths.B-O", "B-O length", "boron_oxygen_length"),
    Quantity("structure", "oxygen.non_bridging", "non-bridging oxygen"),
    Quantity("rings", "mean_size", "mean ring size"),
    Quantity("topology", "total_apf_per_atom.periodic", "total APF per atom"),  # the paper sums over a cell
    Quantity("elastic", "young_modulus", "Young's modulus", "young_modulus"),
    Quantity("elastic", "poisson_ratio", "Poisson ratio"),
    Quantity("fracture", "energy_release", "G_c"),
    Quantity("fracture", "toughness", "K_Ic", "fracture_toughness", ReferenceTable.toughness_series),
    Quantity("diffusion", "diffusivity", "diffusivity of Li", "diffusivity"),
    Quantity("diffusion", "conductivity_300K", "conductivity at 300 K", "conductivity"),
    Quantity("diffusion", "activation_energy", "activation energy", "activation_energy"),
)


DECADES = ("diffusivity", "conductivity")  # quantities of the stage diffusion that span decades


def in_logarithms(rows: Sequence[Row]) -> list[Row]:
    """The rows with log10 of what spans decades: its mean over seeds would be that of the largest."""
    return [_logarithm(row) if row.stage == "diffusion" and row.key.startswith(DECADES) else row for row in rows]


def _logarithm(row: Row) -> Row:
    if row.value is None or row.value <= 0:
        return replace(row, value=None, error=None)
    error = None if row.error is None else row.error / (row.value * np.log(10))
    return replace(row, value=float(np.log10(row.value)), error=error, unit=f"log10 {row.unit}")


def present(some: Sequence[Row] | Sequence[Mean]) -> list[Quantity]:
    """The quantities that `some` have, one for every key."""
    keys = dict.fromkeys((one.stage, one.key) for one in some)
    found = []
    for quantity in QUANTITIES:
        for stage, key in keys:
            whole, _, part = key.partition(".")
            if (stage, key) == (quantity.stage, quantity.key):
                found.append(quantity)
            elif (stage, whole) == (quantity.stage, quantity.key):
                found.append(replace(quantity, key=key, name=f"{quantity.name}, {part}"))
    return found


def axis_of(keys: Sequence[str], means: Sequence[Mean]) -> str | None:
    """The swept setting that trends are drawn against: lithium, else the first one with several numbers."""
    candidates = sorted((key for key in keys if key != SEED), key=lambda key: key != LITHIUM)
    for key in candidates:
        values = {mean.point[key] for mean in means}
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        if numbers and len(values) > 1:
            return key
    return None


def place(mean: Mean | Row, axis: str) -> float:
    """Where a point lies along `axis`: the composition as it was made, or the setting."""
    return float(mean.li2o if axis == LITHIUM and mean.li2o is not None else mean.point[axis])


def others(point: Mapping[str, Any], axis: str) -> str:
    """The rest of a point in words, empty when `axis` alone was swept."""
    return ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in point.items() if key not in (axis, SEED))


def lines_of(rows: Sequence[Row], axis: str, references: ReferenceTable) -> list[Trend]:
    """A straight line through all glasses for every quantity with enough of them, beside what the paper says."""
    found = []
    for quantity in present(rows):
        chosen = [r for r in rows if (r.stage, r.key) == (quantity.stage, quantity.key) and r.value is not None]
        for series in dict.fromkeys(others(row.point, axis) for row in chosen):
            glasses = [row for row in chosen if others(row.point, axis) == series]
            levels = np.array([float(row.point[axis]) for row in glasses])
            if len(glasses) >= FEWEST and len(set(levels)) > 1:
                said = references.paper_trend(quantity.paper) if quantity.paper and axis == LITHIUM else None
                name = quantity.name + (f" ({series})" if series else "")
                values = np.array([row.value for row in glasses], float)
                found.append(trend_line(name, glasses[0].unit, PAPER.get(said or ""), levels, values))
    return found


def draw_trends(means: Sequence[Mean], axis: str, references: ReferenceTable, path: Path) -> bool:
    """One panel per quantity that was measured at two places or more; False when there is none."""
    panels = [(quantity, found) for quantity in present(means) if len(found := _series(means, quantity, axis)) > 0]
    if not panels:
        return False
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from jaxglass.report.figures.style import STYLE

    with rc_context(STYLE):  # type: ignore[arg-type]
        height = -(-len(panels) // COLUMNS)
        figure = Figure(figsize=(9.0, 0.5 + 2.6 * height), layout="constrained")
        axes = np.atleast_1d(figure.subplots(height, COLUMNS)).ravel()
        for panel, (quantity, series) in zip(axes, panels, strict=False):
            _panel(panel, quantity, series, axis, references)
        for empty in axes[len(panels) :]:
            empty.set_axis_off()
        figure.supxlabel("Li₂O (mol %)" if axis == LITHIUM else axis, fontsize=10)
        figure.savefig(path, metadata={"Software": None})
    return True


def _series(means: Sequence[Mean], quantity: Quantity, axis: str) -> dict[str, list[Mean]]:
    """Means by the rest of their point, each series sorted along `axis`."""
    chosen = [mean for mean in means if (mean.stage, mean.key) == (quantity.stage, quantity.key)]
    if len({place(mean, axis) for mean in chosen}) < 2:
        return {}
    found: dict[str, list[Mean]] = {}
    for mean in sorted(chosen, key=lambda mean: place(mean, axis)):
        found.setdefault(others(mean.point, axis), []).append(mean)
    return found


def _panel(
    panel: Any, quantity: Quantity, series: Mapping[str, Sequence[Mean]], axis: str, references: ReferenceTable
) -> None:
    unit = ""
    for name, means in series.items():
        unit = unit_text(means[0].unit)
        errors = [mean.error or 0.0 for mean in means]
        places = [place(mean, axis) for mean in means]
        panel.errorbar(places, [m.value for m in means], yerr=errors, fmt="o-", ms=4, capsize=3, lw=1, label=name)
    if quantity.measured and axis == LITHIUM:
        points = quantity.measured(references)
        low, high = panel.get_xlim()
        near = [p for p in points if low - 2 <= p.li2o <= high + 2]
        if near:
            panel.plot([p.li2o for p in near], [p.value for p in near], "ks--", ms=4, lw=0.8, label="experiment")
    panel.set_title(f"{quantity.name} ({unit})" if unit else quantity.name, fontsize=9)
    panel.tick_params(labelsize=8)
    if any(text for text in panel.get_legend_handles_labels()[1]):
        panel.legend(fontsize=7)

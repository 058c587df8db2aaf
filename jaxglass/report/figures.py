"""Figures of one run, drawn from results.json and thermo.csv alone; one function each, None where data is
missing.

Sized for a phone and for print: 5 inches wide, 12 pt, Okabe-Ito colours, curves labelled in place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxglass.report.reference import ReferenceTable
from jaxglass.report.run_record import RunRecord
from jaxglass.report.thermo import StageSpan, ThermoHistory
from jaxglass.report.wording import number_text

WIDTH = 5.0  # inches
STYLE = {
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
}
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#666666",
)
ELEMENT = {"Li": GREEN, "B": BLUE, "P": ORANGE, "O": VERMILLION}
IDEAL = {"O-B-O": ((109.47, "BO4"), (120.0, "BO3")), "O-P-O": ((109.47, "PO4"),)}
THERMO = (
    ("temperature_K", "T (K)", VERMILLION),
    ("density_g_cm3", "density (g/cm³)", BLUE),
    ("potential_energy_eV", "potential energy", GREEN),
)


@dataclass(frozen=True)
class ReportFigure:
    """A figure in the report: PNG file, what a reader sees in it, and a line for those who cannot see it."""

    path: Path
    title: str
    caption: str


def draw_figures(record: RunRecord, references: ReferenceTable, folder: Path) -> list[ReportFigure]:
    """Every figure that the run has data for, written as PNG into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with rc_context(STYLE):  # type: ignore[arg-type]
        drawings = (
            ("density", "Density against composition", density_figure(record, references)),
            ("coordination", "Coordination by oxygen", coordination_figure(record)),
            ("g_r_oxygen", "Pair distributions with oxygen", pair_figure(record, with_oxygen=True)),
            ("angles", "Angles in the polyhedra", angle_figure(record)),
            ("g_r_cations", "Pair distributions among cations", pair_figure(record, with_oxygen=False)),
            ("history", "How the glass was made", history_figure(record)),
        )
        for name, title, drawing in drawings:
            if drawing is not None:
                figure, caption = drawing
                figure.savefig(folder / f"{name}.png", metadata={"Software": None})
                written.append(ReportFigure(folder / f"{name}.png", title, caption))
    return written


def density_figure(record: RunRecord, references: ReferenceTable) -> tuple[Figure, str] | None:
    """Our density (g/cm3) over the measured series."""
    if record.density is None or record.li2o is None:
        return None
    series, entry = references.density_series(), record.density
    uncertainty = references.entries["density"]["uncertainty"]
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    x, y = [p.li2o for p in series], [p.value for p in series]
    axes.errorbar(x, y, yerr=uncertainty, fmt="o-", color=GREY, mfc="white", ms=8, capsize=3)
    axes.errorbar(
        [record.li2o], [entry["value"]], yerr=entry.get("error") or None, fmt="s", color=BLUE, ms=9, capsize=4
    )
    low, high = min([*y, entry["value"]]), max([*y, entry["value"]])
    axes.set_ylim(low - 0.07, high + 0.07)
    axes.set_xlim(min([*x, record.li2o]) - 2, max([*x, record.li2o]) + 2)
    axes.annotate("experiment (Kumar 2004)", (x[0], y[0] + 0.03), color=GREY)
    left = record.li2o > 42
    axes.annotate(
        "this run",
        (record.li2o, entry["value"]),
        xytext=(-10 if left else 10, -4),
        textcoords="offset points",
        ha="right" if left else "left",
        color=BLUE,
    )
    axes.set(xlabel="Li₂O (mol %)", ylabel="density (g/cm³)")
    return figure, (
        "Density of this run (square) over the measured series with B/P = 1 (circles; Kumar 2004, as "
        f"tabulated in SciGlass (ODbL); bars ± {uncertainty:g} g/cm³ between laboratories). With this "
        "potential it is expected 5-8 % low."
    )


def coordination_figure(record: RunRecord) -> tuple[Figure, str] | None:
    """Share of B, P and Li atoms by number of oxygens."""
    found = {
        element: entry
        for element, entry in (record.structure.get("coordination") or {}).items()
        if "_" not in element and (entry.get("histogram") or {}).get("number")
    }
    if not found:
        return None
    numbers = np.concatenate([entry["histogram"]["number"] for entry in found.values()])
    ticks = np.arange(numbers.min(), numbers.max() + 1)
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    width = 0.8 / len(found)
    for k, (element, entry) in enumerate(found.items()):
        share = dict(zip(entry["histogram"]["number"], entry["histogram"]["share"], strict=True))
        offset = (k - (len(found) - 1) / 2) * width
        heights = [100 * share.get(int(n), 0.0) for n in ticks]
        label = f"{element}, mean {entry['value']:.2f}"
        axes.bar(ticks + offset, heights, width, color=ELEMENT.get(element, PURPLE), label=label)
    axes.set_xticks(ticks)
    axes.set(xlabel="oxygen neighbours within the cutoff", ylabel="share of atoms (%)")
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.0, handlelength=1.0)
    cutoffs = ", ".join(
        f"{e}-O {number_text(entry['cutoff']['value'], 2)} Å" for e, entry in found.items() if "cutoff" in entry
    )
    return figure, f"Number of oxygens around each cation, all frames together. Cutoffs: {cutoffs}."


def pair_figure(record: RunRecord, with_oxygen: bool) -> tuple[Figure, str] | None:
    """One panel per partial g(r), with the bond cutoff where there is one."""
    pairs = record.structure.get("g_r") or {}
    chosen = {name: g for name, g in (pairs.get("partials") or {}).items() if ("O" in name.split("-")) == with_oxygen}
    if not chosen:
        return None
    r = np.array(pairs["r"]["values"])
    figure = Figure(figsize=(WIDTH, 0.7 + 0.95 * len(chosen)))
    for panel, (name, g) in zip(_panels(figure, len(chosen)), chosen.items(), strict=True):
        _pair_panel(panel, name, r, np.array(g["values"]), _cutoff(record, name))
    figure.supylabel("g(r)")
    figure.axes[-1].set_xlabel("r (Å)")
    frames = record.structure.get("frames", "all")
    caption = f"Partial pair distributions, mean over {frames} frames; each panel has its own scale."
    return figure, caption + (" Dashed: the cutoff that counts as a bond." if with_oxygen else "")


def angle_figure(record: RunRecord) -> tuple[Figure, str] | None:
    """O-B-O and O-P-O with the ideal angles."""
    found = {
        name: a for name, a in (record.structure.get("angles") or {}).items() if (a.get("theta") or {}).get("values")
    }
    if not found:
        return None
    figure = Figure(figsize=(WIDTH, 0.9 + 1.5 * len(found)))
    for panel, (name, angle) in zip(_panels(figure, len(found)), found.items(), strict=True):
        density = 100 * np.array(angle["density"]["values"])
        color = ELEMENT.get(name.split("-")[1], PURPLE)
        panel.fill_between(angle["theta"]["values"], density, step="mid", color=color, alpha=0.35, lw=0)
        panel.step(angle["theta"]["values"], density, where="mid", color=color)
        panel.text(0.02, 0.95, name, transform=panel.transAxes, va="top", color=color, weight="bold")
        for ideal, label in IDEAL.get(name, ()):
            panel.axvline(ideal, color=GREY, ls="--", lw=1)
            side = "right" if ideal < 115 else "left"
            panel.text(
                ideal + (-1 if side == "right" else 1),
                density.max() * 1.12,
                label,
                color=GREY,
                ha=side,
                va="center",
            )
        panel.set(xlim=(70, 180), ylim=(0, density.max() * 1.25))
    figure.supylabel("% of angles per degree")
    figure.axes[-1].set_xlabel("angle (degrees)")
    return (
        figure,
        "Angles between the bonds of one former, not divided by sin θ. Dashed: ideal polyhedra.",
    )


def history_figure(record: RunRecord) -> tuple[Figure, str] | None:
    """Temperature, density and energy against time."""
    thermo = record.thermo
    if thermo is None or len(thermo.time) < 2:
        return None
    shown = [(values, label, color) for name, label, color in THERMO if (values := thermo.column(name)) is not None]
    if not shown:
        return None
    atoms = record.glass.get("n_atoms")
    figure = Figure(figsize=(WIDTH, 0.9 + 1.4 * len(shown)))
    for panel, (values, label, color) in zip(_panels(figure, len(shown)), shown, strict=True):
        if label == "potential energy":
            values, label = (values / atoms, "E$_{pot}$ (eV/atom)") if atoms else (values, "E$_{pot}$ (eV)")
        panel.plot(thermo.time, values, color=color, lw=1.4)
        panel.set_ylabel(label)
        for k, span in enumerate(thermo.spans()):
            panel.axvspan(span.start, span.end, color="#000000", alpha=0.05 * (k % 2), lw=0)
    figure.axes[-1].set_xlabel("time (ps)")
    figure.align_ylabels()
    _name_stages(figure.axes[0], thermo)
    stages = "; ".join(_name_and_length(span) for span in thermo.spans() if span.stage)
    return figure, "The run from start to end" + (f": {stages}." if stages else ".")


def _name_and_length(span: StageSpan) -> str:
    name, length = span.stage.replace("_", " "), span.end - span.start
    return f"{name} {length:.4g} ps" if length > 0 else f"{name} (minimisation)"


def _panels(figure: Figure, count: int) -> Sequence[Axes]:
    return list(figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0])


def _pair_panel(panel: Axes, name: str, r: np.ndarray, g: np.ndarray, cutoff: float | None) -> None:
    first = name.split("-")[0]
    color = ELEMENT.get(first, PURPLE)
    panel.axhline(1, color="#bbbbbb", lw=0.8)
    panel.plot(r, g, color=color)
    if cutoff is not None:
        panel.axvline(cutoff, color=GREY, ls="--", lw=1)
    panel.text(
        0.98,
        0.92,
        name,
        transform=panel.transAxes,
        va="top",
        ha="right",
        color=color,
        weight="bold",
    )
    panel.set(xlim=(1.0, r[-1]), ylim=(0, 1.35 * max(g.max(), 1.0)))  # room for the name above the curve
    panel.locator_params(axis="y", nbins=3)


def _cutoff(record: RunRecord, pair: str) -> float | None:
    entry: Mapping = (record.structure.get("cutoffs") or {}).get(pair) or {}
    return entry.get("value")


def _name_stages(axes: Axes, thermo: ThermoHistory) -> None:
    """Stage names above the first panel, where there is room."""
    total = thermo.time[-1] - thermo.time[0]
    for span in thermo.spans():
        name = span.stage.replace("_", " ")
        if span.end - span.start > 0.025 * len(name) * total:
            middle = ((span.start + span.end) / 2, 1.02)
            axes.annotate(name, middle, xycoords=("data", "axes fraction"), ha="center", va="bottom", color=GREY)

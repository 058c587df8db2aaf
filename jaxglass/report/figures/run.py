"""The run itself: its density beside experiment, and how the glass was made."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, GREEN, GREY, VERMILLION, WIDTH, Drawing, panels
from jaxglass.report.reference import ReferenceTable
from jaxglass.report.run_record import RunRecord
from jaxglass.report.thermo import StageSpan, ThermoHistory

THERMO = (
    ("temperature_K", "T (K)", VERMILLION),
    ("density_g_cm3", "density (g/cm³)", BLUE),
    ("potential_energy_eV", "potential energy", GREEN),
)


def density_figure(record: RunRecord, references: ReferenceTable) -> Drawing:
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


def history_figure(record: RunRecord) -> Drawing:
    """Temperature, density and energy against time."""
    thermo = record.thermo
    if thermo is None or len(thermo.time) < 2:
        return None
    shown = [(values, label, color) for name, label, color in THERMO if (values := thermo.column(name)) is not None]
    if not shown:
        return None
    atoms = record.glass.get("n_atoms")
    figure = Figure(figsize=(WIDTH, 0.9 + 1.4 * len(shown)))
    for panel, (values, label, color) in zip(panels(figure, len(shown)), shown, strict=True):
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


def _name_stages(axes: Axes, thermo: ThermoHistory) -> None:
    """Stage names above the first panel, where there is room."""
    total = thermo.time[-1] - thermo.time[0]
    for span in thermo.spans():
        name = span.stage.replace("_", " ")
        if span.end - span.start > 0.025 * len(name) * total:
            middle = ((span.start + span.end) / 2, 1.02)
            axes.annotate(name, middle, xycoords=("data", "axes fraction"), ha="center", va="bottom", color=GREY)

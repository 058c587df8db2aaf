"""Elastic constants, fracture and bond switching: curves, and toughness against composition."""

import numpy as np
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, ELEMENT, GREY, ORANGE, PURPLE, VERMILLION, WIDTH, Drawing, panels
from jaxglass.report.reference import ReferenceTable
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import cutoff_text, value_text

TENSILE, SHEAR = ("xx", "yy", "zz"), ("yz", "xz", "xy")
KINDS = {"decreased": "fewer bonds", "increased": "more bonds", "swapped": "other partners"}
FORMERS = ("B", "P", "Si")


def elastic_figure(record: RunRecord) -> Drawing:
    """Stress against strain in six directions, and the straight lines through them."""
    elastic = record.elastic
    if "stress_strain" not in elastic:
        return None
    strain = np.array(elastic["stress_strain"]["strain"]["values"])
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    for group, color, label in ((TENSILE, BLUE, "tension xx, yy, zz"), (SHEAR, ORANGE, "shear yz, xz, xy")):
        for k, direction in enumerate(group):
            curve, line = elastic["stress_strain"]["stress"][direction]["values"], elastic["directions"][direction]
            axes.plot(100 * strain, curve, ".", ms=3, color=color, alpha=0.6, label=label if k == 0 else None)
            axes.plot(100 * strain, line["stress_at_zero"] + line["value"] * strain, color=color, lw=1)
    axes.set(xlabel="strain (%)", ylabel="stress (GPa)")
    axes.legend(loc="upper left", handlelength=1.0)
    return figure, (
        f"Six runs at 300 K, one per direction. Slopes: C11 = {value_text(elastic['C11'])} (mean of three), "
        f"C44 = {value_text(elastic['C44'])} (mean of three); errors are those of the regressions."
    )


def stress_strain_figure(record: RunRecord) -> Drawing:
    """The work of fracture under its curve."""
    fracture = record.fracture
    if "stress_strain" not in fracture:
        return None
    curve = fracture["stress_strain"]
    strain, stress = np.array(curve["strain"]["values"]), np.array(curve["stress"]["values"])
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.subplots()
    axes.fill_between(100 * strain, stress, color=BLUE, alpha=0.2, lw=0)
    axes.plot(100 * strain, stress, color=BLUE)
    axes.axhline(0, color=GREY, lw=0.8)
    broken = fracture["broken"]["value"]
    if broken is not None:
        axes.axvline(100 * broken, color=VERMILLION, lw=1, ls="--")
        axes.annotate("in two parts", (100 * broken, stress.max()), ha="right", va="top", color=VERMILLION, rotation=90)
    axes.set(xlabel="strain along z (%)", ylabel="stress along z (GPa)", xlim=(0, None))
    end = "" if broken is not None else " The glass still holds together at the last strain: a lower bound."
    return figure, (
        f"Mean stress of the notched glass after each strain step. G_c = {value_text(fracture['energy_release'])} is "
        f"the shaded work over the ligament of {value_text(fracture['crack_area']['projected'])}; "
        f"K_Ic = {value_text(fracture['toughness'])}.{end}"
    )


def toughness_figure(record: RunRecord, references: ReferenceTable) -> Drawing:
    """K_Ic of this run beside the measured points."""
    toughness = (record.fracture or {}).get("toughness") or {}
    if toughness.get("value") is None or record.li2o is None:
        return None
    measured = references.toughness_series()
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.subplots()
    x, y = [point.li2o for point in measured], [point.value for point in measured]
    axes.plot(x, y, "s--", color=GREY, lw=1, label="measured (SEPB)")
    axes.errorbar(
        [record.li2o], [toughness["value"]], yerr=toughness["error"], fmt="o", capsize=3, color=BLUE, label="this run"
    )
    axes.set(xlabel="Li₂O (mol %)", ylabel="K_Ic (MPa m$^{0.5}$)", ylim=(0, None))
    axes.legend(loc="best")
    return figure, (
        "Fracture toughness. A run is one crack of some nanometres pulled within picoseconds, in a glass cooled within "
        "picoseconds: its value is not that of an experiment; only trends over seeds and compositions mean something."
    )


def switching_figure(record: RunRecord) -> Drawing:
    """Share of formers whose bonds have changed since the first frame."""
    switching = record.bond_switching
    if not switching:
        return None
    elements = [element for element in FORMERS if element in switching["decreased"]]
    if not elements:
        return None
    strain = record.strain(switching["frames"])
    x = np.arange(switching["frames"]) if strain is None else 100 * strain
    figure = Figure(figsize=(WIDTH, 5.2))
    for panel, (kind, words) in zip(panels(figure, len(KINDS)), KINDS.items(), strict=True):
        for element in elements:
            shares = 100 * np.array(switching[kind][element]["values"])
            panel.plot(x, shares, color=ELEMENT.get(element, PURPLE), label=element)
        panel.set(ylim=(0, None))
        panel.set_title(words, loc="left", fontsize=11)
    figure.axes[0].legend(loc="upper left", ncols=len(elements), handlelength=1.0)
    figure.axes[-1].set_xlabel("frame" if strain is None else "strain along z (%)")
    figure.supylabel("share of atoms (%)")
    since = "the unstrained glass" if strain is not None else f"the {switching['reference']}"
    return figure, (
        f"What became of the bonds since {since}. Cutoffs: {cutoff_text(switching['cutoffs'])}. "
        "Part of it is thermal: a bond near its cutoff comes and goes."
    )

"""Motion of lithium: MSD and its fit, van Hove function, Arrhenius line and conductivity beside experiment."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, ELEMENT, GREY, ORANGE, PURPLE, VERMILLION, WIDTH, Drawing, panels
from jaxglass.report.reference import ReferenceTable
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import interval_text, number_text, value_text

COLD_TO_HOT = (BLUE, ORANGE, VERMILLION, PURPLE, "#56B4E9", "#F0E442")
SIDES = 1.959964  # standard errors in half of a 95 % interval
WARMEST_OF_LINE = 1.25  # times the highest temperature


def temperature_colors(names: list[str]) -> dict[str, str]:
    """A colour per temperature."""
    return {name: COLD_TO_HOT[k % len(COLD_TO_HOT)] for k, name in enumerate(names)}


def shown_name(name: str) -> str:
    """ "800 K" for "800K"."""
    return f"{name.removesuffix('K')} K" if name.endswith("K") else "this trajectory"


def msd_figure(record: RunRecord) -> Drawing:
    """MSD of lithium at every temperature with its straight line, of the network at the highest."""
    diffusion = record.diffusion
    if not diffusion:
        return None
    figure = Figure(figsize=(WIDTH, 4.4))
    axes = figure.subplots()
    for name, color in temperature_colors(list(diffusion["msd"])).items():
        curves = diffusion["msd"][name]
        axes.loglog(curves["lag"]["values"], curves["Li"]["values"], color=color, label=f"Li, {shown_name(name)}")
        _draw_fit(axes, diffusion, name, color)
    last = list(diffusion["msd"])[-1]
    network = [e for e in ELEMENT if e != "Li" and e in diffusion["msd"][last]]
    for element in network:
        curve = diffusion["msd"][last][element]["values"]
        axes.loglog(diffusion["msd"][last]["lag"]["values"], curve, ":", color=ELEMENT[element], lw=1.4, label=element)
    axes.set(xlabel="time t (ps)", ylabel="mean squared displacement (Å²)")
    figure.legend(loc="outside upper center", ncols=2, columnspacing=1.0, handlelength=1.5)
    windows = diffusion["fit_window"]
    slopes = [
        f"{shown_name(name)}: {windows[name]['slope_at_start']['value']:.2f}"
        for name in windows
        if windows[name]["slope_at_start"]["value"] is not None
    ]
    return figure, (
        f"All time origins; the drift of the network is taken off. Dotted: {', '.join(network) or 'no network'} at "
        f"{shown_name(last)}. Black: straight lines through the windows that were fitted; without one the motion is "
        f"not diffusive yet. Log-log slope where the window begins, or where it would have to: {'; '.join(slopes)}."
    )


def _draw_fit(axes: Axes, diffusion: Mapping, name: str, color: str) -> None:
    window, D = diffusion["fit_window"][name], diffusion["diffusivity"][name]["value"]
    if D is None:
        return
    t = np.geomspace(window["start"]["value"], window["end"]["value"], 40)
    axes.loglog(t, window["offset"]["value"] + 6 * D * 1e4 * t, color="black", lw=1.2, ls="--", zorder=3)


def van_hove_figure(record: RunRecord) -> Drawing:
    """How far single ions go at the highest temperature, and the non-Gaussian parameter at all."""
    found = record.diffusion.get("van_hove")
    if not found:
        return None
    last = list(found)[-1]
    figure = Figure(figsize=(WIDTH, 5.4))
    upper, lower = figure.subplots(2, 1)
    rows = zip(found[last]["lag"]["values"], found[last]["density"], strict=True)
    for k, (lag, density) in enumerate(rows):
        upper.plot(
            found[last]["r"]["values"], density["values"], color=COLD_TO_HOT[k], label=f"{number_text(lag, 3)} ps"
        )
    upper.set(xlabel="distance r (Å)", ylabel="4πr² G$_s$(r, t) (1/Å)", ylim=(0, 1.2), xlim=(0, _reach(found[last])))
    upper.legend(loc="upper right", handlelength=1.0)
    for name, color in temperature_colors(list(found)).items():
        curve = found[name]["non_gaussian"]
        lower.semilogx(curve["lag"]["values"], curve["values"], color=color, label=shown_name(name))
    lower.axhline(0, color=GREY, lw=0.8)
    lower.set(xlabel="time t (ps)", ylabel="α₂")
    lower.legend(loc="upper right", handlelength=1.0)
    return figure, (
        f"Above: distances that Li atoms have gone after t, at {shown_name(last)}; a shoulder near 3 Å is a hop. "
        "Below: the non-Gaussian parameter, 0 for free diffusion, largest when some have left their cages and others "
        "have not."
    )


def _reach(found: Mapping) -> float:
    """Distance that 99.5 % of the displacements stay below."""
    r, density = np.array(found["r"]["values"]), np.array(found["density"][-1]["values"])
    total = np.cumsum(density)
    return float(max(4.0, r[np.searchsorted(total, 0.995 * total[-1])]))


def arrhenius_figure(record: RunRecord, references: ReferenceTable) -> Drawing:
    """D against 1/T, the line with its 95 % band down to room temperature, and what experiment implies."""
    diffusion = record.diffusion
    line = diffusion.get("arrhenius")
    if not line:
        return None
    T = np.array(line["temperatures"]["values"])
    D = [diffusion["diffusivity"][f"{t:g}K"] for t in T]
    figure = Figure(figsize=(WIDTH, 4.2))
    axes = figure.subplots()
    inverse = np.linspace(1 / (WARMEST_OF_LINE * T.max()), 1 / 290.0, 100)
    x = np.stack([np.ones(100), inverse])
    center = np.array([line["log_D0"]["value"], line["slope"]["value"]]) @ x
    half = SIDES * np.sqrt(np.einsum("ik,ij,jk->k", x, np.array(line["covariance"]["values"]), x))
    axes.fill_between(1e3 * inverse, np.exp(center - half), np.exp(center + half), color=BLUE, alpha=0.2, lw=0)
    axes.semilogy(1e3 * inverse, np.exp(center), color=BLUE, lw=1.2)
    values, errors = ([entry[key] or 0.0 for entry in D] for key in ("value", "error"))
    axes.errorbar(1e3 / T, values, yerr=errors, fmt="o", color=BLUE, capsize=3, label="this run")
    beside = _experimental_diffusivity(axes, record, references)
    axes.set(xlabel="1000/T (1/K)", ylabel="D of Li (cm²/s)", yscale="log")
    axes.legend(loc="upper right")
    return figure, (
        f"Ea = {value_text(diffusion['activation_energy'])} (of D, hence of σT). The line is extrapolated to room "
        f"temperature with its 95 % band: D(300 K) = {interval_text(diffusion['diffusivity_300K'])}.{beside}"
    )


def _experimental_diffusivity(axes: Axes, record: RunRecord, references: ReferenceTable) -> str:
    """Draws the values of the two nearest compositions; what they are, in words."""
    if record.li2o is None:
        return ""
    composition = record.li2o
    near = sorted(references.diffusivity_series(), key=lambda point: abs(point.li2o - composition))[:2]
    label = f"from σ, {' and '.join(f'{p.li2o:g}' for p in near)} % Li₂O"
    inverse = 1e3 / references.diffusivity_temperature()
    axes.plot([inverse] * len(near), [point.value for point in near], "s", color=GREY, ms=6, label=label)
    return " Squares: D that measured conductivities (Cho 2006, 20 °C) imply with Z = 1 and a Haven ratio of 1."


def conductivity_figure(record: RunRecord, references: ReferenceTable) -> Drawing:
    """Conductivity at 20 °C and activation energy beside the measured series."""
    sigma = record.diffusion.get("conductivity_293K") or {}
    if sigma.get("value") is None or record.li2o is None:
        return None
    figure = Figure(figsize=(WIDTH, 5.4))
    upper, lower = panels(figure, 2)
    points = references.conductivity_series()
    upper.semilogy([p.li2o for p in points], [p.value for p in points], "s--", color=GREY, lw=1, label="Cho 2006")
    for point, (low, high) in references.conductivity_spread().items():
        upper.plot([point, point], [low, high], color=GREY, lw=4, alpha=0.3)
    low, high = sigma["interval"]
    value = sigma["value"]
    style = {"fmt": "o", "color": BLUE, "capsize": 3, "label": "this run"}
    upper.errorbar([record.li2o], [value], yerr=[[value - low], [high - value]], **style)  # type: ignore[arg-type]
    upper.set(ylabel="σ at 20 °C (S/cm)")
    upper.legend(loc="best")
    energies = references.activation_energy_series()
    lower.plot([p.li2o for p in energies], [p.value for p in energies], "^--", color=GREY, lw=1, label="Kumar 2004")
    own = record.diffusion["activation_energy_of_conductivity"]
    lower.errorbar([record.li2o], [own["value"]], yerr=[SIDES * own["error"]], **style)  # type: ignore[arg-type]
    lower.set(xlabel="Li₂O (mol %)", ylabel="Ea of σ (eV)")
    lower.legend(loc="best")
    return figure, (
        "Nernst-Einstein with Z = 1 in the volume of the runs, extrapolated; bars of this run are 95 % intervals, grey "
        "bars the spread between laboratories. Ea is that of σ near 333 K, k_BT below that of D. One glass: the spread "
        "of seeds comes on top."
    )

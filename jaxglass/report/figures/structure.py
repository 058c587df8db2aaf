"""Short-range structure: coordination, pair distributions, angles, connectivity."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, ELEMENT, GREEN, GREY, ORANGE, PURPLE, WIDTH, Drawing, panels
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import cutoff_text, frames_text, number_text, value_text

IDEAL = {"O-B-O": ((109.47, "BO4"), (120.0, "BO3")), "O-P-O": ((109.47, "PO4"),)}
BRIDGE = {"B-O-B": BLUE, "B-O-P": GREEN, "P-O-P": ORANGE}
UNIT = {"P": ORANGE, "BO3": GREEN, "BO4": BLUE}


def coordination_figure(record: RunRecord) -> Drawing:
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
    cutoffs = cutoff_text({f"{e}-O": entry["cutoff"] for e, entry in found.items() if "cutoff" in entry})
    return figure, f"Number of oxygens around each cation, all frames together. Cutoffs: {cutoffs}."


def pair_figure(record: RunRecord, with_oxygen: bool) -> Drawing:
    """One panel per partial g(r), with the bond cutoff where there is one."""
    pairs = record.structure.get("g_r") or {}
    chosen = {name: g for name, g in (pairs.get("partials") or {}).items() if ("O" in name.split("-")) == with_oxygen}
    if not chosen:
        return None
    r = np.array(pairs["r"]["values"])
    figure = Figure(figsize=(WIDTH, 0.7 + 0.95 * len(chosen)))
    for panel, (name, g) in zip(panels(figure, len(chosen)), chosen.items(), strict=True):
        _pair_panel(panel, name, r, np.array(g["values"]), _cutoff(record, name))
    figure.supylabel("g(r)")
    figure.axes[-1].set_xlabel("r (Å)")
    frames = frames_text(record.structure.get("frames"))
    caption = f"Partial pair distributions; {frames}; each panel has its own scale."
    return figure, caption + (" Dashed: the cutoff that counts as a bond." if with_oxygen else "")


def angle_figure(record: RunRecord) -> Drawing:
    """O-B-O and O-P-O with the ideal angles."""
    found = _with_density(record.structure.get("angles") or {})
    if not found:
        return None
    figure = _angle_figure(found, {name: ELEMENT.get(name.split("-")[1], PURPLE) for name in found})
    return figure, "Angles between the bonds of one former, not divided by sin θ. Dashed: ideal polyhedra."


def bridge_figure(record: RunRecord) -> Drawing:
    """Angles at the oxygens between two formers."""
    links = (record.structure.get("connectivity") or {}).get("links") or {}
    found = _with_density({name: link.get("angle") or {} for name, link in links.items()})
    if not found:
        return None
    figure = _angle_figure(found, {name: BRIDGE.get(name, PURPLE) for name in found})
    cutoffs = cutoff_text(record.structure["connectivity"]["cutoffs"])
    means = "; ".join(f"{name} {value_text(angle)}" for name, angle in found.items())
    return figure, f"Angles at oxygens that link two formers, not divided by sin θ. Means: {means}. Bonds: {cutoffs}."


def speciation_figure(record: RunRecord) -> Drawing:
    """Q^n of P, BO3 and BO4 as bars."""
    connectivity = record.structure.get("connectivity") or {}
    found = {unit: q for unit, q in (connectivity.get("q") or {}).items() if q.get("share")}
    if not found:
        return None
    largest = max(int(n) for q in found.values() for n, share in q["share"].items() if share["value"])
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    width = 0.8 / len(found)
    for k, (unit, q) in enumerate(found.items()):
        n = np.arange(largest + 1)
        shares = [q["share"].get(str(m), {}) for m in n]
        axes.bar(
            n + (k - (len(found) - 1) / 2) * width,
            [100 * (share.get("value") or 0.0) for share in shares],
            width,
            yerr=[100 * (share.get("error") or 0.0) for share in shares],
            ecolor=GREY,
            color=UNIT.get(unit, PURPLE),
            label=f"{unit}, mean {number_text(q['mean']['value'], 3)}",
        )
    axes.set_xticks(range(largest + 1))
    axes.set(xlabel="bridging oxygens n of the unit Q$^n$", ylabel="share of units (%)")
    figure.legend(loc="outside upper center", ncols=3, columnspacing=1.0, handlelength=1.0)
    frames = frames_text(record.structure.get("frames"))
    cutoffs = cutoff_text(connectivity["cutoffs"])
    return figure, f"Bridging oxygens, those on two formers or more, of each unit; {frames}. Bonds: {cutoffs}."


def _with_density(angles: Mapping[str, Mapping]) -> dict[str, Mapping]:
    return {name: angle for name, angle in angles.items() if (angle.get("theta") or {}).get("values")}


def _angle_figure(found: Mapping[str, Mapping], colors: Mapping[str, str]) -> Figure:
    """One panel per distribution of angles."""
    figure = Figure(figsize=(WIDTH, 0.9 + 1.5 * len(found)))
    for panel, (name, angle) in zip(panels(figure, len(found)), found.items(), strict=True):
        density, color = 100 * np.array(angle["density"]["values"]), colors[name]
        panel.fill_between(angle["theta"]["values"], density, step="mid", color=color, alpha=0.35, lw=0)
        panel.step(angle["theta"]["values"], density, where="mid", color=color)
        panel.text(0.02, 0.95, name, transform=panel.transAxes, va="top", color=color, weight="bold")
        for ideal, label in IDEAL.get(name, ()):
            panel.axvline(ideal, color=GREY, ls="--", lw=1)
            side, shift = ("right", -1) if ideal < 115 else ("left", 1)
            panel.text(ideal + shift, density.max() * 1.12, label, color=GREY, ha=side, va="center")
        panel.set(xlim=(70, 180), ylim=(0, density.max() * 1.25))
    figure.supylabel("% of angles per degree")
    figure.axes[-1].set_xlabel("angle (degrees)")
    return figure


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

"""X-ray or neutron S(Q), and D(r) and T(r) beside a measured curve where one was given."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, GREY, VERMILLION, WIDTH, Drawing, pair_color, panels
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import frames_text, number_text, value_text

STEP = 2.0  # between the partial S(Q), drawn above each other
MEASURED = VERMILLION


def structure_factor_figure(record: RunRecord) -> Drawing:
    """Total S(Q) above all partial ones."""
    S_q = record.structure.get("S_q") or {}
    if not S_q.get("total"):
        return None
    Q, partials = np.array(S_q["Q"]["values"]), S_q["partials"]
    figure = Figure(figsize=(WIDTH, 3.0 + 0.5 * len(partials)))
    total, stack = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, 0.6 + 0.5 * len(partials)])
    total.axhline(1, color="#bbbbbb", lw=0.8)
    total.plot(Q, S_q["total"]["values"], color=BLUE)
    total.set_ylabel("S(Q)")
    for k, (name, S) in enumerate(reversed(partials.items())):
        color = pair_color(name)
        stack.axhline(1 + k * STEP, color="#dddddd", lw=0.8)
        stack.plot(Q, np.array(S["values"]) + k * STEP, color=color, lw=1.4)
        label = (1.02, 1 + k * STEP)
        stack.annotate(name, label, xycoords=("axes fraction", "data"), color=color, va="center", weight="bold")
    stack.set(xlabel="Q (1/Å)", ylabel="partial S$_{ab}$(Q)", xlim=(Q[0], Q[-1]))
    stack.set_ylim(-1.5, 1 + len(partials) * STEP)
    stack.set_yticks([])
    frames = frames_text(record.structure.get("frames"))
    return figure, (
        f"Total S(Q), and the partial ones (Faber-Ziman) each {STEP:g} above the next; {frames}. Conventions: "
        f"{record.structure['conventions']}. Here g(r) ends at {value_text(record.structure['g_end'])}."
    )


def correlation_figure(record: RunRecord) -> Drawing:
    """D(r) above T(r)."""
    found = [(key, record.structure.get(key) or {}) for key in ("D_r", "T_r")]
    if not all(curve.get("total") for _, curve in found):
        return None
    r_chi = record.structure.get("r_chi") or {}
    measured = r_chi.get("measured")
    figure = Figure(figsize=(WIDTH, 5.2))
    for panel, (key, curve) in zip(panels(figure, 2), found, strict=True):
        panel.axhline(0, color="#bbbbbb", lw=0.8)
        if measured:
            panel.plot(measured["r"]["values"], measured[key]["values"], color=MEASURED, lw=3.2, alpha=0.55)
        panel.plot(curve["r"]["values"], curve["total"]["values"], color=BLUE, lw=1.6)
        panel.set(ylabel=f"{key[0]}(r) (Å$^{{-2}}$)", xlim=(0, curve["r"]["values"][-1]))
        if r_chi.get(key, {}).get("value") is not None:
            _note(panel, f"R$_χ$ = {100 * r_chi[key]['value']:.1f} %")
    figure.axes[-1].set_xlabel("r (Å)")
    caption = f"D(r) and T(r) = D(r) + 4πρr; {frames_text(record.structure.get('frames'))}; conventions as for S(Q)."
    if not measured:
        return figure, f"{caption} No comparison: {r_chi.get('T_r', {}).get('reason', 'none given')}."
    figure.axes[0].set_title("this run", color=BLUE, loc="left", size=12, weight="bold")
    figure.axes[0].set_title("measured", color=MEASURED, loc="right", size=12, weight="bold")
    low, high = measured["r"]["values"][0], measured["r"]["values"][-1]
    return figure, (
        f"{caption} Measured: {measured['file']}, of a glass with {number_text(measured['number_density']['value'])} "
        f"atoms per Å³ (this run: {number_text(record.structure['number_density']['value'])}); "
        f"R_χ over {low:g}-{high:g} Å."
    )


def _note(panel: Axes, text: str) -> None:
    panel.text(0.98, 0.05, text, transform=panel.transAxes, ha="right", va="bottom", color=GREY)

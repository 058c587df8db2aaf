"""A refit: curves before and after beside the measured ones, the cost of every round, and parameters with intervals."""

import numpy as np
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, GREY, VERMILLION, WIDTH, Drawing
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import number_text

LABELS = {"S_q": ("Q (1/Å)", "S(Q)"), "D_r": ("r (Å)", "D(r) (Å$^{-2}$)"), "T_r": ("r (Å)", "T(r) (Å$^{-2}$)")}


def refit_figure(record: RunRecord) -> Drawing:
    """Every target: measured, before and after, and the differences below."""
    targets = record.results.get("refit", {}).get("targets")
    if not targets:
        return None
    figure = Figure(figsize=(WIDTH, 3.1 * len(targets)))
    for panel, target in zip(np.atleast_1d(figure.subplots(len(targets), 1, sharex=True)), targets, strict=True):
        x, measured = np.array(target["x"]), np.array(target["measured"])
        before, after = (np.array(target[side]["curve"]) for side in ("before", "after"))
        below = measured.min() - 1.3 * max(np.abs(before - measured).max(), np.abs(after - measured).max())
        panel.plot(x, measured, color=VERMILLION, lw=3.2, alpha=0.55, label="measured")
        panel.plot(x, before, color=GREY, lw=1.0, label="before")
        panel.plot(x, after, color=BLUE, lw=1.4, label="after")
        panel.axhline(below, color="#bbbbbb", lw=0.8)
        panel.plot(x, before - measured + below, color=GREY, lw=0.8)
        panel.plot(x, after - measured + below, color=BLUE, lw=1.0)
        held = ", held out" if target["hold_out"] else ""
        panel.set_title(target["name"] + held, loc="left", size=12)
        panel.set(ylabel=LABELS[target["quantity"]][1], xlim=(x[0], x[-1]))
    figure.axes[0].legend(ncols=3, loc="center right", bbox_to_anchor=(1.0, 0.32), fontsize=10, handlelength=1.2)
    figure.axes[-1].set_xlabel(LABELS[targets[0]["quantity"]][0])
    misfits = "; ".join(
        f"{t['name']}{' (held out)' if t['hold_out'] else ''}: R of T(r) "
        f"{number_text(100 * t['before']['R_T']['value'], 3)} % before, "
        f"{number_text(100 * t['after']['R_T']['value'], 3)} % after"
        for t in targets
    )
    return figure, f"Means over fresh glasses of each potential; differences to the measured curve below. {misfits}."


def rounds_figure(record: RunRecord) -> Drawing:
    """Cost of every round of fresh glasses, and the parameters of the last that was kept with their intervals."""
    found = record.results.get("refit")
    if not found:
        return None
    figure = Figure(figsize=(WIDTH, 3.4))
    cost, values = figure.subplots(1, 2)
    rounds = found["iterations"]
    number, noise = ([r[key] for r in rounds] for key in ("number", "noise"))
    level = [np.nan if r["cost"] is None else r["cost"] for r in rounds]  # no glasses could be made there
    cost.errorbar(number, level, yerr=noise, fmt="o-", color=BLUE, capsize=3)
    refused = [r["number"] for r in rounds if not r["kept"]]
    cost.plot(refused, [level[number.index(n)] for n in refused], "x", color=VERMILLION, ms=10, label="refused")
    cost.set(xlabel="round of fresh glasses", ylabel="½ |r|$^2$", yscale="log")
    cost.xaxis.get_major_locator().set_params(integer=True)
    if refused:
        cost.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)  # above what it would cover
    parameters = found["parameters"]
    places = np.arange(len(parameters))[::-1]
    widths = np.array([p["prior_sd"] for p in parameters])
    values.barh(places, 2 * widths, left=-widths, color="#e5e5e5")
    changes, errors = ([p["ln_change"][key] for p in parameters] for key in ("value", "error"))
    values.errorbar(changes, places, xerr=errors, fmt="o", color=BLUE, capsize=3)
    values.axvline(0, color="#bbbbbb", lw=0.8)
    values.set(xlabel="change of ln value")
    values.set_yticks(places, [p["name"] for p in parameters])
    return figure, (
        f"Left: the whitened misfit of fresh glasses, with its standard error; round {found['result']} is the result. "
        "Right: parameters with 1 sigma intervals of data and prior; grey: 1 sigma of the prior alone."
    )

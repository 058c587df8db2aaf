"""Loops: the persistence diagram with its regions, and the accumulated persistence function."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter

from jaxglass.report.figures.style import BLUE, GREEN, GREY, ORANGE, VERMILLION, WIDTH, Drawing
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import frames_text, value_text

REGION = {"C_P": VERMILLION, "C_T": BLUE, "C_O": GREEN, "B_O": ORANGE}
BINS = 80
SMOOTHING = 2.0  # bins
INSIDE = 0.7  # of the loops of a region lie within its outline
FEWEST = 20  # loops of a region that is outlined


def diagram_figure(record: RunRecord) -> Drawing:
    """Births and deaths as a histogram, the regions outlined."""
    loops = record.topology
    if not (loops.get("births") or {}).get("values"):
        return None
    b, d = (np.array(loops[key]["values"]) for key in ("births", "deaths"))
    region = np.array(loops["region"]["names"])[loops["region"]["index"]]
    edges = np.linspace(min(b.min(), 0.0) - 0.1, np.quantile(d, 0.999) + 0.3, BINS + 1)
    figure = Figure(figsize=(WIDTH, 4.1))
    axes = figure.subplots()
    *_, mesh = axes.hist2d(b, d, bins=[edges, edges], norm=LogNorm(vmin=1), cmap="Greys", rasterized=True)
    figure.colorbar(mesh, ax=axes, label="loops per bin", shrink=0.92)
    axes.plot(edges[[0, -1]], edges[[0, -1]], color=GREY, lw=0.8)
    for name, color in REGION.items():
        here = region == name
        if here.sum() >= FEWEST:
            _outline(axes, b[here], d[here], edges, color)
    axes.set(xlabel="birth b (Å²)", ylabel="death d (Å²)", xlim=edges[[0, -1]], ylim=edges[[0, -1]], box_aspect=1)
    _name_regions(axes, loops["regions"])
    return figure, (
        f"Persistence diagram of {len(b)} loops, last frame of {loops['frames']}, {_mode_text(loops)}. Outlines hold "
        f"{100 * INSIDE:.0f} % of the loops that edges and triangles assign to each region; shares are of the APF. "
        "Loops that never die are left out."
    )


def apf_figure(record: RunRecord) -> Drawing:
    """APF per atom with its error over frames."""
    loops = record.topology
    apf = loops.get("apf")
    if not apf:
        return None
    atoms = loops["n_atoms"]
    t, mean = np.array(apf["t"]["values"]), np.array(apf["mean"]["values"]) / atoms
    figure = Figure(figsize=(WIDTH, 3.4))
    axes = figure.subplots()
    if apf["error"]:
        error = np.array(apf["error"]["values"]) / atoms
        axes.fill_between(t, mean - error, mean + error, color=BLUE, alpha=0.3, lw=0)
    axes.plot(t, mean, color=BLUE)
    axes.set(xlabel="mean age t = (b + d)/2 (Å²)", ylabel="APF(t) per atom (Å²)", xlim=t[[0, -1]])
    axes.set_ylim(0, 1.05 * mean.max())
    totals = ", ".join(f"{value_text(total)} {mode}" for mode, total in loops["total_apf"].items())
    return figure, (
        f"Accumulated persistence: the lifetimes d - b of all loops up to mean age t, divided by the {atoms} atoms; "
        f"{frames_text(apf['frames'])}{', band: standard error' if apf['error'] else ''}; {_mode_text(loops)}. "
        f"Totals of the whole structure: {totals} (the mode that was not set: last frame alone)."
    )


def _outline(axes: Axes, b: np.ndarray, d: np.ndarray, edges: np.ndarray, color: str) -> None:
    """The densest part of the diagram that holds the share `INSIDE` of the loops."""
    counts, _, _ = np.histogram2d(b, d, [edges, edges])
    density = gaussian_filter(counts, SMOOTHING)
    heights = np.sort(density.ravel())[::-1]
    level = heights[np.searchsorted(np.cumsum(heights), INSIDE * heights.sum())]
    middle = (edges[1:] + edges[:-1]) / 2
    axes.contour(middle, middle, density.T, [level], colors=[color], linewidths=1.8)


def _name_regions(axes: Axes, regions: Mapping) -> None:
    """The names with their shares of the APF, in the empty corner below the diagonal."""
    for k, (name, color) in enumerate(REGION.items()):
        share = regions[name]["apf"]["value"]
        text = f"$\\mathbf{{{name[0]}_{name[2]}}}$  {100 * share:.0f} %" if share is not None else ""
        axes.text(0.97, 0.3 - 0.09 * k, text, transform=axes.transAxes, color=color, ha="right", va="center")


def _mode_text(loops: Mapping) -> str:
    """ "periodic mode, loops up to 16 Å²"."""
    limit = f", cut at {value_text(loops['alpha_max'])}" if loops["alpha_max"]["value"] is not None else ""
    return f"{loops['mode']} mode{limit}"

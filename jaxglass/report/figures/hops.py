"""Hops of lithium between rings, and the path of one ion through the network (Fig. 4F)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxglass.report.figures.diffusion import shown_name
from jaxglass.report.figures.style import BLUE, ELEMENT, GREEN, GREY, WIDTH, Drawing
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import number_text

LARGEST_STEP = 8  # change of ring size that has a bar of its own


def hop_figure(record: RunRecord) -> Drawing:
    """Hops by change of ring size, and how often ions leave rings of each size, at the highest temperature."""
    measured = {name: jumps for name, jumps in record.diffusion.get("jumps", {}).items() if jumps.get("changes")}
    if not measured:
        return None
    name, jumps = list(measured.items())[-1]
    figure = Figure(figsize=(WIDTH, 5.4))
    upper, lower = figure.subplots(2, 1)
    steps = _steps(jumps["changes"])
    colors = [GREY if step == 0 else BLUE if step < 0 else GREEN for step in steps]
    upper.bar(list(steps), list(steps.values()), color=colors)
    upper.set(xlabel="change of ring size (formers)", ylabel="hops")
    upper.xaxis.set_major_locator(MaxNLocator(integer=True))
    sizes = [int(n) for n in jumps["by_size"]]
    rate, error = np.array([[e["rate"]["value"], e["rate"]["error"]] for e in jumps["by_size"].values()]).T
    lower.errorbar(sizes, rate, yerr=error, fmt="o", color=BLUE, capsize=3)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    lower.set(xlabel="ring size (formers)", ylabel="hops out (1/ps)", ylim=(0, 1.15 * float(np.max(rate)) or 1.0))
    p = jumps["p_value"]["value"]
    return figure, (
        f"At {shown_name(name)}, {jumps['hops']['value']} hops, of which {jumps['between_rings']['value']} join sites "
        f"in rings: {jumps['to_larger']['value']} to larger, {jumps['to_smaller']['value']} to smaller, "
        f"{jumps['to_same']['value']} to equal ones; p = {number_text(p, 2)} against shuffled ring sizes. In "
        "equilibrium hops up and down must balance; what rings can change is how soon an ion leaves, below."
    )


def _steps(changes: Mapping[str, int]) -> dict[int, int]:
    """Hops by change, those beyond the largest counted with it."""
    found: dict[int, int] = {}
    for step, count in changes.items():
        kept = max(-LARGEST_STEP, min(LARGEST_STEP, int(step)))
        found[kept] = found.get(kept, 0) + count
    return dict(sorted(found.items()))


def path_figure(record: RunRecord) -> Drawing:
    """The path of one ion, seen along the direction it moves least, and the network around its sites."""
    paths = {name: path for name, path in record.diffusion.get("path", {}).items() if path}
    if not paths:
        return None
    name, path = list(paths.items())[-1]
    positions, sites, network = (np.array(path[k]["values"]) for k in ("positions", "sites", "network"))
    middle = positions.mean(axis=0)
    axes_of_path = np.linalg.svd(positions - middle, full_matrices=False)[2][:2]
    flat, flat_sites, flat_network = ((x - middle) @ axes_of_path.T for x in (positions, sites, network))
    figure = Figure(figsize=(WIDTH, 4.8))
    axes = figure.subplots()
    bonds = [flat_network[[a, b]] for a, b in path["network"]["bonds"]]
    axes.add_collection(LineCollection(bonds, colors="#bbbbbb", linewidths=1.0, zorder=1))
    symbols = np.array(path["network"]["symbols"])
    for element in dict.fromkeys(symbols.tolist()):
        x, y = flat_network[symbols == element].T
        axes.plot(x, y, "o", color=ELEMENT.get(element, GREY), ms=7 if element != "O" else 4, label=element, zorder=2)
    axes.plot(*flat.T, color=GREEN, lw=1.4, alpha=0.8, zorder=3, label="Li")
    for (x, y), size in zip(flat_sites, path["ring_sizes"], strict=True):
        axes.annotate(str(size or "–"), (x, y), ha="center", va="center", weight="bold", zorder=4)
    axes.set(xlabel="along the path (Å)", ylabel="across (Å)", aspect="equal")
    axes.autoscale_view()
    figure.legend(loc="outside upper center", ncols=4, handlelength=1.0)
    sizes = ", ".join(str(size) if size else "none" for size in path["ring_sizes"][:12])
    return figure, (
        f"Of the Li that hopped at least twice at {shown_name(name)}, the one whose way is nearest to their root mean "
        f"square; its first {number_text(path['time']['values'][-1], 3)} ps. Numbers are ring sizes at its sites, "
        f"in turn: {sizes}. Only the network within 4 Å of the sites is drawn, projected on the plane of the path."
    )

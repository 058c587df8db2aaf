"""Rings of formers by size."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from jaxglass.report.figures.style import BLUE, GREY, ORANGE, WIDTH, Drawing
from jaxglass.report.run_record import RunRecord
from jaxglass.report.wording import cutoff_text, frames_text

CRITERION = {"guttman": "Guttman", "king": "King"}


def ring_figure(record: RunRecord) -> Drawing:
    """Rings per 100 formers, with both B-O cutoffs."""
    rings = record.rings
    variants = {"": rings} | {key: entry for key, entry in rings.items() if key.startswith("B-O_")}
    shown = {key: _per_hundred(entry) for key, entry in variants.items() if _is_measured(entry)}
    if not shown:
        return None
    last = max([int(size) for per_former in shown.values() for size, (rate, _) in per_former.items() if rate] + [3])
    sizes = np.arange(2, last + 1)
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    width = 0.84 / len(shown)
    for k, (key, per_former) in enumerate(shown.items()):
        rate, error = np.array([per_former[str(size)] for size in sizes]).T
        cutoffs = variants[key]["cutoffs"]
        limit = f"B-O {cutoffs['B-O']['value']:.1f} Å" if "B-O" in cutoffs else "all bonds"
        offset = (k - (len(shown) - 1) / 2) * width
        style = {"yerr": error, "ecolor": GREY, "error_kw": {"lw": 1.0}}
        axes.bar(sizes + offset, rate, width, color=(BLUE, ORANGE)[k % 2], label=limit, **style)
    axes.set_xticks(sizes[:: 1 + len(sizes) // 12])
    axes.set(xlabel="formers in the ring", ylabel="rings per 100 formers")
    figure.legend(loc="outside upper center", ncols=2, columnspacing=1.0, handlelength=1.0)
    without, dead = (100 * rings[key]["value"] for key in ("without_ring", "dead_ends"))
    return figure, (
        f"Unique rings ({CRITERION.get(rings['criterion'], rings['criterion'])}) of up to {rings['max_size']} formers; "
        f"{frames_text(rings['frames'])}; bonds: {cutoff_text(rings['cutoffs'])}, and a wider B-O beside them. "
        f"{without:.0f} % of the bonds to bridging oxygens lie on no such ring, {dead:.0f} % are dead ends."
    )


def _is_measured(rings: Mapping) -> bool:
    return bool(rings) and rings["without_ring"]["value"] is not None and rings["mean_size"]["value"] is not None


def _per_hundred(rings: Mapping) -> dict[str, tuple[float, float]]:
    """Rings per 100 formers and their error, by size."""
    return {n: (100 * entry["value"], 100 * (entry["error"] or 0.0)) for n, entry in rings["per_former"].items()}

"""Figures of the report: how near every check comes to its limit; the trends of the paper with their error bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxglass.report.figures.style import BLUE, GREEN, GREY, ORANGE, STYLE, VERMILLION, WIDTH
from validation.paper import MADE_BY, Measured, Outcome, paper_lines
from validation.suite import Outcome as Run
from validation.verdict import share

COLORS = {
    Outcome.REPRODUCED: GREEN,
    Outcome.NOT_REPRODUCED: VERMILLION,
    Outcome.NOT_RESOLVED: ORANGE,
    Outcome.NOT_STATED: GREY,
}
SMALLEST, LARGEST = 1e-3, 1e3  # shares of a limit that are drawn


@dataclass(frozen=True)
class Drawn:
    """A figure in a file."""

    path: Path
    title: str
    caption: str


TOPICS = {  # kept results with a figure of their own
    "trends.json": "Structure and topology",
    "mechanics.json": "Mechanics",
    "diffusion.json": "Transport",
}
COLUMNS = 3


def draw(run: Run, folder: Path) -> list[Drawn]:
    """All figures that have something to show."""
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        found = [_limits(run, folder / "limits.png")]
        found += [_trends(kept, title, folder / f"{Path(kept).stem}.png") for kept, title in TOPICS.items()]
    return [drawn for drawn in found if drawn]


def _limits(run: Run, path: Path) -> Drawn | None:
    from matplotlib.figure import Figure

    rows = [(one.comparison.name, one.finding.checks, BLUE) for one in run.judged if one.finding.checks]
    rows += [(f"control: {c.control}", c.finding.checks, VERMILLION) for c in run.controls if c.finding.checks]
    if not rows:
        return None
    figure = Figure(figsize=(WIDTH * 1.5, 0.8 + 0.34 * len(rows)))
    axes = figure.subplots()
    for y, (_, checks, color) in enumerate(rows):
        shares = [share(check) for check in checks]
        axes.plot(np.clip(shares, SMALLEST, LARGEST), [y] * len(shares), "o", color=color, ms=5, alpha=0.7)
    axes.axvline(1.0, color=GREY, lw=1)
    axes.set(xscale="log", xlabel="difference over what is allowed", yticks=range(len(rows)))
    axes.set_yticklabels([name for name, _, _ in rows])
    axes.invert_yaxis()
    figure.savefig(path, metadata={"Software": None})
    caption = (
        "Every check of every comparison; right of the line fails. The first check of each negative control must lie "
        "right of it."
    )
    return Drawn(path, "Beside LAMMPS", caption)


def _trends(kept: str, title: str, path: Path) -> Drawn | None:
    from matplotlib.figure import Figure

    trends = list({t.name: t for line in paper_lines() for t in line.trends if t.values and t.source == kept}.values())
    if not trends:
        return None
    rows = -(-len(trends) // COLUMNS)
    figure = Figure(figsize=(WIDTH * 1.5, 1.9 * rows))
    panels: Sequence = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, trend in zip(panels, trends, strict=False):
        _trend(panel, trend)
    for panel in panels[len(trends) :]:
        panel.remove()
    figure.supxlabel("Li₂O (mol %)")
    figure.savefig(path, metadata={"Software": None})
    caption = (
        f"Means and standard errors over seeds of the glass library (python -m validation.{MADE_BY[kept]}). Green: "
        "what the paper says is reproduced, red: it is not, orange: not resolved, grey: the "
        "paper says nothing."
    )
    return Drawn(path, f"{title} against lithium", caption)


def _trend(panel, trend: Measured) -> None:
    li2o, mean, error = zip(*trend.values, strict=True)
    bars = [0.0 if e is None else e for e in error]
    panel.errorbar(li2o, mean, yerr=bars, fmt="o-", ms=4, capsize=3, lw=1, color=COLORS.get(trend.outcome, GREY))
    unit = "" if trend.unit == "1" else f"\n({trend.unit})"
    panel.set_title(trend.name.replace("_", " ") + unit, fontsize=9)
    panel.tick_params(labelsize=8)

"""sweep.html: what a sweep says, on one self-contained page: trends beside paper and experiment, means, jobs."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from jaxglass.analysis.trend import Trend
from jaxglass.report import markup
from jaxglass.report.markup import inline, section, table
from jaxglass.report.reference import ReferenceTable
from jaxglass.report.wording import number_text, value_text
from jaxglass.sweep.record import Job
from jaxglass.sweep.table import LITHIUM, SEED, Mean
from jaxglass.sweep.trends import present

SAID = {"up": "rises", "down": "falls", "not resolved": "not resolved"}


def page(
    jobs: Sequence[Job],
    keys: Sequence[str],
    means: Sequence[Mean],
    lines: Sequence[Trend],
    figure: Path | None,
    references: ReferenceTable,
) -> str:
    """The whole page."""
    done = sum(job.state == "done" for job in jobs)
    title = f"Sweep of {', '.join(keys) or 'one point'}"
    result = f"{done} of {len(jobs)} runs are done."
    if 0 < done < len(jobs):
        result += " The numbers below are of what has finished."
    sections = [
        _figure_section(figure),
        _line_section(lines),
        _density_section(means, references),
        _mean_section(means, keys, [q.key for q in present(means)], "Means over seeds"),
        _job_section(jobs, keys),
        _mean_section(means, keys, None, "Everything measured"),
        section("What the errors are", f"<p>{escape(_errors(means))}</p>"),
    ]
    return markup.page(title, result, "".join(sections))


def _figure_section(figure: Path | None) -> str:
    if figure is None:
        return ""
    words = (
        "Mean over the seeds of a point; the bar is its standard error, none for one seed. Black squares: "
        "experiment, where values are public. The paper gives trends, no numbers, for most of these."
    )
    image = f'<img alt="Trends" style="max-width: 60rem" src="data:image/png;base64,{inline(figure)}">'
    return section("Trends", f"<figure>{image}<figcaption>{escape(words)}</figcaption></figure>")


def _line_section(lines: Sequence[Trend]) -> str:
    if not lines:
        return ""
    rows = [
        (
            line.name,
            value_text({"value": line.slope, "error": line.slope_error, "unit": line.unit}),
            SAID[line.found],
            SAID.get(line.paper or "", "no statement"),
        )
        for line in lines
    ]
    head = ("Quantity", "Slope per unit of the swept setting", "Here", "Paper, with Li2O")
    note = "<p>A straight line through all runs; resolved beyond two standard errors, more for few runs.</p>"
    return section("Which trends are resolved", note + table(head, rows))


def _density_section(means: Sequence[Mean], references: ReferenceTable) -> str:
    """Every density beside that of experiment at the same composition."""
    rows = []
    for mean in means:
        if (mean.stage, mean.key) == ("structure", "density") and mean.li2o is not None:
            measured = references.density(mean.li2o)
            if measured is not None:
                found = value_text({"value": mean.value, "error": mean.error, "unit": mean.unit})
                off = f"{100 * (mean.value / measured.value - 1):+.1f} %"
                shown = f"{number_text(measured.value)}{' (interpolated)' if measured.interpolated else ''}"
                rows.append((f"{mean.li2o:.1f} mol %", found, shown, off, measured.source))
    head = ("Li2O", "Density here", "Experiment", "Difference", "Source")
    return section("Density beside experiment", table(head, rows)) if rows else ""


def _mean_section(means: Sequence[Mean], keys: Sequence[str], wanted: Sequence[str] | None, title: str) -> str:
    others = [key for key in keys if key != SEED]
    rows = [
        (
            f"{mean.stage}: {mean.key}",
            *(_value(mean.point.get(key)) for key in others),
            value_text({"value": mean.value, "error": mean.error, "unit": mean.unit}),
            str(mean.count),
        )
        for mean in means
        if wanted is None or mean.key in wanted
    ]
    if not rows:
        return ""
    body = table(("Quantity", *others, "Mean", "Runs"), sorted(rows, key=lambda row: row[0]))
    if wanted is None:
        body = f"<details><summary>{len(rows)} means</summary>{body}</details>"
    return section(title, body)


def _job_section(jobs: Sequence[Job], keys: Sequence[str]) -> str:
    rows = [
        (job.path.name, *(_value(job.value(key)) for key in keys), job.state, str(job.attempts), str(job.error or ""))
        for job in jobs
    ]
    return section("Runs", table(("Directory", *keys, "State", "Attempts", "Error"), rows))


def _value(value: Any) -> str:
    return "not set" if value is None else number_text(value, 6)


def _errors(means: Sequence[Mean]) -> str:
    alone = sum(mean.count == 1 for mean in means)
    text = "The error of a mean is its standard error over seeds: the spread between glasses, not that of one in time."
    if alone:
        text += f" {alone} of {len(means)} means are of one run and have none: sweep {SEED} as well."
    if any(LITHIUM in mean.point for mean in means):
        text += " Compositions are those that could be made with whole atoms, within 0.15 mol % of what was asked."
    return text

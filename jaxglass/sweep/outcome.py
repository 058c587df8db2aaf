"""The end of a sweep: sweep_summary.json, sweep.csv, sweep.json and sweep.html in its folder.

Made from the job directories alone, so that it can be made at any time, of whatever has finished.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxglass.manifest import versions
from jaxglass.report.reference import load_references
from jaxglass.simulation.files import write_atomic, write_json
from jaxglass.sweep.record import Job
from jaxglass.sweep.report import page
from jaxglass.sweep.status import jobs_of, status_lines
from jaxglass.sweep.table import csv_text, json_means, means_of, rows_of, swept_keys
from jaxglass.sweep.trends import axis_of, draw_trends, in_logarithms, lines_of

SUMMARY, TABLE, NUMBERS, REPORT, FIGURE = "sweep_summary.json", "sweep.csv", "sweep.json", "sweep.html", "sweep.png"


def write_outcome(folder: Path) -> None:
    """Write the files and print the table of jobs; `InputDataError` when `folder` holds no sweep."""
    folder = Path(folder).resolve()
    jobs = jobs_of(folder)
    write_json(folder / SUMMARY, summary(jobs))
    keys = swept_keys(jobs)
    rows = rows_of(jobs, keys)
    logged = in_logarithms(rows)
    means = means_of(logged)
    references, axis = load_references(), axis_of(keys, means)
    lines = lines_of(logged, axis, references) if axis else []
    drawn = bool(axis) and draw_trends(means, str(axis), references, folder / FIGURE)
    write_atomic(folder / TABLE, csv_text(rows, keys).encode())
    write_json(
        folder / NUMBERS,
        {
            "schema": 1,
            "keys": keys,
            "versions": versions(),
            "errors": "standard error over seeds; slopes per unit of the swept setting over all runs",
            "means": json_means(means),
            "trends": [_line(asdict(line) | {"found": line.found}, axis) for line in lines],
        },
    )
    figure = folder / FIGURE if drawn else None
    write_atomic(folder / REPORT, page(jobs, keys, means, lines, figure, references).encode())
    print("\n".join(status_lines(folder, jobs)))
    print(f"report: {folder / REPORT}", flush=True)


def summary(jobs: Sequence[Job]) -> dict[str, Any]:
    """State, attempts, error and exit code of every job."""
    states = [job.state for job in jobs]
    return {
        "schema": 1,
        "states": {state: states.count(state) for state in sorted(set(states))},
        "jobs": [
            {
                "directory": job.path.name,
                "overrides": list(job.overrides),
                "state": job.state,
                "stage": job.stage or None,
                "attempts": job.attempts,
                "error": None if job.error is None else str(job.error),
                "error_type": job.failure.get("type") if job.error else None,
                "exit_code": None if job.error is None else job.error.exit_code,
            }
            for job in jobs
        ],
    }


def _line(trend: dict[str, Any], axis: str | None) -> dict[str, Any]:
    """A trend for JSON: where a composition has one seed, its error is null."""
    errors = [None if error != error else error for error in trend["error"]]
    return trend | {"axis": axis, "error": errors}

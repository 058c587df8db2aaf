"""task=sweep_status: where every job of a sweep stands, as a table."""

from collections.abc import Sequence
from pathlib import Path

from jaxglass.errors import InputDataError
from jaxglass.sweep.record import Job, read_jobs

HEAD = ("directory", "overrides", "state", "stage", "attempts", "error")
LONGEST = 70  # characters of an error in the table; error.json has all of it


def print_status(folder: Path) -> None:
    """Print the table; `InputDataError` when `folder` holds no sweep."""
    jobs = jobs_of(folder)
    print("\n".join(status_lines(folder, jobs)))


def jobs_of(folder: Path) -> list[Job]:
    """Every job of the sweep in `folder`; `InputDataError` when there is none."""
    jobs = read_jobs(folder)
    if not jobs:
        raise InputDataError(f"hydra.sweep.dir={folder}: no sweep there; name the folder of one")
    return jobs


def status_lines(folder: Path, jobs: Sequence[Job]) -> list[str]:
    """The table and, below it, how many jobs are in which state."""
    rows = [HEAD, *(_row(Path(folder).resolve(), job) for job in jobs)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    states = [job.state for job in jobs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    return [*lines, f"{len(jobs)} jobs: {counts}"]


def _row(folder: Path, job: Job) -> tuple[str, ...]:
    error = str(job.error or "").replace("\n", " ")
    kind = job.failure.get("type")
    told = f"{kind}: {error}" if kind and error else error
    short = told if len(told) <= LONGEST else told[: LONGEST - 3] + "..."
    swept = " ".join(f"{key}={job.value(key)}" for key in job.keys)
    where = job.path.resolve().relative_to(folder)
    return str(where), swept, job.state, job.stage, str(job.attempts), short

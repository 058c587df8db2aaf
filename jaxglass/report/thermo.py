"""thermo.csv of a run: temperature, density and energy against time, by stage."""

import csv
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class StageSpan:
    """A stretch of the run that belongs to one stage, `start` to `end` in ps."""

    stage: str
    start: float
    end: float


@dataclass(frozen=True)
class ThermoHistory:
    """T rows: `time` (ps), `stage` names, `columns[name]` (T,) with the unit in the name, NaN where empty."""

    time: np.ndarray
    stage: tuple[str, ...]
    columns: dict[str, np.ndarray]

    def column(self, name: str) -> np.ndarray | None:
        """A column, or None where it is missing or empty."""
        values = self.columns.get(name)
        return None if values is None or not np.isfinite(values).any() else values

    def spans(self) -> list[StageSpan]:
        """Successive stages; each begins where the one before it ends."""
        spans: list[StageSpan] = []
        row = 0
        for stage, rows in groupby(self.stage):
            last = row + len(list(rows)) - 1
            spans.append(StageSpan(stage, spans[-1].end if spans else float(self.time[0]), float(self.time[last])))
            row = last + 1
        return spans


def read_thermo(path: Path) -> ThermoHistory | None:
    """Read thermo.csv by its header names; None if there is no file or no row in it."""
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if line.strip() and not line.startswith("#")))
    if not rows or "time_ps" not in rows[0]:
        return None
    numeric = [name for name in rows[0] if name and name not in ("stage", "time_ps")]
    columns = {name: np.array([_number(row[name]) for row in rows]) for name in numeric}
    return ThermoHistory(
        time=np.array([_number(row["time_ps"]) for row in rows]),
        stage=tuple(row.get("stage") or "" for row in rows),
        columns=columns,
    )


def _number(cell: str | None) -> float:
    try:
        return float(cell) if cell else np.nan
    except ValueError:
        return np.nan

"""One frame as a file gives it, and the table of its atoms, read at once and checked to the last number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from jaxglass.trajectories.text import TextFile

SYMBOL_LENGTH = 8  # characters kept of a symbol: longer than any, so that no cut makes one of what is none


@dataclass(frozen=True)
class Frame:
    """N atoms in the order of the file; what the file does not say is None.

    `index` counts frames from 0, `line` is the first of its atoms in the file. `cell` (3, 3) rows in A;
    `fractional` (N, 3), continuous in time if `unwrapped`; `time` in ps; `step` of the program that wrote it.
    `ids`, `types` (N,) whole numbers; `symbols` (N,); `masses` (N,) amu.
    """

    index: int
    line: int
    cell: np.ndarray
    fractional: np.ndarray
    unwrapped: bool
    step: int | None = None
    time: float | None = None
    ids: np.ndarray | None = None
    types: np.ndarray | None = None
    symbols: np.ndarray | None = None
    masses: np.ndarray | None = None


@dataclass(frozen=True)
class Table:
    """Columns of numbers or symbols (N,) by name, and where they were read."""

    text: TextFile
    line: int
    columns: Mapping[str, np.ndarray]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def has(self, names: Sequence[str]) -> bool:
        """Whether all `names` are columns."""
        return all(name in self.columns for name in names)

    def vectors(self, names: Sequence[str]) -> np.ndarray:
        """Columns `names` side by side, (N, 3) for three of them."""
        return np.column_stack([self.columns[name] for name in names])

    def get(self, name: str) -> np.ndarray | None:
        """A column, or None."""
        return self.columns.get(name)

    def whole(self, name: str) -> np.ndarray | None:
        """A column of whole numbers, or None when there is no such column."""
        values = self.columns.get(name)
        if values is None:
            return None
        broken = np.flatnonzero((values != np.round(values)) | (np.abs(values) > 2**53))
        if len(broken):
            raise self.text.refuse(f"{name} = {values[broken[0]]:g} is not a whole number", self.line + int(broken[0]))
        return values.astype(np.int64)


def read_rows(text: TextFile, count: int, index: int) -> list[str]:
    """The lines of the `count` atoms of frame `index`; says how many are missing when the file ends before."""
    rows = text.lines(count)
    if len(rows) < count:
        before = f"; analyse.frames=:{index} reads the frames before it" if index else ""
        missing = count - len(rows)
        raise text.refuse(
            f"frame {index} has {len(rows)} of its {count} atoms, {missing} {'is' if missing == 1 else 'are'} missing: "
            f"{text.ending}{before}"
        )
    return rows


def read_table(
    text: TextFile, rows: Sequence[str], line: int, names: Sequence[str], numbers: Sequence[str], words: Sequence[str]
) -> Table:
    """The columns of `rows`, the first of which is `line` of the file; `names` says what each column holds.

    Those in `numbers` are float64 and finite, those in `words` text; others are counted, not read.
    """
    kinds = ["f8" if n in numbers else f"U{SYMBOL_LENGTH}" if n in words else "U1" for n in names]
    dtype = np.dtype([(f"{k}", kind) for k, kind in enumerate(kinds)])
    if not all(map(str.strip, rows)):
        _refuse_row(text, rows, line, names, numbers)
    try:
        found = np.loadtxt(rows, dtype=dtype, comments=None, ndmin=1)
    except ValueError:
        _refuse_row(text, rows, line, names, numbers)
    columns = {name: found[f"{k}"] for k, name in reversed(list(enumerate(names))) if kinds[k] != "U1"}
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise text.refuse(f"{name} = {values[row]} is not a number that can be used", line + row)
    return Table(text, line, columns)


def _refuse_row(
    text: TextFile, rows: Sequence[str], line: int, names: Sequence[str], numbers: Sequence[str]
) -> NoReturn:
    """Name the first row that is not what the header promises."""
    for k, row in enumerate(rows):
        entries = row.split()
        if len(entries) != len(names):
            raise text.refuse(
                f"{len(entries)} columns instead of {len(names)} ({' '.join(names)}); is a line missing?", line + k
            )
        for name, entry in zip(names, entries, strict=True):
            if name in numbers and not _is_number(entry):
                raise text.refuse(f"{name} = '{entry}' is not a number", line + k)
    raise text.refuse(f"the atoms do not fit the columns {' '.join(names)}", line)


def _is_number(entry: str) -> bool:
    try:
        float(entry)
    except ValueError:
        return False
    return "_" not in entry


def fractional_of(text: TextFile, positions: np.ndarray, cell: np.ndarray, origin: np.ndarray, line: int) -> np.ndarray:
    """Fractional coordinates of Cartesian `positions` (N, 3) in A; a cell without volume is refused at `line`."""
    if abs(np.linalg.det(cell)) < 1e-6:
        raise text.refuse("the cell has no volume; give three lattice vectors in A", line)
    return (positions - origin) @ np.linalg.inv(cell)


def floats(text: TextFile, entries: Sequence[str], count: int, what: str, line: int) -> np.ndarray:
    """`entries` as `count` finite numbers; `what` names them in the error."""
    good = len(entries) == count and all(map(_is_number, entries))
    values = np.array([float(entry) for entry in entries]) if good else np.array([np.nan])
    if not np.isfinite(values).all():
        raise text.refuse(f"{what} = '{' '.join(entries)}': {count} numbers are expected", line)
    return values


def whole_number(text: TextFile, entry: str, what: str, low: int, line: int) -> int:
    """`entry` as a whole number of at least `low`."""
    try:
        value = int(entry) if "_" not in entry else low - 1
    except ValueError:
        value = low - 1
    if value < low:
        raise text.refuse(f"{what} = '{entry.strip()}': a whole number of at least {low} is expected", line)
    return value

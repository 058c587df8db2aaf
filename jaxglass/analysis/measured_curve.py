"""A measured S(Q), D(r) or T(r) from a file of two or three columns: x, y and, where there is one, the error of y.

Columns are separated by blanks, commas or semicolons; lines that begin with # ! or % are comments. PDFgetX writes
settings above a line `#### start data`, and with errors r, G, d_r, d_Gr, which `#L` names: d_r is passed over. Whatever
could be misread is refused, with the name of the file and the line: a curve that is silently wrong costs more than an
error.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxglass.errors import ConfigError, InputDataError

#: Unit of x as a power of the length, and of y, for every quantity.
QUANTITIES = {"S_q": (-1, 0), "D_r": (1, -2), "T_r": (1, -2)}
LENGTHS = {"Angstrom": 1.0, "nm": 10.0}  # A
FEWEST = 20  # points of a curve
UNITY = 0.3  # how far the last quarter of S(Q) may be from 1, in the mean
SETTLED_Q, LARGEST_Q = 10.0, 60.0  # 1/A
SHORTEST_Q = 5.0  # 1/A: where S(Q) ends sooner nothing can be told of its limit
COMMENT = ("#", "!", "%")
START = re.compile(r"#+\s*start data", re.IGNORECASE)
FOUR_COLUMNS = re.compile(r"#L\s+\S+\s+\S+\s+d_?r\s+d_?G", re.IGNORECASE)


@dataclass(frozen=True)
class MeasuredCurve:
    """`quantity` S_q (x = Q in 1/A), D_r or T_r (x = r in A, y in 1/A^2); `x`, `y` (P,), `error` (P,) or None."""

    quantity: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray | None
    source: str


def read_curve(path: str | Path, quantity: str, length: str = "Angstrom") -> MeasuredCurve:
    """The curve in `path`, whose `length` unit is Angstrom or nm; S(Q) tends to 1.

    `ConfigError` for a quantity or unit that does not exist; `InputDataError` with file and line for a file that
    cannot be read without guessing.
    """
    if quantity not in QUANTITIES:
        raise ConfigError(f"measured curve: quantity '{quantity}' must be one of {', '.join(QUANTITIES)}")
    if length not in LENGTHS:
        raise ConfigError(f"measured curve: unit of length '{length}' must be one of {', '.join(LENGTHS)}")
    path = Path(path)
    rows: list[list[float]] = []
    numbers: list[int] = []
    lines = [line.strip() for line in _lines(path)]
    first = max((k for k, text in enumerate(lines) if START.match(text)), default=0)
    four = any(map(FOUR_COLUMNS.match, lines))
    for number, text in enumerate(lines[first:], start=first + 1):
        if text.startswith(COMMENT):
            _check_unit(text, length, f"{path}:{number}")
        elif text:
            rows.append(_row(text, len(rows[0]) if rows else None, four, f"{path}:{number}"))
            numbers.append(number)
    if len(rows) < FEWEST:
        raise InputDataError(f"{path}: {len(rows)} points are too few for a curve; at least {FEWEST}")
    columns = np.array(rows).T
    _check_columns(columns, numbers, path)
    if quantity == "S_q":
        _check_structure_factor(columns[0] / LENGTHS[length], columns[1], path)
    x_power, y_power = QUANTITIES[quantity]
    unit = LENGTHS[length]
    error = columns[2] * unit**y_power if len(columns) == 3 else None
    return MeasuredCurve(quantity, columns[0] * unit**x_power, columns[1] * unit**y_power, error, str(path))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputDataError(f"{path}: is not a text file") from None


def _check_unit(comment: str, length: str, where: str) -> None:
    """A header that names nanometres in a file read as Angstrom is not passed over."""
    if length == "Angstrom" and re.search(r"\bnm\b|nanomet", comment, re.IGNORECASE):
        raise InputDataError(f"{where}: the header speaks of nm but the file is read in Angstrom; set the unit to nm")


def _row(text: str, columns: int | None, four: bool, where: str) -> list[float]:
    """Two or three numbers; of `four` (x, y, error of x, error of y) the third is passed over."""
    words = re.split(r"\s*[,;]\s*|\s+", text)
    try:
        row = [float(word) for word in words]
    except ValueError:
        raise InputDataError(f"{where}: '{text[:40]}' is not numbers; comments begin with # ! or %") from None
    if four and len(row) == 4:
        del row[2]
    if len(row) not in (2, 3):
        raise InputDataError(f"{where}: {len(row)} columns; expected x, y or x, y, error (decimal point, not comma)")
    if columns not in (None, len(row)):
        raise InputDataError(f"{where}: {len(row)} columns after lines with {columns}")
    if not np.isfinite(row).all():
        raise InputDataError(f"{where}: '{text[:40]}' holds a value that is not finite")
    return row


def _check_structure_factor(Q: np.ndarray, S: np.ndarray, path: Path) -> None:
    """S(Q) tends to 1 at Q (1/A) that an experiment reaches: what does not is another function or another unit. Of a
    curve that ends sooner it can be told that it is nearer to 0, and of one that ends among the first peaks nothing."""
    end = float(np.mean(S[-(len(S) // 4) :]))
    settled = Q[-1] > SETTLED_Q and abs(end - 1) > UNITY
    about_zero = Q[-1] > SHORTEST_Q and abs(end) < UNITY
    if settled or about_zero:
        kin = ": is it S - 1 or Q(S - 1)? Make it S" if abs(end) < UNITY else ""
        raise InputDataError(f"{path}: tends to {end:.2f} at large Q, not to 1 as S(Q) does{kin}")
    if Q[-1] > LARGEST_Q:
        raise InputDataError(
            f"{path}: Q reaches {Q[-1]:g} 1/A, farther than experiments do; is it in 1/nm? Set the unit to nm"
        )


def _check_columns(columns: np.ndarray, numbers: list[int], path: Path) -> None:
    """x increases from 0 or above; errors are positive."""
    x = columns[0]
    if x[0] < 0:
        raise InputDataError(f"{path}:{numbers[0]}: x = {x[0]:g} is negative")
    steps = np.flatnonzero(np.diff(x) <= 0)
    if len(steps):
        p = int(steps[0])
        raise InputDataError(f"{path}:{numbers[p + 1]}: x = {x[p + 1]:g} does not exceed {x[p]:g} before it")
    if len(columns) == 3 and not (columns[2] > 0).all():
        p = int(np.argmax(columns[2] <= 0))
        raise InputDataError(f"{path}:{numbers[p]}: error = {columns[2, p]:g} must be above 0")

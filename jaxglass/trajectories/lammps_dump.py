"""LAMMPS dump files (text, style atom or custom), as LAMMPS writes them.

    orthogonal         fractional = (x - lo)/(hi - lo)
    triclinic          a = (lx, 0, 0), b = (xy, ly, 0), c = (xz, yz, lz); the file holds bounds of the whole box:
                       xlo = xlo_bound - min(0, xy, xz, xy + xz), xhi = xhi_bound - max(0, xy, xz, xy + xz),
                       ylo = ylo_bound - min(0, yz), yhi = yhi_bound - max(0, yz)
    general triclinic  a, b, c and the origin as they are

Positions may be x y z, xs ys zs (fractional), xu yu zu or xsu ysu zsu (unwrapped); image flags ix iy iz unwrap the
first two. Source: LAMMPS documentation, commands dump and dump_modify, and "Triclinic simulation boxes".
"""

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np

from jaxglass.trajectories.frame import Frame, Table, floats, fractional_of, read_rows, read_table, whole_number
from jaxglass.trajectories.text import TextFile

ITEMS = {"UNITS": 1, "TIMESTEP": 1, "TIME": 1, "NUMBER OF ATOMS": 1, "BOX BOUNDS": 3, "ATOMS": 0}  # lines of each
NEEDED = ("TIMESTEP", "NUMBER OF ATOMS", "BOX BOUNDS")
PICOSECONDS = {"metal": 1.0, "real": 1e-3}  # of the time unit of the LAMMPS units whose length is the Angstrom
POSITIONS = {  # columns: (fractional, unwrapped)
    ("xu", "yu", "zu"): (False, True),
    ("xsu", "ysu", "zsu"): (True, True),
    ("x", "y", "z"): (False, False),
    ("xs", "ys", "zs"): (True, False),
}
IMAGES = ("ix", "iy", "iz")
NUMBERS = ("id", "type", "mass", *IMAGES, *(name for names in POSITIONS for name in names))


class Item(NamedTuple):
    """What follows "ITEM: name" on its `line`, and the `values` on the lines after it."""

    line: int
    rest: list[str]
    values: list[str]


def frames(text: TextFile, wanted: Container[int]) -> Iterator[Frame | None]:
    """Every frame of `text` in turn, None for those that are not `wanted`."""
    index, units = 0, None
    while (header := _header(text, index)) is not None:
        if "UNITS" in header:  # written once, at the beginning of a file
            units = _units(text, header["UNITS"])
        count = header["NUMBER OF ATOMS"]
        rows = read_rows(text, whole_number(text, count.values[0], "number of atoms", 1, count.line + 1), index)
        yield _frame(text, index, header, rows, units) if index in wanted else None
        index += 1


def _header(text: TextFile, index: int) -> dict[str, Item] | None:
    """The items of a frame up to its atoms; None at the end of the file."""
    items: dict[str, Item] = {}
    while (line := text.next_content()) is not None:
        name = next((n for n in ITEMS if line.startswith(f"ITEM: {n}")), None)
        if name is None:
            raise text.refuse(f"frame {index}: '{line[:40]}' where an ITEM of a LAMMPS dump is expected")
        if name in items:
            raise text.refuse(f"frame {index}: a second {name} before the atoms")
        number, values = text.number, text.lines(ITEMS[name])
        if len(values) < ITEMS[name]:
            break
        items[name] = Item(number, line.removeprefix(f"ITEM: {name}").split(), values)
        if name == "ATOMS":
            missing = [needed for needed in NEEDED if needed not in items]
            if missing:
                raise text.refuse(f"frame {index}: atoms without {' and '.join(missing)} before them")
            return items
    if items or line is not None:
        raise text.refuse(f"frame {index} has no atoms: {text.ending}")
    return None


def _units(text: TextFile, item: Item) -> str:
    name = item.values[0].strip()
    if name not in PICOSECONDS:
        raise text.refuse(f"units {name}: lengths must be in A, as in {' or '.join(PICOSECONDS)}", item.line + 1)
    return name


def _frame(text: TextFile, index: int, header: dict[str, Item], rows: list[str], units: str | None) -> Frame:
    atoms, step = header["ATOMS"], header["TIMESTEP"]
    table = read_table(text, rows, atoms.line + 1, atoms.rest, NUMBERS, ("element",))
    cell, origin = _box(text, header["BOX BOUNDS"])
    fractional, unwrapped = _fractional(table, cell, origin)
    time = None
    if "TIME" in header:
        item = header["TIME"]
        value = floats(text, item.values[0].split(), 1, "time", item.line + 1)[0]
        time = float(value) * PICOSECONDS[units] if units else None  # without units, ps and fs look the same
    return Frame(
        index=index,
        line=atoms.line + 1,
        cell=cell,
        fractional=fractional,
        unwrapped=unwrapped and "id" in table,  # without ids LAMMPS's order of atoms may change
        step=whole_number(text, step.values[0], "timestep", 0, step.line + 1),
        time=time,
        ids=table.whole("id"),
        types=table.whole("type"),
        symbols=_symbols(table),
        masses=table.get("mass"),
    )


def _symbols(table: Table) -> np.ndarray | None:
    """Elements of the atoms; C for all says nothing: LAMMPS writes it unless dump_modify element names the types."""
    elements = table.get("element")
    return None if elements is None or np.all(elements == "C") else elements


def _box(text: TextFile, item: Item) -> tuple[np.ndarray, np.ndarray]:
    """Cell (3, 3) and origin (3,) in A."""
    shape, periodic = item.rest[:-3], item.rest[-3:]
    if periodic != ["pp"] * 3:
        said = " ".join(periodic) or "not given"
        raise text.refuse(f"boundaries are {said}: only a box periodic along x, y and z (pp pp pp) is read", item.line)
    columns = {"": 2, "xy xz yz": 3, "abc origin": 4}.get(" ".join(shape))
    if columns is None:
        raise text.refuse(f"box bounds '{' '.join(shape)}' are unknown", item.line)
    bounds = np.array(
        [floats(text, v.split(), columns, "box bounds", item.line + 1 + k) for k, v in enumerate(item.values)]
    )
    if columns == 4:
        return bounds[:, :3], bounds[:, 3]
    if columns == 3:
        xy, xz, yz = bounds[:, 2]
        lo = bounds[:, 0] - [min(0, xy, xz, xy + xz), min(0, yz), 0]
        hi = bounds[:, 1] - [max(0, xy, xz, xy + xz), max(0, yz), 0]
    else:
        (lo, hi), (xy, xz, yz) = bounds.T, (0.0, 0.0, 0.0)
    if not np.all(hi > lo):
        raise text.refuse("box bounds: the upper bound is not above the lower one", item.line + 1)
    lx, ly, lz = hi - lo
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]), lo


def _fractional(table: Table, cell: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, bool]:
    """Fractional coordinates (N, 3), and whether they are unwrapped."""
    names = next((names for names in POSITIONS if table.has(names)), None)
    if names is None:
        styles = " or ".join(" ".join(names) for names in POSITIONS)
        raise table.text.refuse(f"no positions among the columns; dump {styles}", table.line - 1)
    scaled, unwrapped = POSITIONS[names]
    values = table.vectors(names)
    fractional = values if scaled else fractional_of(table.text, values, cell, origin, table.line - 1)
    if unwrapped or not table.has(IMAGES):
        return fractional, unwrapped
    return fractional + table.vectors(IMAGES), True

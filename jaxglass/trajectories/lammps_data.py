"""LAMMPS data files: one structure, with masses by type. Lengths in A, masses in amu (units metal or real).

Read: the header (counts, box, tilt), `Masses` and `Atoms` of the styles below, image flags included; every other
section is passed over. Bounds of a triclinic box are those of the box, not of what surrounds it as in a dump.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from jaxglass.trajectories.frame import Frame, floats, fractional_of, read_table, whole_number
from jaxglass.trajectories.text import TextFile

STYLES = {
    "atomic": ("id", "type", "x", "y", "z"),
    "charge": ("id", "type", "q", "x", "y", "z"),
    "molecular": ("id", "molecule", "type", "x", "y", "z"),
    "full": ("id", "molecule", "type", "q", "x", "y", "z"),
}
IMAGES = ("ix", "iy", "iz")
NUMBERS = ("id", "type", "x", "y", "z", *IMAGES)
BOX = ("xlo xhi", "ylo yhi", "zlo zhi")
TILT = "xy xz yz"
VECTORS = ("avec", "bvec", "cvec", "abc origin")  # general triclinic
COUNT = re.compile(r"(atom|bond|angle|dihedral|improper)( types|s)|extra .* per atom")


@dataclass
class Section:
    """Lines with content below a title, the number of each, and the comment of the title."""

    line: int
    comment: str = ""
    rows: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


def frames(text: TextFile, wanted: Container[int]) -> Iterator[Frame | None]:
    """The one structure of `text`; None when it is not `wanted`."""
    text.next_line()  # the title, whatever it says
    sections = _sections(text)
    yield _frame(text, sections) if 0 in wanted else None


def _sections(text: TextFile) -> dict[str, Section]:
    """Sections by title; that of the header is empty."""
    found = {"": Section(text.number)}
    title = ""
    while (line := text.next_content()) is not None:
        content, _, comment = (part.strip() for part in line.partition("#"))
        if not content:
            continue
        if content[0].isalpha():
            title = content
            if title in found:
                raise text.refuse(f"a second section {title}")
            found[title] = Section(text.number, comment)
        else:
            found[title].rows.append(content)
            found[title].numbers.append(text.number)
    return found


def _frame(text: TextFile, sections: Mapping[str, Section]) -> Frame:
    header = _header(text, sections[""])
    if "Atoms" not in sections:
        raise text.refuse("no section Atoms in this LAMMPS data file")
    section = sections["Atoms"]
    count, kinds = _count(text, header, "atoms"), _count(text, header, "atom types")
    if len(section.rows) != count:
        raise text.refuse(f"{len(section.rows)} atoms, but the header says {count}", section.line)
    if np.any(np.diff(section.numbers) != 1):  # so that row and line can be told from each other
        raise text.refuse("blank lines or comments between the atoms; remove them", section.line)
    first = section.numbers[0]
    table = read_table(text, section.rows, first, _columns(text, section), NUMBERS, ())
    cell, origin = _box(text, header)
    types = table.whole("type")
    assert types is not None  # every style has a type
    outside = np.flatnonzero((types < 1) | (types > kinds))
    if len(outside):
        row = int(outside[0])
        raise text.refuse(f"type {types[row]} of {kinds} atom types", first + row)
    fractional = fractional_of(text, table.vectors(("x", "y", "z")), cell, origin, section.line)
    unwrapped = table.has(IMAGES)
    masses = _masses(text, sections["Masses"], kinds) if "Masses" in sections else None
    return Frame(
        index=0,
        line=first,
        cell=cell,
        fractional=fractional + table.vectors(IMAGES) if unwrapped else fractional,
        unwrapped=unwrapped,
        ids=table.whole("id"),
        types=types,
        masses=None if masses is None else masses[types - 1],
    )


def _header(text: TextFile, section: Section) -> dict[str, tuple[list[str], int]]:
    """Numbers and line of each entry by its words, e.g. "atom types"."""
    found = {}
    for row, line in zip(section.rows, section.numbers, strict=True):
        entries = row.split()
        words = next((k for k, e in enumerate(entries) if e[0].isalpha() and e not in ("inf", "nan")), len(entries))
        name = " ".join(entries[words:])
        if name not in (*BOX, TILT, *VECTORS) and not COUNT.fullmatch(name):
            raise text.refuse(f"'{row[:40]}' is not known in the header of a LAMMPS data file", line)
        found[name] = entries[:words], line
    return found


def _count(text: TextFile, header: Mapping[str, tuple[list[str], int]], name: str) -> int:
    if name not in header:
        raise text.refuse(f"the header does not give the number of {name}: not a whole LAMMPS data file")
    entries, line = header[name]
    return whole_number(text, entries[0], name, 1, line)


def _box(text: TextFile, header: Mapping[str, tuple[list[str], int]]) -> tuple[np.ndarray, np.ndarray]:
    """Cell (3, 3) and origin (3,) in A."""
    if all(name in header for name in VECTORS):
        a, b, c, origin = (floats(text, header[name][0], 3, name, header[name][1]) for name in VECTORS)
        return np.array([a, b, c]), origin
    missing = [name for name in BOX if name not in header]
    if missing:
        raise text.refuse(f"the header lacks {' and '.join(missing)}: analyses need a periodic cell")
    lo, hi = np.array([floats(text, header[name][0], 2, name, header[name][1]) for name in BOX]).T
    if not np.all(hi > lo):
        raise text.refuse("the upper bound of the box is not above the lower one", header[BOX[0]][1])
    xy, xz, yz = floats(text, *_tilt(header)) if TILT in header else (0.0, 0.0, 0.0)
    lx, ly, lz = hi - lo
    return np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]]), lo


def _tilt(header: Mapping[str, tuple[list[str], int]]) -> tuple[list[str], int, str, int]:
    entries, line = header[TILT]
    return entries, 3, TILT, line


def _columns(text: TextFile, section: Section) -> tuple[str, ...]:
    """Names of the columns: by the comment of the title ("Atoms # charge"), or by their number where that is enough."""
    width = len(section.rows[0].split())
    styles = [section.comment] if section.comment else list(STYLES)
    if section.comment and section.comment not in STYLES:
        raise text.refuse(f"atom style {section.comment}: {', '.join(STYLES)} are read", section.line)
    possible = [STYLES[style] + images for style in styles for images in ((), IMAGES)]
    fitting = [names for names in possible if len(names) == width]
    if len(fitting) != 1:
        raise text.refuse(
            f"{width} columns: the atom style is not clear; write for example 'Atoms # charge'", section.line
        )
    return fitting[0]


def _masses(text: TextFile, section: Section, kinds: int) -> np.ndarray:
    """Mass of every type (T,), amu."""
    lines = zip(section.rows, section.numbers, strict=True)
    table = [floats(text, row.split(), 2, "type and mass", number) for row, number in lines]
    masses = {float(kind): float(mass) for kind, mass in table}
    if len(table) != kinds or set(masses) != set(range(1, kinds + 1)):
        raise text.refuse(f"Masses must give each of the {kinds} types once", section.line)
    return np.array([masses[kind] for kind in range(1, kinds + 1)])

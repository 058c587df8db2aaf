"""Extended XYZ: number of atoms, a line of keys, one line per atom.

Needed: `Lattice` (nine numbers, three vectors in A) and in `Properties` the columns `species` and `pos` (A). Read where
present: `pbc`, `Origin`, the columns `id` and `type`, and the key `step` or `timestep`. A key `time` is not read: no
key tells its unit, and LAMMPS alone writes ps or fs.
"""

import re
from collections.abc import Container, Iterator, Mapping

from jaxglass.trajectories.frame import Frame, floats, fractional_of, read_rows, read_table, whole_number
from jaxglass.trajectories.text import TextFile

KEY = re.compile(r"""([^\s="'{}\[\]]+)\s*=\s*("[^"]*"|'[^']*'|\{[^}]*\}|\[[^\]]*\]|[^\s"'{}\[\]]+)""")
TRUE = ("t", "true", "1")
STEPS = ("step", "timestep")
DEFAULT = "species:S:1:pos:R:3"


def frames(text: TextFile, wanted: Container[int]) -> Iterator[Frame | None]:
    """Every frame of `text` in turn, None for those that are not `wanted`."""
    index = 0
    while (line := text.next_content()) is not None:
        count = whole_number(text, line, f"number of atoms of frame {index}", 1, text.number)
        comment = text.next_line()
        if comment is None:
            raise text.refuse(f"frame {index} has no atoms: {text.ending}")
        rows = read_rows(text, count, index)
        yield _frame(text, index, comment, rows) if index in wanted else None
        index += 1


def _frame(text: TextFile, index: int, comment: str, rows: list[str]) -> Frame:
    header = text.number - len(rows)
    keys = {name.lower(): value.strip("\"'{}[]") for name, value in KEY.findall(comment)}
    if "lattice" not in keys:
        raise text.refuse(f"frame {index} has no Lattice: analyses need a periodic cell", header)
    cell = floats(text, _split(keys["lattice"]), 9, "Lattice", header).reshape(3, 3)
    periodic = _split(keys.get("pbc", "T T T"))
    if len(periodic) != 3 or any(p.lower() not in TRUE for p in periodic):
        raise text.refuse(f"pbc = '{keys['pbc']}': only cells periodic along all vectors (T T T) are read", header)
    origin = floats(text, _split(keys.get("origin", "0 0 0")), 3, "Origin", header)
    names = _columns(text, keys.get("properties", DEFAULT), header)
    numbers = ("pos.x", "pos.y", "pos.z", "id", "type")
    table = read_table(text, rows, header + 1, names, numbers, ("species",))
    return Frame(
        index=index,
        line=header + 1,
        cell=cell,
        fractional=fractional_of(text, table.vectors(("pos.x", "pos.y", "pos.z")), cell, origin, header),
        unwrapped=False,  # the format does not say
        step=_step(text, keys, header),
        ids=table.whole("id"),
        types=table.whole("type"),
        symbols=table.get("species"),
    )


def _split(value: str) -> list[str]:
    return value.replace(",", " ").split()


def _columns(text: TextFile, properties: str, line: int) -> list[str]:
    """A name for every column; those of `pos` are pos.x, pos.y and pos.z."""
    parts = properties.split(":")
    fields = list(zip(parts[::3], parts[1::3], parts[2::3], strict=False))
    if len(parts) % 3 or any(kind not in "SRIL" or not count.isdigit() for _, kind, count in fields):
        raise text.refuse(f"Properties = '{properties}': expected name:type:columns, as in {DEFAULT}", line)
    if ("species", "S", "1") not in fields or ("pos", "R", "3") not in fields:
        raise text.refuse(f"Properties = '{properties}': species:S:1 and pos:R:3 are needed", line)
    names: list[str] = []
    for name, _, count in fields:
        several = [f"{name}.{'xyz'[k] if k < 3 else k}" for k in range(int(count))]
        names += several if int(count) > 1 else [name]
    return names


def _step(text: TextFile, keys: Mapping[str, str], line: int) -> int | None:
    name = next((name for name in STEPS if name in keys), None)
    return None if name is None else whole_number(text, keys[name], name, 0, line)

"""A trajectory from a file: the wanted frames, atoms in one order, names and cells checked in every frame."""

import sys
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxglass.errors import InputDataError
from jaxglass.model.elements import element_order
from jaxglass.model.trajectory import Trajectory
from jaxglass.structures import check_structure
from jaxglass.trajectories import extended_xyz, lammps_data, lammps_dump
from jaxglass.trajectories.frame import Frame
from jaxglass.trajectories.species import name_atoms
from jaxglass.trajectories.text import UNPACKERS, TextFile

Watch = Callable[[float, int], None]
Frames = Callable[[TextFile, Container[int]], Iterator[Frame | None]]
ENDINGS: dict[str, Frames] = {
    ".xyz": extended_xyz.frames,
    ".extxyz": extended_xyz.frames,
    ".dump": lammps_dump.frames,
    ".lammpstrj": lammps_dump.frames,
    ".data": lammps_data.frames,
    ".lmp": lammps_data.frames,
}


@dataclass(frozen=True)
class Reading:
    """What the file does not say itself.

    `species` names the types 1, 2, ...; `frames` wanted as "start:stop:step", counted from 0, negative from the end;
    `timestep` (ps) of the steps in the file.
    """

    species: tuple[str, ...] = ()
    frames: str = ":"
    timestep: float | None = None

    @property
    def chosen(self) -> slice:
        """`frames` as Python counts them."""
        return slice(*(int(part) if part else None for part in self.frames.split(":")))


@dataclass(frozen=True)
class Snapshot:
    """One frame, complete: atoms sorted by `ids` (N,), `symbols` (N,), `time` in ps or NaN; the rest as in `Frame`."""

    index: int
    time: float
    ids: np.ndarray
    symbols: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray
    unwrapped: bool


def read_trajectory(path: Path, reading: Reading | None = None, watch: Watch | None = None) -> Trajectory:
    """The frames of `path`; `watch` is told the share of the file that is read and the frame reached.

    Atoms are in the order of their ids where the file has them; times are NaN where neither the file nor `reading`
    tells them. Raises `InputDataError`, one line with file and line number, for a trajectory that is not whole and
    consistent.
    """
    shots = list(read_snapshots(path, reading, watch))
    if not shots:
        raise InputDataError(f"{path}: no frames; the file is empty or has none of the wanted ones (analyse.frames)")
    elements = element_order(set(shots[0].symbols.tolist()))
    return Trajectory(
        time=np.array([shot.time for shot in shots]),
        fractional=np.stack([shot.fractional for shot in shots]),
        cell=np.stack([shot.cell for shot in shots]),
        species=np.array([elements.index(symbol) for symbol in shots[0].symbols]),
        elements=elements,
        unwrapped=all(shot.unwrapped for shot in shots),
    )


def read_snapshots(path: Path, reading: Reading | None = None, watch: Watch | None = None) -> Iterator[Snapshot]:
    """The wanted frames one after another, never more than one in memory; otherwise as `read_trajectory`."""
    path, reading = Path(path), reading or Reading()
    read = _format(path)
    wanted = _wanted(path, read, reading)
    first: Snapshot | None = None
    with TextFile(path) as text:
        for index, frame in enumerate(read(text, wanted)):
            if watch is not None:
                watch(text.share, index)
            if frame is not None:
                where = f"{path}:{frame.line}: frame {index}"
                shot = _snapshot(frame, reading, where)
                first = first or shot
                _check_same_atoms(shot, first, where)
                check_structure(shot.symbols.tolist(), shot.fractional, shot.cell, where)
                yield shot
            if index + 1 >= wanted.stop:
                break


def _format(path: Path) -> Frames:
    """The reader for the file: by its name, or else by how it begins."""
    name = path.name.lower()
    for ending in UNPACKERS:
        name = name.removesuffix(ending)
    by_name = ENDINGS.get(Path(name).suffix)
    if by_name is not None:
        return by_name
    with TextFile(path) as text:
        line = text.next_content() or ""
        if line.startswith("ITEM:"):
            return lammps_dump.frames
        if line.strip().isdigit():
            return extended_xyz.frames
        if any(row.split()[1:2] == ["atoms"] for row in text.lines(20)):
            return lammps_data.frames
    raise InputDataError(f"{path}: neither extended XYZ nor a LAMMPS dump or data file; use one of these formats")


def _wanted(path: Path, read: Frames, reading: Reading) -> range:
    """Numbers of the wanted frames; the file is counted first only where they are counted from its end."""
    if "-" in reading.frames:
        with TextFile(path) as text:
            return range(*reading.chosen.indices(sum(1 for _ in read(text, range(0)))))
    return range(*reading.chosen.indices(sys.maxsize))


def _snapshot(frame: Frame, reading: Reading, where: str) -> Snapshot:
    """The frame with names and time, in the order of its ids; `where` begins every error."""
    symbols = name_atoms(frame, reading.species, where)
    ids = np.arange(1, len(symbols) + 1) if frame.ids is None else frame.ids
    order = np.argsort(ids, kind="stable")
    twice = np.flatnonzero(np.diff(ids[order]) == 0)
    if len(twice):
        raise InputDataError(f"{where}: id {ids[order][twice[0]]} occurs twice")
    time = np.nan if frame.time is None else frame.time
    if reading.timestep is not None and frame.step is not None:
        time = frame.step * reading.timestep
    return Snapshot(frame.index, time, ids[order], symbols[order], frame.fractional[order], frame.cell, frame.unwrapped)


def _check_same_atoms(shot: Snapshot, first: Snapshot, where: str) -> None:
    count, expected = len(shot.ids), len(first.ids)
    if count != expected:
        raise InputDataError(f"{where} has {count} atoms, frame {first.index} has {expected}; it must not change")
    if np.any(shot.ids != first.ids):
        raise InputDataError(f"{where}: the ids of the atoms are not those of frame {first.index}")
    changed = np.flatnonzero(shot.symbols != first.symbols)
    if len(changed):
        k = changed[0]
        raise InputDataError(
            f"{where}: atom {shot.ids[k]} is {shot.symbols[k]}, in frame {first.index} it is {first.symbols[k]}"
        )

"""Structure files in and out: extended XYZ, LAMMPS data and dump (the one owner of `ase.io`, which writes only)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxglass.errors import InputDataError, ResourceError
from jaxglass.model.elements import mass
from jaxglass.model.pair_list import pair_list, widths
from jaxglass.model.trajectory import Trajectory

if TYPE_CHECKING:  # at run time it would pull in jax, which reading a file does not need
    from jaxglass.model.system import System

CLOSEST = 0.5  # A
FARTHEST = 1e6  # cells from the origin
LARGEST_FILE = 2_000_000_000  # bytes


def read_structure(path: Path, species: tuple[str, ...] = ()):
    """The last structure of `path` as ASE atoms, checked; `species` names the types of a file that does not.
    `InputDataError` names file, line and reason.

    ASE does not read it: it guesses formats, some of which are programs, and reads a file that promises 10^20 atoms
    until the end of days.
    """
    from ase import Atoms

    from jaxglass.trajectories import Reading, read_trajectory

    path = Path(path)
    if path.is_file() and path.stat().st_size > LARGEST_FILE:
        raise InputDataError(f"{path}: larger than {LARGEST_FILE:.0e} bytes")
    last = read_trajectory(path, Reading(species, "-1:"))
    return Atoms(last.symbols, scaled_positions=last.fractional[0], cell=last.cell[0], pbc=True)


def read_frame(path: Path) -> Trajectory:
    """The last structure of `path` as a trajectory of one frame of unknown time."""
    atoms = read_structure(path)
    symbols = atoms.get_chemical_symbols()
    elements = tuple(dict.fromkeys(symbols))
    return Trajectory(
        time=np.array([np.nan]),
        fractional=atoms.get_scaled_positions(wrap=False)[None],
        cell=np.asarray(atoms.cell)[None],
        species=np.array([elements.index(s) for s in symbols]),
        elements=elements,
        unwrapped=False,
    )


def check_structure(symbols: list[str], fractional: np.ndarray | None, cell: np.ndarray, where: str) -> None:
    """`InputDataError` for an empty or unusable structure: cell, coordinates, elements, coincident or overlapping."""
    if not symbols:
        raise InputDataError(f"{where}: no atoms")
    if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-6:
        raise InputDataError(f"{where}: the cell has no volume; give three lattice vectors in A")
    if np.linalg.det(cell) < 0:
        raise InputDataError(f"{where}: the cell is left-handed; exchange two lattice vectors")
    edges = np.linalg.norm(cell, axis=1)
    if widths(cell).min() < 0.2 * edges.min():
        raise InputDataError(f"{where}: the cell is too tilted (width {widths(cell).min():.2f} A); reduce it first")
    if fractional is None or not np.isfinite(fractional).all():
        bad = 0 if fractional is None else int(np.flatnonzero(~np.isfinite(fractional).all(1))[0])
        raise InputDataError(f"{where}: atom {bad + 1} has coordinates that are not numbers")
    if np.abs(fractional).max() > FARTHEST:
        far = int(np.abs(fractional).max(1).argmax())
        raise InputDataError(
            f"{where}: atom {far + 1} lies {np.abs(fractional[far]).max():.1e} cells away, where coordinates have lost "
            "their digits; wrap the atoms into the cell"
        )
    for symbol in set(symbols):
        mass(symbol)
    close = pair_list(fractional, cell, CLOSEST)
    if len(close.i):
        r = np.linalg.norm(close.vectors(fractional, cell), axis=1)
        k = int(r.argmin())
        i, j = int(close.i[k]), int(close.j[k])
        what = "lie on one point" if r[k] < 1e-6 else f"are {r[k]:.3f} A apart"
        raise InputDataError(
            f"{where}: atoms {i + 1} ({symbols[i]}) and {j + 1} ({symbols[j]}) {what}; closest allowed {CLOSEST} A"
        )


def to_atoms(system: "System"):
    """ASE atoms of a system, wrapped into the cell, with momenta (ASE units)."""
    from ase import Atoms, units

    atoms = Atoms(
        system.symbols, scaled_positions=np.asarray(system.fractional), cell=np.asarray(system.cell), pbc=True
    )
    atoms.wrap()
    atoms.set_momenta(np.asarray(system.momenta) / (1e3 * units.fs))  # amu A/ps -> amu A/(ASE time)
    return atoms


def write_last_frame(path: Path, trajectory: Trajectory) -> None:
    """Write the last frame of `trajectory`, wrapped into the cell; see `write_structure`."""
    from ase import Atoms

    atoms = Atoms(trajectory.symbols, scaled_positions=trajectory.fractional[-1], cell=trajectory.cell[-1], pbc=True)
    atoms.wrap()
    write_structure(path, atoms, trajectory.elements)


def write_structure(path: Path, atoms, elements: tuple[str, ...]) -> None:
    """Write extended XYZ (.extxyz) or LAMMPS data (.data, atom_style charge, metal units, with the velocities and the
    initial charges that `atoms` have) by the ending of `path`."""
    import ase.io

    try:
        if path.suffix == ".data":
            ase.io.write(
                path,
                atoms,
                format="lammps-data",
                atom_style="charge",
                units="metal",
                specorder=list(elements),
                masses=True,
                velocities=atoms.has("momenta"),
            )
        else:
            ase.io.write(path, atoms, format="extxyz")
    except OSError as error:
        raise ResourceError(f"cannot write {path}: {error.strerror} (errno {error.errno})") from error

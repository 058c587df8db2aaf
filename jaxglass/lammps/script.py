"""Input scripts and data files: the same atoms, cell and interactions for LAMMPS.

LAMMPS wants a lower triangular cell: atoms are rotated on the way in, forces and stress on the way out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxglass.errors import ConfigError
from jaxglass.lammps.tables import TABLE_POINTS, buckingham_pairs, pair_name, write_tables
from jaxglass.model.elements import mass
from jaxglass.model.potential import Potential

PPPM = "pppm 1.0e-5"  # the accuracy that speed is compared at
COULOMB_CUTOFF = 4.0  # A; where the error of LAMMPS's erfc at nearest neighbours is smallest


@dataclass(frozen=True)
class Settings:
    """What LAMMPS is free to choose at equal physics: Coulomb cutoff and list skin (A), style suffix, MPI ranks."""

    coulomb_cutoff: float
    skin: float
    suffix: str = ""
    ranks: int = 1


def dynamics_lines(
    potential: Potential,
    settings: Settings,
    kspace: str = PPPM,
    before_forces: Sequence[str] = (),
    tables: Path | None = None,
    points: int = TABLE_POINTS,
) -> list[str]:
    """Commands that read structure.data and make it ready to run: interactions, lists, steps of 1 fs.

    buck/coul/long, which has no core; with a folder for `tables` the whole potential comes from files written there, as
    one with a switch must (`ConfigError` without).
    """
    return [
        *structure_lines(),
        *before_forces,
        *interaction_lines(potential, settings.coulomb_cutoff, kspace, tables, points),
        f"neighbor {settings.skin} bin",
        "neigh_modify delay 0 every 1 check yes",
        "timestep 0.001",
    ]


def structure_lines() -> list[str]:
    """Commands that read structure.data in the units of a `Potential`."""
    return ["units metal", "atom_style charge", "atom_modify map array", "read_data structure.data"]


def interaction_lines(
    potential: Potential, coulomb_cutoff: float, kspace: str, folder: Path | None, points: int = TABLE_POINTS
) -> list[str]:
    """Pair and k-space commands; with a `folder` the Buckingham part comes from tables written there."""
    if folder is None and potential.switch > 0:
        raise ConfigError("potential.cutoff_style = c2: LAMMPS has it in tables only, its buck/coul/long truncates")
    if folder is None:
        lines = [
            f"pair_style buck/coul/long {potential.cutoff} {coulomb_cutoff}",
            "pair_coeff * * 0.0 1.0 0.0",
        ]
        A, rho, C = (np.asarray(x) for x in (potential.A, potential.rho, potential.C))
        for a, b in buckingham_pairs(potential):
            lines.append(f"pair_coeff {a + 1} {b + 1} {A[a, b]:.17g} {rho[a, b]:.17g} {C[a, b]:.17g}")
    else:
        write_tables(potential, folder / "short.table", points)
        lines = [f"pair_style hybrid/overlay coul/long {coulomb_cutoff} table spline {points}"]
        lines.append("pair_coeff * * coul/long")
        for a, b in buckingham_pairs(potential):
            lines.append(f"pair_coeff {a + 1} {b + 1} table short.table {pair_name(potential, a, b)}")
    return [*lines, f"kspace_style {kspace}"]


def triangular(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L, R) with cell = L @ R: L lower triangular with a positive diagonal, R orthogonal."""
    q, r = np.linalg.qr(cell.T)
    sign = np.sign(np.diag(r))
    return (sign[:, None] * r).T, (q * sign).T


def write_structure(
    potential: Potential, species: np.ndarray, fractional: np.ndarray, cell: np.ndarray, path: Path
) -> np.ndarray:
    """Write a data file (atom_style charge, full precision, wrapped); returns R: x_here = x_lammps @ R."""
    lower, rotation = triangular(np.asarray(cell, float))
    fractional = np.asarray(fractional, float)
    positions = (fractional - np.floor(fractional)) @ lower
    charges = np.asarray(potential.charges)[species]
    lines = ["jaxglass", "", f"{len(positions)} atoms", f"{len(potential.elements)} atom types", ""]
    lines += [f"0 {lower[k, k]:.17g} {x}lo {x}hi" for k, x in enumerate("xyz")]
    if np.abs(np.tril(lower, -1)).max() > 1e-12 * np.abs(lower).max():
        lines.append(f"{lower[1, 0]:.17g} {lower[2, 0]:.17g} {lower[2, 1]:.17g} xy xz yz")
    lines += ["", "Masses", "", *(f"{s + 1} {mass(e)}" for s, e in enumerate(potential.elements))]
    lines += ["", "Atoms # charge", ""]
    for i, (s, q, x) in enumerate(zip(np.asarray(species), charges, positions, strict=True)):
        lines.append(f"{i + 1} {s + 1} {q:.17g} {x[0]:.17g} {x[1]:.17g} {x[2]:.17g}")
    path.write_text("\n".join(lines) + "\n")
    return rotation


def write_velocities(velocities: np.ndarray, rotation: np.ndarray, path: Path) -> None:
    """Append `velocities` (N, 3) in A/ps to what `write_structure` wrote, with the rotation it returned."""
    lines = [f"{i + 1} {v[0]:.17g} {v[1]:.17g} {v[2]:.17g}" for i, v in enumerate(velocities @ rotation.T)]
    with open(path, "a") as file:
        file.write("\n".join(["", "Velocities", "", *lines]) + "\n")


def write_input(
    potential: Potential, species: np.ndarray, fractional: np.ndarray, cell: np.ndarray, folder: Path
) -> None:
    """in.lammps, structure.data and short.table in `folder`: energy and forces of one structure, for any LAMMPS."""
    folder.mkdir(parents=True, exist_ok=True)
    write_structure(potential, species, fractional, cell, folder / "structure.data")
    lines = [*structure_lines(), *interaction_lines(potential, COULOMB_CUTOFF, "ewald 1.0e-8", folder)]
    lines += ["thermo_style custom step pe pxx pyy pzz", "dump forces all custom 1 forces.dump id type x y z fx fy fz"]
    (folder / "in.lammps").write_text(
        "\n".join([*lines, "dump_modify forces sort id format float %.15g", "run 0"]) + "\n"
    )

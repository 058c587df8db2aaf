"""Runs of LAMMPS: one structure, constant energy, and how fast it is."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import erfc

from jaxglass.lammps.launch import LammpsError, Program, run
from jaxglass.lammps.script import (
    COULOMB_CUTOFF,
    Settings,
    dynamics_lines,
    interaction_lines,
    structure_lines,
    write_structure,
    write_velocities,
)
from jaxglass.lammps.tables import TABLE_POINTS
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential
from jaxglass.units import BAR_LAMMPS

_PRESSURE = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
_ERFC = (0.0, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


class LammpsEvaluation(NamedTuple):
    """Energy (eV), forces (N, 3) in eV/A, stress (3, 3) in eV/A^3 (tension +), LAMMPS's `alpha` (1/A)."""

    energy: float
    forces: np.ndarray
    stress: np.ndarray
    alpha: float


def static(
    potential: Potential,
    species: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    kspace: str = "ewald 1.0e-10",
    workdir: Path | None = None,
    coulomb_cutoff: float = COULOMB_CUTOFF,
    tables: bool = True,
    points: int = TABLE_POINTS,
    coulomb_bits: int = 0,
    by: Program | None = None,
) -> LammpsEvaluation:
    """Energy, forces and stress of one structure from `run 0`.

    `tables=False` uses buck/coul/long instead, which has no core: right only when no pair is inside r0. It has no
    switch either: `ConfigError` for a potential with one.
    `coulomb_bits` > 0 interpolates the screened Coulomb force from 2^bits points, as LAMMPS does unless told (12).
    """
    with _folder(workdir) as folder:
        rotation = write_structure(potential, species, fractional, cell, folder / "structure.data")
        lines = [
            *structure_lines(),
            *interaction_lines(potential, coulomb_cutoff, kspace, folder if tables else None, points),
            f"pair_modify {'pair coul/long ' if tables else ''}table {coulomb_bits}",
            "thermo_style custom step pe pxx pyy pzz pyz pxz pxy",
            "thermo_modify norm no",
            "run 0",
            "write_dump all custom forces.txt id fx fy fz modify sort id format float %.17g",
            'print "' + " ".join(f"$({name}:%.17g)" for name in ("pe", *_PRESSURE)) + '" file thermo.txt screen no',
        ]
        log = run(lines, folder, by=by)
        thermo = np.loadtxt(folder / "thermo.txt")
        forces = np.loadtxt(folder / "forces.txt", skiprows=9)[:, 1:]
    xx, yy, zz, yz, xz, xy = -thermo[1:] / BAR_LAMMPS
    stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    alpha = float(re.findall(r"G vector \(1/distance\) = (\S+)", log)[-1])
    return LammpsEvaluation(float(thermo[0]), forces @ rotation, rotation.T @ stress @ rotation, alpha)


def nvt_timing(
    potential: Potential,
    species: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    settings: Settings,
    steps: int = 200,
    temperature: float = 300.0,
    sample: int = 72,
) -> float:
    """Seconds per step of a whole NVT run (1 fs, Nose-Hoover 0.1 ps, pppm 1e-5, energy every `sample` steps)."""
    with _folder(None) as folder:
        write_structure(potential, species, fractional, cell, folder / "structure.data")
        lines = [
            *dynamics_lines(potential, settings),
            f"velocity all create {temperature} 4711 mom yes dist gaussian",
            f"fix nvt all nvt temp {temperature} {temperature} 0.1",
            f"thermo {sample}",
            "run 20",
            f"run {steps}",
        ]
        log = run(lines, folder, settings.suffix, settings.ranks)
    loops = re.findall(r"^Loop time of (\S+) on (\d+) procs", log, re.MULTILINE)
    if not loops or int(loops[-1][1]) != settings.ranks:
        raise LammpsError(f"asked for {settings.ranks} MPI ranks, LAMMPS ran on {loops[-1][1] if loops else 'none'}")
    return float(loops[-1][0]) / steps


def nve_energies(
    potential: Potential,
    species: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    velocities: np.ndarray,
    settings: Settings,
    steps: int,
    sample: int,
) -> np.ndarray:
    """Total energy (eV) every `sample` steps of 1 fs at constant energy from `velocities` (N, 3) in A/ps, pppm 1e-5."""
    with _folder(None) as folder:
        rotation = write_structure(potential, species, fractional, cell, folder / "structure.data")
        write_velocities(velocities, rotation, folder / "structure.data")
        run(
            [
                *dynamics_lines(potential, settings),
                "fix nve all nve",
                "thermo_modify norm no",
                "variable energy equal etotal",
                f'fix energies all print {sample} "$(v_energy:%.17g)" file energies.txt screen no',
                f"run {steps}",
            ],
            folder,
            settings.suffix,
            settings.ranks,
        )
        return np.loadtxt(folder / "energies.txt", skiprows=1)


def fastest_settings(
    potential: Potential,
    species: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    ranks: int,
    steps: int,
    cutoffs: Sequence[float] = (7.0, 8.0, 9.0, 10.0),
    skins: Sequence[float] = (2.0, 1.0),
    suffixes: Sequence[str] = ("", "omp"),
) -> Settings:
    """The fastest of all Coulomb cutoffs (A) and style suffixes at the first skin (A), then of the other skins."""

    def seconds(settings: Settings) -> float:
        return nvt_timing(potential, species, fractional, cell, settings, steps)

    first = min((Settings(c, skins[0], suffix, ranks) for c in cutoffs for suffix in suffixes), key=seconds)
    return min((replace(first, skin=skin) for skin in skins), key=seconds)


def erfc_error(
    potential: Potential,
    species: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    alpha: float,
    coulomb_cutoff: float,
) -> LammpsEvaluation:
    """What coul/long adds by its erfc(x) = t P(t) exp(-x^2), t = 1/(1 + 0.3275911 x) .

    P (Abramowitz & Stegun 7.1.26) is good to 1.5e-7. Near equilibrium this is the whole difference between
    LAMMPS's Ewald sum and an exact one: about 1e-6 of the forces at 300 K.
    """
    pairs = pair_list(fractional, cell, coulomb_cutoff)
    vector = pairs.vectors(np.asarray(fractional), cell)
    r = np.linalg.norm(vector, axis=1)
    charges = np.asarray(potential.charges)[species]
    x = alpha * r
    approximate = np.polynomial.Polynomial(_ERFC)(1 / (1 + 0.3275911 * x)) * np.exp(-(x**2))
    energies = float(potential.coulomb_constant) * charges[pairs.i] * charges[pairs.j] * (approximate - erfc(x)) / r
    push = (energies / r**2)[:, None] * vector
    forces = np.zeros((len(charges), 3))
    np.add.at(forces, pairs.j, push)
    np.add.at(forces, pairs.i, -push)
    stress = -np.einsum("pa,pb->ab", push, vector) / abs(np.linalg.det(cell))
    return LammpsEvaluation(float(energies.sum()), forces, stress, alpha)


@contextmanager
def _folder(workdir: Path | None) -> Iterator[Path]:
    """`workdir` if given, else a temporary directory removed at the end."""
    if workdir is not None:
        workdir.mkdir(parents=True, exist_ok=True)
        yield workdir
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)

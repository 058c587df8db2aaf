"""The protocols of the paper as LAMMPS scripts: atoms, potential, stages and strain steps of jaxglass.

A melt needs the whole potential, core splice included, so stages (`stages_script`) use tables. Glasses have Coulomb
`pppm` and Buckingham `buck/coul/long`, three times as fast as fine tables: it lacks the splice, which no pair of a
glass at 300 K enters (O-O 1.9 A, P-O 1.2 A). Stress is in GPa, tension positive, averaged over every step of a stage
as `fix ave/time 1 N N` of the pressure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxglass import lammps
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.protocols.elastic import ElasticProtocol
from jaxglass.protocols.fracture import FROM_REST, FractureProtocol
from jaxglass.simulation.stage import INTERVAL, Stage

FASTEST = lammps.Settings(10.0, 1.0, "omp")  # of task=benchmark
GPA_PER_BAR = 1e-4
TABLED = lammps.Settings(10.0, 1.0, "omp")  # steps of NPT at 651 atoms take 0.6 of those with 8 A
POINTS = 8_000  # of a table: half a megabyte, which stays in the cache of a core; forces to 1e-6
TILTS = {"yz": ("yz", "z"), "xz": ("xz", "z"), "xy": ("xy", "y")}  # direction: tilt factor, edge it grows with
COMPONENTS = {"xx": 1, "yy": 2, "zz": 3, "xy": 4, "xz": 5, "yz": 6}  # of compute pressure


@dataclass(frozen=True)
class Curve:
    """Stress along z (GPa) and cell length along z (A) of steps 0 ... n, with the frames: fractional (n + 1, N, 3) in
    the order of the atoms given, cells (n + 1, 3, 3)."""

    stress: np.ndarray
    length: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray


def elastic_stress(
    potential: Potential, system: System, protocol: ElasticProtocol, direction: str, seed: int, folder: Path
) -> np.ndarray:
    """Mean stress (GPa) in one of `DIRECTIONS` at the strains of `protocol`, (n + 1,)."""
    steps = _steps(protocol)
    lines = [
        *_start(potential, system, folder, lammps.PPPM, ["change_box all triclinic"]),
        _velocities(protocol.temperature, seed),
        _nvt(protocol.temperature, protocol.thermostat_ps),
        f"run {steps(protocol.equilibrate_ps)}",
        *_averaged(0, steps(protocol.average_ps)),
    ]
    edges = dict(zip("xyz", np.diag(np.asarray(system.cell)), strict=True))
    for k, strain in enumerate(protocol.strains[1:], 1):
        before = protocol.strains[k - 1]
        if direction in TILTS:
            tilt, edge = TILTS[direction]
            change = f"{tilt} delta {(strain - before) * edges[edge]:.17g}"
        else:
            change = f"{direction[0]} scale {(1 + strain) / (1 + before):.17g}"
        lines += [f"change_box all {change} remap units box", f"run {steps(protocol.relax_ps)}"]
        lines += _averaged(k, steps(protocol.average_ps))
    lammps.run(lines, folder, FASTEST.suffix)
    return np.array([_mean(folder, k, direction) for k in range(len(protocol.strains))])


def fracture_curve(
    potential: Potential, system: System, protocol: FractureProtocol, largest_strain: float, seed: int, folder: Path
) -> Curve:
    """A notched `system` relaxed and pulled along z as `protocol` says, up to `largest_strain`."""
    steps, kelvin = _steps(protocol), protocol.temperature
    lines = [
        *_start(potential, system, folder, lammps.PPPM),
        *_minimised(protocol.minimise_force, protocol.minimise_steps),
        _velocities(FROM_REST * kelvin, seed),
        f"fix npt all npt temp {kelvin} {kelvin} {protocol.thermostat_ps} iso 0 0 {protocol.barostat_ps}",
        f"run {steps(protocol.relax_npt_ps)}",
        "unfix npt",
        _nvt(kelvin, protocol.thermostat_ps),
        f"run {steps(protocol.relax_nvt_ps)}",
        *_averaged(0, steps(protocol.average_ps)),
        _frame(0),
    ]
    count = round(largest_strain / protocol.strain_step)
    for k in range(1, count + 1):
        lines += ["unfix nvt", _stretch(protocol.strain(k), protocol.strain(k - 1))]
        lines += _minimised(protocol.minimise_force, protocol.minimise_steps)
        lines += [_velocities(FROM_REST * kelvin, seed + k), _nvt(kelvin, protocol.thermostat_ps)]
        lines += [f"run {steps(protocol.relax_ps)}", *_averaged(k, steps(protocol.average_ps)), _frame(k)]
    lammps.run(lines, folder, FASTEST.suffix)
    stress = np.array([_mean(folder, k, "zz") for k in range(count + 1)])
    return _curve(folder, stress)


def quasistatic_curve(
    potential: Potential, system: System, strains: np.ndarray, largest_force: float, accuracy: float, folder: Path
) -> Curve:
    """`system` pulled along z without temperature: minimised to `largest_force` (eV/A) at every strain."""
    lines = _start(potential, system, folder, f"pppm {accuracy}")
    for k, strain in enumerate(strains):
        lines += [_stretch(strain, strains[k - 1])] if k else []
        lines += [*_minimised(largest_force, 20_000), f'print "$(pzz:%.17g)" file stress_{k}.txt', _frame(k)]
    lammps.run(lines, folder)
    stress = np.array([-float((folder / f"stress_{k}.txt").read_text()) for k in range(len(strains))])
    return _curve(folder, GPA_PER_BAR * stress)


def nvt_dump(
    potential: Potential, system: System, temperature: float, equilibrate: int, steps: int, every: int, folder: Path
) -> Path:
    """Unwrapped positions every `every` of `steps` steps of NVT (1 fs, Nose-Hoover 0.1 ps), as a dump.

    New velocities at `temperature` (K), `equilibrate` steps before the first frame. The dump, `nvt.dump` in `folder`,
    names its elements and times; its cell is LAMMPS's (`lammps.triangular`).
    """
    lines = [
        *_start(potential, system, folder, lammps.PPPM),
        _velocities(temperature, 4710),
        _nvt(temperature, 0.1),
        f"run {equilibrate}",
        "reset_timestep 0",
        f"dump frames all custom {every} nvt.dump id type element xu yu zu",
        f"dump_modify frames sort id time yes units yes format float %.7f element {' '.join(potential.elements)}",
        f"run {steps}",
    ]
    lammps.run(lines, folder, FASTEST.suffix)
    return folder / "nvt.dump"


def stages_script(
    potential: Potential,
    system: System,
    stages: Sequence[Stage],
    seed: int,
    folder: Path,
    every: int = INTERVAL,
    kspace: str = lammps.PPPM,
) -> list[str]:
    """The script of `stages` from `system` and its momenta, tables and Coulomb `kspace`; writes its files to `folder`.

    Each stage writes NAME.txt: step, temperature (K), potential energy (eV), pressure (bar), density (g/cm3) every
    `every` steps; a stage that records also NAME.dump. Stages: minimise, nve, nvt and npt (isotropic), steps of 1 fs.
    """
    lines = [*_start(potential, system, folder, kspace, tables=True), "thermo_modify norm no"]
    for stage in stages:
        lines += _stage(stage, seed, potential.elements, every)
    return lines


def read_samples(folder: Path, stage: str) -> dict[str, np.ndarray]:
    """Columns of a stage of `stages_script`: temperature, potential_energy, pressure (GPa), density."""
    table = np.loadtxt(folder / f"{stage}.txt", skiprows=1)
    names = ("temperature", "potential_energy", "pressure", "density")
    return {name: table[:, k] * (GPA_PER_BAR if name == "pressure" else 1) for k, name in enumerate(names, 1)}


def _stage(stage: Stage, seed: int, elements: tuple[str, ...], every: int) -> list[str]:
    if stage.ensemble == "minimise":
        return _minimised(stage.force_tolerance, stage.steps)
    lines = [f"reset_timestep 0\ntimestep {stage.timestep}"]
    hot, cold = stage.temperature
    if stage.draw_velocities:
        lines.append(_velocities(stage.draw_velocities * hot, seed + stage.velocity_seed))
    bar = stage.pressure / GPA_PER_BAR
    integrators = {
        "nve": "nve",
        "nvt": f"nvt temp {hot} {cold} {stage.thermostat_time}",
        "npt": f"npt temp {hot} {cold} {stage.thermostat_time} iso {bar} {bar} {stage.barostat_time}",
    }
    values = "$(step) $(temp:%.17g) $(pe:%.17g) $(press:%.17g) $(density:%.17g)"
    lines += [f"fix move all {integrators[stage.ensemble]}"]
    lines += [f'fix samples all print {every} "{values}" file {stage.name}.txt screen no']
    if stage.record:
        lines += [f"dump frames all custom {every * stage.frame_samples} {stage.name}.dump id type element xu yu zu"]
        lines += [f"dump_modify frames sort id time yes units yes format float %.9f element {' '.join(elements)}"]
        lines += ["dump_modify frames delay 1"]  # not the end of the stage before
    lines += [f"run {stage.steps}", "unfix samples", "unfix move"]
    return [*lines, "undump frames"] if stage.record else lines


def _start(
    potential: Potential,
    system: System,
    folder: Path,
    kspace: str,
    before_forces: Sequence[str] = (),
    tables: bool = False,
) -> list[str]:
    """Commands that read the atoms and define the forces between them."""
    folder.mkdir(parents=True, exist_ok=True)
    species, fractional, cell = (np.asarray(x) for x in (system.species, system.fractional, system.cell))
    rotation = lammps.write_structure(potential, species, fractional, cell, folder / "structure.data")
    momenta = np.asarray(system.momenta)
    if tables and momenta.any():  # the others draw their own velocities
        lammps.write_velocities(momenta / np.asarray(system.masses)[:, None], rotation, folder / "structure.data")
    settings = TABLED if tables else FASTEST
    return [
        *lammps.dynamics_lines(potential, settings, kspace, before_forces, folder if tables else None, POINTS),
        "thermo 1000",
        "thermo_style custom step temp pe pzz lz",
    ]


def _steps(protocol: ElasticProtocol | FractureProtocol):
    return lambda ps: max(1, round(ps / (1e-3 * protocol.timestep_fs)))


def _velocities(kelvin: float, seed: int) -> str:
    return f"velocity all create {kelvin} {seed + 1} mom yes dist gaussian loop geom"


def _nvt(kelvin: float, damping_ps: float) -> str:
    return f"fix nvt all nvt temp {kelvin} {kelvin} {damping_ps}"


def _minimised(largest_force: float, steps: int) -> list[str]:
    return ["min_style fire", "min_modify norm max", f"minimize 0 {largest_force} {steps} {10 * steps}"]


def _stretch(strain: float, before: float) -> str:
    return f"change_box all z scale {(1 + strain) / (1 + before):.17g} remap units box"


def _averaged(k: int, steps: int) -> list[str]:
    pressure = " ".join(f"c_thermo_press[{i}]" for i in range(1, 7))
    return [
        "reset_timestep 0",
        f"fix mean all ave/time 1 {steps} {steps} {pressure} file mean_{k}.txt",
        f"run {steps}",
        "unfix mean",
    ]


def _frame(k: int) -> str:
    return f"write_dump all custom frame_{k}.txt id xs ys zs modify sort id format float %.17g"


def _mean(folder: Path, k: int, direction: str) -> float:
    return -GPA_PER_BAR * float(np.loadtxt(folder / f"mean_{k}.txt", ndmin=2)[-1, COMPONENTS[direction]])


def _curve(folder: Path, stress: np.ndarray) -> Curve:
    fractional, cell = zip(*(_read_frame(folder / f"frame_{k}.txt") for k in range(len(stress))), strict=True)
    cells = np.array(cell)
    return Curve(stress, cells[:, 2, 2], np.array(fractional), cells)


def _read_frame(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Fractional coordinates (N, 3) and cell (3, 3) of an orthogonal frame."""
    with open(path) as file:
        head = [next(file) for _ in range(9)]
    bounds = np.array([line.split() for line in head[5:8]], float)
    return np.loadtxt(path, skiprows=9)[:, 1:], np.diag(bounds[:, 1] - bounds[:, 0])

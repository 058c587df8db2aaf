"""LAMMPS as a second opinion: the same potential, the same atoms, another program. The only owner of LAMMPS.

The Buckingham part with its core splice goes to LAMMPS as a table of exact function values; Coulomb is its
own coul/long with an Ewald or PPPM sum. LAMMPS reports pressure in bar, compression positive; here stress is in
eV/A^3, tension positive. Its pressure lacks the background of a charged cell, so compare neutral ones, with
`coulomb_constant = units.COULOMB_LAMMPS` in the potential when comparing digits.
"""

from jaxglass.lammps.launch import LammpsError, Program, available, executable, mpi_launcher, program, run
from jaxglass.lammps.runs import LammpsEvaluation, erfc_error, fastest_settings, nve_energies, nvt_timing, static
from jaxglass.lammps.script import (
    COULOMB_CUTOFF,
    PPPM,
    Settings,
    dynamics_lines,
    triangular,
    write_input,
    write_structure,
    write_velocities,
)
from jaxglass.lammps.tables import TABLE_POINTS, short_range, write_tables

__all__ = [
    "COULOMB_CUTOFF",
    "PPPM",
    "TABLE_POINTS",
    "LammpsError",
    "LammpsEvaluation",
    "Program",
    "Settings",
    "available",
    "dynamics_lines",
    "erfc_error",
    "executable",
    "fastest_settings",
    "mpi_launcher",
    "nve_energies",
    "nvt_timing",
    "program",
    "run",
    "short_range",
    "static",
    "triangular",
    "write_input",
    "write_structure",
    "write_tables",
    "write_velocities",
]

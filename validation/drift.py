"""Energy drift at constant energy, mixed precision, beside LAMMPS from the same atoms and velocities.

    python -m validation.drift [DIRECTORY]

972 atoms, 20 ps in steps of 1 fs, at 300 and 1500 K, Coulomb accuracy 1e-5 in both programs. The drift is the slope of
the total energy in meV/atom/ns; its error is that of the regression, for residuals that are correlated in time. The
latest result is kept in `validation/drift.json`.
"""

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jaxglass.analysis.statistics import statistical_inefficiency
from jaxglass.manifest import versions

STEPS, SAMPLE, TIMESTEP_PS = 20_016, 72, 1e-3
TEMPERATURES_K = (300.0, 1500.0)
RESULT = Path(__file__).parent / "drift.json"


@dataclass(frozen=True)
class Drift:
    """Slope of the total energy and its standard error, meV/atom/ns."""

    slope: float
    error: float


@dataclass(frozen=True)
class Case:
    """Both programs at one temperature; `passes`: our drift is at most that of LAMMPS plus its error."""

    temperature_K: float
    jaxglass: Drift
    lammps: Drift

    @property
    def passes(self) -> bool:
        """Whether jaxglass drifts no more than LAMMPS, within the error of the comparison."""
        error = float(np.hypot(self.jaxglass.error, self.lammps.error))
        return abs(self.jaxglass.slope) <= abs(self.lammps.slope) + error


def drift(energies_eV: np.ndarray, interval_ps: float, n_atoms: int) -> Drift:
    """The slope of energies (F,) that are `interval_ps` apart."""
    time_ns = 1e-3 * interval_ps * np.arange(len(energies_eV))
    energies = 1e3 * np.asarray(energies_eV) / n_atoms
    slope, start = np.polyfit(time_ns, energies, 1)
    residual = energies - slope * time_ns - start
    spread = np.sqrt(np.sum(residual**2) / (len(residual) - 2) * statistical_inefficiency(residual))
    return Drift(float(slope), float(spread / np.sqrt(np.sum((time_ns - time_ns.mean()) ** 2))))


def compare(temperature_K: float, folder: Path) -> Case:
    """Anneal for 40 ps so that the glass no longer heats itself as it relaxes; then 20 ps in both programs."""
    from jaxglass import lammps
    from jaxglass.benchmark.configuration import UNIT, relaxed_glass
    from jaxglass.benchmark.settings import Settings
    from jaxglass.parameters import default_settings
    from jaxglass.simulation.directory import RunDirectory
    from jaxglass.simulation.run import run
    from jaxglass.simulation.stage import Stage

    settings = Settings(38.0, 1, {**default_settings(), "constants": "lammps_metal"}, 1e-5, None, "mixed")
    glass = relaxed_glass(settings, UNIT)
    potential = settings.potential(glass)
    plan = settings.plan(glass, potential, 1)
    annealing = [
        Stage("anneal", "nvt", 30_024, (2000.0, temperature_K), timestep=TIMESTEP_PS, draw_velocities=1.0),
        Stage("hold", "nvt", 10_008, (temperature_K, temperature_K), timestep=TIMESTEP_PS),
    ]
    with RunDirectory(folder / f"anneal-{temperature_K:.0f}") as directory:
        system = run(directory, annealing, glass, potential, plan, seed=1).system
    with RunDirectory(folder / f"nve-{temperature_K:.0f}") as directory:
        run(directory, [Stage("nve", "nve", STEPS, timestep=TIMESTEP_PS)], system, potential, plan, seed=1)
        table = np.genfromtxt(directory.path / "thermo.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    species, fractional, cell = (np.asarray(x) for x in (system.species, system.fractional, system.cell))
    velocities = np.asarray(system.momenta) / np.asarray(system.masses)[:, None]
    theirs = lammps.nve_energies(
        potential, species, fractional, cell, velocities, lammps.Settings(8.0, 2.0, "omp"), STEPS, SAMPLE
    )
    interval, count = SAMPLE * TIMESTEP_PS, len(species)
    return Case(temperature_K, drift(table["conserved_eV"], interval, count), drift(theirs, interval, count))


def main(path: Path | None) -> int:
    """Run all temperatures, keep and print the result; 1 when one of them does not pass."""
    from jaxglass.runtime import configure

    configure("cpu", 1)
    with tempfile.TemporaryDirectory() as name:
        cases = [compare(temperature, path or Path(name)) for temperature in TEMPERATURES_K]
    kept = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "unit": "meV/atom/ns",
        "steps": STEPS,
        "cases": [asdict(case) | {"passes": case.passes} for case in cases],
    }
    RESULT.write_text(json.dumps(kept, indent=2) + "\n")
    for case in cases:
        for name, found in (("jaxglass", case.jaxglass), ("LAMMPS", case.lammps)):
            print(f"{case.temperature_K:6.0f} K  {name:8s} {found.slope:8.3f} +- {found.error:.3f} meV/atom/ns")
    return 0 if all(case.passes for case in cases) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))

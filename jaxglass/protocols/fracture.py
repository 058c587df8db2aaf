"""Fracture of a notched glass (section 2.8 of the paper, after Brochard): stages of relaxation and of strain steps.

    prepare (minimise) | relax_npt (zero pressure) | relax_nvt | average_000
    (minimise_k | relax_k | average_k) for steps k = 1, 2, ... of 1 % of the initial length along z

The stress is averaged over every step of `average_k`. Atoms follow the cell affinely, then are minimised and begin
with new velocities. The paper: 1 ns NPT, 100 ps NVT, 5 ps + 5 ps per step, up to 110 %.
"""

from dataclasses import dataclass

from jaxglass.errors import ConfigError
from jaxglass.simulation.stage import Stage

FROM_REST = 2.0  # times the temperature: half of the kinetic energy given to a minimised glass becomes potential energy
NPT = {"isotropic": "npt", "orthorhombic": "npt_orthorhombic"}


@dataclass(frozen=True)
class FractureProtocol:
    """Settings: strain per step and at most, K, times and damping in ps, forces in eV/A."""

    strain_step: float
    largest_strain: float
    temperature: float
    relax_npt_ps: float
    relax_nvt_ps: float
    relax_ps: float
    average_ps: float
    coupling: str
    minimise_steps: int
    minimise_force: float
    timestep_fs: float
    thermostat_ps: float
    barostat_ps: float

    @property
    def strain_steps(self) -> int:
        """Number of strain steps up to the largest strain."""
        return round(self.largest_strain / self.strain_step)

    def strain(self, step: int) -> float:
        """Strain (of the initial length along z) after `step` steps."""
        return step * self.strain_step

    def relaxation(self) -> list[Stage]:
        """The stages before the first strain step. Raises `ConfigError` for an unknown coupling."""
        if self.coupling not in NPT:
            raise ConfigError(f"fracture.coupling = '{self.coupling}': must be isotropic or orthorhombic")
        return [
            self._minimise("prepare"),
            self._run("relax_npt", NPT[self.coupling], self.relax_npt_ps, draw_velocities=FROM_REST),
            self._run("relax_nvt", "nvt_stress", self.relax_nvt_ps),
            self._run("average_000", "nvt_stress", self.average_ps, record=True),
        ]

    def step(self, step: int) -> list[Stage]:
        """The stages of strain step `step` = 1, 2, ..."""
        along = (1 + self.strain(step)) / (1 + self.strain(step - 1))
        stretch = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, along))
        return [
            self._minimise(f"minimise_{step:03d}", stretch=stretch),
            self._run(f"relax_{step:03d}", "nvt_stress", self.relax_ps, draw_velocities=FROM_REST, velocity_seed=step),
            self._run(f"average_{step:03d}", "nvt_stress", self.average_ps, record=True),
        ]

    def _minimise(self, name: str, **more) -> Stage:
        return Stage(name, "minimise", self.minimise_steps, force_tolerance=self.minimise_force, **more)

    def _run(self, name: str, ensemble: str, ps: float, **more) -> Stage:
        dt, kelvin = self.timestep_fs * 1e-3, (self.temperature, self.temperature)
        return Stage(
            name,
            ensemble,
            max(1, round(ps / dt)),
            kelvin,
            timestep=dt,
            thermostat_time=self.thermostat_ps,
            barostat_time=self.barostat_ps,
            **more,
        )

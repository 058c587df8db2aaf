"""Melt and quench (section 2.6 of the paper): random placement, 3000 K NVT, NPT quench at zero pressure, relaxation.

| stage | ensemble | temperature | paper |
|---|---|---|---|
| prepare | minimise | | overlaps of the random start |
| melt | NVT | 3000 K | 200 ps |
| quench | NPT | 3000 -> 300 K | 1 K/ps |
| relax_nvt | NVT | 300 K | 100 ps |
| relax_npt | NPT | 300 K | 100 ps, frames kept |
"""

from dataclasses import dataclass

from jaxglass.errors import ConfigError
from jaxglass.simulation.stage import Stage

LONGEST_TIMESTEP = 0.005  # ps


@dataclass(frozen=True)
class MeltQuench:
    """Settings of the protocol: temperatures in K, times in ps, rate in K/ps, pressure in GPa, density in g/cm3."""

    start_density: float
    melt_temperature: float
    final_temperature: float
    melt_ps: float
    quench_rate: float
    relax_nvt_ps: float
    relax_npt_ps: float
    pressure: float
    coupling: str
    timestep_fs: float
    thermostat_ps: float
    barostat_ps: float

    def stages(self) -> list[Stage]:
        """The stages, in order. Raises `ConfigError` for a time step above 5 fs or an unknown coupling."""
        dt = self.timestep_fs * 1e-3
        if not 0 < dt <= LONGEST_TIMESTEP:
            raise ConfigError(
                f"protocol.timestep_fs = {self.timestep_fs}: must be above 0 and at most 5 fs (the paper: 1)"
            )
        npt = {"isotropic": "npt", "orthorhombic": "npt_orthorhombic"}.get(self.coupling)
        if npt is None:
            raise ConfigError(f"protocol.coupling = '{self.coupling}': must be isotropic or orthorhombic")
        hot, cold = self.melt_temperature, self.final_temperature
        quench_ps = abs(hot - cold) / self.quench_rate

        def stage(name: str, ensemble: str, ps: float, start: float, end: float, **more) -> Stage:
            return Stage(
                name,
                ensemble,
                max(1, round(ps / dt)),
                (start, end),
                self.pressure,
                dt,
                self.thermostat_ps,
                self.barostat_ps,
                **more,
            )

        return [
            Stage("prepare", "minimise", 600, force_tolerance=5.0),
            stage("melt", "nvt", self.melt_ps, hot, hot, draw_velocities=1.0),
            stage("quench", npt, quench_ps, hot, cold),
            stage("relax_nvt", "nvt", self.relax_nvt_ps, cold, cold),
            stage("relax_npt", npt, self.relax_npt_ps, cold, cold, record=True),
        ]

"""Elastic constants at temperature (section 2.7 of the paper): six directions of strain, each a run of its own.

    equilibrate | average_000 | (relax_k | average_k) for strains k = 1 ... n

Every strain step deforms the cell affinely from the strain before, (1 + e_k D)(1 + e_k-1 D)^-1, relaxes in NVT and
averages the stress over every step. D is a tensile direction, or a simple shear whose strain is the engineering one.
The paper: steps of 1e-4, 1 ps + 1 ps at 300 K.
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.simulation.stage import Stage

#: Voigt order; the axes (a, b) of D: a gets e times b.
DIRECTIONS = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}


@dataclass(frozen=True)
class ElasticProtocol:
    """Settings: strain per step, number of steps, K, times in ps, damping in ps."""

    strain_step: float
    strain_steps: int
    temperature: float
    equilibrate_ps: float
    relax_ps: float
    average_ps: float
    timestep_fs: float
    thermostat_ps: float

    @property
    def strains(self) -> np.ndarray:
        """Strains at which the stress is averaged, (n + 1,), the first is 0."""
        return self.strain_step * np.arange(self.strain_steps + 1)

    def stages(self, direction: str) -> list[Stage]:
        """The stages of one of `DIRECTIONS`, in order."""
        dt, kelvin = self.timestep_fs * 1e-3, (self.temperature, self.temperature)

        def stage(name: str, ps: float, **more) -> Stage:
            steps = max(1, round(ps / dt))
            return Stage(name, "nvt_stress", steps, kelvin, timestep=dt, thermostat_time=self.thermostat_ps, **more)

        stages = [
            stage("equilibrate", self.equilibrate_ps, draw_velocities=1.0),
            stage("average_000", self.average_ps),
        ]
        for k, strain in enumerate(self.strains[1:], 1):
            stretch = deformation(direction, strain) @ np.linalg.inv(deformation(direction, self.strains[k - 1]))
            stages += [
                stage(f"relax_{k:03d}", self.relax_ps, stretch=tuple(map(tuple, stretch))),
                stage(f"average_{k:03d}", self.average_ps),
            ]
        return stages


def deformation(direction: str, strain: float) -> np.ndarray:
    """Deformation gradient 1 + strain D, (3, 3)."""
    a, b = DIRECTIONS[direction]
    gradient = np.eye(3)
    gradient[a, b] += strain
    return gradient

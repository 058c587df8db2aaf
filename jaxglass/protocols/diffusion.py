"""Diffusion at temperatures where lithium moves and the network does not (section 2.6 of the paper).

    equilibrate | run_000 | run_001 | ...

NVT in the cell of the glass at 300 K, velocities drawn at the temperature. Every `run_k` is as long as the others and
records frames at one spacing; whoever runs them stops when D is known well enough. The paper: 700, 750 and 800 K, of a
length it does not state.
"""

import math
from dataclasses import dataclass

from jaxglass.errors import ConfigError
from jaxglass.simulation.stage import INTERVAL, Stage


@dataclass(frozen=True)
class DiffusionProtocol:
    """Settings: K, times in ps and fs, the `relative_error` of D that ends a run before `longest_ps`."""

    temperatures: tuple[float, ...]
    equilibrate_ps: float
    chunk_ps: float
    longest_ps: float
    relative_error: float
    frame_ps: float
    timestep_fs: float
    thermostat_ps: float

    def __post_init__(self):
        """Refuse what cannot be run."""
        if len(set(self.temperatures)) < len(self.temperatures) or not self.temperatures:
            raise ConfigError(f"diffusion.temperatures = {list(self.temperatures)}: must be different, at least one")
        if self.chunk_ps > self.longest_ps:
            raise ConfigError(
                f"diffusion.chunk_ps = {self.chunk_ps:g} must not be above diffusion.longest_ps = {self.longest_ps:g}"
            )

    @property
    def frame_samples(self) -> int:
        """Samples of 72 steps between frames: as near to `frame_ps` as whole samples are."""
        return max(1, round(self.frame_ps / (INTERVAL * self.timestep_fs * 1e-3)))

    @property
    def chunk_steps(self) -> int:
        """Steps of one `run_k`: whole frames, so that all of them have one spacing."""
        frame = self.frame_samples * INTERVAL
        return frame * max(1, round(self.chunk_ps / (self.timestep_fs * 1e-3) / frame))

    @property
    def chunks(self) -> int:
        """How many `run_k` the budget holds."""
        return max(1, math.floor(self.longest_ps / (self.chunk_steps * self.timestep_fs * 1e-3) + 1e-9))

    def stages(self, temperature: float) -> list[Stage]:
        """The stages at one of the `temperatures`, up to the whole budget."""
        dt, place = self.timestep_fs * 1e-3, self.temperatures.index(temperature)
        kelvin = (temperature, temperature)

        def stage(name: str, steps: int, **more) -> Stage:
            return Stage(name, "nvt", steps, kelvin, timestep=dt, thermostat_time=self.thermostat_ps, **more)

        start = stage("equilibrate", max(1, round(self.equilibrate_ps / dt)), draw_velocities=1.0, velocity_seed=place)
        runs = range(self.chunks)
        more = {"record": True, "frame_samples": self.frame_samples}
        return [start, *(stage(f"run_{k:03d}", self.chunk_steps, **more) for k in runs)]


def folder_name(temperature: float) -> str:
    """ "700K": the run directory of a temperature."""
    return f"{temperature:g}K"

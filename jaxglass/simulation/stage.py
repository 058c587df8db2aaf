"""A protocol is a list of stages."""

from dataclasses import dataclass

from jaxglass.dynamics.ensembles import ENSEMBLES
from jaxglass.errors import ConfigError

INTERVAL = 72  # steps between samples: many divisors, so that the rhythm of the lists has a choice
FRAME_SAMPLES = 10  # samples between recorded frames


@dataclass(frozen=True)
class Stage:
    """One line of a protocol.

    `ensemble` is one of nve, nvt, nvt_stress (NVT that averages the stress over every step), npt (isotropic),
    npt_orthorhombic, minimise; `steps` of `timestep` ps (for minimise: at most); temperatures in K at start and end (a
    linear ramp), `pressure` in GPa, damping times in ps. `record` keeps a frame every `frame_samples` samples;
    `force_tolerance` (eV/A) ends a minimisation; `draw_velocities` starts from a Maxwell-Boltzmann distribution at so
    many times the first temperature, whose seed is that of the run plus `velocity_seed`. `stretch`, rows of F, deforms
    the cell on entering, atoms with it: r -> F r.
    """

    name: str
    ensemble: str
    steps: int
    temperature: tuple[float, float] = (300.0, 300.0)
    pressure: float = 0.0
    timestep: float = 0.001
    thermostat_time: float = 0.1
    barostat_time: float = 1.0
    record: bool = False
    frame_samples: int = FRAME_SAMPLES
    force_tolerance: float = 0.0
    draw_velocities: float = 0.0
    velocity_seed: int = 0
    stretch: tuple[tuple[float, float, float], ...] | None = None

    def __post_init__(self):
        """Refuse what cannot be run."""
        if self.ensemble not in ENSEMBLES:
            raise ConfigError(f"stage {self.name}: ensemble '{self.ensemble}' must be one of {', '.join(ENSEMBLES)}")
        if self.steps < 1:
            raise ConfigError(f"stage {self.name}: {self.steps} steps, must be at least 1")

    @property
    def time_per_step(self) -> float:
        """Physical time (ps) that passes in one step: none in a minimisation."""
        return 0.0 if self.ensemble == "minimise" else self.timestep

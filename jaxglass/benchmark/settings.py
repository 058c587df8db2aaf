"""What the parent tells the processes it starts: composition, potential and engine, as JSON beside the atoms."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxglass.config import Config
from jaxglass.engine.plan import Plan, make_plan
from jaxglass.errors import ConfigError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System
from jaxglass.parameters import load_parameters
from jaxglass.simulation.files import write_json

FILE = "settings.json"


@dataclass(frozen=True)
class Settings:
    """Composition (mol % Li2O), seed, potential section and engine settings of a benchmark; cutoffs in A."""

    li2o: float
    seed: int
    potential_section: Mapping[str, Any]
    coulomb_accuracy: float
    coulomb_cutoff: float | None
    precision: str

    def potential(self, system: System) -> Potential:
        """The potential for the composition of `system`.

        Raises `ConfigError` for one with a switch, which the other programs do not have.
        """
        potential = load_parameters(self.potential_section, system.elements, system.counts).potential
        if potential.switch > 0:
            raise ConfigError("task=benchmark compares truncated potentials: set potential.cutoff_style=truncated")
        return potential

    def plan(self, system: System, potential: Potential, shards: int) -> Plan:
        """The plan a run of `system` would use on `shards` devices."""
        charges = np.asarray(potential.charges)[np.asarray(system.species)]
        return make_plan(
            np.asarray(system.cell),
            charges,
            potential.cutoff,
            self.coulomb_accuracy,
            self.precision,
            self.coulomb_cutoff,
            shards=shards,
        )

    def save(self, folder: Path) -> None:
        """Write as JSON into `folder`."""
        write_json(folder / FILE, asdict(self))


def load_settings(folder: Path) -> Settings:
    """Read what `save` wrote."""
    return Settings(**json.loads((folder / FILE).read_text()))


def settings_of(config: Config) -> Settings:
    """Settings of a run, with LAMMPS's Coulomb constant: both programs then work on the same numbers."""
    return Settings(
        float(config.get("glass.li2o")),
        int(config.get("seed")),
        {**config.get("potential"), "constants": "lammps_metal"},
        float(config.get("engine.coulomb_accuracy")),
        config.get("engine.coulomb_cutoff"),
        config.get("engine.precision"),
    )

"""The atoms that are timed: a small glass melted and cooled for a few picoseconds, and its supercells.

A supercell is melted at 1000 K for some hundred steps, so that its copies differ, and cooled.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxglass.benchmark.settings import Settings
from jaxglass.benchmark.timed_run import TimedRun
from jaxglass.dynamics.state import start
from jaxglass.engine.energy import evaluate
from jaxglass.model.composition import compose
from jaxglass.model.system import System, make_system, maxwell_boltzmann
from jaxglass.protocols.packing import random_packing
from jaxglass.runtime import shards_for

UNIT = 972  # atoms of the glass that larger configurations repeat
DENSITY = 2.3  # g/cm3
# temperature (K), time step (ps), steps: from random places to something near enough to a glass to time
RELAXATION = ((3000.0, 2e-4, 432), (3000.0, 5e-4, 432), (1000.0, 1e-3, 432), (300.0, 1e-3, 1440))
REMELTING = ((1000.0, 1e-3, 144), (300.0, 1e-3, 72))


@dataclass(frozen=True)
class Configuration:
    """Atoms sorted by species: `species` (N,), `fractional` (N, 3), `cell` (3, 3) in A, `counts` of each element.

    `exact_forces` (N, 3) in eV/A from the Ewald sum, zero-sized where they are not needed.
    """

    species: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray
    elements: tuple[str, ...]
    exact_forces: np.ndarray

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.species)

    @property
    def counts(self) -> dict[str, int]:
        """Atoms of each element."""
        return {element: int(np.sum(self.species == s)) for s, element in enumerate(self.elements)}

    @property
    def structure(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Species, fractional coordinates and cell: how LAMMPS and the exact sum want them."""
        return self.species, self.fractional, self.cell

    @property
    def system(self) -> System:
        """The atoms at rest."""
        return System(
            fractional=jnp.asarray(self.fractional),
            momenta=jnp.zeros((self.n_atoms, 3)),
            cell=jnp.asarray(self.cell),
            species=jnp.asarray(self.species),
            elements=self.elements,
        )

    def force_error(self, forces: np.ndarray) -> float:
        """RMS difference (eV/A) of `forces` (N, 3) from the exact ones."""
        return float(np.sqrt(((forces - self.exact_forces) ** 2).sum(1).mean()))

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(
            path,
            species=self.species,
            fractional=self.fractional,
            cell=self.cell,
            elements=np.array(self.elements),
            exact_forces=self.exact_forces,
        )


def load(path: Path) -> Configuration:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        elements = tuple(str(e) for e in file["elements"])
        return Configuration(file["species"], file["fractional"], file["cell"], elements, file["exact_forces"])


def multiple(n_atoms: int) -> int:
    """How often the unit glass is repeated along each axis to come near `n_atoms`."""
    return max(1, round((n_atoms / UNIT) ** (1 / 3)))


def relaxed_glass(settings: Settings, n_atoms: int) -> System:
    """A random packing of the composition of `settings`, melted and cooled to 300 K."""
    composition = compose(settings.li2o, n_atoms)
    return _anneal(settings, random_packing(composition, DENSITY, settings.seed), RELAXATION)


def supercell(settings: Settings, unit: System, times: int) -> System:
    """`unit` repeated `times` along each axis, remelted so that the copies differ, and cooled."""
    shifts = np.array(list(product(range(times), repeat=3)))
    fractional = (np.asarray(unit.fractional)[None] + shifts[:, None]).reshape(-1, 3) / times
    repeated = make_system(unit.symbols * times**3, fractional, np.asarray(unit.cell) * times, unit.elements)
    return _anneal(settings, repeated, REMELTING)


def configuration(settings: Settings, system: System, exact: bool) -> Configuration:
    """The present atoms of `system`, with their exact forces where asked for."""
    species, fractional, cell = (np.asarray(x) for x in (system.species, system.fractional, system.cell))
    forces = np.zeros((0, 3))
    if exact:
        forces = evaluate(settings.potential(system), species, fractional, cell).forces
    return Configuration(species, fractional, cell, system.elements, forces)


def _anneal(settings: Settings, system: System, schedule: tuple[tuple[float, float, int], ...]) -> System:
    system = maxwell_boltzmann(system, schedule[0][0], settings.seed)
    potential = settings.potential(system)
    plan = settings.plan(system, potential, shards_for(len(system.species), None))
    for temperature, timestep, steps in schedule:
        run = TimedRun(plan, potential, start(system), temperature, timestep=timestep)
        run.advance(steps)
        plan, system = run.plan, run.state.system
    return system

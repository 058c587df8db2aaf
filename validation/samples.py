"""What both programs are given: a glass of the library or a melt to be, with its potential.

The Coulomb constant is LAMMPS's, so that digits compare; the potential carries the splice and the rule for A_BO.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import jax.numpy as jnp
import numpy as np

from jaxglass.model.composition import compose
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, make_system, maxwell_boltzmann
from jaxglass.parameters import default_settings, load_parameters
from jaxglass.protocols.packing import random_packing
from jaxglass.structures import read_structure
from validation.library import FOLDER

GLASS = "38LiBP-seed0"
ELEMENTS = ("Li", "B", "P", "O")
WRONG_A = 1.001  # factor on A of P-O in the negative control


@dataclass(frozen=True)
class Sample:
    """Atoms and the potential between them."""

    potential: Potential
    system: System

    @property
    def structure(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Species, fractional coordinates and cell on the host."""
        system = self.system
        return np.asarray(system.species), np.asarray(system.fractional), np.asarray(system.cell)


def potential_settings() -> Mapping[str, object]:
    """The shipped parameters with LAMMPS's Coulomb constant."""
    return {**default_settings(), "constants": "lammps_metal"}


def sample_of(system: System) -> Sample:
    """`system` with the potential of its composition."""
    return Sample(load_parameters(potential_settings(), system.elements, system.counts).potential, system)


def library_glass(name: str = GLASS) -> Sample:
    """A glass of the library, at rest."""
    atoms = read_structure(FOLDER / f"{name}.extxyz.gz")
    fractional = atoms.get_scaled_positions(wrap=False)
    return sample_of(make_system(atoms.get_chemical_symbols(), fractional, np.asarray(atoms.cell), ELEMENTS))


def supercell(sample: Sample, times: tuple[int, int, int], displaced: float = 0.03) -> Sample:
    """Copies side by side, every atom displaced at random by about `displaced` A so that the copies differ."""
    unit = sample.system
    shifts = np.array(list(product(*map(range, times))))
    fractional = (np.asarray(unit.fractional)[None] + shifts[:, None]).reshape(-1, 3) / times
    cell = np.asarray(unit.cell) * np.array(times)[:, None]
    fractional += np.random.default_rng(1).normal(0, displaced, fractional.shape) @ np.linalg.inv(cell)
    return sample_of(make_system(unit.symbols * len(shifts), fractional, cell, unit.elements))


def packed(li2o: float, n_atoms: int, density: float, seed: int) -> Sample:
    """A random start of a melt."""
    return sample_of(random_packing(compose(li2o, n_atoms), density, seed))


def heated(sample: Sample, kelvin: float, seed: int) -> Sample:
    """The same atoms with Maxwell-Boltzmann velocities."""
    return replace(sample, system=maxwell_boltzmann(sample.system, kelvin, seed))


def with_wrong_potential(sample: Sample) -> Sample:
    """The negative control: A of P-O too large by 0.1 %."""
    p, o = (sample.system.elements.index(element) for element in ("P", "O"))
    scale = jnp.ones_like(sample.potential.A).at[p, o].set(WRONG_A).at[o, p].set(WRONG_A)
    return replace(sample, potential=replace(sample.potential, A=sample.potential.A * scale))

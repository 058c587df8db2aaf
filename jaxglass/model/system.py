"""The atoms of a glass: fractional coordinates, momenta, cell, species."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass import units
from jaxglass.model.cell import cell_volume
from jaxglass.model.elements import element_order, mass
from jaxglass.pytree import pytree, static

MORTON_BITS = 10  # per axis: finer than the distance between atoms in any cell that fits the memory


@pytree
class System:
    """Atoms in a periodic cell; `elements[species[i]]` is the symbol of atom i.

    `fractional` (N, 3) is unwrapped: displacements need no image counters. `momenta` (N, 3) Cartesian, amu A/ps.
    `cell` (3, 3), rows are lattice vectors in A. `species` (N,) sorted, as the hot path needs.
    """

    fractional: Array
    momenta: Array
    cell: Array
    species: Array
    elements: tuple[str, ...] = static()

    @property
    def positions(self) -> Array:
        """Cartesian coordinates (A), unwrapped, (N, 3)."""
        return self.fractional @ self.cell

    @property
    def masses(self) -> Array:
        """Masses (amu), (N,)."""
        return jnp.asarray([mass(e) for e in self.elements])[self.species]

    @property
    def volume(self) -> Array:
        """Cell volume (A^3)."""
        return cell_volume(self.cell)

    @property
    def density(self) -> Array:
        """Mass density (g/cm3)."""
        return jnp.sum(self.masses) / self.volume * units.G_PER_CM3

    @property
    def counts(self) -> dict[str, int]:
        """Atoms of every element."""
        found = np.bincount(np.asarray(self.species), minlength=len(self.elements))
        return dict(zip(self.elements, found.tolist(), strict=True))

    @property
    def symbols(self) -> list[str]:
        """Element symbol of every atom."""
        return [self.elements[s] for s in np.asarray(self.species)]


def make_system(
    symbols: list[str], fractional: np.ndarray, cell: np.ndarray, elements: tuple[str, ...] | None = None
) -> System:
    """A `System` at rest, in `memory_order`; species in the order of `elements` or Li, B, P, ..., O."""
    if elements is None:
        elements = element_order(set(symbols))
    species = np.array([elements.index(s) for s in symbols], dtype=np.int32)
    order = memory_order(species, fractional)
    return System(
        fractional=jnp.asarray(np.asarray(fractional, float)[order]),
        momenta=jnp.zeros((len(symbols), 3)),
        cell=jnp.asarray(np.asarray(cell, float)),
        species=jnp.asarray(species[order]),
        elements=elements,
    )


def memory_order(species: np.ndarray, fractional: np.ndarray) -> np.ndarray:
    """Order (N,) of atoms by species, then along a Morton curve: what is near in space is near in memory.

    The hot path needs the first; the second keeps the neighbours of an atom in the cache when there are 10^4 and more.
    """
    place = np.floor((fractional - np.floor(fractional)) * 2**MORTON_BITS).astype(np.int64)
    bits = [(place[:, axis] >> bit & 1) << (3 * bit + axis) for bit in range(MORTON_BITS) for axis in range(3)]
    return np.lexsort((np.sum(bits, axis=0), species))


def kinetic_energy(system: System) -> Array:
    """Kinetic energy (eV)."""
    return 0.5 * units.AMU * jnp.sum(system.momenta**2 / system.masses[:, None])


def degrees_of_freedom(system: System) -> int:
    """3N - 3: total momentum is conserved and zero."""
    return 3 * system.fractional.shape[0] - 3


def temperature(system: System) -> Array:
    """Kinetic temperature (K) with 3N - 3 degrees of freedom, as LAMMPS."""
    return 2 * kinetic_energy(system) / (degrees_of_freedom(system) * units.BOLTZMANN)


def maxwell_boltzmann(system: System, temperature_K: float, seed: int) -> System:
    """Momenta drawn at `temperature_K`, total momentum removed, rescaled to exactly that temperature."""
    masses = np.asarray(system.masses)[:, None]
    momenta = np.random.default_rng(seed).standard_normal((len(masses), 3)) * np.sqrt(masses)
    momenta -= masses * momenta.sum(0) / masses.sum()
    energy = 0.5 * units.AMU * np.sum(momenta**2 / masses)
    wanted = 0.5 * degrees_of_freedom(system) * units.BOLTZMANN * temperature_K
    return replace(system, momenta=jnp.asarray(momenta * np.sqrt(wanted / energy)))

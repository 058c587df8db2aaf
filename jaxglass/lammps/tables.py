"""The potential as LAMMPS reads it: tables of the Buckingham part with its core splice and switch."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxglass.model.potential import Potential, short_range_energy, splice, switched

TABLE_START = 0.5  # A; closer pairs stop LAMMPS with an error
TABLE_POINTS = (
    40_000  # half as many err by 1.7e-8 of the forces, at pairs beside the kink of V''' where the core starts
)


def write_tables(potential: Potential, path: Path, points: int = TABLE_POINTS) -> None:
    """One pair_style table file with a section (`P-O`, ...) for every pair that has a Buckingham part.

    Energies (eV) and forces (eV/A) are exact, core splice and switch included (without a switch truncated, unshifted,
    at the cutoff), on `points` distances equally spaced in r^2: the grid LAMMPS interpolates on, so it adopts them
    unchanged.
    """
    r = np.sqrt(np.linspace(TABLE_START**2, potential.cutoff**2, points))
    with open(path, "w") as file:
        for a, b in buckingham_pairs(potential):
            energy, force = short_range(potential, r, a, b)
            file.write(f"\n{pair_name(potential, a, b)}\nN {points} RSQ {TABLE_START!r} {potential.cutoff!r}\n\n")
            np.savetxt(file, np.column_stack([np.arange(1, points + 1), r, energy, force]), "%d %.17g %.17g %.17g")


def short_range(potential: Potential, r: np.ndarray, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
    """V (eV) and -dV/dr (eV/A) of the Buckingham part between species `a` and `b` at distances `r`
    up to the cutoff."""
    core, one = splice(potential), jnp.ones(len(r), int)

    def total(r):
        energy = short_range_energy(potential, core, r, a * one, b * one)
        if potential.switch > 0:  # else the table needs what is just inside the cutoff at its last point, not zero
            energy = switched(potential, r, energy)
        return jnp.sum(energy), energy

    slope, energy = jax.grad(total, has_aux=True)(jnp.asarray(r))
    return np.asarray(energy), -np.asarray(slope)


def buckingham_pairs(potential: Potential) -> list[tuple[int, int]]:
    """Pairs of species that have a Buckingham part."""
    A = np.asarray(potential.A)
    return [(a, b) for a in range(len(A)) for b in range(a, len(A)) if A[a, b] > 0]


def pair_name(potential: Potential, a: int, b: int) -> str:
    """Name of a pair's section in a table file: `P-O`."""
    return f"{potential.elements[a]}-{potential.elements[b]}"

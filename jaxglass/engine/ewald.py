"""Exact Ewald sum in float64: the oracle for the mesh and for LAMMPS.

    E = 1/2 sum'_ij k q_i q_j erfc(alpha r)/r  +  (2 pi k/V) sum_{k!=0} exp(-k^2/4 alpha^2)/k^2 |rho(k)|^2
        - k alpha/sqrt(pi) sum_i q_i^2  -  k pi/(2 V alpha^2) (sum_i q_i)^2          (tin-foil boundary)

Positions enter as fractional coordinates and a cell, k = 2 pi n cell^-1 with a fixed integer set n, so the
derivative with respect to the cell is the exact stress. Indices: i, j atoms; p pairs; k wave vectors.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.model.cell import cell_volume, inverse

FAR = 1_000_000  # cell edges, or wave number: fills up arrays with terms that are exactly 0


class Splitting(NamedTuple):
    """`alpha` (1/A), real-space `cutoff` (A) and the integer wave vectors `n` (half space, (K, 3))."""

    alpha: float
    cutoff: float
    n: np.ndarray


def exact_splitting(cell: np.ndarray, n_atoms: int, cutoff: float | None = None, digits: float = 13.5) -> Splitting:
    """A splitting whose both truncation errors are about 10^-digits, with balanced cost."""
    volume = abs(np.linalg.det(cell))
    decay = np.sqrt(digits * np.log(10.0))
    if cutoff is None:
        cutoff = float(np.clip(1.9 * (volume**2 / n_atoms) ** (1 / 6), 6.0, 16.0))
    alpha = decay / cutoff
    return Splitting(alpha, cutoff, half_space(cell, 2 * alpha * decay))


def half_space(cell: np.ndarray, k_max: float) -> np.ndarray:
    """Integer vectors n with 0 < |2 pi n cell^-1| <= k_max, one of each pair n, -n."""
    reciprocal = 2 * np.pi * np.linalg.inv(cell).T  # rows
    limit = np.ceil(k_max / (2 * np.pi) * np.linalg.norm(cell, axis=1)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in limit), indexing="ij"), -1).reshape(-1, 3)
    length = np.linalg.norm(grid @ reciprocal, axis=1)
    positive = np.sign(grid) @ np.array([9, 3, 1]) > 0
    return grid[positive & (length <= k_max)]


def real_space_energy(
    charges: Array, alpha: Array | float, r: Array, i: Array, j: Array, coulomb_constant: Array
) -> Array:
    """Screened pair energies k q_i q_j erfc(alpha r)/r (eV), (P,)."""
    return coulomb_constant * charges[i] * charges[j] * jax.scipy.special.erfc(alpha * r) / r


def self_energy(charges: Array, alpha: Array | float, volume: Array, coulomb_constant: Array) -> Array:
    """Self term and neutralising background (eV)."""
    own = -alpha / np.sqrt(np.pi) * jnp.sum(charges**2)
    background = -np.pi / (2 * volume * alpha**2) * jnp.sum(charges) ** 2
    return coulomb_constant * (own + background)


def background_energy(charges: Array, alpha: Array | float, volume: Array, coulomb_constant: Array) -> Array:
    """Energy (eV) of the neutralising background; its strain derivative is minus itself times delta."""
    return -coulomb_constant * jnp.pi / (2 * volume * alpha**2) * jnp.sum(charges) ** 2


def reciprocal_energy(
    charges: Array, alpha: Array | float, n: Array, fractional: Array, cell: Array, coulomb_constant: Array
) -> Array:
    """Exact reciprocal energy (eV), in chunks of wave vectors so that memory stays linear in the atoms."""
    volume = cell_volume(cell)
    reciprocal = 2 * np.pi * inverse(cell).T
    chunk = max(1, min(512, len(n)))
    padding = -len(n) % chunk
    filled = jnp.pad(jnp.asarray(n, cell.dtype), [(0, padding), (0, 0)], constant_values=FAR)

    @jax.checkpoint
    def add(total, n):
        k = n @ reciprocal
        k2 = jnp.sum(k * k, axis=1)
        phase = 2 * np.pi * (n @ fractional.T)
        density2 = (jnp.cos(phase) @ charges) ** 2 + (jnp.sin(phase) @ charges) ** 2
        return total + jnp.sum(jnp.exp(-k2 / (4 * alpha**2)) / k2 * density2), None

    total, _ = jax.lax.scan(add, jnp.zeros(()), filled.reshape(-1, chunk, 3))
    return 4 * np.pi * coulomb_constant / volume * total


def real_space_alpha(cutoff: float, accuracy: float, charges: np.ndarray, volume: float) -> float:
    """alpha (1/A) whose real-space RMS force error (Kolafa & Perram) is `accuracy` (eV/A) at `cutoff` (A)."""
    from scipy.optimize import brentq

    from jaxglass.units import COULOMB

    q2 = COULOMB * float(np.sum(charges**2))

    def excess(alpha):
        log_error = np.log(2 * q2 / np.sqrt(len(charges) * cutoff * volume)) - (alpha * cutoff) ** 2
        return log_error - np.log(accuracy)

    low = 1e-3 / cutoff
    return low if excess(low) < 0 else float(brentq(excess, low, 8 / cutoff))

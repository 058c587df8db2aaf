"""Partial pair distributions that can be differentiated in positions and cell: a histogram with smooth edges.

    H_ab(m) = sum_{i in a} sum_{j in b, j != i} B(r_ij/dr - m)        g_ab(m) = V H_ab(m) / (N_a (N_b - delta_ab) v_m)
    v_m = int 4 pi r^2 B(r/dr - m) dr = 4 pi dr (r_m^2 + dr^2/3),     r_m = m dr

B is the cubic B-spline: each pair falls on four knots m, twice continuously differentiable wherever it is. B sums to
one over the knots and reproduces r, so numbers and mean distances of pairs are exact; g is that of
`analysis.pair_distribution` seen through a window of standard deviation dr/sqrt(3), and 1 for an ideal gas.
Pairs come from a list of candidates with both (i, j) and (j, i), whose rows are visited in chunks that the backward
pass computes again: memory is linear in the list. Distances stay below half the smallest width of the cell.
Indices: i, j atoms; a, b species; m knots.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxglass.analysis.radial_bins import spline_knots
from jaxglass.model.cell import cell_volume

ROWS = 16  # of the list, visited together


def everyone(n_atoms: int) -> Array:
    """The list of all pairs, (N - 1, N) int32: for systems too small for a neighbour list."""
    return (jnp.arange(n_atoms) + jnp.arange(1, n_atoms)[:, None]).astype(jnp.int32) % n_atoms


def pair_histogram(
    species: Array, kinds: int, fractional: Array, cell: Array, index: Array, count: int, width: float
) -> Array:
    """H_ab(m) of `kinds` species (S, S, `count`), symmetric; like pairs count twice.

    `index` (K, N) holds the neighbours of atom i in column i, i itself where there are none; it must be complete up to
    (`count` + 1) `width` (A).
    """
    n, atoms = len(species), jnp.arange(len(species), dtype=index.dtype)

    @partial(jax.checkpoint, prevent_cse=False)
    def add_rows(histogram, j):
        d = fractional - fractional[j]
        vector = (d - jnp.round(d)) @ cell
        r2 = jnp.sum(vector * vector, -1)
        real = (j != atoms) & (r2 < ((count + 1) * width) ** 2)
        x = jnp.sqrt(jnp.where(real, r2, 1.0)) / width
        first = jnp.floor(x)
        kind = species * kinds + species[j]
        for k, weight in zip(range(-1, 3), _cubic_spline(x - first), strict=True):
            knot = first.astype(jnp.int32) + k
            inside = real & (knot >= 0) & (knot < count)
            histogram = histogram.at[kind, jnp.clip(knot, 0, count - 1)].add(jnp.where(inside, weight, 0.0))
        return histogram, None

    unused = jnp.broadcast_to(atoms, (-len(index) % ROWS, n))
    rows = jnp.concatenate([index, unused]).reshape(-1, ROWS, n)
    histogram, _ = jax.lax.scan(add_rows, jnp.zeros((kinds**2, count), cell.dtype), rows)
    return histogram.reshape(kinds, kinds, count)


def partial_g(
    species: Array, kinds: int, fractional: Array, cell: Array, index: Array, count: int, width: float
) -> Array:
    """g_ab(r_m), (S, S, `count`); zero for pairs of species that do not occur. Arguments as in `pair_histogram`."""
    histogram = pair_histogram(species, kinds, fractional, cell, index, count, width)
    atoms = jnp.sum(species == jnp.arange(kinds)[:, None], 1)
    pairs = atoms[:, None] * (atoms[None, :] - jnp.eye(kinds, dtype=atoms.dtype))
    volume = jnp.asarray(spline_knots(count, width).volume)
    return jnp.where(pairs > 0, cell_volume(cell) / jnp.maximum(pairs, 1), 0.0)[:, :, None] * histogram / volume


def _cubic_spline(u: Array) -> tuple[Array, Array, Array, Array]:
    """Weights of the knots floor(x) - 1 ... floor(x) + 2 for u = x - floor(x)."""
    v = 1 - u
    return v**3 / 6, (4 - 6 * u**2 + 3 * u**3) / 6, (4 - 6 * v**2 + 3 * v**3) / 6, u**3 / 6

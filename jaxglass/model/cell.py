"""Closed forms for 3 x 3 cells (rows are lattice vectors): no LAPACK calls in the hot loop."""

import jax.numpy as jnp
from jax import Array


def cell_volume(cell: Array) -> Array:
    """Cell volume (A^3)."""
    return jnp.abs(jnp.sum(cell[0] * _cross(cell[1], cell[2])))


def inverse(cell: Array) -> Array:
    """Inverse of the cell matrix, so that fractional = positions @ inverse(cell)."""
    columns = jnp.stack([_cross(cell[1], cell[2]), _cross(cell[2], cell[0]), _cross(cell[0], cell[1])], axis=1)
    return columns / jnp.sum(cell[0] * _cross(cell[1], cell[2]))


def _cross(a: Array, b: Array) -> Array:
    return jnp.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])

"""Positions as the hot path sees them: periodic by construction.

In float32 arithmetic a fractional coordinate is a 32-bit integer, 2^32 to the cell edge. The difference of two
such integers wraps round by itself, so the nearest image costs nothing, and it is exact to 2^-32 of the cell
however large the cell is; only the difference is rounded to float32. In float64 it is a float in [0, 1).
The nearest image in fractional coordinates is the right one for every pair closer than half the smallest
perpendicular width, in triclinic cells too.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

TURN = 2.0**32


class Coordinates(NamedTuple):
    """Wrapped fractional coordinates, three arrays (N,): int32 fixed point or float64."""

    x: Array
    y: Array
    z: Array


def encode(fractional: Array, dtype) -> Coordinates:
    """Coordinates of `fractional` (N, 3) for arithmetic in `dtype`."""
    wrapped = fractional - jnp.floor(fractional)
    if dtype == jnp.float32:
        wrapped = (wrapped * TURN).astype(jnp.int64).astype(jnp.int32)
    return Coordinates(*wrapped.T)


def metric(cell: Array, dtype) -> Array:
    """Cell rows in the unit of `difference`, (3, 3) of `dtype`."""
    return (cell / TURN if dtype == jnp.float32 else cell).astype(dtype)


def difference(a: Array, b: Array) -> Array:
    """Nearest-image difference a - b of one component, in the unit `metric` expects."""
    d = a - b
    return d.astype(jnp.float32) if d.dtype == jnp.int32 else d - jnp.round(d)


def cartesian(d: tuple[Array, Array, Array], rows: Array, orthorhombic: bool) -> tuple[Array, Array, Array]:
    """Cartesian components (A) of fractional differences `d`; `rows` from `metric`."""
    if orthorhombic:
        return d[0] * rows[0, 0], d[1] * rows[1, 1], d[2] * rows[2, 2]
    x, y, z = (d[0] * rows[0, a] + d[1] * rows[1, a] + d[2] * rows[2, a] for a in range(3))
    return x, y, z

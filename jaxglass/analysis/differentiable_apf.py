"""Births, deaths and a smooth APF as functions of positions, cell and weights, for gradients.

In general position a loop is born with an edge (0, 1) and dies with a triangle (0, 1, 2) whose own smallest balls
are empty, so its birth and death are the power radii of these few atoms. With D = |x_1 - x_0|^2, a = x_1 - x_0,
c = x_2 - x_0 and weights w:

    b = (D + w_0 - w_1)^2/(4 D) - w_0
    d = u f + v g - w_0,   f = (a.a + w_0 - w_1)/2,  g = (c.c + w_0 - w_2)/2,  [a.a a.c; a.c c.c](u, v) = (f, g)

    APF(t) ~ sum_i (d_i - b_i) sigmoid((t - m_i)/s),  m_i = (b_i + d_i)/2         s -> 0 is Eq. (15)

Which simplices pair comes from `analysis.persistence`, on the host and without a gradient:

- not inside `jit`, `vmap` or `scan` of dynamics: pair each frame first, then differentiate;
- pairings change along a path, so the result is smooth by pieces, and continuous as long as the smoothing is;
- for crystals (ties) the gradient is one of several subgradients.

Good as an observable or a structural loss on stored frames. Lengths in A, values in A^2; float64 needs
`jax_enable_x64`. Indices: i loops; T points of t.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxglass.analysis.persistence import LoopSimplices


class Lifetimes(NamedTuple):
    """`births` and `deaths` (P,) in A^2, differentiable."""

    births: Array
    deaths: Array


def lifetimes(fractional: Array, cell: Array, weights: Array, simplices: LoopSimplices) -> Lifetimes:
    """Births and deaths of the loops of `simplices`; `fractional` (N, 3), `cell` (3, 3), `weights` (N,) in A^2.

    Equal to those of `persistent_loops` at the same structure. For the gradient with respect to Cartesian positions
    multiply that of `fractional` by the transposed inverse of the cell from the right.
    """
    edge = _points(fractional, cell, simplices.edge, simplices.edge_shift)
    triangle = _points(fractional, cell, simplices.triangle, simplices.triangle_shift)
    return Lifetimes(
        edge_value(edge, weights[simplices.edge]),
        triangle_value(triangle, weights[simplices.triangle]),
    )


def smooth_apf(
    fractional: Array, cell: Array, weights: Array, simplices: LoopSimplices, t: Array, width: float
) -> Array:
    """APF at `t` (T,) with every step smoothed over about `width` (A^2), (T,) in A^2."""
    b, d = lifetimes(fractional, cell, weights, simplices)
    return jax.nn.sigmoid((t[:, None] - (b + d) / 2) / width) @ (d - b)


def edge_value(points: Array, weights: Array) -> Array:
    """b of edges at `points` (P, 2, 3) with `weights` (P, 2)."""
    a = points[:, 1] - points[:, 0]
    D = jnp.sum(a * a, axis=-1)
    return (D + weights[:, 0] - weights[:, 1]) ** 2 / (4 * D) - weights[:, 0]


def triangle_value(points: Array, weights: Array) -> Array:
    """d of triangles at `points` (P, 3, 3) with `weights` (P, 3)."""
    a, c = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    aa, ac, cc = jnp.sum(a * a, -1), jnp.sum(a * c, -1), jnp.sum(c * c, -1)
    f = (aa + weights[:, 0] - weights[:, 1]) / 2
    g = (cc + weights[:, 0] - weights[:, 2]) / 2
    return (cc * f * f - 2 * ac * f * g + aa * g * g) / (aa * cc - ac * ac) - weights[:, 0]


def _points(fractional: Array, cell: Array, atoms: np.ndarray, shift: np.ndarray) -> Array:
    """Cartesian positions of the vertices, (P, k + 1, 3)."""
    return (jnp.asarray(fractional)[atoms] + shift) @ cell

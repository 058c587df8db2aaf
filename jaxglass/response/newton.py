"""One step of Newton's method within a trust region, by conjugate gradients (Steihaug 1983, Toint 1981).

    minimise m(y) = g.y + y.H y/2 within |y|_W <= radius,    |y|_W^2 = y.W y

H is only applied; W^-1, the preconditioner, too. Where H has negative curvature, or at the edge, the step ends
there: so it goes downhill from everywhere, and is Newton's near a minimum. Vectors are any pytree of arrays.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Vector = Any  # any pytree of arrays
TINY = 1e-300


class Step(NamedTuple):
    """The `step`, its `size` |step|_W, by how much the model falls (`predicted`), how often H was `applied`."""

    step: Vector
    size: Array
    predicted: Array
    applied: Array


class _Search(NamedTuple):
    y: Vector  # so far
    r: Vector  # g + H y
    p: Vector  # direction
    rz: Array  # r.W^-1 r
    yy: Array  # y.W y
    yp: Array
    pp: Array
    applied: Array
    done: Array


def dot(a: Vector, b: Vector) -> Array:
    """Sum over all entries of the product."""
    return jnp.asarray(sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)))


def along(y: Vector, t: Array, p: Vector) -> Vector:
    """y + t p."""
    return jax.tree.map(lambda y, p: y + t * p, y, p)


def trust_region_step(
    gradient: Vector,
    hessian: Callable[[Vector], Vector],
    precondition: Callable[[Vector], Vector],
    radius: Array,
    tolerance: Array,
    most: int,
) -> Step:
    """Ends when the residual has fallen by `tolerance` (in the norm of W^-1), or H was applied `most` times."""
    z = precondition(gradient)
    start = dot(gradient, z)
    zero = jnp.zeros(())
    first = _Search(
        jax.tree.map(jnp.zeros_like, gradient),
        gradient,
        jax.tree.map(jnp.negative, z),
        start,
        zero,
        zero,
        start,
        jnp.zeros((), jnp.int32),
        start <= TINY,
    )

    def search(s: _Search) -> _Search:
        Hp = hessian(s.p)
        curvature = dot(s.p, Hp)
        alpha = s.rz / jnp.where(curvature > 0, curvature, 1.0)
        ahead = s.yy + 2 * alpha * s.yp + alpha**2 * s.pp
        edge = (curvature <= 0) | (ahead >= radius**2)
        to_edge = (-s.yp + jnp.sqrt(jnp.maximum(s.yp**2 + s.pp * (radius**2 - s.yy), 0.0))) / jnp.maximum(s.pp, TINY)
        t = jnp.where(edge, to_edge, alpha)
        y, r = along(s.y, t, s.p), along(s.r, t, Hp)
        z = precondition(r)
        rz = dot(r, z)
        beta = rz / jnp.maximum(s.rz, TINY)
        p = jax.tree.map(lambda z, p: beta * p - z, z, s.p)
        yy = s.yy + 2 * t * s.yp + t**2 * s.pp
        yp, pp = beta * (s.yp + t * s.pp), rz + beta**2 * s.pp
        return _Search(y, r, p, rz, yy, yp, pp, s.applied + 1, edge | (rz <= tolerance**2 * start))

    found = jax.lax.while_loop(lambda s: ~s.done & (s.applied < most), search, first)
    predicted = -0.5 * (dot(found.y, gradient) + dot(found.y, found.r))  # m(y) = y.g + y.Hy/2 = y.(g + r)/2
    return Step(found.y, jnp.sqrt(found.yy), predicted, found.applied)

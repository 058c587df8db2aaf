"""Levenberg-Marquardt within a trust region as an optax transformation, so that it and Adam are driven alike.

    minimise 1/2 |r + J d|^2 over |d| <= radius:    (J^T J + lambda) d = -J^T r, lambda >= 0 as large as the radius
    needs

r and J are whitened and hold the prior rows, z too is in units of its prior: the damping is the same in all directions
that the data say nothing about (Levenberg 1944; Marquardt 1963; More 1978).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

BISECTIONS = 80


class TrustRegion(NamedTuple):
    """State of the optimiser: the `radius`, and by how much the last step was to lower 1/2 |r|^2."""

    radius: Array
    predicted: Array


def levenberg_marquardt(radius: float = 1.0) -> optax.GradientTransformationExtraArgs:
    """`update(gradient, state, z, jacobian=J, residual=r)` gives the step; the caller resizes the radius
    (`resized`)."""

    def init(_: Any) -> TrustRegion:
        return TrustRegion(jnp.asarray(float(radius)), jnp.zeros(()))

    def update(gradient, state, params=None, *, jacobian, residual, **_):
        step = _within(np.asarray(jacobian), np.asarray(residual), float(state.radius))
        after = np.asarray(residual) + np.asarray(jacobian) @ step
        predicted = 0.5 * (np.sum(np.asarray(residual) ** 2) - np.sum(after**2))
        return jnp.asarray(step), TrustRegion(state.radius, jnp.asarray(predicted))

    return optax.GradientTransformationExtraArgs(init, update)


def resized(state: TrustRegion, fall: float, size: float) -> TrustRegion:
    """The radius after a step of `size` that lowered 1/2 |r|^2 by `fall`: a quarter of it where the model was
    wrong, twice where it was right and the step at the edge."""
    ratio = fall / max(float(state.predicted), 1e-300)
    radius = float(state.radius)
    if ratio < 0.25:
        radius = 0.25 * min(size, radius)
    elif ratio > 0.75 and size > 0.9 * radius:
        radius = 2 * radius
    return state._replace(radius=jnp.asarray(radius))


def _within(J: np.ndarray, r: np.ndarray, radius: float) -> np.ndarray:
    """The step; the multiplier by bisection of its logarithm."""
    _, s, Vt = np.linalg.svd(J, full_matrices=False)
    pull = -Vt @ (J.T @ r)

    def step(damping: float) -> np.ndarray:
        return Vt.T @ (pull / (s**2 + damping))

    if s.min() > 1e-12 * s.max() and np.linalg.norm(step(0.0)) <= radius:
        return step(0.0)
    low, high = -40.0, np.log(np.linalg.norm(pull) / radius + s.max() ** 2 + 1e-300) + 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if np.linalg.norm(step(np.exp(middle))) > radius else (low, middle)
    return step(np.exp(high))

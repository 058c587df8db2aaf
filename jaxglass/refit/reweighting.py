"""Averages over frames of a melt at a potential it was not run with, and their derivatives (Thaler & Zavadlav 2021).

    w_f ~ exp(-beta [U(theta) - U(theta_0)]_f)        <O> = sum w O
    d<O>/dtheta = <dO/dtheta> - beta cov_w(O, dU/dtheta)

Valid for equilibrium alone: for melts, not for quenched glasses. How many frames are left is the Kish and the entropy
measure n_eff; a step is shortened until the entropy measure is at least the share asked for. Indices: f frames.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logsumexp

from jaxglass.errors import NumericalError
from jaxglass.refit.estimate import Estimate

LEAST, USELESS = 0.5, 0.2  # of the frames
HALVINGS = 30


class Weights(NamedTuple):
    """`w` (F,), adding up to one, and effective shares of the frames."""

    w: Array
    kish: Array
    entropy: Array


def weights(beta: float, change: Array) -> Weights:
    """From `change` (F,), U(theta) - U(theta_0) of every frame in eV, and `beta` in 1/eV."""
    logs = -beta * change
    logs = logs - logsumexp(logs)
    w = jnp.exp(logs)
    frames = len(change)
    kish = 1 / (jnp.sum(w**2) * frames)
    entropy = jnp.exp(-jnp.sum(jnp.where(w > 0, w * logs, 0.0))) / frames
    return Weights(w, kish, entropy)


def average(beta: float, w: Array, observed: Array, direct: Array, slopes: Array) -> Estimate:
    """From `observed` O (F, R), `direct` dO/dtheta at fixed positions (F, P, R) and `slopes` dU/dtheta (F, P).

    Errors are those of independent frames: give frames further apart than they remember.
    """
    mean = w @ observed
    deviation = observed - mean
    error = jnp.sqrt(jnp.einsum("f,fr->r", w**2, deviation**2))
    each = direct - beta * jnp.einsum("fp,fr->fpr", slopes - w @ slopes, deviation)
    jacobian = jnp.einsum("f,fpr->pr", w, each)
    return Estimate(mean, jacobian, error, jnp.sqrt(jnp.einsum("f,fpr->pr", w**2, (each - jacobian) ** 2)))


def longest_step(
    beta: float, energy_change: Callable[[np.ndarray], Array], step: np.ndarray, least: float = LEAST
) -> tuple[float, Weights]:
    """The largest share of `step` (P,), at most all of it, whose entropy measure is `least` or more, by bisection.

    `energy_change` gives U - U_0 (F,) of a step. `NumericalError` when not even a billionth of it does.
    """
    found = weights(beta, energy_change(step))
    if float(found.entropy) >= least:
        return 1.0, found
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = weights(beta, energy_change(middle * step))
        low, high, found = (middle, high, tried) if float(tried.entropy) >= least else (low, middle, found)
        if low > 0 and high - low < 0.02 * high:
            break
    if low == 0:
        raise NumericalError("reweighting: the frames say nothing about any step in this direction; sample anew")
    return low, weights(beta, energy_change(low * step))


def verdict(found: Weights) -> str:
    """What a share of effective frames allows: go on, a shorter step, or fresh frames."""
    if found.entropy >= LEAST:
        return "use"
    return "shorten" if found.entropy >= USELESS else "sample anew"

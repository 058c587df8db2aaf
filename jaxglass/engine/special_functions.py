"""Functions of the hot path, each as cheap as its accuracy allows.

With x = alpha r, r^3 g = erf(x) - 2 x/sqrt(pi) exp(-x^2) of the screened Coulomb force is smooth in r^2, as is
erf(alpha r)/r of the energy: both are power series in r^2 from a Chebyshev fit (error per pair of unit charges 1e-7 in
float32, 1e-12 in float64).
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.polynomial import chebyshev
from scipy.special import erf

from jaxglass.engine.plan import Plan
from jaxglass.units import COULOMB


@lru_cache
def smooth_force(alpha: float, cutoff: float, accuracy: float) -> tuple[float, ...]:
    """Coefficients in u = 2 r^2/cutoff^2 - 1 of g(r^2) = [erf(x) - 2 x/sqrt(pi) exp(-x^2)]/r^3, x = alpha r."""

    def g(r):
        x = alpha * r
        series = 4 / (3 * np.sqrt(np.pi)) * alpha**3 * (1 - 3 / 5 * x**2 + 3 / 14 * x**4)
        near = x < 0.01  # where the difference cancels
        r = np.where(near, 1.0, r)
        return np.where(near, series, (erf(x) - 2 / np.sqrt(np.pi) * x * np.exp(-x * x)) / r**3)

    return _power_series(g, lambda r: r, cutoff, accuracy)


@lru_cache
def smooth_energy(alpha: float, cutoff: float, accuracy: float) -> tuple[float, ...]:
    """Coefficients in u of h(r^2) = erf(alpha r)/r."""
    return _power_series(lambda r: erf(alpha * r) / r, np.ones_like, cutoff, accuracy)


def _power_series(function, weight, cutoff: float, accuracy: float) -> tuple[float, ...]:
    """`function(r)` as a power series in u; `weight(r)` times its error is below `accuracy` (per e^2, eV, A)."""

    def distance(u):
        return np.sqrt(np.maximum((u + 1) / 2, 1e-9)) * cutoff

    grid = distance(np.linspace(-0.99, 1, 4001))
    for degree in range(8, 60):
        fit = chebyshev.cheb2poly(chebyshev.chebinterpolate(lambda u: function(distance(u)), degree))
        found = np.polynomial.polynomial.polyval(2 * (grid / cutoff) ** 2 - 1, fit)
        if np.max(np.abs(found - function(grid)) * weight(grid)) * COULOMB < accuracy:
            break
    return tuple(float(c) for c in fit)


def _powers_of_two(degree: int) -> tuple[float, ...]:
    """Coefficients of 2^f on -1/2 ... 1/2."""
    nodes = chebyshev.chebpts1(degree + 1)
    fit = chebyshev.cheb2poly(chebyshev.chebfit(nodes, np.exp2(nodes / 2), degree))
    return tuple(float(c * 2.0**k) for k, c in enumerate(fit))


_POWERS_OF_TWO = _powers_of_two(10)


def series(plan: Plan, smooth, r2: Array) -> Array:
    """The power series of `smooth` at `r2`, to the accuracy that its arithmetic can use."""
    accuracy = 1e-7 if r2.dtype == jnp.float32 else 1e-12
    coefficients = smooth(plan.mesh.alpha, plan.coulomb_cutoff, accuracy)
    u = r2 * jnp.asarray(2 / plan.coulomb_cutoff**2, r2.dtype) - 1
    value = jnp.full_like(u, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * u + jnp.asarray(c, r2.dtype)
    return value


def inverse_root(r2: Array) -> Array:
    """1/r; in float64 by a Newton step from float32 (relative error 3e-14), since its own root and division are three
    times as slow."""
    if r2.dtype == jnp.float32:
        return jax.lax.rsqrt(r2)
    y = jax.lax.rsqrt(r2.astype(jnp.float32)).astype(jnp.float64)
    return y * (1.5 - 0.5 * r2 * y * y)


def exponential(x: Array) -> Array:
    """exp(x) for -700 < x < 700; in float64 as 2^k 2^f with a polynomial (relative error 1e-14), twice as fast."""
    if x.dtype == jnp.float32:
        return jnp.exp(x)
    t = x / np.log(2)
    k = jax.lax.round(t, jax.lax.RoundingMethod.TO_NEAREST_EVEN)
    f = t - k
    power = jnp.full_like(f, _POWERS_OF_TWO[-1])
    for c in _POWERS_OF_TWO[-2::-1]:
        power = power * f + c
    # adding 1.5 2^52 leaves the integer k in the lowest bits; 2^k is its exponent
    exponent = jax.lax.bitcast_convert_type(k + 1.5 * 2.0**52, jnp.int64) + 1023
    return power * jax.lax.bitcast_convert_type(exponent << 52, jnp.float64)

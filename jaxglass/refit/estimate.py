"""What every estimator of a refit gives, whichever way it finds it: values of the observables and how they answer.

    implicit    a glass at rest, fixed topology: exact           `basin.implicit`
    reweighting frames of a melt in equilibrium                  `reweighting.average`
    tangents    thermal averages of a damped glass in its basin  `tangents.without_bursts`
    ensemble    fresh glasses at jittered parameters             `topology.regress`
    hybrid      implicit + what `regress` finds beyond it, shrunk: a Jacobian alone (`outer.answers`)

Which of them is valid where: docs/refit.md. Indices: r rows of observables; p parameters.
"""

from typing import NamedTuple

from jax import Array
from numpy import ndarray

Values = Array | ndarray


class Estimate(NamedTuple):
    """`mean` (R,) and `jacobian` (P, R) with their standard errors, zero where they are exact, NaN where unknown."""

    mean: Values
    jacobian: Values
    error: Values
    jacobian_error: Values

"""Isotropic elastic constants from the six slopes of stress-strain curves: equations (10) to (12) of the paper.

    C11 = (C11 + C22 + C33)/3,   C44 = (C44 + C55 + C66)/3
    C12 = C11 - 2 C44                                     (10)
    E = (C11 - C12)(C11 + 2 C12)/(C11 + C12)              (11)
    nu = C12/(C11 + C12)                                  (12)

Errors are standard errors, propagated to first order from independent errors of the six slopes. GPa; nu has no unit.
"""

from typing import NamedTuple

import numpy as np

from jaxglass.errors import NumericalError


class Uncertain(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


class Isotropic(NamedTuple):
    """Elastic constants of an isotropic solid, GPa."""

    C11: Uncertain
    C12: Uncertain
    C44: Uncertain
    young_modulus: Uncertain
    poisson_ratio: Uncertain


def isotropic(slopes: np.ndarray, errors: np.ndarray) -> Isotropic:
    """From C11, C22, C33, C44, C55, C66 (6,) in GPa and their `errors`.

    Raises `NumericalError` when the averages are not those of a stable solid (C44 > 0, C11 > 4/3 C44).
    """
    C11, C44 = (Uncertain(*_mean(slopes[part], errors[part])) for part in (slice(3), slice(3, 6)))
    a, b = C11.value, C44.value
    if not (b > 0 and 3 * a > 4 * b):
        raise NumericalError(f"elastic constants C11 = {a:.1f}, C44 = {b:.1f} GPa are not those of a stable solid")
    C12 = a - 2 * b
    young = (a - C12) * (a + 2 * C12) / (a + C12)
    poisson = C12 / (a + C12)

    def error(in_C11: float, in_C44: float) -> float:
        return float(np.hypot(in_C11 * C11.error, in_C44 * C44.error))

    width = (a - b) ** 2
    return Isotropic(
        C11,
        Uncertain(C12, error(1, -2)),
        C44,
        Uncertain(young, error(b**2 / width, (3 * a**2 - 8 * a * b + 4 * b**2) / width)),
        Uncertain(poisson, error(b / (2 * width), -a / (2 * width))),
    )


def _mean(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    return float(np.mean(values)), float(np.sqrt(np.sum(np.square(errors))) / len(errors))

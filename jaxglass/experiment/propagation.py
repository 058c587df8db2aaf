"""Standard uncertainties: of a mean of readings, and of a result to first order in its inputs (JCGM 100:2008, the GUM).

    u(mean) = s/sqrt(n)                                  type A, 4.2.3
    u(y)^2 = sum_i (df/dx_i)^2 u(x_i)^2                  law of propagation, 5.1.2, inputs independent

The derivatives are exact to the last digit: f(x + i h) = f(x) + i h f'(x) with h so small that nothing else is left.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxglass.analysis.elasticity import Uncertain

STEP = 1e-20  # of the input, along the imaginary axis


def propagate(equation: Callable[..., Any], *inputs: Uncertain) -> Uncertain:
    """`equation` of `inputs` with its standard uncertainty; it may use arithmetic and `np.sqrt` only."""
    values = [x.value for x in inputs]
    contributions = [_derivative(equation, values, i) * x.error for i, x in enumerate(inputs)]
    return Uncertain(float(equation(*values)), float(np.linalg.norm(contributions)))


def _derivative(equation: Callable[..., Any], values: Sequence[float], i: int) -> float:
    step = STEP * (abs(values[i]) or 1.0)
    shifted: list[complex] = list(values)
    shifted[i] += 1j * step
    return float(np.imag(equation(*shifted)) / step)


def mean_of(readings: Sequence[float], common: float = 0.0) -> Uncertain:
    """Mean of n >= 2 `readings`; `common` is the standard uncertainty that all of them share (a calibration)."""
    count = len(readings)
    return Uncertain(float(np.mean(readings)), float(np.hypot(np.std(readings, ddof=1) / np.sqrt(count), common)))

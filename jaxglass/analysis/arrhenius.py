"""Activation energy, extrapolation and conductivity.

    ln D = ln D0 - Ea/(k_B T)    (8)        sigma = N (Z e)^2 D/(V k_B T)    (9)

The line is a fit of ln D against 1/T, weighted by the relative errors of D, which also give its covariance C (they are
not rescaled by the scatter of so few points; `chi_squared` is that scatter). With x = (1, 1/T),

    var[ln D(T)] = x C x

so 300 K, far outside of 700-800 K, has 16 times the error of a single temperature. Ea is that of D, which is that of
sigma T: read from the slope of ln sigma alone it is lower by k_B T, 0.028 eV near 330 K. Z = 1 is the formal charge of
lithium, not the model's 0.6. Indices: T temperatures.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from jaxglass.errors import InputDataError
from jaxglass.units import BOLTZMANN, S_PER_CM

FORMAL_CHARGE = 1.0
SIDES = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Extrapolated:
    """A positive `value` and the standard `error` of its decimal logarithm; `low`, `high` end its 95 % interval."""

    value: float
    error: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.value * 10 ** (-SIDES * self.error)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.value * 10 ** (SIDES * self.error)


@dataclass(frozen=True)
class Arrhenius:
    """`line` (2,): ln D0 (D0 in A^2/ps) and its slope against 1/T (K), `covariance` (2, 2), `residuals` (T,) of ln D.

    `chi_squared` of the residuals over their errors has T - 2 degrees of freedom.
    """

    line: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    chi_squared: float

    @property
    def activation_energy(self) -> float:
        """Ea of D (eV)."""
        return float(-self.line[1] * BOLTZMANN)

    @property
    def activation_energy_error(self) -> float:
        """Its standard error (eV)."""
        return float(np.sqrt(self.covariance[1, 1])) * BOLTZMANN

    def at(self, temperature: float) -> Extrapolated:
        """D (A^2/ps) at `temperature` (K)."""
        x = np.array([1.0, 1.0 / temperature])
        return Extrapolated(float(np.exp(x @ self.line)), float(np.sqrt(x @ self.covariance @ x)) / np.log(10))


def arrhenius(temperatures: np.ndarray, D: np.ndarray, errors: np.ndarray) -> Arrhenius:
    """The line through `D` (T,) with standard `errors` at `temperatures` (K).

    Raises `InputDataError` for fewer than two temperatures, or a D or error that is not positive.
    """
    if len(np.unique(temperatures)) < 2:
        raise InputDataError("Arrhenius: at least two temperatures are needed")
    if not (np.all(D > 0) and np.all(errors > 0)):
        raise InputDataError("Arrhenius: every D and its error must be positive")
    weight = D / errors  # one over the error of ln D
    inverse = 1.0 / np.asarray(temperatures, float)
    middle = inverse.mean()  # the two columns are nearly parallel otherwise
    design = np.stack([np.ones(len(D)), inverse - middle], axis=1) * weight[:, None]
    covariance = np.linalg.inv(design.T @ design)
    line = covariance @ design.T @ (weight * np.log(D))
    back = np.array([[1.0, -middle], [0.0, 1.0]])  # to ln D0 at 1/T = 0
    residuals = np.log(D) - line[0] - line[1] * (inverse - middle)
    return Arrhenius(
        line=back @ line,
        covariance=back @ covariance @ back.T,
        residuals=residuals,
        chi_squared=float(np.sum((weight * residuals) ** 2)),
    )


def conductivity(D: float, ions: int, volume: float, temperature: float, charge: float = FORMAL_CHARGE) -> float:
    """Nernst-Einstein conductivity (S/cm) of `ions` of `charge` (e) with `D` (A^2/ps) in `volume` (A^3)."""
    return ions * charge**2 * D / (volume * BOLTZMANN * temperature) * S_PER_CM

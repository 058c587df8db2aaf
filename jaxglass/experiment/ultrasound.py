"""Young's modulus and Poisson's ratio from the velocities of sound: equations (1) and (2) of the paper.

    E = rho (3 V_L^2 - 4 V_T^2)/((V_L/V_T)^2 - 1)        (1)
    nu = E/(2 rho V_T^2) - 1                             (2)

rho density in g/cm3, V_L, V_T velocities of longitudinal and transversal waves in m/s, E in GPa. Both are right as
printed: with C11 = rho V_L^2 and C44 = rho V_T^2 they are E and nu of equations (11) and (12). The density cancels
from (2), and its error from that of nu.
"""

from typing import Any

from jaxglass.errors import InputDataError
from jaxglass.experiment.propagation import Uncertain, propagate

GPA = 1e-6  # of 1 g/cm3 (m/s)^2


def young_modulus(density: Uncertain, longitudinal: Uncertain, transversal: Uncertain) -> Uncertain:
    """E (GPa) of equation (1) from the density (g/cm3) and two velocities (m/s).

    Raises `InputDataError` for velocities that no stable solid has (V_L^2 > 4/3 V_T^2).
    """
    _check(longitudinal, transversal)
    return propagate(_young, density, longitudinal, transversal)


def poisson_ratio(longitudinal: Uncertain, transversal: Uncertain) -> Uncertain:
    """Poisson's ratio of equation (2) from two velocities (m/s); raises as `young_modulus` does."""
    _check(longitudinal, transversal)
    return propagate(lambda V_L, V_T: _young(1.0, V_L, V_T) / (2 * V_T**2 * GPA) - 1, longitudinal, transversal)


def _young(rho: Any, V_L: Any, V_T: Any) -> Any:
    return rho * (3 * V_L**2 - 4 * V_T**2) / ((V_L / V_T) ** 2 - 1) * GPA


def _check(longitudinal: Uncertain, transversal: Uncertain) -> None:
    V_L, V_T = longitudinal.value, transversal.value
    if not (V_T > 0 and 3 * V_L**2 > 4 * V_T**2):
        raise InputDataError(
            f"velocities V_L = {V_L:g}, V_T = {V_T:g} m/s are not those of a solid; V_L must exceed 1.155 V_T"
        )

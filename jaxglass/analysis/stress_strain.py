"""Slopes and areas of stress-strain curves: equations (13) and (14) of the paper, and the regression behind (10)-(12).

    C = sum (e - <e>)(s - <s>) / sum (e - <e>)^2          error = s_res sqrt(g)/sqrt(sum (e - <e>)^2)
    G_c = (Lx Ly/A) int s_z dL_z                          (13)
    K_Ic = sqrt(G_c E/(1 - nu^2))                         (14), plane strain

with residual scatter s_res (n - 2 degrees of freedom) and g the statistical inefficiency of the residuals, since
successive strain steps are one trajectory. Stress in GPa, lengths in A, areas in A^2; G_c in J/m2, K_Ic in MPa m^0.5.
"""

from typing import NamedTuple

import numpy as np

from jaxglass.analysis.statistics import statistical_inefficiency

J_PER_M2 = 0.1  # of 1 GPa A
MPA_ROOT_M = 1e-6 * np.sqrt(1e9)  # of 1 sqrt(J/m2 GPa)


class Slope(NamedTuple):
    """Slope of stress (GPa) against strain, with its standard error, and the stress at zero strain."""

    value: float
    error: float
    at_zero: float


def slope(strain: np.ndarray, stress: np.ndarray) -> Slope:
    """Least squares over `strain` (n,) and `stress` (n,) in GPa, n >= 3."""
    centred = strain - strain.mean()
    spread = centred @ centred
    value = centred @ stress / spread
    at_zero = stress.mean() - value * strain.mean()
    residual = stress - at_zero - value * strain
    variance = residual @ residual / (len(strain) - 2)
    g = statistical_inefficiency(residual)
    return Slope(float(value), float(np.sqrt(g * variance / spread)), float(at_zero))


def energy_release(length: np.ndarray, stress: np.ndarray, section: float, area: float) -> float:
    """G_c (J/m2) of equation (13): `stress` (n,) in GPa at cell lengths (n,) in A, `section` Lx Ly and crack `area` in
    A^2.
    """
    return float(section / area * np.trapezoid(stress, length) * J_PER_M2)


def toughness(energy_release: float, young_modulus: float, poisson_ratio: float) -> float:
    """K_Ic (MPa m^0.5) of equation (14) from G_c (J/m2), E (GPa) and nu."""
    return float(np.sqrt(max(energy_release, 0.0) * young_modulus / (1 - poisson_ratio**2)) * MPA_ROOT_M)

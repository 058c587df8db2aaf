"""How far what glasses show is from what was measured: R_chi of D(r) and T(r) over one range of r, whatever was fitted.

R_chi = sqrt(sum_r (X_measured - X_simulated)^2/sum_r X_measured^2),    X = D or T
"""

import numpy as np

from jaxglass.analysis.agreement import r_chi_squared
from jaxglass.analysis.scattering import differential_correlation
from jaxglass.refit.basin import Shown
from jaxglass.refit.observables import View
from jaxglass.refit.target import Target

CHI = (1.0, 8.0)  # A


def misfits(view: View, target: Target, shown: Shown) -> tuple[float, float]:
    """R_chi of D(r) and of T(r) over `CHI` (A), or as far as g(r) goes, of what is shown against the target."""
    r = np.asarray(view.transforms.r)
    lines = [4 * np.pi * rho * r for rho in (target.density, float(np.exp(shown.ln_density)))]
    D = []
    for curve, line in zip((target.y, np.asarray(shown.curve)), lines, strict=True):
        if target.quantity == "S_q":
            D.append(np.asarray(differential_correlation(view.transforms, curve)))
        else:
            D.append(curve if target.quantity == "D_r" else curve - line)
    T = [d + line for d, line in zip(D, lines, strict=True)]
    R_D, R_T = (r_chi(r, a, b, view.count * view.width) for a, b in (D, T))
    return R_D, R_T


def density_error(target: Target, shown: Shown) -> float:
    """Of the density, in %."""
    return 100 * float(np.exp(shown.ln_density) / target.density - 1)


def r_chi(r: np.ndarray, measured: np.ndarray, simulated: np.ndarray, end: float = CHI[1]) -> float:
    """R_chi of two curves on the grid `r` (A) over `CHI`, or up to `end` where that is nearer."""
    inside = (r >= CHI[0]) & (r <= min(CHI[1], end))
    return float(np.sqrt(r_chi_squared(measured[inside], simulated[inside])))

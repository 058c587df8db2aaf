"""What a simulated glass is to show, and the whitened distance from it.

    r = [(curve - y)/sigma sqrt(dx q/pi),  (ln rho - ln rho*)/sd,  (ln K - ln K*)/sd,  (ln G - ln G*)/sd]

x in steps dx; points closer than the transform can tell apart (pi/q: q the end of r for S(Q), of Q for D(r) and
T(r)) are not independent, so each counts dx q/pi of one. What moves many points together is fitted along, in closed
form: with columns N and unit priors, r -> (1 + N N^T)^(-1/2) r for curve and density. These columns are an unknown
scale (1 +- 0.02) and flat background (0 +- 0.02) of the measured curve, and `noise`, how single glasses differ from
their mean: one with more of a bond has whole peaks elsewhere, and another density.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxglass.refit.basin import Shown

SCALE_SD, BACKGROUND_SD = 0.02, 0.02
MODULUS_SD = 0.03


@dataclass(frozen=True)
class Target:
    """A glass of `li2o` mol % and its measured `quantity` (S_q, D_r, T_r): `y` (P,) on `x` (P,), standard errors
    `sigma` (P,) that hold the model's own, `resolution` pi/q in units of x; `density` (atoms per A^3) with relative
    `density_sd`; `bulk` and `shear` (GPa) or None. A target that is held out is shown but not fitted. The squares of
    `noise` (P + 1, n) add up to the covariance of the mean curve and ln density of n glasses."""

    name: str
    li2o: float
    quantity: str
    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray
    resolution: float
    density: float
    density_sd: float = 0.005
    bulk: float | None = None
    shear: float | None = None
    hold_out: bool = False
    nuisance: bool = True
    noise: np.ndarray | None = None

    @property
    def needs_moduli(self) -> bool:
        """Whether a modulus was measured."""
        return self.bulk is not None or self.shear is not None

    @cached_property
    def weight(self) -> np.ndarray:
        """1/sigma of every point, for the share of an independent one that it is, (P,)."""
        share = np.minimum(np.gradient(self.x) / self.resolution, 1.0)
        return np.sqrt(share) / self.sigma

    @cached_property
    def _whitener(self) -> np.ndarray:
        """1 - (1 + N N^T)^(-1/2) = W W^T for the columns N, as factors W (P + 1, columns)."""
        excess = self.y - (1.0 if self.quantity == "S_q" else 0.0)
        scale, background = SCALE_SD * excess, np.full_like(self.y, BACKGROUND_SD)
        columns = [np.append(one, 0.0)[:, None] for one in (scale, background) if self.nuisance]
        columns += [np.zeros((len(self.y) + 1, 1)) if self.noise is None else self.noise]
        weight = np.append(self.weight, 1 / self.density_sd)
        u, s, _ = np.linalg.svd(weight[:, None] * np.concatenate(columns, 1), full_matrices=False)
        return u * np.sqrt(1 - 1 / np.sqrt(1 + s**2))

    def residual(self, shown: Shown) -> np.ndarray:
        """r (R,) of what is shown."""
        rows = self._whitened(np.asarray(shown.curve) - self.y, shown.ln_density - np.log(self.density))
        return np.concatenate([rows, self.moduli(shown)])

    def moduli(self, shown: Shown) -> np.ndarray:
        """The rows of r of the measured moduli; none where none was measured."""
        rows = [self._scalar(value, np.log(wanted), MODULUS_SD) for value, wanted in self._moduli(shown)]
        return np.concatenate([np.zeros(0), *rows])

    def slope(self, change: Shown) -> np.ndarray:
        """dr (R, P) of a Jacobian with a leading axis of parameters."""
        rows = [self._whitened(np.asarray(change.curve).T, np.asarray(change.ln_density))]
        rows += [self._scalar(value, 0.0, MODULUS_SD) for value, _ in self._moduli(change)]
        return np.concatenate(rows)

    def _moduli(self, shown: Shown):
        return [(v, w) for v, w in ((shown.ln_bulk, self.bulk), (shown.ln_shear, self.shear)) if w is not None]

    def _whitened(self, curve: np.ndarray, ln_density: np.ndarray) -> np.ndarray:
        """Differences of the curve (P, ...) and of ln density (...), as rows of r."""
        weight = self.weight.reshape((-1,) + (1,) * (curve.ndim - 1))
        r = np.concatenate([weight * curve, (np.asarray(ln_density) / self.density_sd)[None]])
        return r - self._whitener @ (self._whitener.T @ r)

    @staticmethod
    def _scalar(value, wanted: float, sd: float) -> np.ndarray:
        return ((np.asarray(value) - wanted) / sd)[None]

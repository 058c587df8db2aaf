"""Diffusion of charge: the displacement of all mobile ions together, and the Haven ratio.

    D_sigma = (1/6N) d <|sum_i [x_i(k + m) - x_i(k)]|^2>/dt,    H = D/D_sigma

There is one sum of displacements, so D_sigma has the noise of a single walker, whatever N; with lags to a tenth of the
trajectory that is 23 %, whatever its length, and only seeds make it smaller. Its error is that of a
walker of free steps, whose squared displacements over m and n steps from origins k and l share s_kl of them:

    cov(m, n) = (2/3) (6 D dt)^2 (1/(K_m K_n)) sum_kl s_kl^2,    K_m = F - m origins, dt one frame

The fit is that of `diffusivity` with lags to a tenth of the trajectory. The 95 % interval is that of chi-square with
the same relative variance. Indices: i ions; k, l frames; m, n lags.
Source: H. Qian, M. Sheetz, E. Elson, Biophys. J. 60, 910 (1991), for the covariance.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from jaxglass.analysis.diffusivity import POINTS, Diffusivity, slope_weights
from jaxglass.analysis.msd import summed_displacement
from jaxglass.analysis.paths import Paths

END = 10  # fraction of the trajectory: longer lags add noise, not knowledge
LARGEST_ERROR = 0.5  # relative, of a D_sigma that is reported


@dataclass(frozen=True)
class Collective:
    """`msd` (F,) of the summed displacement over N (A^2); D_sigma, its `error` and 95 % interval (A^2/ps).

    `haven` is D/D_sigma with `haven_error`. NaN where there is none, with the `reason`.
    """

    msd: np.ndarray
    value: float
    error: float
    low: float
    high: float
    haven: float
    haven_error: float
    reason: str = ""


def collective_diffusivity(paths: Paths, single: Diffusivity) -> Collective:
    """D_sigma and H of the mobile ions, where `single` is their D."""
    ions = paths.atoms(paths.mobile)
    together = np.zeros((paths.frames, 1, 3))
    for chunk in paths.chunks(ions):
        together[:, 0] += chunk.sum(axis=1)
    msd = summed_displacement(together) / len(ions)
    end = paths.frames // END
    first = int(single.window.lags[0]) if len(single.window.lags) else end
    if first >= end:
        return _none(msd, "not diffusive" if not len(single.window.lags) else "too short: no lags up to a tenth of it")
    lags = np.unique(np.rint(np.linspace(first, end, POINTS)).astype(int))
    weights = slope_weights(lags * paths.spacing)
    value = float(weights @ msd[lags]) / 6
    relative = float(np.sqrt(weights @ walker_covariance(lags, paths.frames) @ weights)) * paths.spacing
    if value <= 0 or relative > LARGEST_ERROR:
        return _none(msd, f"too short: the relative error of one summed displacement is {relative:.0%}")
    freedom = 2 / relative**2
    low, high = value * freedom / chi2.ppf([0.975, 0.025], freedom)
    ratio = single.value / value
    error = abs(ratio) * float(np.hypot(relative, single.relative_error))
    return Collective(msd, value, value * relative, float(low), float(high), ratio, error)


def walker_covariance(lags: np.ndarray, frames: int) -> np.ndarray:
    """Covariance (L, L) of the MSD of one free walker in three dimensions, over (6 D dt)^2 with dt one frame."""
    found = np.empty((len(lags), len(lags)))
    for a, m in enumerate(lags):
        for b, n in enumerate(lags[: a + 1]):  # n <= m
            shift = np.arange(1 - n, m)  # l - k of origins that share steps
            shared = np.minimum(m, shift + n) - np.maximum(0, shift)
            pairs = np.minimum(frames - m, frames - n - shift) - np.maximum(0, -shift)
            found[a, b] = found[b, a] = (
                2 / 3 * np.sum(np.maximum(pairs, 0) * shared.astype(float) ** 2) / ((frames - m) * (frames - n))
            )
    return found


def _none(msd: np.ndarray, reason: str) -> Collective:
    return Collective(msd, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, reason)

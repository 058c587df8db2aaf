"""Self-diffusion coefficient from the slope of the MSD, with an error that covers what it should.

    D = (1/6) d MSD/dt = (1/6) sum_m w_m MSD(m),    w_m = (t_m - <t>)/sum (t_m - <t>)^2          Eq. (7)

over at most 32 evenly spread lags of the fit window. It starts at the first lag where the log-log slope is at least
0.9, both around that lag and from there to the end: flight and cage are left out. It ends at a fifth of the trajectory,
or where it starts late at one and a half times its start. If it does not start within 4/15 of the trajectory, there is
no number. The line has an offset, so a cage as such biases nothing; the slope tells whether hops back and forth are
still being averaged out.

Error. D is a mean of D_ib over atoms i = 1 ... N and B = 4 blocks of origins b. With the mean squares of a two-way
table, A of atoms, T of blocks, R of the rest,

    error^2 = [A + max(T - R, 0)]/(N B)

Atoms that move independently differ by A, which holds all the noise of D; whatever moves all of them at once shows as
an excess of T. The 95 % interval is that of Student's t with the degrees of freedom of Satterthwaite. The fit's own
error would be tens of times too small, as MSD at neighbouring lags is the same noise; a bootstrap over atoms and
blocks is 1.5 times too large, as it counts noise of single atoms in single blocks once for each of its two directions.
The error is that of one glass. Indices: i atoms; k frames; m lags.
Sources: A. Owen, Ann. Appl. Stat. 1, 386 (2007) for the bootstrap; F. Satterthwaite, Biometrics Bull. 2, 110 (1946).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from jaxglass.analysis.msd import MeanSquaredDisplacement, mean_squared_displacement
from jaxglass.analysis.paths import Paths

DIFFUSIVE = 0.9  # log-log slope of a MSD that is fitted
BALLISTIC = 1.5  # local slope above which atoms fly
LAST_START = 15 / 4  # trajectory over the last lag that may begin the window
END, SHORTEST = 5, 1.5  # trajectory over the lag that ends it, and least ratio of its end to its start
POINTS = 32  # lags of the fit
BLOCKS = 4  # of origins: about as long as the largest lag


@dataclass(frozen=True)
class FitWindow:
    """Lags (frames) of a straight line, `slope` the log-log slope at its start; no lags, and the `reason`, if none."""

    lags: np.ndarray
    slope: float
    reason: str = ""


@dataclass(frozen=True)
class Diffusivity:
    """D, its standard `error`, and the ends `low`, `high` of its 95 % interval (A^2/ps); `offset` (A^2) of the line.

    All NaN where the `window` is empty. `blocks_differ` is the mean square of time blocks over that of the rest, about
    1 where atoms move independently.
    """

    value: float
    error: float
    low: float
    high: float
    offset: float
    window: FitWindow
    blocks_differ: float

    @property
    def relative_error(self) -> float:
        """Error over value; infinite where there is no positive value."""
        return self.error / self.value if self.value > 0 else np.inf


def diffusivity(
    paths: Paths, msd: MeanSquaredDisplacement | None = None, smallest_slope: float = DIFFUSIVE
) -> Diffusivity:
    """D of the mobile atoms of `paths`; `msd` if it is known already, `smallest_slope` of what is fitted."""
    msd = msd or mean_squared_displacement(paths)
    window = fit_window(msd.msd, msd.slope, smallest_slope)
    if not len(window.lags):
        return Diffusivity(np.nan, np.nan, np.nan, np.nan, np.nan, window, np.nan)
    return fitted(paths, msd, window)


def fitted(paths: Paths, msd: MeanSquaredDisplacement, window: FitWindow) -> Diffusivity:
    """The slope of the MSD within `window`, a sixth of it, whether or not it is diffusive there."""
    lag = window.lags * paths.spacing
    weights = slope_weights(lag)
    chunks = paths.chunks(paths.atoms(paths.mobile))
    cells = np.concatenate([contributions(chunk, window.lags, weights, BLOCKS) for chunk in chunks]) / 6
    value, error, freedom, differ = mean_with_error(cells)
    half = float(student.ppf(0.975, freedom)) * error
    offset = float(msd.msd[window.lags].mean() - 6 * value * lag.mean())
    return Diffusivity(value, error, value - half, value + half, offset, window, differ)


def fit_window(msd: np.ndarray, slope: np.ndarray, smallest: float = DIFFUSIVE) -> FitWindow:
    """The lags to fit, from `msd` (F,) and its local log-log `slope` (F,), which must not be below `smallest`."""
    frames = len(msd)
    starts = np.arange(1, max(1, int(frames / LAST_START)) + 1)
    ends = np.maximum(frames // END, np.ceil(SHORTEST * starts).astype(int))
    if not msd[1 : ends[-1] + 1].all():
        return FitWindow(np.empty(0, int), np.nan, "not diffusive: nothing moves")
    local, whole = slope[starts], np.log(msd[ends] / msd[starts]) / np.log(ends / starts)
    good = np.flatnonzero((local >= smallest) & (local <= BALLISTIC) & (whole >= smallest))
    if not len(good):
        reason = (
            f"not diffusive: the log-log slope of the MSD is {whole[-1]:.2f} from 4/15 to 2/5 of the trajectory, "
            f"at least {smallest:g} is needed; run longer"
        )
        return FitWindow(np.empty(0, int), float(whole[-1]), reason)
    start, end = starts[good[0]], ends[good[0]]
    lags = np.unique(np.rint(np.linspace(start, end, POINTS)).astype(int))
    return FitWindow(lags, float(slope[start]))


def slope_weights(lag: np.ndarray) -> np.ndarray:
    """w with sum w y the least-squares slope of y against `lag`, (L,)."""
    centred = lag - lag.mean()
    return centred / (centred @ centred)


def contributions(positions: np.ndarray, lags: np.ndarray, weights: np.ndarray, blocks: int) -> np.ndarray:
    """sum_m w_m of squared displacements by atom and block of origins, (n, `blocks`); `positions` (F, n, 3).

    Their mean over blocks is that over all origins, their mean over atoms the slope of the MSD.
    """
    found = np.zeros((positions.shape[1], blocks))
    for m, weight in zip(lags, weights, strict=True):
        moved = positions[m:] - positions[:-m]
        squared = np.einsum("kia,kia->ki", moved, moved)
        starts = np.rint(np.linspace(0, len(squared), blocks + 1)).astype(int)[:-1]
        found += weight * blocks / len(squared) * np.add.reduceat(squared, starts, axis=0).T
    return found


def mean_with_error(table: np.ndarray) -> tuple[float, float, float, float]:
    """Mean of a `table` (N, B) of atoms and blocks, its error, degrees of freedom and T/R, as the head of this says.

    One atom has no error that could be found: infinite.
    """
    atoms, blocks = table.shape
    mean = table.mean()
    if atoms < 2:
        return float(mean), np.inf, 1.0, np.nan
    by_atom, by_block = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_atom[:, None] - by_block + mean
    square_atoms = blocks * np.sum((by_atom - mean) ** 2) / (atoms - 1)
    square_blocks = atoms * np.sum((by_block - mean) ** 2) / (blocks - 1)
    square_rest = np.sum(rest**2) / ((atoms - 1) * (blocks - 1))
    excess = max(square_blocks - square_rest, 0.0)
    total = square_atoms + excess
    if not total > 0:
        return float(mean), 0.0, float(atoms - 1), 1.0
    freedom = total**2 / (square_atoms**2 / (atoms - 1) + excess**2 / (blocks - 1))
    ratio = square_blocks / square_rest if square_rest > 0 else np.nan
    return float(mean), float(np.sqrt(total / (atoms * blocks))), float(freedom), float(ratio)

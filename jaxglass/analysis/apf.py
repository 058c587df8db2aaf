"""Accumulated persistence function of loops: what a persistence diagram says, as one curve.

    APF(t) = sum over m_i <= t of (d_i - b_i),    m_i = (b_i + d_i)/2        Eq. (15) of Chen et al.

b, d births and deaths; t and APF in A^2. Loops that never die stay out. From Biscio & Moller, J. Comput. Graph.
Stat. 28 (2019) 671, doi 10.1080/10618600.2019.1573686. The sum grows with the structure: divide by the number of
atoms to compare sizes. Indices: f frames or seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.statistics import standard_error


@dataclass(frozen=True)
class AccumulatedPersistence:
    """The step function: `steps` (P,) ascending mean ages m, and `sums` (P,) reached there, in A^2 (per atom)."""

    steps: np.ndarray
    sums: np.ndarray

    @property
    def total(self) -> float:
        """APF beyond the last step: the sum of all lifetimes."""
        return float(self.sums[-1]) if len(self.sums) else 0.0

    def at(self, t: np.ndarray) -> np.ndarray:
        """APF(t), shape of `t` (A^2)."""
        return np.concatenate([[0.0], self.sums])[np.searchsorted(self.steps, t, side="right")]


@dataclass(frozen=True)
class MeanPersistence:
    """Mean APF (T,) on `t` (T,) over `count` frames or seeds; `error` (T,) is its standard error, None for one."""

    t: np.ndarray
    mean: np.ndarray
    error: np.ndarray | None
    count: int


def accumulated_persistence(births: np.ndarray, deaths: np.ndarray, atoms: int | None = None) -> AccumulatedPersistence:
    """APF of loops with `births`, `deaths` (P,) in A^2; per atom if the number of `atoms` is given."""
    ages = (births + deaths) / 2
    order = np.argsort(ages, kind="stable")
    return AccumulatedPersistence(ages[order], np.cumsum((deaths - births)[order]) / (atoms or 1))


def common_grid(curves: Sequence[AccumulatedPersistence], points: int = 400) -> np.ndarray:
    """`points` equally spaced t (A^2) that span every step of `curves`."""
    ends = [curve.steps[[0, -1]] for curve in curves if len(curve.steps)]
    return np.linspace(np.min(ends, initial=0.0), np.max(ends, initial=0.0), points)


def average_frames(curves: Sequence[AccumulatedPersistence], t: np.ndarray) -> MeanPersistence:
    """Mean over successive frames of one glass on `t` (T,); the error allows for their correlation."""
    values = np.array([curve.at(t) for curve in curves])
    error = np.array([standard_error(series) for series in values.T]) if len(values) > 1 else None
    return MeanPersistence(t, values.mean(0), error, len(values))


def average_seeds(curves: Sequence[AccumulatedPersistence], t: np.ndarray) -> MeanPersistence:
    """Mean over independent glasses on `t` (T,), with the standard error of their spread."""
    values = np.array([curve.at(t) for curve in curves])
    error = values.std(0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return MeanPersistence(t, values.mean(0), error, len(values))

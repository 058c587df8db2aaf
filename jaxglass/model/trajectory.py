"""Frames of one system: what a run returns, a file holds and every analysis reads."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Trajectory:
    """F frames of N atoms.

    `time` (F,) ps, NaN where it is not known; `fractional` (F, N, 3), continuous in time if `unwrapped`, else as a
    program wrapped them: displacements mean nothing then; `cell` (F, 3, 3) rows in A; `species` (N,).
    """

    time: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray
    species: np.ndarray
    elements: tuple[str, ...]
    unwrapped: bool = True

    def frame(self, index: int) -> "Trajectory":
        """A trajectory of one frame."""
        one = slice(index, index + 1)
        return replace(self, time=self.time[one], fractional=self.fractional[one], cell=self.cell[one])

    @property
    def symbols(self) -> np.ndarray:
        """Element symbol of every atom, (N,)."""
        return np.array(self.elements)[self.species]

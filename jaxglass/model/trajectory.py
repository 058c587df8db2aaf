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
        return self.some(one)

    def spread(self, count: int) -> "Trajectory":
        """At most `count` frames from the first to the last, evenly spread; one frame is the last."""
        frames = len(self.time)
        if frames <= count:
            return self
        return self.some(np.linspace(frames - 1, 0, count).round().astype(int)[::-1])

    def some(self, which: slice | np.ndarray) -> "Trajectory":
        """The frames of these numbers."""
        return replace(self, time=self.time[which], fractional=self.fractional[which], cell=self.cell[which])

    @property
    def symbols(self) -> np.ndarray:
        """Element symbol of every atom, (N,)."""
        return np.array(self.elements)[self.species]

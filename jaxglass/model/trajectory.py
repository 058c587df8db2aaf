"""Frames of one system: what a run returns, a file holds and every analysis reads."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trajectory:
    """F frames of N atoms.

    `time` (F,) ps; `fractional` (F, N, 3) unwrapped; `cell` (F, 3, 3) rows in A; `species` (N,).
    """

    time: np.ndarray
    fractional: np.ndarray
    cell: np.ndarray
    species: np.ndarray
    elements: tuple[str, ...]

    @property
    def symbols(self) -> np.ndarray:
        """Element symbol of every atom, (N,)."""
        return np.array(self.elements)[self.species]

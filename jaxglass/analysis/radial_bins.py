"""Where a histogram of distances puts its pairs, and what the transform to Q has to know about it.

A pair at distance r adds b(r - r_m) to bin m. b is `boxes` unit boxes of width dr folded into each other, hence

    v_m = int 4 pi r^2 b(r - r_m) dr,        transform of b: sinc(k dr/2)^boxes

`boxes` = 1 are plain shells, `boxes` = 4 the cubic B-spline of `analysis.pair_histogram`. Index: m bins.
"""

from typing import NamedTuple

import numpy as np


class RadialBins(NamedTuple):
    """Bin positions `r` (M,) in A, their volumes `volume` (M,) in A^3, `width` dr in A and number of `boxes`."""

    r: np.ndarray
    volume: np.ndarray
    width: float
    boxes: int

    @property
    def end(self) -> float:
        """Distance where the bins end (A)."""
        return float(self.r[-1] + self.width / 2)


def shells(count: int, width: float) -> RadialBins:
    """`count` shells m dr <= r < (m + 1) dr, r_m their centres."""
    edges = width * np.arange(count + 1)
    return RadialBins((edges[1:] + edges[:-1]) / 2, 4 * np.pi / 3 * np.diff(edges**3), width, 1)


def spline_knots(count: int, width: float) -> RadialBins:
    """`count` knots r_m = m dr of a cubic B-spline of support 4 dr: v_m = 4 pi dr (r_m^2 + dr^2/3)."""
    r = width * np.arange(count)
    return RadialBins(r, 4 * np.pi * width * (r**2 + width**2 / 3), width, 4)

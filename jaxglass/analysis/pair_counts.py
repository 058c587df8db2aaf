"""How many pairs of atoms lie in each shell, below half the smallest width of the cell.

    H_ab(m) = number of ordered pairs (i in a, j in b, j != i) with m dr <= |r_ij| < (m + 1) dr

Every pair is visited once as (i, i + k mod N), k = 1 ... N/2: rows of equal k need no list of neighbours, and a block
of rows stays in the cache, so that memory does not grow with the number of pairs. Work grows as N^2, which is less
than what a list costs up to tens of thousands of atoms. Indices: i, j atoms; k offsets; a, b species; m shells.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxglass.errors import InputDataError

BLOCK = 1 << 15  # pairs at a time: 1 MB of scratch


def pairs_per_shell(
    species: np.ndarray, kinds: int, fractional: np.ndarray, cell: np.ndarray, count: int, width: float
) -> np.ndarray:
    """H_ab of one frame, (S, S, `count`) integers, symmetric; like pairs count twice.

    `species` (N,) below `kinds`, `fractional` (N, 3), `cell` (3, 3) and shells of `width` in A; `count` * `width` must
    not exceed half the smallest width of the cell. `InputDataError` for coordinates that are not finite numbers.
    """
    if not np.isfinite(fractional).all():
        raise InputDataError("g(r): a coordinate is not a finite number")
    n, bins = len(species), kinds * kinds * (count + 1)
    here = fractional.T.copy()
    after = sliding_window_view(np.concatenate([here, here], axis=1), n, axis=1)  # [:, k] is atom i + k
    kind, kind_after = species * kinds * (count + 1), sliding_window_view(np.tile(species * (count + 1), 2), n)
    rows, half = max(1, BLOCK // n), n // 2 + 1
    found = np.zeros(bins, np.int64)
    for k in range(1, half, rows):
        block = slice(k, min(k + rows, half))
        pair_bin = _shells(after[:, block] - here[:, None], cell, count, width)
        pair_bin += kind_after[block] + kind
        found += np.bincount(pair_bin.ravel(), minlength=bins)
        if n % 2 == 0 and block.stop == half:  # row N/2 meets each of its pairs twice
            found -= np.bincount(pair_bin[-1, n // 2 :], minlength=bins)
    counts = found.reshape(kinds, kinds, count + 1)[:, :, :count]  # the last bin holds what lies beyond
    return counts + counts.transpose(1, 0, 2)


def _shells(d: np.ndarray, cell: np.ndarray, count: int, width: float) -> np.ndarray:
    """Shell of the nearest image of every vector, `count` beyond the last; `d` (3, rows, N) fractional, overwritten."""
    d -= np.rint(d)
    square = cell.T @ d.reshape(3, -1)
    square *= square
    r = np.sqrt(square.sum(0))
    r /= width
    return np.minimum(r, count, out=r).astype(np.int64).reshape(d.shape[1:])

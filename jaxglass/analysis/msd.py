"""Mean squared displacement over all origins, by FFT, species by species.

    MSD(m) = (1/N) sum_i (1/(F - m)) sum_k |x_i(k + m) - x_i(k)|^2 = S1(m) - 2 S2(m)          Eq. (6)
    S1(m) = (1/(F - m)) sum_k [x^2(k) + x^2(k + m)],   S2(m) = (1/(F - m)) sum_k x(k).x(k + m)

S2 is the inverse transform of |X|^2 of the zero-padded positions; powers are summed over atoms first, so that each
chunk of atoms costs one inverse transform. The paper writes (6) with one origin; all of them measure the same at a
third of the error. Positions are those of `paths`: in the frame of the network. Indices: i atoms; k frames; m lags.
Source: V. Calandrini et al., Collection SFN 12, 201 (2011).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from jaxglass.analysis.paths import Paths


@dataclass(frozen=True)
class MeanSquaredDisplacement:
    """MSD (A^2) of each element at `lag` (F,) ps, 0 the first; of the mobile element, its local `slope` (F,)."""

    lag: np.ndarray
    by_element: dict[str, np.ndarray]
    slope: np.ndarray
    mobile: str

    @property
    def msd(self) -> np.ndarray:
        """MSD of the mobile element, (F,) A^2."""
        return self.by_element[self.mobile]


def mean_squared_displacement(paths: Paths) -> MeanSquaredDisplacement:
    """MSD of every element of `paths`."""
    elements = dict.fromkeys([paths.mobile, *paths.symbols.tolist()])
    curves = {element: msd_of_chunks(paths.chunks(paths.atoms(element))) for element in elements}
    lag = paths.spacing * np.arange(paths.frames)
    return MeanSquaredDisplacement(lag, curves, local_slope(curves[paths.mobile]), paths.mobile)


def msd_of_chunks(chunks: Iterable[np.ndarray]) -> np.ndarray:
    """MSD (F,) of all atoms of the `chunks`, each (F, n, 3): their mean, every atom counted once."""
    total, atoms = np.zeros(0), 0
    for chunk in chunks:
        found = summed_displacement(chunk)
        total = found if not len(total) else total + found
        atoms += chunk.shape[1]
    return total / atoms


def summed_displacement(positions: np.ndarray) -> np.ndarray:
    """Sum over atoms of the squared displacement at every lag, (F,), mean over origins; `positions` (F, n, 3)."""
    frames = len(positions)
    x = np.ascontiguousarray(positions.reshape(frames, -1).T)
    x -= x.mean(axis=1, keepdims=True)  # displacements are those of any origin; this one loses no digits
    length = next_fast_len(2 * frames, real=True)
    power = np.zeros(length // 2 + 1)
    for row in np.array_split(x, max(1, len(x) // 256)):
        transform = rfft(row, length, axis=1)
        power += np.einsum("cf,cf->f", transform.real, transform.real) + np.einsum(
            "cf,cf->f", transform.imag, transform.imag
        )
    square = np.einsum("cf,cf->f", x, x)
    ends = np.cumsum(square)[::-1] + np.cumsum(square[::-1])[::-1]
    found = (ends - 2 * irfft(power, length)[:frames]) / (frames - np.arange(frames))
    found[0] = 0.0
    return found


def local_slope(msd: np.ndarray) -> np.ndarray:
    """d ln MSD/d ln m over the octave around each lag, (F,): from m/sqrt(2) to m sqrt(2); NaN where that ends."""
    slope, lags = np.full(len(msd), np.nan), np.arange(1, len(msd))
    low = np.maximum(1, np.rint(lags / np.sqrt(2)).astype(int))
    high = np.maximum(low + 1, np.rint(lags * np.sqrt(2)).astype(int))
    inside = high < len(msd)
    lags, low, high = lags[inside], low[inside], high[inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope[lags] = np.log(msd[high] / msd[low]) / np.log(high / low)
    return slope

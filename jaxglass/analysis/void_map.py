"""Voids of one frame on a periodic grid: where a ball fits between the atoms.

A grid point is the centre of an empty ball when no atom centre is closer to it than R, the probe. Centres that are
neighbours on the grid, across the faces of the cell too, belong to one void. A void is all that its balls cover:

    void = { x : |x - c| <= R for a centre c of the void }

so between two flat walls of atoms it reaches from wall to wall. Lengths in A, good to about one `spacing`; any cell.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from jaxglass.analysis.periodic_graph import connected_parts
from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.pair_list import widths

CHUNK = 512  # atoms stamped at a time: bounds the memory


class Void(NamedTuple):
    """The points `covered` (n_x, n_y, n_z) by a void, and whether it `winds` (3,) along the lattice vectors."""

    covered: np.ndarray
    winds: np.ndarray


def largest_void(fractional: np.ndarray, cell: np.ndarray, probe: float, spacing: float) -> Void:
    """The void of most centres for balls of radius `probe`; grid points at most `spacing` apart. Empty if none fits.

    `fractional` (N, 3), `cell` (3, 3) in A. Raises `ConfigError` for a probe or spacing that is not above 0,
    `InputDataError` for coordinates that are not finite.
    """
    fractional, cell = np.asarray(fractional, float), np.asarray(cell, float)
    if not (0 < spacing <= probe < np.inf):
        raise ConfigError(f"voids: spacing = {spacing} A must be above 0 and at most the probe, {probe} A")
    if not (np.isfinite(fractional).all() and np.isfinite(cell).all()):
        raise InputDataError("voids: coordinates or cell are not finite")
    edges = np.linalg.norm(cell, axis=1)
    shape = np.array([fft.next_fast_len(int(np.ceil(edge / spacing)), real=True) for edge in edges])
    parts, winds = _parted(empty_centres(fractional, cell, shape, probe))
    sizes = np.bincount(parts.ravel(), minlength=2)[1:]
    if not sizes.any():
        return Void(np.zeros(shape, bool), np.zeros(3, bool))
    largest = int(sizes.argmax())
    return Void(_covered(parts == largest + 1, cell, probe), winds[largest])


def empty_centres(fractional: np.ndarray, cell: np.ndarray, shape: np.ndarray, probe: float) -> np.ndarray:
    """Grid points, `shape`, with no atom centre closer than `probe` (A)."""
    empty = np.ones(shape, bool)
    diagonal = np.linalg.norm(cell / shape[:, None], axis=1).sum()
    offsets, vectors = _ball(cell, shape, probe + diagonal / 2)
    nearest = np.rint(fractional * shape).astype(int)
    rest = (fractional - nearest / shape) @ cell
    for first in range(0, len(rest), CHUNK):
        near, r = nearest[first : first + CHUNK], rest[first : first + CHUNK]
        distance2 = (r**2).sum(1)[:, None] - 2 * r @ vectors.T + (vectors**2).sum(1)
        atom, offset = np.nonzero(distance2 < probe**2)
        empty[tuple((near[atom, k] + offsets[offset, k]) % shape[k] for k in range(3))] = False
    return empty


def _parted(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the void of every grid point, 0 where there is none; winding (P, 3) of voids 1, 2, ..."""
    label, count = ndimage.label(centres)
    i, j, shift = [], [], []
    for axis in range(3):
        last, first = label.take(-1, axis).ravel(), label.take(0, axis).ravel()
        meet = np.unique(np.stack([last, first])[:, (last > 0) & (first > 0)], axis=1)
        i.append(meet[0] - 1)
        j.append(meet[1] - 1)
        shift.append(np.tile(np.eye(3, dtype=int)[axis], (meet.shape[1], 1)))
    parts = connected_parts(count, np.concatenate(i), np.concatenate(j), np.concatenate(shift))
    return np.concatenate([[0], parts.part + 1])[label], parts.winds


def _covered(centres: np.ndarray, cell: np.ndarray, probe: float) -> np.ndarray:
    """Grid points within `probe` (A) of one of the `centres`: a periodic convolution with a ball."""
    shape = np.array(centres.shape)
    ball = np.zeros(shape)
    ball[tuple((_ball(cell, shape, probe)[0] % shape).T)] = 1.0
    found = fft.irfftn(fft.rfftn(centres.astype(float)) * fft.rfftn(ball), s=centres.shape)
    return found > 0.5


def _ball(cell: np.ndarray, shape: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Grid points within `radius` (A) of the origin: offsets (M, 3) in points and vectors (M, 3) in A."""
    reach = np.ceil(radius / widths(cell) * shape).astype(int)
    offsets = np.stack(np.meshgrid(*[np.arange(-m, m + 1) for m in reach], indexing="ij"), -1).reshape(-1, 3)
    vectors = offsets / shape @ cell
    inside = (vectors**2).sum(1) <= radius**2 * (1 + 1e-12)
    return offsets[inside], vectors[inside]

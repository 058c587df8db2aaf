"""Paths of atoms through a trajectory, in the frame of the network: what every analysis of motion starts from.

    r_i(k) = s_i(k) h,    d(k) = (1/M) sum_j [r_j(k) - r_j(0)],    x_i(k) = r_i(k) - d(k)

s are unwrapped fractional coordinates and h is the cell, its mean over the frames where it fluctuates (NPT): with the
cell of each frame, atoms far from the origin would move when only the volume does. d is the drift of the framework,
the mean displacement of the M atoms that are not mobile, each counted once whatever its mass; a box that drifts as a
whole changes nothing. Without a framework nothing is subtracted. Indices: i all atoms; j framework; k frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory

MOBILE = "Li"
FEWEST_FRAMES = 10
UNEVEN = 1e-3  # of the spacing of frames; files round their times
LARGEST_BREATH = 0.1  # of the mean volume, between the smallest and the largest cell
CHUNK_BYTES = 1 << 26  # of positions at a time


@dataclass(frozen=True)
class Paths:
    """F frames `spacing` ps apart of N atoms: `fractional` (F, N, 3), `cell` (3, 3) rows in A, `symbols` (N,).

    `drift` (F, 3) in A is that of the framework; `mobile` the element that is none of it.
    """

    fractional: np.ndarray
    cell: np.ndarray
    symbols: np.ndarray
    spacing: float
    drift: np.ndarray
    mobile: str

    @property
    def frames(self) -> int:
        """F."""
        return len(self.fractional)

    @property
    def volume(self) -> float:
        """Of the cell, A^3."""
        return float(abs(np.linalg.det(self.cell)))

    def atoms(self, element: str) -> np.ndarray:
        """Indices of the atoms of an element."""
        return np.flatnonzero(self.symbols == element)

    def of(self, atoms: np.ndarray) -> np.ndarray:
        """x of `atoms`, (F, n, 3) in A."""
        return self.fractional[:, atoms] @ self.cell - self.drift[:, None]

    def chunks(self, atoms: np.ndarray) -> Iterator[np.ndarray]:
        """`of` few atoms at a time, as many as fit in some 64 MB."""
        size = max(1, CHUNK_BYTES // (self.frames * 24))
        for start in range(0, len(atoms), size):
            yield self.of(atoms[start : start + size])


def make_paths(trajectory: Trajectory, mobile: str = MOBILE) -> Paths:
    """The paths of a `trajectory`.

    Raises `InputDataError` when its coordinates are wrapped, its times are not known or not evenly spaced, its frames
    are fewer than 10, none of its atoms is `mobile`, or the volume of its cell changes by more than a tenth.
    """
    if not trajectory.unwrapped:
        raise InputDataError(
            "diffusion: coordinates are wrapped into the cell, so displacements are not known; "
            "give unwrapped ones (LAMMPS: xu yu zu, or x y z with ix iy iz)"
        )
    frames, symbols = len(trajectory.time), trajectory.symbols
    if frames < FEWEST_FRAMES:
        raise InputDataError(f"diffusion: {frames} frames; at least {FEWEST_FRAMES} are needed")
    if mobile not in symbols:
        raise InputDataError(f"diffusion: there is no {mobile} in this structure")
    volumes = np.abs(np.linalg.det(trajectory.cell))
    breath = np.ptp(volumes) / volumes.mean()
    if breath > LARGEST_BREATH:
        raise InputDataError(
            f"diffusion: the volume of the cell changes by {breath:.0%}, at most {LARGEST_BREATH:.0%} is allowed; "
            "choose frames at one temperature and pressure (analyse.frames)"
        )
    cell = trajectory.cell.mean(axis=0)
    framework = np.flatnonzero(symbols != mobile)
    return Paths(
        fractional=trajectory.fractional,
        cell=cell,
        symbols=symbols,
        spacing=_spacing(trajectory.time),
        drift=_drift(trajectory.fractional, framework) @ cell,
        mobile=mobile,
    )


def _spacing(time: np.ndarray) -> float:
    """Time between frames (ps)."""
    if not np.isfinite(time).all():
        raise InputDataError(
            "diffusion: the times of the frames are not known; set analyse.timestep_fs, the time step of the program "
            "that wrote them"
        )
    steps = np.diff(time)
    spacing = float(steps.mean())
    if spacing <= 0 or np.abs(steps - spacing).max() > UNEVEN * spacing:
        k = int(np.abs(steps - spacing).argmax())
        raise InputDataError(
            f"diffusion: frames are not evenly spaced: frames {k} and {k + 1} are {steps[k]:.6g} ps apart, on average "
            f"{spacing:.6g} ps; choose frames with analyse.frames"
        )
    return spacing


def _drift(fractional: np.ndarray, framework: np.ndarray) -> np.ndarray:
    """Mean displacement of the framework in every frame, (F, 3) fractional; frame by frame, to make no copy of all."""
    if not len(framework):
        return np.zeros((len(fractional), 3))
    means = np.stack([frame[framework].mean(axis=0) for frame in fractional])
    return means - means[0]

"""Angles between two bonds that share an atom: O-B-O and O-P-O at a centre, B-O-P at a bridging oxygen.

    cos(theta) = u.v/(|u| |v|)      u, v bond vectors from the shared atom to two others, each pair once

The density is per degree and not divided by sin(theta), so that it integrates to 1 over 0-180 degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.bonds import Bonds, pairs_sharing
from jaxglass.analysis.statistics import Measurement, mean_over_frames, missing

DEGREE = "degree"


@dataclass(frozen=True)
class AngleDistribution:
    """Bin centres `theta` (T,), `density` (T,) per degree, `mean` and `deviation` of the angles (degrees)."""

    theta: np.ndarray
    density: np.ndarray
    mean: Measurement
    deviation: float | None


def bond_angles(bonds: Bonds, center: str, ligand: str = "O") -> np.ndarray:
    """Every ligand-centre-ligand angle of one frame, in degrees."""
    chosen = bonds.of(center, ligand)
    return angles_between(chosen, *pairs_sharing(chosen.center))


def angles_between(bonds: Bonds, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Angles between the bonds p and q, two (A,) lists of bonds that share a centre or a ligand, in degrees."""
    unit = bonds.vector / bonds.length[:, None]
    cosine = np.einsum("pa,pa->p", unit[p], unit[q])
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def angle_density(angles: np.ndarray, width: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Bin centres (degrees) and density (1/degree) of `angles`, in bins of `width` degrees."""
    edges = np.linspace(0.0, 180.0, round(180.0 / width) + 1)
    counts, _ = np.histogram(angles, edges)
    return (edges[1:] + edges[:-1]) / 2, counts / (counts.sum() * np.diff(edges))


def angle_distribution(frames: Sequence[np.ndarray], width: float, reason: str) -> AngleDistribution:
    """Distribution of the angles (degrees) of all frames; the mean with its error, or `reason` if a frame has none."""
    if any(len(angles) == 0 for angles in frames):
        return AngleDistribution(np.empty(0), np.empty(0), missing(DEGREE, reason), None)
    pooled = np.concatenate(frames)
    mean = mean_over_frames([angles.mean() for angles in frames], DEGREE)
    return AngleDistribution(*angle_density(pooled, width), mean, float(pooled.std()))

"""Angles between the bonds of one centre: O-B-O, O-P-O.

    cos(theta) = u.v/(|u| |v|)      u, v bond vectors from the centre to two of its ligands, each pair once

The density is per degree and not divided by sin(theta), so that it integrates to 1 over 0-180 degrees.
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.bonds import Bonds, pairs_sharing
from jaxglass.analysis.statistics import Measurement


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
    unit = chosen.vector / chosen.length[:, None]
    p, q = pairs_sharing(chosen.center)
    cosine = np.einsum("pa,pa->p", unit[p], unit[q])
    return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))


def angle_density(angles: np.ndarray, width: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Bin centres (degrees) and density (1/degree) of `angles`, in bins of `width` degrees."""
    edges = np.linspace(0.0, 180.0, round(180.0 / width) + 1)
    counts, _ = np.histogram(angles, edges)
    return (edges[1:] + edges[:-1]) / 2, counts / (counts.sum() * np.diff(edges))

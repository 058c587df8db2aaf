"""The surface of a structure that holds voids: alpha shape of its atom centres.

A tetrahedron of the periodic Delaunay triangulation is solid when its circumradius is below R, the probe: no ball of
radius R fits between its atoms. The surface is all triangles with solid on exactly one side. A crack has two faces, so

    area of one face = 1/2 sum of triangles

which is what each side of a clean cut measures. Areas in A^2.
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.periodic_complex import Lifted, periodic_complex
from jaxglass.errors import ConfigError

PROBE = 3.0  # A


@dataclass(frozen=True)
class Surface:
    """All the surface, `area` (A^2), and that of `one_face` of a crack: half of it."""

    area: float

    @property
    def one_face(self) -> float:
        """Half of the area (A^2)."""
        return self.area / 2


def alpha_surface(fractional: np.ndarray, cell: np.ndarray, probe: float = PROBE) -> Surface:
    """Surface of one frame, `fractional` (N, 3) in `cell` (3, 3), A, that a ball of radius `probe` (A) can touch.

    Raises `ConfigError` for a probe that is not above 0, `InputDataError` if the cell is too small for the probe.
    """
    if not 0 < probe < np.inf:
        raise ConfigError(f"surface: probe = {probe} A must be above 0")
    fractional, cell = np.asarray(fractional, float), np.asarray(cell, float)
    found = periodic_complex(fractional, cell, np.zeros(len(fractional)), 2 * probe, probe**2)
    corners = _one_sided(found.simplices[3], fractional) @ cell
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return Surface(area=float(np.linalg.norm(normals, axis=1).sum() / 2))


def _one_sided(solid: Lifted, fractional: np.ndarray) -> np.ndarray:
    """Fractional corners (T, 3, 3) of the triangles that belong to one solid tetrahedron only."""
    sides = [np.delete(np.arange(4), corner) for corner in range(4)]
    atoms = np.concatenate([solid.atoms[:, side] for side in sides])
    corners = np.concatenate([(fractional[solid.atoms] + solid.shift)[:, side] for side in sides])
    _, first, tetrahedra = np.unique(atoms, axis=0, return_index=True, return_counts=True)
    return corners[first[tetrahedra == 1]]

"""The crack of a notched glass in one frame: how wide, how open, whether the glass is in two.

The crack is the largest void (`analysis.void_map`) with its front along x, the first lattice vector; it advances along
y and opens along z. What still carries load is the ligament,

    ligament = L_x L_y - open area,        open area: the columns along z that the crack crosses (one face)

The glass has come apart when no path of atoms closer than the reach to each other leads around the cell along z.
Lengths in A, areas in A^2, volumes in A^3.
"""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.periodic_graph import connected_parts
from jaxglass.analysis.void_map import largest_void
from jaxglass.model.pair_list import pair_list

PROBE = 2.0  # A; in a whole glass the voids of balls above 1.8 A are separate pockets
SPACING = 0.5  # A
REACH = 4.0  # A; second neighbours hold together, a gap of more does not


@dataclass(frozen=True)
class Crack:
    """The largest void: extent along y, greatest opening along z (mean over x) and volume; A, A, A^3.

    `spans_front`: it goes on for ever along x. `open_area` and `ligament` (A^2) add up to L_x L_y. All 0 where no ball
    fits between the atoms.
    """

    width: float
    opening: float
    volume: float
    spans_front: bool
    open_area: float
    ligament: float

    def healed(self, cut_width: float, share: float = 0.5) -> bool:
        """True if a notch cut `cut_width` (A) wide is no longer open along its front, or narrower than a `share`."""
        return not self.spans_front or self.width < share * cut_width


def measure_crack(fractional: np.ndarray, cell: np.ndarray, probe: float = PROBE, spacing: float = SPACING) -> Crack:
    """The crack of one frame: `fractional` (N, 3), `cell` (3, 3) in A; `probe`, `spacing` (A) as in `void_map`.

    A probe of more than half the opening sees no crack. Raises `ConfigError` or `InputDataError` as `largest_void`.
    """
    cell = np.asarray(cell, float)
    covered, winds = largest_void(fractional, cell, probe, spacing)
    face = float(np.linalg.norm(np.cross(cell[0], cell[1])))
    volume = float(abs(np.linalg.det(cell)))
    open_area = float(covered.any(axis=2).mean()) * face
    return Crack(
        width=float(covered.any(axis=(0, 2)).mean() * np.linalg.norm(cell[1])),
        opening=float(covered.mean(axis=(0, 2)).max() * volume / face),
        volume=float(covered.mean()) * volume,
        spans_front=bool(winds[0]),
        open_area=open_area,
        ligament=face - open_area,
    )


def is_separated(fractional: np.ndarray, cell: np.ndarray, reach: float = REACH) -> bool:
    """True when steps between atoms (N, 3) closer than `reach` (A) never lead around the `cell` (3, 3) along z."""
    pairs = pair_list(fractional, cell, reach)
    parts = connected_parts(len(fractional), pairs.i, pairs.j, pairs.shift)
    return not parts.winds[:, 2].any()

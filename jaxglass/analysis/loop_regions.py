"""The regions C_P, C_T, C_O and B_O of the persistence diagram of loops (figure 4C of Chen et al.).

The paper names the regions and prints no boundaries, so a loop is assigned by what bears and kills it:

| region | loop | birth edge | death triangle |
|---|---|---|---|
| C_T | O-P-O, O-B-O: short-range order | any | two O bonded to the same former |
| C_P | primary large loop, four or more atoms | a bond: P-O, B-O, Li-O | any |
| C_O | three O in mutual contact | O-O | O-O-O, three-membered |
| B_O | large loop closed by oxygens in contact, four or more atoms | O-O | O-O-O |

tried in this order; anything else is "other" (mostly triangles with Li). A loop is three-membered when no
side of its death triangle is younger than it: then it is that triangle; otherwise it is, as a rule, longer. Which atoms
make up each region follows Hiraoka et al., PNAS 113 (2016) 7035, doi 10.1073/pnas.1520877113, read for three kinds of
cations; the criterion by simplices is ours.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from jaxglass.analysis.bonds import CUTOFFS, split_pair
from jaxglass.analysis.persistence import PersistentLoops

REGIONS = ("C_P", "C_T", "C_O", "B_O")
OTHER = "other"
_SIDES = [list(pair) for pair in combinations(range(3), 2)]


def loop_regions(
    loops: PersistentLoops,
    symbols: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    cutoffs: Mapping[str, float] = CUTOFFS,
    formers: tuple[str, ...] = ("B", "P", "Si"),
) -> np.ndarray:
    """Region of each loop, (P,) strings; `symbols` (N,), `fractional` (N, 3) and `cell` as given to the loops.

    `cutoffs` (A) say which pairs are bonds.
    """
    simplices = loops.simplices
    symbols, fractional = np.asarray(symbols), np.asarray(fractional, float)
    triangle = symbols[simplices.triangle]
    edge = symbols[simplices.edge]
    points = (fractional[simplices.triangle] + simplices.triangle_shift) @ cell
    ends = (fractional[simplices.edge] + simplices.edge_shift) @ cell
    one_former = (np.sum(triangle == "O", axis=1) == 2) & np.isin(triangle, formers).any(1)
    bonded_sides = sum(_bonded(triangle[:, s], points[:, s], cutoffs).astype(int) for s in _SIDES)
    oxygens = (edge == "O").all(1) & (triangle == "O").all(1)
    rules = {
        "C_T": one_former & (bonded_sides == 2),
        "C_P": _bonded(edge, ends, cutoffs) & ~loops.three_membered,
        "C_O": oxygens & loops.three_membered,
        "B_O": oxygens & ~loops.three_membered,
    }
    return np.select(list(rules.values()), list(rules), OTHER)


def _bonded(ends: np.ndarray, points: np.ndarray, cutoffs: Mapping[str, float]) -> np.ndarray:
    """True where the pairs `ends` (P, 2) at `points` (P, 2, 3) are bonds."""
    length = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    bonded = np.zeros(len(length), bool)
    for pair, cutoff in cutoffs.items():
        center, ligand = split_pair(pair)
        named = (ends == [center, ligand]).all(1) | (ends == [ligand, center]).all(1)
        bonded |= named & (length < cutoff)
    return bonded

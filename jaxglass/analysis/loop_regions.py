"""The regions C_P, C_T, C_O and B_O of the persistence diagram of loops (figure 4C of Chen et al.).

The paper names the regions and prints no boundaries, so a loop is assigned by what bears and kills it:

| region | loop | birth edge | death triangle |
|---|---|---|---|
| C_T | O-P-O, O-B-O: short-range order | any | two O bonded to the same former |
| C_P | primary large loop of four or more atoms | a bond (P-O, B-O, Li-O) | does not contain the birth edge |
| C_O | three O in mutual contact | O-O | O-O-O that contains the birth edge |
| B_O | ring of oxygen contacts, four or more atoms | O-O | O-O-O that does not contain the birth edge |

tried in this order; anything else is "other" (mostly triangles with Li). The loop is exactly the triangle when the
birth edge is one of its sides. Which atoms make up each region follows Hiraoka et al., PNAS 113 (2016) 7035, doi
10.1073/pnas.1520877113, read for three kinds of cations; the criterion by simplices is ours. Indices: p loops.
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from jaxglass.analysis.bonds import CUTOFFS, split_pair
from jaxglass.analysis.persistence import LoopSimplices

REGIONS = ("C_P", "C_T", "C_O", "B_O")
OTHER = "other"


def loop_regions(
    simplices: LoopSimplices,
    symbols: np.ndarray,
    fractional: np.ndarray,
    cell: np.ndarray,
    cutoffs: Mapping[str, float] = CUTOFFS,
    formers: tuple[str, ...] = ("B", "P", "Si"),
) -> np.ndarray:
    """Region of each loop, (P,) strings; `symbols` (N,), `fractional` (N, 3) and `cell` as given to the loops.

    `cutoffs` (A) say which pairs are bonds.
    """
    symbols, fractional = np.asarray(symbols), np.asarray(fractional, float)
    triangle = symbols[simplices.triangle]
    edge = symbols[simplices.edge]
    points = (fractional[simplices.triangle] + simplices.triangle_shift) @ cell
    ends = (fractional[simplices.edge] + simplices.edge_shift) @ cell
    one_former = (np.sum(triangle == "O", axis=1) == 2) & np.isin(triangle, formers).any(1)
    bonded_sides = sum(_bonded(triangle[:, s], points[:, s], cutoffs).astype(int) for s in SIDES)
    contained = _contains_birth_edge(simplices)
    oxygens = (edge == "O").all(1) & (triangle == "O").all(1)
    rules = {
        "C_T": one_former & (bonded_sides == 2),
        "C_P": _bonded(edge, ends, cutoffs) & ~contained,
        "C_O": oxygens & contained,
        "B_O": oxygens & ~contained,
    }
    return np.select(list(rules.values()), list(rules), OTHER)


SIDES = [list(pair) for pair in combinations(range(3), 2)]


def _bonded(ends: np.ndarray, points: np.ndarray, cutoffs: Mapping[str, float]) -> np.ndarray:
    """True where the pairs `ends` (P, 2) at `points` (P, 2, 3) are bonds."""
    length = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    bonded = np.zeros(len(length), bool)
    for pair, cutoff in cutoffs.items():
        center, ligand = split_pair(pair)
        named = (ends == [center, ligand]).all(1) | (ends == [ligand, center]).all(1)
        bonded |= named & (length < cutoff)
    return bonded


def _contains_birth_edge(simplices: LoopSimplices) -> np.ndarray:
    """True where the birth edge is a side of the death triangle, (P,); atoms ascend in both."""
    step = simplices.edge_shift[:, 1] - simplices.edge_shift[:, 0]
    found = np.zeros(len(step), bool)
    for a, b in SIDES:
        same_atoms = (simplices.triangle[:, [a, b]] == simplices.edge).all(1)
        same_step = (simplices.triangle_shift[:, b] - simplices.triangle_shift[:, a] == step).all(1)
        found |= same_atoms & same_step
    return found

"""Counting on one bond list: coordination numbers, four-fold boron, oxygen by formers, shared edges."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxglass.analysis.bonds import Bonds, former_bonds, pairs_sharing


class OxygenShares(NamedTuple):
    """Shares of O bonded to 0, 1, 2 and 3 or more formers; they add up to 1."""

    free: float
    non_bridging: float
    bridging: float
    tricluster: float


def coordination_numbers(bonds: Bonds, center: str, ligand: str = "O") -> np.ndarray:
    """Number of `ligand` atoms bonded to every `center` atom, in the order of the atoms."""
    counts = np.bincount(bonds.of(center, ligand).center, minlength=len(bonds.symbols))
    return counts[bonds.symbols == center]


def share_of(numbers: np.ndarray, wanted: int) -> float:
    """Share of atoms with exactly the coordination number `wanted`; N4 for boron and 4."""
    return float(np.mean(numbers == wanted))


def oxygen_shares(bonds: Bonds, formers: Iterable[str]) -> OxygenShares:
    """How many formers each oxygen is bonded to, as shares of all oxygens."""
    counts = np.bincount(former_bonds(bonds, formers).ligand, minlength=len(bonds.symbols))[bonds.symbols == "O"]
    return OxygenShares(*(np.bincount(np.minimum(counts, 3), minlength=4) / len(counts)).tolist())


def edge_sharing(bonds: Bonds, formers: Iterable[str]) -> float:
    """Share of former atoms that have two or more oxygens in common with one neighbouring former.

    Formers f1 and f2 on the same oxygen are neighbours; f2 lies shift1 - shift2 cells away from f1, so images
    of one neighbour count as different neighbours.
    """
    network = former_bonds(bonds, formers)
    p, q = pairs_sharing(network.ligand)
    p, q = np.concatenate([p, q]), np.concatenate([q, p])
    links = np.column_stack([network.center[p], network.center[q], network.shift[p] - network.shift[q]])
    neighbour, oxygens = np.unique(links, axis=0, return_counts=True)
    sharing = np.unique(neighbour[oxygens >= 2, 0])
    return len(sharing) / int(np.isin(bonds.symbols, list(formers)).sum())

"""The bond list of one frame: every cation-oxygen pair within a fixed cutoff, periodic images included.

Everything counted later (coordination, N4, oxygen speciation, angles) comes from this list. In small cells
one atom can be bonded to several images of another: each is a bond of its own. Indices: i, j atoms; p bonds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from jaxglass.errors import ConfigError, InputDataError
from jaxglass.model.pair_list import pair_list
from jaxglass.model.trajectory import Trajectory

#: First minima of g(r) as the paper uses them (A). B-O 2.0 A is reported beside 1.8 A: N4 depends on it.
CUTOFFS = {"Li-O": 2.4, "B-O": 1.8, "P-O": 1.7}
#: Cutoffs (A) of the network: its formers and oxygen alone.
FORMER_CUTOFFS = {"B-O": CUTOFFS["B-O"], "P-O": CUTOFFS["P-O"], "Si-O": 2.0}


@dataclass(frozen=True)
class Bonds:
    """P directed bonds from `center` to `ligand`, sorted by centre.

    `symbols` (N,) of all atoms; `center`, `ligand` (P,) atom indices; `shift` (P, 3) cells by which the
    ligand is displaced; `vector` (P, 3) from centre to ligand and `length` (P,) in A.
    """

    symbols: np.ndarray
    center: np.ndarray
    ligand: np.ndarray
    shift: np.ndarray
    vector: np.ndarray
    length: np.ndarray

    def where(self, keep: np.ndarray) -> "Bonds":
        """The bonds for which `keep` (P,) is true."""
        kept = {name: getattr(self, name)[keep] for name in ("center", "ligand", "shift", "vector", "length")}
        return replace(self, **kept)

    def of(self, center: str, ligand: str = "O") -> "Bonds":
        """The bonds from `center` atoms to `ligand` atoms."""
        return self.where((self.symbols[self.center] == center) & (self.symbols[self.ligand] == ligand))

    def within(self, cutoffs: Mapping[str, float]) -> "Bonds":
        """The bonds shorter than the cutoff of their pair; pairs without a cutoff are dropped."""
        keep = np.zeros(len(self.center), bool)
        for pair, cutoff in cutoffs.items():
            center, ligand = split_pair(pair)
            named = (self.symbols[self.center] == center) & (self.symbols[self.ligand] == ligand)
            keep |= named & (self.length < cutoff)
        return self.where(keep)


def split_pair(pair: str) -> tuple[str, str]:
    """("B", "O") for "B-O"."""
    center, dash, ligand = pair.partition("-")
    if not (center and dash and ligand) or "-" in ligand:
        raise ConfigError(f"cutoff '{pair}': write it as centre-ligand, for example B-O")
    return center, ligand


def find_bonds(symbols: np.ndarray, fractional: np.ndarray, cell: np.ndarray, cutoffs: Mapping[str, float]) -> Bonds:
    """Bonds of one frame; `fractional` (N, 3), `cell` (3, 3) and cutoffs such as ``{"B-O": 1.8}`` in A."""
    pairs = pair_list(fractional, cell, max(cutoffs.values()))
    vector = pairs.vectors(np.asarray(fractional, float), np.asarray(cell, float))
    both = Bonds(
        symbols=np.asarray(symbols),
        center=np.concatenate([pairs.i, pairs.j]),
        ligand=np.concatenate([pairs.j, pairs.i]),
        shift=np.concatenate([pairs.shift, -pairs.shift]),
        vector=np.concatenate([vector, -vector]),
        length=np.tile(np.linalg.norm(vector, axis=1), 2),
    )
    bonds = both.within(cutoffs)
    if np.any(bonds.length < 1e-6):
        p = int(np.argmin(bonds.length))
        raise InputDataError(f"atoms {bonds.center[p]} and {bonds.ligand[p]} are at the same point")
    return bonds.where(np.argsort(bonds.center, kind="stable"))


def bonds_of_frames(trajectory: Trajectory, cutoffs: Mapping[str, float]) -> Iterator[Bonds]:
    """`find_bonds` of one frame after another. Raises `InputDataError` if there is no frame or no atom."""
    if len(trajectory.cell) == 0 or len(trajectory.species) == 0:
        raise InputDataError("bonds: the trajectory has no frames or no atoms")
    for fractional, cell in zip(trajectory.fractional, trajectory.cell, strict=True):
        yield find_bonds(trajectory.symbols, fractional, cell, cutoffs)


def former_bonds(bonds: Bonds, formers: Iterable[str]) -> Bonds:
    """The bonds from formers to oxygen."""
    former = np.isin(bonds.symbols[bonds.center], list(formers))
    return bonds.where(former & (bonds.symbols[bonds.ligand] == "O"))


def bridging_bonds(bonds: Bonds, formers: Iterable[str]) -> Bonds:
    """The bonds from formers to oxygens that have two or more of them."""
    network = former_bonds(bonds, formers)
    return network.where(np.bincount(network.ligand, minlength=1)[network.ligand] > 1)


def pairs_sharing(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every unordered pair (p, q) of entries of `labels` (P,) that carry the same label."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    largest = int(np.max(np.unique(labels, return_counts=True)[1], initial=1))
    first, second = [np.empty(0, int)], [np.empty(0, int)]
    for gap in range(1, largest):
        same = np.flatnonzero(ordered[gap:] == ordered[:-gap])
        first.append(order[same])
        second.append(order[same + gap])
    return np.concatenate(first), np.concatenate(second)

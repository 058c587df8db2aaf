"""The path of one ion through the network around it, to be drawn (Fig. 4F)."""

from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.jumps import RingJumps, representative_ion
from jaxglass.analysis.paths import Paths
from jaxglass.analysis.ring_sites import neighbours

REACH = 4.0  # A, of the network that is kept around the sites
POINTS = 400  # of the path
MOST_SITES = 10  # a longer path is a tangle; its beginning is kept
BOND = {"B": 1.8, "P": 1.7, "Si": 2.0}  # A, to oxygen


@dataclass(frozen=True)
class IonPath:
    """`positions` (K, 3) in A of the `atom` at `time` (K,) ps; its `sites` (S, 3) and the ring `size` (S,) of each.

    Around them the `symbols` (M,) and mean `network` positions (M, 3) of formers and oxygens, and their bonds, pairs
    `former`, `oxygen` (P,).
    """

    atom: int
    time: np.ndarray
    positions: np.ndarray
    sites: np.ndarray
    size: np.ndarray
    symbols: np.ndarray
    network: np.ndarray
    former: np.ndarray
    oxygen: np.ndarray


def representative_path(paths: Paths, jumps: RingJumps, network: np.ndarray) -> IonPath | None:
    """The path of `representative_ion` through its first sites; None where no ion hopped twice.

    `network` (N, 3) are fractional mean positions of all atoms.
    """
    ion = representative_ion(jumps.stays, paths)
    if ion is None:
        return None
    atom, own = int(jumps.stays.atoms[ion]), np.flatnonzero(jumps.stays.ion == ion)[:MOST_SITES]
    frames = np.unique(np.linspace(0, jumps.stays.end[own[-1]] - 1, POINTS).round().astype(int))
    sites = jumps.stays.site[own]
    symbols, places = _around(sites, paths, network)
    former, oxygen = _bonds(symbols, places)
    return IonPath(
        atom=atom,
        time=frames * paths.spacing,
        positions=paths.of(np.array([atom]))[frames, 0],
        sites=sites,
        size=jumps.size[own],
        symbols=symbols,
        network=places,
        former=former,
        oxygen=oxygen,
    )


def _around(sites: np.ndarray, paths: Paths, network: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symbols (M,) and positions (M, 3) of the network near `sites`, each image once."""
    members = np.flatnonzero(np.isin(paths.symbols, [*BOND, "O"]))
    near = neighbours(sites @ np.linalg.inv(paths.cell), network, members, paths.cell, REACH)
    images = sorted({image for some in near for image in some})
    atoms = np.array([atom for atom, _ in images], int)
    shifts = np.array([shift for _, shift in images], float).reshape(-1, 3)
    return paths.symbols[atoms], (network[atoms] + shifts) @ paths.cell


def _bonds(symbols: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Former and oxygen of every bond among the atoms kept."""
    formers, oxygens = np.flatnonzero(symbols != "O"), np.flatnonzero(symbols == "O")
    length = np.linalg.norm(places[formers][:, None] - places[oxygens], axis=2)
    limit = np.array([BOND[s] for s in symbols[formers]])
    a, b = np.nonzero(length < limit.reshape(-1, 1))
    return formers[a], oxygens[b]

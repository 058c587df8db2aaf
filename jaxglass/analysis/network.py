"""The network of a glass: formers linked by oxygens, as an infinite periodic net.

An atom i displaced by s = (s_x, s_y, s_z) cells is one integer, its code, so that a walk along bonds is a sum:

    code(i, s) = i + N ((s_x b + s_y) b + s_z),        b = 4 n m + 1

N atoms, n the largest ring searched, m the largest shift of a bond: no walk as long as a ring overflows a digit.
Oxygens of one former, and all that hangs on the net by a single bond, can be in no ring and are left out. An oxygen on
three formers links each two of them. Indices: i atoms; p, q bonds.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxglass.analysis.bonds import Bonds, pairs_sharing
from jaxglass.errors import InputDataError


class Bridge(NamedTuple):
    """A bond from a former to an oxygen, and the formers behind that oxygen, as codes relative to the former.

    `twins` are the bonds that every ring through this one must use: both of an oxygen on two formers.
    """

    twins: tuple[int, ...]
    oxygen: int
    formers: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """What rings can pass through: `bonds` (P) between formers and bridging oxygens, without dead ends.

    For each atom, empty for all but the formers of the net and as codes relative to it: its `bridges`; its `links`
    (oxygen, former behind it); the `steps` to those formers, each once.
    """

    bonds: Bonds
    base: int
    bridges: tuple[tuple[Bridge, ...], ...]
    links: tuple[tuple[tuple[int, int], ...], ...]
    steps: tuple[tuple[int, ...], ...]

    @property
    def atoms(self) -> int:
        """N, those outside the net included."""
        return len(self.bonds.symbols)

    def decode(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Atom indices (...) and shifts (..., 3) of `codes` (...)."""
        half = self.base // 2
        cells, atom = np.divmod(codes, self.atoms)
        x, rest = np.divmod(cells + half * (self.base**2 + self.base + 1), self.base**2)
        y, z = np.divmod(rest, self.base)
        return atom, np.stack([x, y, z], axis=-1) - half


def make_network(bonds: Bonds, max_size: int) -> Network:
    """The net of the former-oxygen `bonds`, for rings of up to `max_size` formers.

    Raises `InputDataError` if bonded atoms lie so many cells apart that 64 bits do not hold the codes.
    """
    bonds = without_dead_ends(bonds)
    atoms, base = len(bonds.symbols), 4 * max_size * int(np.abs(bonds.shift).max(initial=0)) + 1
    if atoms * base**3 >= 2**62:
        raise InputDataError("rings: bonded atoms lie too many cells apart; wrap the coordinates into the cell")
    oxygen = bonds.ligand - bonds.center + atoms * (bonds.shift @ [base**2, base, 1])
    behind: list[list[int]] = [[] for _ in oxygen]
    twins = [(bond,) for bond in range(len(oxygen))]
    p, q = pairs_sharing(bonds.ligand)
    two_fold = np.bincount(bonds.ligand, minlength=1)[bonds.ligand[p]] == 2
    for first, second, step, alone in zip(*(x.tolist() for x in (p, q, oxygen[p] - oxygen[q], two_fold)), strict=True):
        behind[first].append(step)
        behind[second].append(-step)
        if alone:
            twins[first] = twins[second] = (first, second)
    bridges: list[list[Bridge]] = [[] for _ in range(atoms)]
    for bond, (center, code) in enumerate(zip(bonds.center.tolist(), oxygen.tolist(), strict=True)):
        bridges[center].append(Bridge(twins[bond], code, tuple(behind[bond])))
    links = tuple(tuple((b.oxygen, former) for b in own for former in b.formers) for own in bridges)
    steps = tuple(tuple({former for _, former in own}) for own in links)
    return Network(bonds, base, tuple(map(tuple, bridges)), links, steps)


def without_dead_ends(bonds: Bonds) -> Bonds:
    """The bonds left when atoms with a single bond are removed until there is none."""
    while True:
        counts = np.bincount(np.concatenate([bonds.center, bonds.ligand]), minlength=len(bonds.symbols))
        keep = (counts[bonds.center] > 1) & (counts[bonds.ligand] > 1)
        if keep.all():
            return bonds
        bonds = bonds.where(keep)

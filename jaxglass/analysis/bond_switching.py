"""Bond switching: what became of the bonded partners of every atom, against a reference structure (section 2.9).

Z_i is the number of bonds of atom i, O_i the atoms at their other ends; the same with a prime in the reference:

    decreased  Z_i < Z'_i        swapped    Z_i = Z'_i, O_i != O'_i
    increased  Z_i > Z'_i        unchanged  O_i = O'_i

Bonds join a cation and an oxygen within a fixed cutoff (`analysis.bonds`), so oxygens are judged by their cations as
cations are by their oxygens. Partners are atoms: a bond that only passes into another image, as wrapped coordinates
do, is the same. In a tiny cell an atom bonded to two images of one partner has it twice. Indices: f frames; i atoms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxglass.analysis.bonds import CUTOFFS, Bonds, bonds_of_frames, split_pair
from jaxglass.errors import InputDataError
from jaxglass.model.trajectory import Trajectory

#: Names of the codes 0, 1, 2, 3.
KINDS = ("decreased", "increased", "swapped", "unchanged")
DECREASED, INCREASED, SWAPPED, UNCHANGED = range(4)


@dataclass(frozen=True)
class BondSwitching:
    """What became of the bonds of N atoms in F frames at `time` (F,) ps, NaN where it is not known.

    `codes` (F, N) index `KINDS`; an atom without any cutoff is unchanged. `shares` (F, 4) of each kind by element,
    cations in the order of the `cutoffs` (A), then their partners; every row adds up to 1.
    """

    time: np.ndarray
    codes: np.ndarray
    shares: dict[str, np.ndarray]
    cutoffs: dict[str, float]


def bond_switching(
    trajectory: Trajectory, reference: Trajectory | None = None, cutoffs: Mapping[str, float] | None = None
) -> BondSwitching:
    """Bonds of every frame against those of `reference`, one frame of the same atoms; the first frame by default.

    Raises `InputDataError` if there is no frame, if the reference is not one frame of the same atoms in the same
    order, or if no element of the `cutoffs` (A, the paper's by default) is present.
    """
    cutoffs = dict(CUTOFFS if cutoffs is None else cutoffs)
    symbols = trajectory.symbols
    reference = trajectory.frame(0) if reference is None else reference
    if len(trajectory.cell) and (len(reference.cell) != 1 or not np.array_equal(reference.symbols, symbols)):
        raise InputDataError("bond switching: the reference must be one frame of the same atoms in the same order")
    frames = bonds_of_frames(trajectory, cutoffs)
    before = _partners(next(bonds_of_frames(reference, cutoffs)))
    codes = np.array([_codes(_partners(now), before, len(symbols)) for now in frames])
    pairs = [split_pair(pair) for pair in cutoffs]
    named = dict.fromkeys([center for center, _ in pairs] + [ligand for _, ligand in pairs])
    present = [element for element in named if element in symbols]
    if not present:
        raise InputDataError(f"bond switching: none of {', '.join(named)} is in this structure")
    return BondSwitching(
        time=trajectory.time,
        codes=codes,
        shares={element: _shares(codes[:, symbols == element]) for element in present},
        cutoffs=cutoffs,
    )


def _partners(bonds: Bonds) -> np.ndarray:
    """(atom, partner) of every bond, from both of its ends, (2 P, 2)."""
    ends = np.stack([bonds.center, bonds.ligand], axis=1)
    return np.concatenate([ends, ends[:, ::-1]])


def _codes(now: np.ndarray, before: np.ndarray, atoms: int) -> np.ndarray:
    """Code (N,) of every atom from its (atom, partner) rows in two structures."""
    gained = np.bincount(now[:, 0], minlength=atoms) - np.bincount(before[:, 0], minlength=atoms)
    keys = np.concatenate([now, before]) @ [atoms, 1]
    pair, which = np.unique(keys, return_inverse=True)
    surplus = np.bincount(which, weights=np.repeat([1.0, -1.0], [len(now), len(before)]))
    codes = np.full(atoms, UNCHANGED, np.int8)
    codes[pair[surplus != 0] // atoms] = SWAPPED
    codes[gained < 0] = DECREASED
    codes[gained > 0] = INCREASED
    return codes


def _shares(codes: np.ndarray) -> np.ndarray:
    """Share of each kind in every frame, (F, 4), from codes (F, n)."""
    return np.stack([np.mean(codes == kind, axis=1) for kind in range(len(KINDS))], axis=1)

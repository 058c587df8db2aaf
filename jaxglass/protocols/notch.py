"""A sharp notch cut through a glass before it is pulled apart (section 2.8 of the paper, after Brochard).

    (2 y/w)^2 + (2 z/h)^2 < 1,        w = L_max/3,    h = w/5

is an elliptical cylinder through the centre of the cell: front along x, width w along y, height h along z, the axis of
the pull. Every cation in it goes. Oxygens in it follow, innermost first, until as many are left as the oxides of the
remaining cations hold:

    n_O = sum_a n_a o_a,    o = 1/2 (Li2O), 3/2 (B2O3), 5/2 (P2O5), 2 (SiO2)

to the nearest whole number, hence within one formula unit. The rest of the charge goes to the oxygens:

    q_O = -sum_a n_a q_a / n_O

Indices: a cations. Lengths in A, charges in e.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

import jax.numpy as jnp
import numpy as np

from jaxglass.errors import ConfigError
from jaxglass.model.potential import Potential
from jaxglass.model.system import System, memory_order

#: Oxygens of an oxide for each of its cations.
OXYGENS = {"Li": 0.5, "B": 1.5, "P": 2.5, "Si": 2.0}
TIED = 0.05  # share by which y may be shorter than the longest side and still count as the longest


@dataclass(frozen=True)
class Notched:
    """A notched glass at rest and the potential that makes it neutral.

    `width` along y and `height` along z (A) of the ellipse; atoms `removed` by element; `oxygen_charge` (e);
    `excess_oxygen`: oxygens beyond those of the oxides, because the ellipse held too few (negative: too few are left).
    """

    system: System
    potential: Potential
    width: float
    height: float
    removed: dict[str, int]
    oxygen_charge: float
    excess_oxygen: int


def supercell(system: System, copies: tuple[int, int, int]) -> System:
    """`copies` of the cell along its three vectors, momenta included, in `memory_order`.

    Raises `ConfigError` for fewer than one copy.
    """
    if min(copies) < 1:
        raise ConfigError(f"supercell = {copies}: needs at least one copy along every axis")
    shifts = np.array(list(product(*map(range, copies))), float)
    species = np.tile(system.species, len(shifts))
    fractional = ((np.asarray(system.fractional) + shifts[:, None]) / copies).reshape(-1, 3)
    order = memory_order(species, fractional)
    return replace(
        system,
        fractional=jnp.asarray(fractional[order]),
        momenta=jnp.asarray(np.tile(system.momenta, (len(shifts), 1))[order]),
        cell=jnp.asarray(np.asarray(system.cell) * np.array(copies)[:, None]),
        species=jnp.asarray(species[order]),
    )


def cut_notch(
    system: System,
    potential: Potential,
    oxides: Mapping[str, float] = OXYGENS,
    width: float = 1 / 3,
    height: float = 1 / 5,
) -> Notched:
    """Cut a notch of `width` x the longest side and `height` x that width; `oxides`: oxygens per cation.

    Raises `ConfigError` if the cell is not orthogonal along x, y, z, if y is shorter than the longest side by more than
    5 %, if the notch does not fit, if it holds no cation or leaves no oxygen, or if `oxides` lacks an element.
    """
    sides = _sides(system)
    w = width * sides.max()
    h = height * w
    if not (0 < w < sides[1] and 0 < h < sides[2]):
        raise ConfigError(f"notch: {w:.1f} x {h:.1f} A does not fit into {sides[1]:.1f} x {sides[2]:.1f} A")
    per_atom = _oxygens_per_atom(system, potential, oxides)
    oxygen = np.array(system.symbols) == "O"
    depth = _depth(system, sides, w, h)
    keep = oxygen | (depth >= 1)
    if keep.all():
        raise ConfigError(f"notch: no cation in {w:.1f} x {h:.1f} A; widen it or take a larger supercell")
    wanted = int(np.floor(per_atom[keep & ~oxygen].sum() + 0.5))
    inside = np.flatnonzero(oxygen & (depth < 1))
    innermost = inside[np.argsort(depth[inside], kind="stable")]
    keep[innermost[: max(0, oxygen.sum() - wanted)]] = False
    left = int(np.sum(keep & oxygen))
    if left == 0:
        raise ConfigError("notch: no oxygen is left; cut a smaller notch")
    neutral = _neutralised(potential, np.asarray(system.species)[keep], left)
    symbols = np.array(system.symbols)
    return Notched(
        system=_kept(system, keep),
        potential=neutral,
        width=float(w),
        height=float(h),
        removed={element: int(np.sum(symbols[~keep] == element)) for element in system.elements},
        oxygen_charge=float(neutral.charges[potential.elements.index("O")]),
        excess_oxygen=left - wanted,
    )


def _sides(system: System) -> np.ndarray:
    """Lx, Ly, Lz (A), (3,), of an orthogonal cell whose longest side is y."""
    cell = np.asarray(system.cell)
    sides = np.diag(cell)
    if np.abs(cell - np.diag(sides)).max() > 1e-9 * sides.max():
        raise ConfigError("notch: the cell must be orthogonal with its edges along x, y, z")
    if sides[1] < (1 - TIED) * sides.max():
        numbers = " x ".join(f"{side:.1f}" for side in sides)
        raise ConfigError(f"notch: y must be the longest side of {numbers} A; exchange axes or copy the cell along y")
    return sides


def _oxygens_per_atom(system: System, potential: Potential, oxides: Mapping[str, float]) -> np.ndarray:
    """Oxygens that every cation asks for, 0 for oxygen itself, (N,)."""
    if potential.elements != system.elements or "O" not in system.elements:
        raise ConfigError(f"notch: needs oxygen, and a potential for {', '.join(system.elements)} in this order")
    lacking = [element for element in system.elements if element != "O" and element not in oxides]
    if lacking:
        raise ConfigError(f"notch: no oxide known of {', '.join(lacking)}; known: {', '.join(oxides)}")
    return np.array([0.0 if e == "O" else oxides[e] for e in system.elements])[np.asarray(system.species)]


def _depth(system: System, sides: np.ndarray, width: float, height: float) -> np.ndarray:
    """(2 y/w)^2 + (2 z/h)^2 of every atom from the centre of the cell, (N,): below 1 inside."""
    fractional = np.asarray(system.fractional)
    y, z = ((fractional - np.floor(fractional) - 0.5) * sides)[:, 1:].T
    return (2 * y / width) ** 2 + (2 * z / height) ** 2


def _neutralised(potential: Potential, species: np.ndarray, oxygens: int) -> Potential:
    """`potential` with the oxygen charge that cancels that of all other atoms."""
    oxygen = potential.elements.index("O")
    charges = np.array(potential.charges)
    charges[oxygen] = -charges[species[species != oxygen]].sum() / oxygens
    return replace(potential, charges=jnp.asarray(charges))


def _kept(system: System, keep: np.ndarray) -> System:
    """The atoms with `keep` (N,), at rest."""
    return replace(
        system,
        fractional=jnp.asarray(np.asarray(system.fractional)[keep]),
        momenta=jnp.zeros((int(keep.sum()), 3)),
        species=jnp.asarray(np.asarray(system.species)[keep]),
    )

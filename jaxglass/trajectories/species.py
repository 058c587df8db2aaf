"""Which element an atom is: as the file says, as the user says by type number, or by its mass."""

from collections.abc import Sequence

import numpy as np

from jaxglass.errors import InputDataError
from jaxglass.model.elements import mass, symbols_of_mass
from jaxglass.trajectories.frame import Frame

NEAR = 0.5  # amu; a mass names an element when exactly one lies this near
HINT = "name the types with analyse.species, as in analyse.species=[Li,B,O,P]"


def name_atoms(frame: Frame, species: Sequence[str], where: str) -> np.ndarray:
    """Element symbol of every atom of `frame`, (N,).

    `species` names the types 1, 2, ... and wins over what the file says; empty: use symbols, or else masses.
    Raises `InputDataError` for a type without a name, an unknown symbol, or a mass that fits none or several elements.
    """
    if species:
        symbols = _by_type(frame, np.array(species), where)
    elif frame.symbols is not None:
        symbols = frame.symbols
    elif frame.masses is not None:
        kinds, kind = np.unique(frame.masses, return_inverse=True)
        symbols = np.array([_by_mass(float(m), where) for m in kinds])[kind]
    else:
        hint = HINT if frame.types is not None else "write a column element, type or mass"
        raise InputDataError(
            f"{where}: no masses and no elements, or C for all as LAMMPS writes without dump_modify element; {hint}"
        )
    for symbol in np.unique(symbols):
        _check(str(symbol), where)
    return symbols


def _by_type(frame: Frame, species: np.ndarray, where: str) -> np.ndarray:
    if frame.types is None:
        raise InputDataError(f"{where}: analyse.species names types, but the file has no types; leave it out")
    unnamed = frame.types[(frame.types < 1) | (frame.types > len(species))]
    if len(unnamed):
        raise InputDataError(f"{where}: type {unnamed[0]} has no name, analyse.species has {len(species)}")
    return species[frame.types - 1]


def _check(symbol: str, where: str) -> None:
    try:
        mass(symbol)
    except InputDataError as error:
        raise InputDataError(f"{where}: {error}") from None


def _by_mass(value: float, where: str) -> str:
    found = symbols_of_mass(value, NEAR)
    if len(found) != 1:
        fits = f"fits {' and '.join(found)}" if found else "fits no element"
        raise InputDataError(f"{where}: mass {value:g} {fits} within {NEAR} amu; {HINT}")
    return found[0]

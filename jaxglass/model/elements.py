"""Masses of the elements (from the package `periodictable`) and their order in files."""

from functools import lru_cache

from jaxglass.errors import InputDataError


@lru_cache
def mass(symbol: str) -> float:
    """Standard atomic weight in amu; `InputDataError` for an unknown symbol."""
    import periodictable

    try:
        return float(periodictable.elements.symbol(symbol).mass)
    except ValueError:
        raise InputDataError(f"element '{symbol}' is unknown; use symbols such as Li, B, P, O") from None


@lru_cache
def symbols_of_mass(value: float, near: float) -> tuple[str, ...]:
    """Symbols of all elements whose standard atomic weight lies within `near` of `value` (amu)."""
    import periodictable

    atoms = (element for element in periodictable.elements if element.number > 0)
    return tuple(element.symbol for element in atoms if abs(element.mass - value) <= near)


def element_order(symbols: set[str]) -> tuple[str, ...]:
    """Modifiers, formers, oxygen: the order used in every file jaxglass writes."""
    known = ("Li", "Na", "B", "Si", "P", "O")
    return tuple(s for s in known if s in symbols) + tuple(sorted(symbols - set(known)))

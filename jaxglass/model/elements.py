"""Masses and formal valences of the elements (masses from the package `periodictable`)."""

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

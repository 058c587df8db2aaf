"""How strongly an atom scatters: X-ray form factors f0(Q) (electrons) and neutron coherent lengths b (fm).

    f0(Q) = c + sum_i a_i exp(-b_i s^2),   s = Q/(4 pi)

Coefficients: D. Waasmaier and A. Kirfel, Acta Cryst. A51 (1995) 416, in `xray_f0_waasmaier_kirfel.csv` beside this
file. Neutron lengths: package `periodictable`. Q in 1/A. Indices: a species; i terms of the sum.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from jaxglass.errors import InputDataError

TABLE = Path(__file__).with_name("xray_f0_waasmaier_kirfel.csv")


def f0(name: str, Q: np.ndarray) -> np.ndarray:
    """X-ray form factor of an atom ("O") or ion ("O1-") at `Q` (1/A), same shape.

    `InputDataError` for a name that the table lacks.
    """
    table = _coefficients()
    if name not in table:
        raise InputDataError(f"no X-ray form factor for '{name}'; the table has {', '.join(table)}")
    a, b, c = table[name]
    s = np.asarray(Q, float)[..., None] / (4 * np.pi)
    return c + np.sum(a * np.exp(-b * s**2), axis=-1)


@lru_cache
def neutron_length(name: str) -> float:
    """Real part of the bound coherent scattering length (fm) of an element ("Li") or isotope ("Li-7").

    `InputDataError` where none is known.
    """
    import periodictable

    symbol, _, mass_number = name.partition("-")
    try:
        atom = periodictable.elements.symbol(symbol)
        length = (atom[int(mass_number)] if mass_number else atom).neutron.b_c
    except (ValueError, KeyError):
        length = None
    if length is None:
        raise InputDataError(f"no neutron scattering length for '{name}'; write Li for the natural mix, Li-7 for 7Li")
    return float(length)


def scattering_factors(
    radiation: str, elements: Sequence[str], scatterers: Mapping[str, str], Q: np.ndarray
) -> np.ndarray:
    """f_a(Q) for `radiation` "xray" or "neutron", (S, Q); `scatterers` names an ion or isotope for an element."""
    names = [scatterers.get(element, element) for element in elements]
    if radiation == "xray":
        return np.array([f0(name, Q) for name in names])
    return np.array([np.full(len(Q), neutron_length(name)) for name in names])


def element_of(scatterer: str) -> str:
    """ "Li" for "Li1+" and "Li-7"."""
    return re.split(r"[-\d+]", scatterer, maxsplit=1)[0]


@lru_cache
def _coefficients() -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """a (5,), b (5,) and c of every entry of the table."""
    with TABLE.open(encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            row["ion"]: (
                np.array([float(row[f"a{i}"]) for i in range(1, 6)]),
                np.array([float(row[f"b{i}"]) for i in range(1, 6)]),
                float(row["c"]),
            )
            for row in rows
        }

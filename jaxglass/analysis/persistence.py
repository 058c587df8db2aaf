"""Loops of a structure and their lifetimes: persistent homology of dimension 1 of growing balls.

Ball i has radius sqrt(alpha + r_i^2) (`analysis.ball_radii`). A loop is born at alpha = b, when an edge closes it, and
dies at d, when a triangle fills it; both in A^2, squared power radii. b may be negative: balls overlap at alpha = 0.
`periodic` is exact for the infinite structure (`analysis.periodic_complex`); `plain` takes the wrapped atoms as a
finite cluster and loses the loops at its surface, so the two are never mixed along a series.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from jaxglass.analysis.alpha_complex import LoopRows, alpha_complex, loop_rows, rows_of
from jaxglass.analysis.ball_radii import RADII, squared_radii
from jaxglass.analysis.periodic_complex import Lifted, periodic_complex
from jaxglass.errors import ConfigError, InputDataError, NumericalError

TORUS_LOOPS = 3  # one along each lattice vector


@dataclass(frozen=True)
class PersistenceSettings:
    """`mode` periodic or plain; smallest `margin` of images (A); `alpha_max` (A^2), None unless the structure holds
    vacuum; initial `radii` of the balls (A) by element.
    """

    mode: str = "periodic"
    margin: float = 6.0
    alpha_max: float | None = None
    radii: Mapping[str, float] = field(default_factory=lambda: dict(RADII))

    def __post_init__(self):
        problems = [f"radii.{e} = {r} must not be below 0 A" for e, r in self.radii.items() if not r >= 0]
        if self.mode not in ("periodic", "plain"):
            problems.append(f"mode = '{self.mode}' must be periodic or plain")
        if not 0 < self.margin < np.inf:
            problems.append(f"margin = {self.margin} must be above 0 A")
        if self.alpha_max is not None and not 0 < self.alpha_max < np.inf:
            problems.append(f"alpha_max = {self.alpha_max} must be above 0 A^2 or null")
        if problems:
            raise ConfigError("persistence: " + "; ".join(problems))


class LoopSimplices(NamedTuple):
    """What bears and kills each of P loops.

    `edge` (P, 2) and `triangle` (P, 3): atoms in ascending order; `edge_shift` (P, 2, 3) and `triangle_shift`
    (P, 3, 3): their lattice shifts, for the fractional coordinates exactly as given.
    """

    edge: np.ndarray
    edge_shift: np.ndarray
    triangle: np.ndarray
    triangle_shift: np.ndarray


@dataclass(frozen=True)
class PersistentLoops:
    """`births`, `deaths` (P,) of the loops that die, in A^2, and the `simplices` that bear and kill them.

    `three_membered` (P,): the loop is its death triangle, none of whose sides is younger than the loop.
    `essential` (E,): births of loops that do not die: the 3 windings of a periodic structure or, with `alpha_max`,
    every loop alive there. `margin` (A) is the one that was needed, None in plain mode.
    """

    births: np.ndarray
    deaths: np.ndarray
    simplices: LoopSimplices
    three_membered: np.ndarray
    essential: np.ndarray
    atoms: int
    mode: str
    margin: float | None
    alpha_max: float | None


def persistent_loops(
    symbols: np.ndarray, fractional: np.ndarray, cell: np.ndarray, settings: PersistenceSettings | None = None
) -> PersistentLoops:
    """Loops of one frame: `symbols` (N,), `fractional` (N, 3), `cell` (3, 3) in A, any cell.

    Raises:
        ConfigError: an element has no radius.
        InputDataError: coordinates are not finite, or periodic mode cannot prove its result (cell too small, or
            vacuum without `alpha_max`).
    """
    settings = settings or PersistenceSettings()
    fractional, cell = np.asarray(fractional, float), np.asarray(cell, float)
    weights = squared_radii(symbols, settings.radii)
    if len(weights) == 0 or not (np.isfinite(fractional).all() and np.isfinite(cell).all()):
        raise InputDataError("persistent homology: no atoms, or coordinates or cell that are not finite")
    margin = None
    if settings.mode == "periodic":
        lifted, margin = periodic_complex(fractional, cell, weights, settings.margin, settings.alpha_max)
    else:
        lifted = _plain_complex(fractional, cell, weights, settings.alpha_max)
    _, edges, triangles, _ = lifted
    rows = loop_rows([level.simplices for level in lifted[:3]])
    if margin is not None and settings.alpha_max is None and len(rows.essential) != TORUS_LOOPS:
        raise NumericalError(f"persistent homology: {len(rows.essential)} loops never die, a torus has {TORUS_LOOPS}")
    return PersistentLoops(
        births=edges.values[rows.birth],
        deaths=triangles.values[rows.death],
        simplices=LoopSimplices(
            edges.atoms[rows.birth], edges.shift[rows.birth], triangles.atoms[rows.death], triangles.shift[rows.death]
        ),
        three_membered=_three_membered(edges, triangles, rows),
        essential=edges.values[rows.essential],
        atoms=len(weights),
        mode=settings.mode,
        margin=margin,
        alpha_max=settings.alpha_max,
    )


def _three_membered(edges: Lifted, triangles: Lifted, rows: LoopRows) -> np.ndarray:
    """True where no side of the death triangle is younger than the loop, (P,)."""
    corners = triangles.atoms[rows.death]
    sides = np.stack([rows_of(np.delete(corners, k, axis=1), edges.atoms) for k in range(3)], axis=1)
    return edges.values[sides].max(1) <= edges.values[rows.birth]


def _plain_complex(
    fractional: np.ndarray, cell: np.ndarray, weights: np.ndarray, alpha_max: float | None
) -> tuple[Lifted, ...]:
    """The wrapped atoms as a finite cluster."""
    wrap = -np.floor(fractional).astype(int)
    found = alpha_complex((fractional + wrap) @ cell, weights, alpha_max)
    return tuple(Lifted(level.vertices, wrap[level.vertices], level.values) for level in found)

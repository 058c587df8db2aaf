"""S(Q), D(r) and T(r) of a trajectory beside a measured curve, and what each convention is worth.

What cannot be had is None with the reason in words: a small cell, for one, ends before the range of R_chi.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from jaxglass import units
from jaxglass.analysis.agreement import Agreement, Effect, agreement, convention_effects
from jaxglass.analysis.measured_curve import MeasuredCurve
from jaxglass.analysis.scattering import Scattering, analyse_scattering, scattering_pairs
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.errors import InputDataError
from jaxglass.model.elements import mass
from jaxglass.model.trajectory import Trajectory

Found = TypeVar("Found")
NO_CURVE = "no measured curve was given"


@dataclass(frozen=True)
class MeasuredGlass:
    """A measured `curve` and the `density` (g/cm3) of the glass it was measured on."""

    curve: MeasuredCurve
    density: float


@dataclass(frozen=True)
class ScatteringComparison:
    """`agreement` with a measured curve or None with `no_agreement`; `effects` of conventions or () with `no_effects`.

    The effects are against the measured curve where there is one, else against the same structure.
    """

    scattering: Scattering
    measured: bool
    agreement: Agreement | None
    no_agreement: str | None
    effects: tuple[Effect, ...]
    no_effects: str | None


def compare_scattering(
    trajectory: Trajectory, settings: ScatteringSettings, measured: MeasuredGlass | None = None
) -> ScatteringComparison:
    """Scattering of `trajectory`, averaged over its frames. `InputDataError` for an element that has no form factor."""
    pairs = scattering_pairs(trajectory, settings)
    scattering = analyse_scattering(pairs, settings)
    found: Agreement | None = None
    no_agreement: str | None = NO_CURVE
    if measured is None:
        effects, no_effects = _or_reason(lambda: convention_effects(pairs, settings))
    else:
        given = measured.curve, number_density(measured.density, trajectory.symbols)
        found, no_agreement = _or_reason(lambda: agreement(pairs, settings, *given))
        effects, no_effects = _or_reason(lambda: convention_effects(pairs, settings, *given))
    return ScatteringComparison(scattering, measured is not None, found, no_agreement, tuple(effects or ()), no_effects)


def _or_reason(compute: Callable[[], Found]) -> tuple[Found | None, str | None]:
    """What `compute` finds, or why it cannot."""
    try:
        return compute(), None
    except InputDataError as error:
        return None, str(error)


def number_density(density: float, symbols: np.ndarray) -> float:
    """Atoms per A^3 of a glass of `density` (g/cm3) with the composition of `symbols` (N,)."""
    mean_mass = sum(mass(symbol) for symbol in symbols) / len(symbols)
    return density / (mean_mass * units.G_PER_CM3)

"""How far a simulated D(r) or T(r) is from a measured one, and how much of that is convention.

    R_chi = sqrt(sum_r (X_measured - X_simulated)^2/sum_r X_measured^2),    X = T or D, r in a stated range

T(r) is judged, D(r) beside it: the straight line 4 pi rho r is most of T, so that R_D is several times R_T. Each side
has its own density in that line. A measured S(Q) goes through the same transform as the simulated one; a measured D(r)
or T(r) is taken as it is, so the settings must be those of its making.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from jaxglass.analysis.measured_curve import MeasuredCurve
from jaxglass.analysis.pair_distribution import PairDistribution
from jaxglass.analysis.radial_bins import shells
from jaxglass.analysis.scattering import Scattering, analyse_scattering, differential_correlation
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.errors import InputDataError

if TYPE_CHECKING:
    import jax

Array = TypeVar("Array", np.ndarray, "jax.Array")
FEWEST = 20  # points within the range of R_chi


@dataclass(frozen=True)
class Agreement:
    """R_chi of T and D over `r` (P,) in A, both curves of each (1/A^2); densities in atoms per A^3."""

    r_chi_T: float
    r_chi_D: float
    r: np.ndarray
    measured_D: np.ndarray
    measured_T: np.ndarray
    simulated_D: np.ndarray
    simulated_T: np.ndarray
    measured_density: float
    simulated_density: float
    source: str


@dataclass(frozen=True)
class Effect:
    """R_chi of T and D after one `change` of convention."""

    change: str
    r_chi_T: float
    r_chi_D: float


def r_chi_squared(measured: Array, simulated: Array) -> Array:
    """R_chi^2 of two curves on one grid: smooth everywhere, so this is what a refit differentiates."""
    return ((measured - simulated) ** 2).sum() / (measured**2).sum()


def agreement(
    pairs: PairDistribution, settings: ScatteringSettings, measured: MeasuredCurve, density: float
) -> Agreement:
    """R_chi of g(r) against a measured curve of a glass with `density` atoms per A^3.

    `InputDataError` where g(r), the settings or the curve do not reach over the range of R_chi.
    """
    r = _common_r(pairs, settings, measured)
    simulated = analyse_scattering(pairs, settings, r)
    line = 4 * np.pi * density * r
    D = _measured_D(measured, simulated, line)
    return Agreement(
        r_chi_T=float(np.sqrt(r_chi_squared(D + line, simulated.T))),
        r_chi_D=float(np.sqrt(r_chi_squared(D, simulated.D))),
        r=r,
        measured_D=D,
        measured_T=D + line,
        simulated_D=simulated.D,
        simulated_T=simulated.T,
        measured_density=density,
        simulated_density=pairs.density,
        source=measured.source,
    )


def convention_effects(
    pairs: PairDistribution,
    settings: ScatteringSettings,
    measured: MeasuredCurve | None = None,
    density: float | None = None,
) -> list[Effect]:
    """R_chi for `settings` ("as set") and after each single change of them.

    Without a measured curve, against D(r) of the same structure with `settings`: what a change alone is worth.
    Changes that a measured S(Q) does not cover are left out. `density` as in `agreement`, else that of the structure.
    """
    if measured is None:
        reference = analyse_scattering(pairs, settings)
        measured = MeasuredCurve("D_r", reference.r, reference.D, None, "the same structure, conventions as set")
    rows = []
    for change, changed in _changes(settings, pairs):
        if measured.quantity == "S_q" and not _covers(measured, changed):
            continue
        found = agreement(pairs, changed, measured, pairs.density if density is None else density)
        rows.append(Effect(change, found.r_chi_T, found.r_chi_D))
    return rows


def _changes(settings: ScatteringSettings, pairs: PairDistribution) -> list[tuple[str, ScatteringSettings]]:
    """Every convention in doubt, one at a time, by name; those already set are left out."""
    revised = {"q_window": "revised_lorch", "lorch_delta": None}
    ions = {e: s for e, s in (("Li", "Li1+"), ("O", "O1-")) if e in pairs.atoms}
    changes = [
        ("<f>^2 as norm", {"fz_norm": "f_avg_sq"}),
        ("<f^2> as norm", {"fz_norm": "f_sq_avg"}),
        ("no window in Q", {"q_window": "none"}),
        ("Lorch, Delta = pi/q_max", {"q_window": "lorch", "lorch_delta": None}),
        ("revised Lorch, Delta = pi/q_max", revised | {"lorch_delta": np.pi / settings.q_max}),
        *(
            (f"revised Lorch, Delta0 = {delta0:.2f} A", revised | {"lorch_delta0": delta0})
            for delta0 in (0.05, 0.10, 0.12)
        ),
        ("q_min = 0.05 1/A", {"q_min": 0.05}),
        ("q_max lower by a fifth", {"q_max": 0.8 * settings.q_max}),
        ("g(r) cut, not tapered", {"r_window": "none"}),
        ("g(r) tapered", {"r_window": "lorch"}),
    ]
    if settings.radiation == "xray" and ions:
        changes.append((f"ions {', '.join(ions.values())}", {"scatterers": ions}))
    rows = [("as set", settings)]
    for name, change in changes:
        changed = replace(settings, **change)  # type: ignore[arg-type]
        if changed != settings:
            rows.append((name, changed))
    return rows


def _covers(measured: MeasuredCurve, settings: ScatteringSettings) -> bool:
    """True where a measured S(Q) reaches over the Q range of the settings."""
    return bool(measured.x[0] <= settings.q_min + 1e-9 and measured.x[-1] >= settings.q_max - 1e-9)


def _common_r(pairs: PairDistribution, settings: ScatteringSettings, measured: MeasuredCurve) -> np.ndarray:
    """The points of the measured curve, or of the settings for S(Q), within the range of R_chi."""
    low, high = settings.chi_min, settings.chi_max
    end = shells(len(pairs.r), pairs.width).end
    if end < high:
        raise InputDataError(f"R_chi: g(r) of this cell ends at {end:.2f} A; set chi_max = {high:g} below that")
    r = settings.r if measured.quantity == "S_q" else measured.x
    if r[0] > low or r[-1] < high - 1e-9:
        raise InputDataError(f"R_chi: {measured.source} covers {r[0]:g}-{r[-1]:g} A, not {low:g}-{high:g} A")
    r = r[(r >= low - 1e-9) & (r <= high + 1e-9)]
    if len(r) < FEWEST:
        raise InputDataError(f"R_chi: {len(r)} points of {measured.source} in {low:g}-{high:g} A; at least {FEWEST}")
    return r


def _measured_D(measured: MeasuredCurve, simulated: Scattering, line: np.ndarray) -> np.ndarray:
    """D(r) of the measured curve on the grid of the simulated one; `line` is 4 pi rho r of the measured glass."""
    settings, transforms = simulated.settings, simulated.transforms
    if measured.quantity != "S_q":
        y = np.interp(transforms.r, measured.x, measured.y)
        return y if measured.quantity == "D_r" else y - line
    if not _covers(measured, settings):
        raise InputDataError(
            f"R_chi: S(Q) of {measured.source} covers {measured.x[0]:g}-{measured.x[-1]:g} 1/A, "
            f"the settings ask for {settings.q_min:g}-{settings.q_max:g}"
        )
    return differential_correlation(transforms, np.interp(transforms.Q, measured.x, measured.y))

"""From a measured curve to a target: on the grid of the simulation and, for S(Q), through the taper of its g(r).

A simulated g(r) ends at half a cell, r_e, with the taper w(r) = sinc(r/r_e). A measured S(Q) goes through the same:

    D(r) = (2/pi) int Q [S - 1] sin(Qr) dQ        S_w - 1 = (1/Q) int_0^r_e D(r) w(r) sin(Qr) dr

so that both have the same resolution. D(r), and T(r) less its straight line, are multiplied by w(r) and end at r_e;
they must have been made with the window and range of Q of the settings.
"""

from dataclasses import replace

import numpy as np

from jaxglass.analysis.comparison import number_density
from jaxglass.analysis.measured_curve import MeasuredCurve
from jaxglass.analysis.scattering_settings import ScatteringSettings
from jaxglass.errors import InputDataError
from jaxglass.refit.observables import View
from jaxglass.refit.settings import MeasuredTarget
from jaxglass.refit.target import Target

FEWEST = 50  # points of a curve that is fitted
MISSING = 0.2  # A at either end of the range
LARGEST_START = 2.0  # 1/A
NEIGHBOURS = 3.0  # A
STRAIGHT = 0.3  # of 4 pi rho r: how far the far end of T(r) or D(r) may be from where it tends to, in the mean
RELATIVE = 5.0  # the settings' sigma is for S(Q); D and T, in 1/A^2, are about so many times as large


def conventions(settings: ScatteringSettings, radiation: str, curve: MeasuredCurve) -> ScatteringSettings:
    """The settings with the radiation and, for S(Q), the range of Q of a measurement. `InputDataError` if too short."""
    if curve.quantity != "S_q":
        return replace(settings, radiation=radiation)
    if curve.x[0] > LARGEST_START:
        raise InputDataError(
            f"{curve.source}: S(Q) begins at {curve.x[0]:g} 1/A; the first peak, which says most of the order beyond "
            f"the nearest atoms, lies below {LARGEST_START:g} 1/A"
        )
    low, high = max(float(curve.x[0]), 0.05), min(float(curve.x[-1]), 1 / settings.g_width)
    low, high = max(low, settings.q_min), min(high, settings.q_max)
    if high - low < 5:
        raise InputDataError(f"{curve.source}: S(Q) covers {curve.x[0]:g}-{curve.x[-1]:g} 1/A, too little for a fit")
    return replace(settings, radiation=radiation, q_min=low, q_max=high)


def grid(settings: ScatteringSettings, curve: MeasuredCurve, end: float) -> np.ndarray | None:
    """Points of r (A) where D(r) or T(r) is compared: those of the curve in the range of R_chi, before `end` (A).

    `InputDataError` where they are few or do not reach from one end to the other.
    """
    if curve.quantity == "S_q":
        return None
    low, high = settings.chi_min, min(settings.chi_max, end)
    r = curve.x[(curve.x >= low) & (curve.x <= high)]
    if len(r) < FEWEST:
        raise InputDataError(f"{curve.source}: {len(r)} points in the range of the fit; at least {FEWEST}")
    if r[0] > low + MISSING or r[-1] < high - MISSING:
        raise InputDataError(
            f"{curve.source}: covers {r[0]:g}-{r[-1]:g} A of the {low:g}-{high:g} A that are fitted; "
            "narrow them with scattering.chi_min and chi_max"
        )
    return r


def make_target(
    measured: MeasuredTarget, view: View, symbols: np.ndarray, sigma: float, density_sd: float, window: str | None
) -> Target:
    """The target of a glass with the composition of `symbols` (N,); `sigma` of S(Q) is what the model itself may err
    by. The measured curve goes through the `window` in r of the simulated one (`lorch`, `none`), unless there is none;
    a D(r) from Q_min on only nearly, as what lies below is not in it, and an S(Q) nearer to the ends of what was
    measured than its resolution not at all: such points have an infinite sigma.
    """
    curve, transforms = measured.curve, view.transforms
    end = view.count * view.width
    density = float(number_density(measured.density, symbols))
    if curve.quantity == "S_q":
        x, resolution = np.asarray(transforms.Q), np.pi / end
        y = np.interp(x, curve.x, tapered(curve.x, curve.y, end, window) if window else curve.y)
        unseen = window is not None and (x < curve.x[0] + resolution) | (x > curve.x[-1] - resolution)
    else:
        x, resolution, unseen = np.asarray(transforms.r), np.pi / float(transforms.Q[-1]), False
        y, sigma = np.interp(x, curve.x, curve.y), RELATIVE * sigma
        check_end(curve, density)
        line = 4 * np.pi * density * x if curve.quantity == "T_r" else 0.0
        y = line + (y - line) * (np.sinc(x / end) if window == "lorch" else 1.0)
    error = 0.0 if curve.error is None else np.interp(x, curve.x, curve.error)
    return Target(
        name=measured.name,
        li2o=measured.li2o,
        quantity=curve.quantity,
        x=x,
        y=y,
        sigma=np.where(unseen, np.inf, np.hypot(np.full(len(x), sigma), error)),
        resolution=resolution,
        density=density,
        density_sd=density_sd,
        bulk=measured.bulk,
        shear=measured.shear,
        hold_out=measured.hold_out,
    )


def check_end(curve: MeasuredCurve, density: float) -> None:
    """`InputDataError` where the last quarter of T(r) is not about 4 pi rho r, or that of D(r) not about zero, beyond
    the first neighbours."""
    if curve.x[-1] < NEIGHBOURS:
        return
    r, y = (values[-(len(curve.x) // 4) :] for values in (curve.x, curve.y))
    found = float(np.mean(y) / np.mean(4 * np.pi * density * r))
    wanted = 1.0 if curve.quantity == "T_r" else 0.0
    if abs(found - wanted) > STRAIGHT:
        raise InputDataError(
            f"{curve.source}: the end of {curve.quantity} is {found:.2f} times 4 pi rho r, not {wanted:g}; is it D(r) "
            "or T(r), as refit.quantity says, in 1/A^2, and the density that of this glass?"
        )


def tapered(Q: np.ndarray, S: np.ndarray, end: float, window: str = "lorch") -> np.ndarray:
    """S (Q,) seen through a g(r) that is tapered to zero at `end` (A) or, with the `window` none, cut there; below the
    first Q it is taken as constant."""
    below = np.linspace(0, Q[0], int(np.ceil(Q[0] / (Q[1] - Q[0]))) + 1)[:-1]
    measured = len(Q)
    Q, S = np.append(below, Q), np.append(np.full(len(below), S[0]), S)
    r = np.linspace(0, end, int(np.ceil(end * Q[-1] * 2)) + 1)[1:]
    sines = np.sin(np.outer(r, Q))
    dQ, dr = np.gradient(Q), r[1] - r[0]
    dQ[[0, -1]] /= 2
    D = 2 / np.pi * (sines * (Q * (S - 1) * dQ)).sum(1)
    D[-1] /= 2
    inside = Q > 0
    back = dr * ((D * (np.sinc(r / end) if window == "lorch" else 1.0)) @ sines)
    return (1 + np.where(inside, back / np.where(inside, Q, 1.0), S - 1))[-measured:]

"""Fracture toughness of single-edge precracked beams (SEPB) in three-point bending: equations (4) and (5) of the paper.

    K_Ic = P_max/(B sqrt(W)) Y*                                          (4)
    Y* = 3/2 S/W alpha^(1/2)/(1 - alpha)^(3/2) f(alpha)                  (5)
    f = [1.99 - (alpha - alpha^2)(2.15 - 3.93 alpha + 2.7 alpha^2)]/(1 + 2 alpha)

P_max peak load in N; B thickness, W width (along the crack), S span, a precrack in mm; alpha = a/W; K_Ic in MPa m^0.5.
The paper prints the ratio as "alpha/W" and, in figure 2, the precrack length as alpha: misprints, both lengths are a.

f is that of Srawley, Int. J. Fract. 12 (1976) 475, within 0.5 % for every alpha, and holds for S/W = 4 only (the
paper: 8.0 mm over 2.0 mm), although (5) looks as if S were free: in pure bending, S/W without limit, it is up to 6 %
larger. A span further than 5 % from 4 W, where the error can pass 0.3 %, is refused, and so is a precrack outside
0.35 to 0.60 W, which ASTM C1421 does not count as a valid test.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxglass.errors import InputDataError
from jaxglass.experiment.propagation import Uncertain, propagate

MPA_ROOT_M = 10**-1.5  # of 1 N/mm^1.5
SPAN_RATIO = 4.0  # S/W of f
SPAN_TOLERANCE = 0.05  # of it
VALID_PRECRACK = (0.35, 0.60)  # a/W, ASTM C1421


class Beam(NamedTuple):
    """A broken beam: peak load (N), thickness B, width W and precrack a (mm)."""

    load: Uncertain
    thickness: Uncertain
    width: Uncertain
    precrack: Uncertain


def crack_function(alpha: Any) -> Any:
    """f(alpha) below equation (5), 0 <= alpha = a/W <= 1."""
    return (1.99 - (alpha - alpha**2) * (2.15 - 3.93 * alpha + 2.7 * alpha**2)) / (1 + 2 * alpha)


def shape_factor(alpha: Any, span_ratio: Any) -> Any:
    """Y* of equation (5) from alpha = a/W and S/W."""
    return 1.5 * span_ratio * alpha**0.5 / (1 - alpha) ** 1.5 * crack_function(alpha)


def toughness(beam: Beam, span: Uncertain) -> Uncertain:
    """K_Ic (MPa m^0.5) of equation (4) of one beam on supports `span` (mm) apart.

    Raises `InputDataError` for a length or load that is not above 0, a span far from 4 W, and a precrack outside 0.35
    to 0.60 W.
    """
    _check(beam, span)

    def equation(P: Any, B: Any, W: Any, a: Any, S: Any) -> Any:
        return P / (B * W**0.5) * shape_factor(a / W, S / W) * MPA_ROOT_M

    return propagate(equation, *beam, span)


def toughness_of_beams(beams: Sequence[Beam], span: Uncertain) -> Uncertain:
    """Mean K_Ic (MPa m^0.5) of n >= 1 beams on the same supports; raises as `toughness` does, naming the test.

    The error is s/sqrt(n), or what the errors of the beams alone give where that is more (always for one beam), and
    the span's, which all beams share.
    """
    exact = Uncertain(span.value, 0.0)
    found = []
    for number, beam in enumerate(beams, start=1):
        try:
            found.append(toughness(beam, exact))
        except InputDataError as error:
            raise InputDataError(f"test {number}: {error}") from None
    values, errors = np.array(found).T
    mean, count = values.mean(), len(found)
    scatter = values.std(ddof=1) if count > 1 else 0.0
    random = max(scatter, np.sqrt(np.mean(errors**2))) / np.sqrt(count)
    return Uncertain(float(mean), float(np.hypot(random, mean * span.error / span.value)))


def _check(beam: Beam, span: Uncertain) -> None:
    for name, x in (*beam._asdict().items(), ("span", span)):
        if not x.value > 0:
            raise InputDataError(f"{name} = {x.value:g} must be above 0")
    ratio, alpha = span.value / beam.width.value, beam.precrack.value / beam.width.value
    if abs(ratio / SPAN_RATIO - 1) > SPAN_TOLERANCE:
        raise InputDataError(f"span/width = {ratio:.3g}; equation (5) holds for 4, within 5 %")
    low, high = VALID_PRECRACK
    if not low <= alpha <= high:
        raise InputDataError(
            f"precrack/width = {alpha:.3g} is not a valid test (ASTM C1421: {low:.2f} to {high:.2f}); leave it out"
        )

"""Vickers hardness: equation (3) of the paper.

    H_V = 1.8544 P/d^2                                   (3)

P load in N, d mean of the two diagonals of an imprint in um, H_V in GPa; 1.8544 = 2 sin(136 deg/2), the load over the
area of contact. d is the mean over the imprints: hardness averaged over imprints instead is larger by the share
3 (s/d)^2, 0.1 % when diagonals scatter by s = 2 %.
"""

from jaxglass.errors import InputDataError
from jaxglass.experiment.propagation import Uncertain, propagate

CONTACT = 1.8544
GPA = 1e3  # of 1 N/um^2


def vickers_hardness(load: Uncertain, diagonal: Uncertain) -> Uncertain:
    """H_V (GPa) of equation (3) from the load (N) and the mean diagonal (um).

    Raises `InputDataError` when one of them is not above 0.
    """
    if not (load.value > 0 and diagonal.value > 0):
        raise InputDataError(f"load {load.value:g} N and diagonal {diagonal.value:g} um must be above 0")
    return propagate(lambda P, d: CONTACT * P / d**2 * GPA, load, diagonal)

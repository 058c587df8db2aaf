"""Profile intervals: how far the data and the prior let one direction go when all others follow.

    z_1 = z* +- sd m,   z_2 = z_1 + step across m,   rise = 1/2 |r(z_2) - r(z*)|^2,   half width = sd/sqrt(2 rise)

m: a mode of the information; sd: its posterior width by Laplace, where the rise would be 1/2. The glasses come to rest
at every point, so this sees what the linear picture does not; differences from r(z*) leave the noise of the data out.
One Gauss-Newton step lets the other directions follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxglass.errors import ConfigError, NumericalError
from jaxglass.refit.fit import Group, Model, at_rest_under, model
from jaxglass.refit.parameters import Parameter
from jaxglass.refit.uncertainty import Information


@dataclass(frozen=True)
class Profile:
    """Half widths of a mode in whitened coordinates: by `laplace`, and `below` and `above` the best fit by profile; NaN
    where a glass found no rest there."""

    mode: int
    laplace: float
    below: float
    above: float


def profile(
    moving: tuple[Parameter, ...], groups: Sequence[Group], here: Model, known: Information, mode: int
) -> Profile:
    """Of the `mode`-th direction of `known` round `here`; the groups stand for its glasses."""
    direction = known.modes[mode]
    sd = 1 / np.sqrt(known.eigenvalues[mode] + 1)
    below, above = (_half_width(moving, groups, here, sign * sd * direction) for sign in (-1, 1))
    return Profile(mode, float(sd), sd * below, sd * above)


def _half_width(moving: tuple[Parameter, ...], groups: Sequence[Group], here: Model, way: np.ndarray) -> float:
    """Half width in units of `way`."""
    across = np.eye(len(way)) - np.outer(way, way) / (way @ way)
    z = here.z + way
    try:
        there = model(moving, at_rest_under(moving, groups, z), z, here.z)
        z = z - across @ np.linalg.lstsq(there.jacobian @ across, there.residual - here.residual, rcond=1e-10)[0]
        there = model(moving, at_rest_under(moving, groups, z), z, here.z)
    except (NumericalError, ConfigError):
        return float("nan")
    return float(1 / np.linalg.norm(there.residual - here.residual))

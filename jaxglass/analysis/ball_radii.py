"""Radii of the balls that grow in persistent homology, and the weights of the power distance.

    w_i = r_i^2,    r_i(alpha) = sqrt(alpha + r_i^2)      radius of ball i at filtration value alpha (A^2)

Source of the radii: Chen et al., section 2.10, following Hiraoka et al., PNAS 113 (2016) 7035, doi
10.1073/pnas.1520877113: chosen so that bonded balls touch near alpha = 0 (r_P + r_O = 1.47 A, r_B + r_O = 1.41 A,
r_Li + r_O = 1.90 A).
"""

from collections.abc import Mapping

import numpy as np

from jaxglass.errors import ConfigError

#: A, initial radius by element.
RADII = {"Li": 0.69, "B": 0.20, "O": 1.21, "P": 0.26}


def squared_radii(symbols: np.ndarray, radii: Mapping[str, float] = RADII) -> np.ndarray:
    """w_i (A^2), (N,), for element symbols (N,); `ConfigError` for an element without a radius."""
    elements, index = np.unique(np.asarray(symbols), return_inverse=True)
    unknown = [str(e) for e in elements if e not in radii]
    if unknown:
        raise ConfigError(f"persistent homology: no ball radius for {', '.join(unknown)}; known: {', '.join(radii)}")
    return np.array([radii[str(e)] ** 2 for e in elements])[index]

"""A random start: atoms placed uniformly, then pushed apart by a soft core until no pair is too close."""

import numpy as np
from scipy.optimize import minimize

from jaxglass.errors import ConfigError
from jaxglass.model.composition import Composition
from jaxglass.model.elements import element_order, mass
from jaxglass.model.pair_list import pair_list
from jaxglass.model.system import System, make_system
from jaxglass.units import G_PER_CM3

CATION_OXYGEN, OXYGEN_OXYGEN, CATION_CATION = 1.45, 2.2, 2.5  # A: apart enough for every Buckingham barrier
LIGHTEST, DENSEST = 0.5, 6.0  # g/cm3


def random_packing(composition: Composition, density: float, seed: int) -> System:
    """Atoms of `composition` at random in a cube of `density` (g/cm3), overlaps removed, at rest."""
    elements = element_order(set(composition.counts))
    symbols = [e for e in elements for _ in range(composition.counts[e])]
    cell = cube(composition, density)
    start = np.random.default_rng(seed).random((len(symbols), 3))
    return make_system(symbols, push_apart(np.array(symbols) == "O", start, cell), cell, elements)


def cube(composition: Composition, density: float) -> np.ndarray:
    """The cubic cell (A) of `composition` at `density` (g/cm3), (3, 3)."""
    if not LIGHTEST <= density <= DENSEST:
        raise ConfigError(f"protocol.start_density = {density}: must lie between {LIGHTEST} and {DENSEST} g/cm3")
    volume = sum(n * mass(element) for element, n in composition.counts.items()) * G_PER_CM3 / density
    return np.eye(3) * volume ** (1 / 3)


def push_apart(oxygen: np.ndarray, fractional: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Minimise sum (d_ij - r_ij)^2 over pairs closer than d_ij, renewing the pair list until none is left."""
    contact = np.array([[CATION_CATION, CATION_OXYGEN], [CATION_OXYGEN, OXYGEN_OXYGEN]])
    kind = oxygen.astype(int)
    for _ in range(20):
        pairs = pair_list(fractional, cell, CATION_CATION + 1.5)
        wanted = contact[kind[pairs.i], kind[pairs.j]]

        def overlap(flat, pairs=pairs, wanted=wanted):
            x = flat.reshape(-1, 3)
            vector = pairs.vectors(x, cell)
            r = np.sqrt((vector**2).sum(1)) + 1e-9
            deep = np.maximum(wanted - r, 0)
            pull = (2 * deep / r)[:, None] * vector
            gradient = np.zeros_like(x)
            np.add.at(gradient, pairs.i, pull)
            np.add.at(gradient, pairs.j, -pull)
            return (deep**2).sum(), (gradient @ cell.T).ravel()

        found = minimize(overlap, fractional.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
        moved = np.abs((found.x.reshape(-1, 3) - fractional) @ cell).max()
        fractional = found.x.reshape(-1, 3)
        if moved < 0.7 and found.fun < 1e-3 * len(fractional):
            break
    return fractional - np.floor(fractional)
